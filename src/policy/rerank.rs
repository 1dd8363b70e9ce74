//! The learned second stage: which candidates a model that reads two prompts together may answer for, and what its
//! answer changes.
//!
//! Vetoes stay. What is left to the model is the gray zone: a candidate near enough for the operator and the caller,
//! against which nothing speaks but words that no list knows, words that only one side has, a similarity too small to
//! answer for them, and a veto on a small word, such as a question word or a negation.

use serde::{Deserialize, Serialize};

use super::judge::{Finding, Judgement};
use crate::domain::Veto;

/// Where the model's word is taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The least sureness, of at most 1, at which a candidate is accepted.
    pub accept: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { accept: 0.85 }
    }
}

/// Vetoes on small words, which the same question put differently may do without: `what is the reason` for `why`, `fails
/// to start` for `does not start`, `earliest` for `first`. The model answers them too, halfway surer than else. Not
/// quantifiers: the shipped one takes `delete any rows` for `delete all rows`.
const SMALL_WORDS: [Veto; 5] = [Veto::Question, Veto::Negation, Veto::Ordinal, Veto::Form, Veto::Action];

impl Settings {
    /// The least sureness at which the model's word is taken against these vetoes.
    fn required(&self, vetoes: &[Veto]) -> f32 {
        let small = vetoes.iter().any(|veto| SMALL_WORDS.contains(veto));
        if small { f32::midpoint(self.accept, 1.0) } else { self.accept }
    }
}

/// Whether the model may answer this veto, however near the prompts are.
pub(super) fn may_answer(veto: Veto) -> bool {
    veto == Veto::Scope || SMALL_WORDS.contains(&veto)
}

/// Candidates that the model is asked about, at most.
const MOST: usize = 2;

/// The place of the one to ask about next, the nearest first: none where one is accepted already, or enough were read.
#[must_use]
pub fn in_doubt(judgement: &Judgement) -> Option<usize> {
    let doubtful = judgement.findings.iter().enumerate().filter(|(_, finding)| finding.doubtful);
    let next = doubtful.take(MOST).find(|(_, finding)| finding.sureness.is_none());
    next.filter(|_| judgement.chosen.is_none()).map(|(place, _)| place)
}

/// Takes what the model said of the candidate at this place: how sure it is, in [0, 1], that both prompts ask the same.
pub fn answer(judgement: &mut Judgement, place: usize, sureness: f32, settings: &Settings) {
    let Some(finding) = judgement.findings.get_mut(place).filter(|finding| finding.doubtful) else { return };
    finding.sureness = Some(sureness);
    if sureness >= settings.required(&finding.vetoes) {
        accept(finding, sureness, settings);
        judgement.settle();
    }
}

/// The score counts from where the model is believed, as it counts from the bar elsewhere.
fn accept(finding: &mut Finding, sureness: f32, settings: &Settings) {
    finding.against = None;
    finding.vetoes.clear();
    finding.score = ((sureness - settings.accept) / (1.0 - settings.accept)).clamp(0.0, 1.0);
}

#[cfg(test)]
mod tests {
    use super::super::judge::{self, Candidate, judge};
    use super::*;
    use crate::domain::{Cause, Veto};

    fn judged(asked: &str, candidates: &[(&str, f32)]) -> Judgement {
        let candidates: Vec<_> =
            candidates.iter().map(|(prompt, similarity)| Candidate { prompt, similarity: *similarity }).collect();
        judge(asked, &candidates, None, &judge::Settings::default())
    }

    const ASKED: &str = "How do I paint my canoe?";
    const UNSURE: (&str, f32) = ("How do I paint my fishing boat?", 0.83);

    #[test]
    fn what_similarity_did_not_answer_is_in_doubt_and_can_be_answered() {
        let mut judgement = judged(ASKED, &[UNSURE]);
        assert_eq!(in_doubt(&judgement), Some(0));
        let refused = judgement.clone();
        answer(&mut judgement, 0, 0.84, &Settings::default());
        assert_eq!((judgement.chosen, judgement.reason), (None, refused.reason));
        assert_eq!(judgement.findings[0].sureness, Some(0.84));
        answer(&mut judgement, 0, 0.925, &Settings::default());
        assert_eq!((judgement.chosen, judgement.reason), (Some(0), None));
        assert!((judgement.findings[0].score - 0.5).abs() < 1e-5, "{}", judgement.findings[0].score);
        assert!(judgement.findings[0].vetoes.is_empty());
    }

    #[test]
    fn words_that_only_one_side_has_can_be_answered_for() {
        let mut judgement = judged(ASKED, &[("How do I paint my wooden canoe?", 0.95)]);
        assert_eq!((judgement.reason, in_doubt(&judgement)), (Some(Veto::Scope.into()), Some(0)));
        answer(&mut judgement, 0, 0.86, &Settings::default());
        assert_eq!((judgement.chosen, judgement.reason), (Some(0), None));
    }

    #[test]
    fn a_veto_on_a_small_word_can_be_answered_by_one_who_is_surer() {
        for (asked, candidate, veto) in [
            ("How do I download the invoice?", "Where can I get the invoice?", Veto::Question),
            ("How do I remove ink from a shirt?", "How do I get ink out of a shirt?", Veto::Negation),
        ] {
            let mut judgement = judged(asked, &[(candidate, 0.9)]);
            assert_eq!((judgement.reason, in_doubt(&judgement)), (Some(veto.into()), Some(0)), "{asked}");
            answer(&mut judgement, 0, 0.92, &Settings::default());
            assert_eq!((judgement.chosen, judgement.reason), (None, Some(veto.into())), "{asked}");
            answer(&mut judgement, 0, 0.96, &Settings::default());
            assert_eq!((judgement.chosen, judgement.reason), (Some(0), None), "{asked}");
        }
    }

    #[test]
    fn a_veto_and_a_floor_cannot_be_answered() {
        for (asked, candidate, against) in [
            ("How do I turn on dark mode?", ("How do I turn off dark mode?", 0.97), Veto::Antonym.into()),
            ("Convert 10 miles to km", ("Convert 12 miles to km", 0.97), Veto::Number.into()),
            (ASKED, ("How do I paint my fishing boat?", 0.7), Cause::BelowThreshold.into()),
            // Without a lexicon no veto speaks.
            ("고양이는 겨울에 무엇을 먹나요?", ("고양이는 겨울에 무엇을 마시나요?", 0.9), Veto::Substitution.into()),
        ] {
            let mut judgement = judged(asked, &[candidate]);
            assert!(in_doubt(&judgement).is_none(), "{asked}: {:?}", judgement.findings[0]);
            answer(&mut judgement, 0, 1.0, &Settings::default());
            assert_eq!((judgement.chosen, judgement.findings[0].against), (None, Some(against)), "{asked}");
        }
    }

    #[test]
    fn nothing_is_in_doubt_where_the_rules_accept_a_candidate() {
        let judgement =
            judged(ASKED, &[("How do I paint my fishing boat?", 0.84), ("How can I paint my canoe?", 0.82)]);
        assert_eq!((judgement.chosen, in_doubt(&judgement)), (Some(1), None));
        let others = [UNSURE, ("What do I paint my kayak with?", 0.8), ("Which paint is right for a dinghy?", 0.8)];
        let mut judgement = judged(ASKED, &others);
        for place in 0..MOST {
            assert_eq!(in_doubt(&judgement), Some(place));
            answer(&mut judgement, place, 0.1, &Settings::default());
        }
        assert!(judgement.findings[MOST].doubtful && in_doubt(&judgement).is_none());
    }
}
