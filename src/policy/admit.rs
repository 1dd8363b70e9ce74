//! May this request use the cache, and which tiers of it?

use serde::{Deserialize, Serialize};

use crate::domain::{Asked, Cause, Directives, Mode};

/// What the operator admits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Requests that name a sampling temperature above this are forwarded: they ask for variety.
    pub max_temperature: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_temperature: 1.0 }
    }
}

/// How a request may use the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Not at all: forward it as it is.
    Bypass(Cause),
    /// In these ways.
    Use {
        /// Answers may be read; otherwise, why not (`no-cache`, `write-only`).
        read: Result<(), Cause>,
        /// The answer may be kept; otherwise, why not.
        write: Result<(), Cause>,
        /// The semantic tier may take part; otherwise, why not.
        semantic: Result<(), Cause>,
    },
}

/// Decides from the request, its directives and the configured mode. The two modes combine by what each permits,
/// so a caller can only take away from what the operator allows.
#[must_use]
pub fn admit(asked: &Asked, directives: &Directives, mode: Mode, settings: &Settings) -> Admission {
    let modes = [mode, directives.mode.unwrap_or(mode)];
    if let Some(cause) = shut_out(asked, directives, modes, settings) {
        return Admission::Bypass(cause);
    }
    let read = match modes {
        _ if directives.no_cache => Err(Cause::NoCache),
        [Mode::WriteOnly, _] | [_, Mode::WriteOnly] => Err(Cause::WriteOnly),
        _ => Ok(()),
    };
    let write = if modes.contains(&Mode::ReadOnly) { Err(Cause::ReadOnly) } else { Ok(()) };
    match (read, write) {
        // Neither reads nor writes: there is nothing left for the cache to do.
        (Err(cause), Err(_)) => Admission::Bypass(cause),
        _ => Admission::Use { read, write, semantic: by_meaning(asked, modes) },
    }
}

/// Why the cache takes no part at all, the caller's and the operator's words first.
fn shut_out(asked: &Asked, directives: &Directives, modes: [Mode; 2], settings: &Settings) -> Option<Cause> {
    let traits = &asked.traits;
    let too_hot = traits.temperature.is_some_and(|asked| asked.is_nan() || asked > settings.max_temperature);
    [
        (modes.contains(&Mode::Off), Cause::Off),
        (directives.no_store, Cause::NoStore),
        (traits.load_only, Cause::LoadOnly),
        (traits.stateful, Cause::Stateful),
        (too_hot, Cause::Temperature),
    ]
    .into_iter()
    .find_map(|(holds, cause)| holds.then_some(cause))
}

