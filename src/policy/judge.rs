//! Which of the nearest earlier prompts, if any, asks the same thing?
//!
//! Cosine similarity retrieves; it does not decide. A candidate is accepted when it is similar enough and no veto
//! finds a difference that matters. Each prompt is read once.

use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::guard::{self, Objection};
use super::reading::{Reading, Split, Words};
use super::rerank;
use super::template::{Frames, Template};
use crate::domain::{Cause, Reason, Veto};

/// The operating point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The least cosine similarity at which a candidate is considered at all.
    pub min_similarity: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { min_similarity: 0.75 }
    }
}

impl Settings {
    /// The least similarity at which a candidate is accepted, with the caller's own `floor`, which only tightens.
    #[must_use]
    pub fn least(&self, floor: Option<f32>) -> f32 {
        floor.map_or(self.min_similarity, |floor| floor.max(self.min_similarity))
    }

    /// The least similarity at which a candidate matters. Well below what is accepted: the frame of a template is also
    /// seen in prompts that have other parts in it.
    #[must_use]
    pub fn reach(&self, floor: Option<f32>) -> f32 {
        const FRAMES: f32 = 0.25;
        self.least(floor) - FRAMES
    }
}

/// An earlier prompt that the index found near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// Its text.
    pub prompt: &'a str,
    /// Exact cosine similarity to the prompt asked.
    pub similarity: f32,
}

/// What was found about one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its similarity.
    pub similarity: f32,
    /// Every veto that speaks against it.
    pub vetoes: Vec<Veto>,
    /// Why it is not accepted; `None` when it is.
    pub against: Option<Reason>,
    /// Each veto with what differs, for `explain`. Prompt text: never for headers or logs.
    pub objections: Vec<Objection>,
    /// What the words say; `None` where the similarity settled it first.
    pub features: Option<Features>,
    /// The frame that both share around parts of their own, if there is one.
    pub template: Option<Template>,
    /// How far the pair is above the bar that the shipped policy asks of such a pair: 0 at the bar, 1 at the same
    /// words, negative below. Says nothing of vetoes, nor of the operator's or the caller's own floor, so that a score
    /// means the same everywhere; the risk budget states its levels in it.
    pub score: f32,
    /// It is refused for nothing but what a learned stage may answer ([`rerank`]).
    pub doubtful: bool,
    /// How sure the learned stage is that both ask the same, in [0, 1]; `None` where it was not asked.
    pub sureness: Option<f32>,
}

/// What is measured about the words of two prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Features {
    /// Share of content words that both have, in [0, 1].
    pub overlap: f32,
    /// Content words that both have.
    pub shared: usize,
    /// Of those, how many are the same only as synonyms, abbreviations or typing errors.
    pub mended: usize,
    /// Telling words that only the asked prompt has.
    pub only_asked: usize,
    /// Telling words that only the candidate has.
    pub only_candidate: usize,
    /// The least similarity that was required of this pair.
    pub required: f32,
}

/// The decision over all candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The accepted candidate's place in the list given.
    pub chosen: Option<usize>,
    /// One finding per candidate, in their order.
    pub findings: Vec<Finding>,
    /// Why none was accepted: the reason against the nearest; `None` when one was, or when there was no candidate.
    pub reason: Option<Reason>,
    /// The language of the prompt asked, as a code; `None` where no candidate was near enough to read it.
    pub language: Option<&'static str>,
}

