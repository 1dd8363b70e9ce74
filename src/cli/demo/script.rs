//! What is asked in the demo, in which order, and what must come of it.

use std::time::Duration;

use super::answers::CHANGES_WITH_THE_MODEL;
use crate::domain::{Cause, Reason, Veto};

/// The model everyone asks.
pub(super) const MODEL: &str = "llama3.2";

/// One part of the show.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) acts: Vec<Act>,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A request, and what must come of it.
    Ask(Ask, Expect),
    /// The same request by so many clients at once: one answer is generated.
    AskTogether(Ask, usize),
    /// The model is pulled again under its name, and the cache notices.
    PullModel,
    /// Time passes.
    Wait(Duration),
    /// What goes on in the background comes to its end.
    Settle,
    /// An operator purges a tag.
    Purge(&'static str),
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) prompt: &'static str,
    pub(super) call: Call,
    pub(super) stream: bool,
    /// The API key that the app presents.
    pub(super) key: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
}

/// Through which API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    OpenAi,
    Ollama,
}

/// What must come of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// The model is asked; when a reason is named, for that reason.
    Miss(Option<Reason>),
    /// The same words were asked before.
    Exact,
    /// Other words for the same question were asked before.
    Semantic,
    /// An answer past its time is served at once, and renewed in the background.
    Stale,
    /// The model is asked, and the cache takes no part.
    Bypass(Reason),
}

const ANA: &str = "demo-key-of-ana";
const BEN: &str = "demo-key-of-ben";

const DARK_MODE: &str = "How do I switch on dark mode in the app?";
const CSV: &str = "How do I convert a CSV file to JSON?";
const CAT: &str = "Which foods are safe for a cat?";
const HTTP_502: &str = "What does the HTTP status 502 mean?";
const PLANET: &str = "What is the second largest planet in the solar system?";
const CYCLING: &str = "How far can I cycle in 30 minutes?";
const LEAVES: &str = "Why do leaves turn red in autumn?";
const TRAINS: &str = "What does our travel policy say about trains?";
const WEATHER: &str = "What is the weather like right now?";
const CACTUS: &str = "How do I water a cactus in winter?";