/// Whether the prompt may be compared by meaning, or why equality alone counts.
fn by_meaning(asked: &Asked, modes: [Mode; 2]) -> Result<(), Cause> {
    let traits = &asked.traits;
    let no_text = asked.prompt.as_ref().is_none_or(|prompt| prompt.0.trim().is_empty());
    [
        (modes.contains(&Mode::Exact), Cause::ExactOnly),
        (asked.surface.is_embedding(), Cause::NoText),
        (traits.tools, Cause::Tools),
        (traits.several_choices, Cause::Choices),
        (traits.attachments, Cause::Attachments),
        (no_text, Cause::NoText),
    ]
    .into_iter()
    .find_map(|(holds, cause)| holds.then_some(Err(cause)))
    .unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Digest, Prompt, Shape, Surface, Traits};

    fn asked(traits: Traits) -> Asked {
        Asked {
            surface: Surface::OpenaiChat,
            model: Arc::from("llama3.2"),
            shape: Shape { stream: false, usage_chunk: false },
            frame: Digest::of(b"frame"),
            history: vec![],
            prompt: Some(Prompt(Arc::from("How tall is the Eiffel Tower?"))),
            last: Digest::of(b"last"),
            traits,
        }
    }

    fn in_mode(operator: Mode, caller: Option<Mode>) -> Admission {
        let directives = Directives { mode: caller, ..Directives::default() };
        admit(&asked(Traits::default()), &directives, operator, &Settings::default())
    }

    fn with(traits: Traits) -> Admission {
        admit(&asked(traits), &Directives::default(), Mode::Semantic, &Settings::default())
    }

    fn semantic_of(asked: &Asked) -> Result<(), Cause> {
        match admit(asked, &Directives::default(), Mode::Semantic, &Settings::default()) {
            Admission::Use { read: Ok(()), write: Ok(()), semantic } => semantic,
            other => panic!("{other:?}"),
        }
    }

    const EVERYTHING: Admission = Admission::Use { read: Ok(()), write: Ok(()), semantic: Ok(()) };

    #[test]
    fn the_two_modes_combine_to_what_both_permit() {
        use Mode::{Exact, Off, ReadOnly, Semantic, WriteOnly};
        let exact = Admission::Use { read: Ok(()), write: Ok(()), semantic: Err(Cause::ExactOnly) };
        let read_only = Admission::Use { read: Ok(()), write: Err(Cause::ReadOnly), semantic: Ok(()) };
        let write_only = Admission::Use { read: Err(Cause::WriteOnly), write: Ok(()), semantic: Ok(()) };
        let off = Admission::Bypass(Cause::Off);
        let table = [
            (Semantic, None, EVERYTHING),
            (Semantic, Some(Semantic), EVERYTHING),
            (Semantic, Some(Exact), exact),
            (Semantic, Some(ReadOnly), read_only),
            (Semantic, Some(WriteOnly), write_only),
            (Semantic, Some(Off), off),
            (Exact, None, exact),
            (Exact, Some(Semantic), exact),
            (
                Exact,
                Some(ReadOnly),
                Admission::Use { read: Ok(()), write: Err(Cause::ReadOnly), semantic: Err(Cause::ExactOnly) },
            ),
            (Off, Some(Semantic), off),
            (ReadOnly, Some(Semantic), read_only),
            (WriteOnly, Some(Semantic), write_only),
            (ReadOnly, Some(WriteOnly), Admission::Bypass(Cause::WriteOnly)),
        ];
        for (operator, caller, expected) in table {
            assert_eq!(in_mode(operator, caller), expected, "{operator:?} and {caller:?}");
        }
    }

    #[test]
    fn no_mode_of_the_caller_adds_to_the_operators() {
        use Mode::{Exact, Off, ReadOnly, Semantic, WriteOnly};
        let permits = |admission| match admission {
            Admission::Bypass(_) => [false; 3],
            Admission::Use { read, write, semantic } => [read.is_ok(), write.is_ok(), semantic.is_ok()],
        };
        for operator in [Off, Exact, Semantic, ReadOnly, WriteOnly] {
            for caller in [Off, Exact, Semantic, ReadOnly, WriteOnly] {
                let alone = permits(in_mode(operator, None));
                let both = permits(in_mode(operator, Some(caller)));
                assert!(both.iter().zip(alone).all(|(both, alone)| !both || alone), "{operator:?} and {caller:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_answered_twice_bypasses_with_its_name() {
        let table = [
            (Traits { stateful: true, ..Traits::default() }, Cause::Stateful),
            (Traits { load_only: true, ..Traits::default() }, Cause::LoadOnly),
            (Traits { temperature: Some(1.01), ..Traits::default() }, Cause::Temperature),
            (Traits { temperature: Some(f32::NAN), ..Traits::default() }, Cause::Temperature),
        ];
        for (traits, cause) in table {
            assert_eq!(with(traits), Admission::Bypass(cause));
        }
        assert_eq!(with(Traits { temperature: Some(1.0), ..Traits::default() }), EVERYTHING);
    }

    #[test]
    fn what_has_no_meaning_to_compare_is_matched_by_equality_alone() {
        let table = [
            (Traits { tools: true, ..Traits::default() }, Cause::Tools),
            (Traits { several_choices: true, ..Traits::default() }, Cause::Choices),
            (Traits { attachments: true, ..Traits::default() }, Cause::Attachments),
        ];
        for (traits, cause) in table {
            assert_eq!(semantic_of(&asked(traits)), Err(cause));
        }
        let plain = asked(Traits::default());
        assert_eq!(semantic_of(&Asked { prompt: None, ..plain.clone() }), Err(Cause::NoText));
        assert_eq!(semantic_of(&Asked { prompt: Some(Prompt(Arc::from(" \n"))), ..plain.clone() }), Err(Cause::NoText));
        for surface in [Surface::OpenaiEmbeddings, Surface::OllamaEmbed, Surface::OllamaEmbeddings] {
            assert_eq!(semantic_of(&Asked { surface, ..plain.clone() }), Err(Cause::NoText));
        }
    }

    #[test]
    fn cache_control_tightens_and_no_store_beats_no_cache() {
        let says = |directives: Directives| {
            admit(&asked(Traits::default()), &directives, Mode::Semantic, &Settings::default())
        };
        let no_cache = Directives { no_cache: true, ..Directives::default() };
        let refresh = Admission::Use { read: Err(Cause::NoCache), write: Ok(()), semantic: Ok(()) };
        assert_eq!(says(no_cache.clone()), refresh);
        assert_eq!(says(Directives { no_store: true, ..no_cache.clone() }), Admission::Bypass(Cause::NoStore));
        // A read-only caller that may not read has no use for the cache.
        assert_eq!(says(Directives { mode: Some(Mode::ReadOnly), ..no_cache }), Admission::Bypass(Cause::NoCache));
    }
}