/// Judges candidates, nearest first. `floor` is the caller's own least similarity.
#[must_use]
pub fn judge(prompt: &str, candidates: &[Candidate<'_>], floor: Option<f32>, settings: &Settings) -> Judgement {
    let least = settings.least(floor);
    let is_near = |candidate: &Candidate<'_>| candidate.similarity >= least;
    if !candidates.iter().any(is_near) {
        return Judgement::of(candidates.iter().map(|candidate| below(candidate.similarity)).collect(), None);
    }
    let words = Words::new();
    let asked = Split::of(prompt, &words);
    let others: Vec<_> = candidates.iter().map(|candidate| Split::of(candidate.prompt, &words)).collect();
    let prompts = candidates.iter().map(|candidate| candidate.prompt).zip(&others);
    let frames = Frames::of((prompt, &asked), prompts, &words);
    let asked = Reading::of_split(asked, &words);
    let findings: Vec<Finding> = candidates
        .iter()
        .zip(others)
        .enumerate()
        .map(|(place, (candidate, split))| {
            if !is_near(candidate) {
                return below(candidate.similarity);
            }
            let other = Reading::of_split(split, &words);
            let comparison = Comparison::of(&asked, &other);
            weigh(&comparison, candidate.similarity, least, || frames.shared_with(place, &comparison, &words))
        })
        .collect();
    Judgement::of(findings, Some(asked.tongue.code()))
}

impl Judgement {
    fn of(findings: Vec<Finding>, language: Option<&'static str>) -> Self {
        let mut judgement = Self { chosen: None, findings, reason: None, language };
        judgement.settle();
        judgement
    }

    /// Chooses the nearest candidate that nothing speaks against, or says what speaks against the nearest.
    pub(super) fn settle(&mut self) {
        self.chosen = self.findings.iter().position(|finding| finding.against.is_none());
        self.reason = match self.chosen {
            Some(_) => None,
            None => self.findings.first().and_then(|nearest| nearest.against),
        };
    }
}

/// Reads the lexicon (a few milliseconds), which the first judgement would otherwise do. Servers call it as they
/// start.
pub fn prepare() {
    super::lexicon::Lexicon::get();
}

fn below(similarity: f32) -> Finding {
    let against = Some(Cause::BelowThreshold.into());
    let score = score(similarity, Settings::default().min_similarity);
    Finding {
        similarity,
        vetoes: Vec::new(),
        against,
        objections: Vec::new(),
        features: None,
        template: None,
        score,
        doubtful: false,
        sureness: None,
    }
}

fn weigh(
    comparison: &Comparison<'_>,
    similarity: f32,
    least: f32,
    frame: impl FnOnce() -> Option<(Template, Option<Objection>)>,
) -> Finding {
    let mut objections = guard::objections(comparison);
    // What an objection fell silent for is required of the pair, as any other bar.
    let mut answered = -1.0_f32;
    objections.retain(|objection| match objection.until {
        Some(until) if similarity >= until => {
            answered = answered.max(until);
            false
        }
        _ => true,
    });
    let (template, differs) = frame().unzip();
    objections.extend(differs.flatten());
    let vetoes: Vec<Veto> = objections.iter().map(|objection| objection.veto).collect();
    let asked_of_its_kind = bar(comparison).max(answered);
    let required = least.max(asked_of_its_kind);
    let read = comparison.a.tongue.bar().max(comparison.b.tongue.bar()) == 0.0;
    // In a language without a full lexicon the bar is higher than the operator's, and the reason says so.
    let short_of = if similarity >= least && !read { Cause::NoLexicon } else { Cause::BelowThreshold };
    let too_far = (similarity < required).then_some(short_of);
    let answerable = objections.iter().all(|found| found.until.is_some() || rerank::may_answer(found.veto));
    let against = vetoes.first().map(|veto| Reason::from(*veto)).or(too_far.map(Reason::from));
    let features = Features {
        overlap: comparison.overlap(),
        shared: comparison.shared,
        mended: comparison.mended,
        only_asked: comparison.only_a.hard.len(),
        only_candidate: comparison.only_b.hard.len(),
        required,
    };
    Finding {
        similarity,
        vetoes,
        against,
        objections,
        features: Some(features),
        template,
        score: score(similarity, asked_of_its_kind.max(Settings::default().min_similarity)),
        doubtful: against.is_some() && answerable && read,
        sureness: None,
    }
}

/// [`Finding::score`] of a similarity over a bar below 1.
fn score(similarity: f32, bar: f32) -> f32 {
    ((similarity - bar) / (1.0 - bar)).min(1.0)
}

/// The similarity asked of a pair of this kind, beside the floor. That suffices where every telling word of each side
/// was found on the other. Words of their own that no veto could weigh ask for more: most where they lie in one place, as
/// when one thing is exchanged for another (`paint my canoe`, `paint my fishing boat`), less where they are scattered, as
/// when a sentence is put differently. Measured in docs/decision-policy.md. Where there is no lexicon for the language, or
/// a small one, its own bar stands ([`Tongue::bar`](super::reading::Tongue::bar)).
fn bar(comparison: &Comparison<'_>) -> f32 {
    const EXCHANGED: f32 = 0.85;
    const SCATTERED: f32 = 0.80;
    let of_language = comparison.a.tongue.bar().max(comparison.b.tongue.bar());
    if of_language > 0.0 {
        of_language
    } else if comparison.same_content() {
        -1.0
    } else if comparison.is_scattered() {
        SCATTERED
    } else {
        EXCHANGED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(asked: &str, candidate: &str, similarity: f32) -> Finding {
        let candidates = [Candidate { prompt: candidate, similarity }];
        judge(asked, &candidates, None, &Settings::default()).findings.remove(0)
    }

    #[test]
    fn rewordings_are_accepted() {
        for (a, b) in [
            ("How do I reset my password?", "How can I reset my password?"),
            ("What is the capital of France?", "Could you tell me what the capital of France is?"),
            ("Explain how photosynthesis works", "how does photosynthesis work?"),
        ] {
            assert_eq!(one(a, b, 0.92).against, None, "{a} | {b}: {:?}", one(a, b, 0.92));
        }
    }

    #[test]
    fn traps_are_refused_by_name() {
        for (a, b, veto) in [
            ("How do I turn on dark mode?", "How do I turn off dark mode?", Veto::Antonym),
            ("Convert 10 miles to km", "Convert 12 miles to km", Veto::Number),
            ("Sort a list in Python", "Sort a list in Ruby", Veto::Language),
            ("What is the capital of France?", "What is the capital of Spain?", Veto::Class),
        ] {
            assert_eq!(one(a, b, 0.99).against, Some(veto.into()), "{a} | {b}");
        }
    }

    #[test]
    fn a_phrase_exchanged_for_another_is_asked_for_more() {
        for (asked, candidate, similarity) in [
            ("How do I paint my canoe?", "How do I paint my fishing boat?", 0.835),
            ("How do I polish my kitchen table?", "How do I polish my piano?", 0.80),
        ] {
            assert!(one(asked, candidate, similarity).against.is_some(), "{asked} | {candidate}");
        }
    }

    #[test]
    fn a_verb_more_that_has_an_opposite_asks_for_more() {
        let found = |similarity| one("When does the marathon start?", "When is the marathon?", similarity).against;
        assert_eq!((found(0.87), found(0.89)), (Some(Veto::Scope.into()), None));
    }

    #[test]
    fn each_kind_of_word_is_answered_from_a_bar_of_its_own() {
        let pairs = [
            ("Can dogs be harmed by eating grapes?", "Can dogs be harmed by grapes?", Veto::Scope, 0.86),
            ("How do I improve my Spanish?", "How do I improve my communication skills in Spanish?", Veto::Scope, 0.88),
            ("Which fertiliser suits tomato plants?", "Which fertiliser suits plants?", Veto::Scope, 0.92),
            ("How does a mizzen sail work?", "What is the mechanism of a mizzen sail?", Veto::Substitution, 0.88),
        ];
        for (a, b, veto, bar) in pairs {
            let found = |similarity| one(a, b, similarity).against;
            assert_eq!((found(bar - 0.005), found(bar + 0.005)), (Some(veto.into()), None), "{a} | {b}");
        }
    }

    #[test]
    fn a_score_is_counted_from_the_bar_of_its_kind_of_pair() {
        let reworded = one("How do I reset my password?", "How can I reset my password?", 0.95);
        assert!((reworded.score - 0.8).abs() < 1e-6, "{}", reworded.score);
        let exchanged = one("How do I paint my canoe?", "How do I paint my fishing boat?", 0.85);
        assert!(exchanged.score.abs() < 1e-6, "{}", exchanged.score);
    }

    #[test]
    fn the_nearest_candidate_that_nothing_speaks_against_is_chosen() {
        let near = |prompt, similarity| Candidate { prompt, similarity };
        let candidates = [near("Undo the last 2 commits", 0.97), near("How do I undo the last 3 commits?", 0.93)];
        let judged = judge("undo the last 3 commits", &candidates, None, &Settings::default());
        assert_eq!((judged.chosen, judged.reason), (Some(1), None));
        let judged = judge("undo the last 3 commits", &candidates[..1], None, &Settings::default());
        assert_eq!((judged.chosen, judged.reason), (None, Some(Veto::Number.into())));
    }

    #[test]
    fn a_callers_floor_only_tightens() {
        let settings = Settings { min_similarity: 0.9 };
        let candidates = [Candidate { prompt: "How tall is Everest?", similarity: 0.92 }];
        let chosen = |floor| judge("How tall is Everest?", &candidates, floor, &settings).chosen;
        assert_eq!((chosen(None), chosen(Some(0.1)), chosen(Some(0.95))), (Some(0), Some(0), None));
        assert_eq!(judge("How tall is Everest?", &[], None, &settings).reason, None);
    }
}