/// The whole show.
pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene {
            title: "Never asked before",
            about: "Each question goes to the model, and its answer is kept.",
            acts: [DARK_MODE, CSV, CAT, HTTP_502, PLANET, CYCLING, LEAVES]
                .map(|prompt| asks(prompt, Expect::Miss(None)))
                .into(),
        },
        Scene {
            title: "The same words again",
            about: "An exact hit needs no model, and no embedding either.",
            acts: [DARK_MODE, CSV, LEAVES].map(|prompt| asks(prompt, Expect::Exact)).into(),
        },
        Scene {
            title: "The same question in other words",
            about: "A semantic hit: the prompt is embedded here, and what was asked before is found by its meaning.",
            acts: [
                "What is the way to turn on dark mode in the app?",
                "How can I convert a CSV file into JSON?",
                "What foods are safe for cats?",
                "What is the meaning of HTTP status 502?",
                "Which planet is the second largest in the solar system?",
                "What makes leaves turn red in autumn?",
            ]
            .map(|prompt| asks(prompt, Expect::Semantic))
            .into(),
        },
        Scene {
            title: "Traps: nearly the same words, another question",
            about: "Similarity alone would serve each of these a wrong answer. A named veto refuses.",
            acts: [
                ("How do I switch off dark mode in the app?", Veto::Antonym),
                ("How do I convert a JSON file to CSV?", Veto::Direction),
                ("Which foods are not safe for a cat?", Veto::Negation),
                ("What does the HTTP status 503 mean?", Veto::Number),
                ("What is the third largest planet in the solar system?", Veto::Ordinal),
                ("How far can I cycle in 30 hours?", Veto::Unit),
            ]
            .map(|(prompt, veto)| asks(prompt, Expect::Miss(Some(veto.into()))))
            .into(),
        },
        Scene {
            title: "Streams",
            about: "One kept answer serves streaming and other clients alike. Ollama's own API has answers of its own.",
            acts: vec![
                Act::Ask(streamed(ask(LEAVES)), Expect::Exact),
                Act::Ask(ollama(streamed(ask(LEAVES))), Expect::Miss(None)),
                Act::Ask(ollama(streamed(ask("What makes leaves turn red in autumn?"))), Expect::Semantic),
                Act::Ask(ollama(ask(LEAVES)), Expect::Exact),
            ],
        },
        Scene {
            title: "Eight clients ask the same at the same moment",
            about: "The model is asked once; the others share that answer.",
            acts: vec![Act::AskTogether(ask("What should a good bug report contain?"), 8)],
        },
        Scene {
            title: "Another API key",
            about: "Ben has a cache of his own. Nothing of Ana's is ever served to him, however alike the words.",
            acts: vec![
                Act::Ask(by(BEN, ask(DARK_MODE)), Expect::Miss(None)),
                Act::Ask(by(BEN, ask(DARK_MODE)), Expect::Exact),
            ],
        },
        Scene {
            title: "The model is pulled again",
            about: "Its digest has changed, so everything that the old build said stops being served.",
            acts: vec![
                asks(CHANGES_WITH_THE_MODEL, Expect::Miss(None)),
                asks(CHANGES_WITH_THE_MODEL, Expect::Exact),
                Act::PullModel,
                asks(CHANGES_WITH_THE_MODEL, Expect::Miss(Some(Cause::ModelChanged.into()))),
                asks(CHANGES_WITH_THE_MODEL, Expect::Exact),
            ],
        },
        Scene {
            title: "Answers grow old, and are withdrawn",
            about: "A lifetime of one second, asked for by a header; a question of this very moment; a purge by tag.",
            acts: vec![
                Act::Ask(with(&[("x-cache-ttl", "1")], ask(CACTUS)), Expect::Miss(None)),
                Act::Wait(Duration::from_millis(1100)),
                asks(CACTUS, Expect::Stale),
                Act::Settle,
                asks(CACTUS, Expect::Exact),
                asks(WEATHER, Expect::Bypass(Cause::Live.into())),
                Act::Ask(with(&[("x-cache-tags", "travel-policy")], ask(TRAINS)), Expect::Miss(None)),
                asks(TRAINS, Expect::Exact),
                Act::Purge("travel-policy"),
                asks(TRAINS, Expect::Miss(None)),
            ],
        },
    ]
}

const fn ask(prompt: &'static str) -> Ask {
    Ask { prompt, call: Call::OpenAi, stream: false, key: ANA, headers: &[] }
}

const fn asks(prompt: &'static str, expect: Expect) -> Act {
    Act::Ask(ask(prompt), expect)
}

const fn streamed(ask: Ask) -> Ask {
    Ask { stream: true, ..ask }
}

const fn ollama(ask: Ask) -> Ask {
    Ask { call: Call::Ollama, ..ask }
}

const fn by(key: &'static str, ask: Ask) -> Ask {
    Ask { key, ..ask }
}

const fn with(headers: &'static [(&'static str, &'static str)], ask: Ask) -> Ask {
    Ask { headers, ..ask }
}

impl Ask {
    /// What is particular about it, for the table.
    pub(super) fn manner(&self) -> String {
        let manners = [(self.key == BEN, "Ben"), (self.call == Call::Ollama, "Ollama API"), (self.stream, "streamed")];
        manners.iter().filter_map(|(applies, word)| applies.then_some(*word)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::answers::answer;
    use super::*;

    #[test]
    fn the_model_knows_every_question_it_must_answer() {
        for act in scenes().iter().flat_map(|scene| &scene.acts) {
            if let Act::Ask(ask, Expect::Miss(_) | Expect::Bypass(_)) | Act::AskTogether(ask, _) = act {
                assert!(!answer(ask.prompt, 1).contains("simulated"), "{}", ask.prompt);
            }
        }
    }
}
