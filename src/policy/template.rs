//! Templated prompts: a constant frame around a part that varies. What was found alike may be nothing but the frame, so
//! prompts of one frame are compared by their parts.
//!
//! A frame is seen in three ways. Two prompts begin or end with the same segments (up to a colon, a line's end, a
//! quotation mark, a sentence's end). Or both ask for work on a text that follows ("Translate into French: ..."),
//! whatever the words. Or the same words stand around the parts of several other prompts of the scope.
//!
//! A part that is data must be the same, but for case, spaces, punctuation and Unicode form: the answer is made of its
//! words. A part that is a question of its own is compared as one, and has to say the same things.

mod segments;

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;

use super::compare::Comparison;
use super::guard::{self, Objection};
use super::lexicon::{Quantity, Traits};
use super::reading::{Reading, Runs, Split, Token, Words};
use crate::domain::Veto;
use segments::{Said, Text};

/// How two prompts share a frame; lengths in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Template {
    /// The words both have around their parts.
    pub frame: usize,
    /// The asked prompt's part.
    pub asked: usize,
    /// The candidate's part.
    pub candidate: usize,
    /// What the parts are.
    pub parts: Parts,
}

/// What the parts of a template are, and so how they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Parts {
    /// Text to be worked on: it must be the same.
    Data,
    /// Questions or requests: they must say the same things, and no veto may speak.
    Question,
    /// What stands in a frame that other prompts of the scope share: it must say the same things.
    Slot,
}

/// The prompt asked and its candidates, laid side by side.
pub(crate) struct Frames {
    asked: Text,
    candidates: Vec<Text>,
    /// Of each candidate, beside the prompt asked.
    ends: Vec<Ends>,
    said: Said,
    parts: KnownParts,
}

/// What a candidate's words have in common with others.
struct Ends {
    /// Words shared with the prompt asked, at the beginning and then at the end.
    before: usize,
    after: usize,
    /// The first candidate of the same words; `None` where they are those of the prompt asked.
    like: Option<usize>,
}

impl Frames {
    /// Of the prompt asked and the candidates, each with what it was taken apart into.
    pub(crate) fn of<'a>(
        (asked, split): (&str, &Split<'_>),
        candidates: impl Iterator<Item = (&'a str, &'a Split<'a>)>,
        words: &Words,
    ) -> Self {
        let mut said = Said::default();
        let asked = Text::of(asked, split, &mut said, words);
        let candidates = candidates.map(|(prompt, split)| Text::of(prompt, split, &mut said, words));
        let candidates: Vec<Text> = candidates.collect();
        let ends = candidates.iter().map(|text| {
            let (before, after) = asked.words_around(text);
            let first = || candidates.iter().position(|other| other.said == text.said);
            Ends { before, after, like: if text.said == asked.said { None } else { first() } }
        });
        let ends = ends.collect();
        Self { asked, candidates, ends, said, parts: KnownParts::default() }
    }

    /// The frame that the prompt asked shares with the candidate at this place, and what speaks against the pair.
    /// `whole` compares them in whole.
    pub(crate) fn shared_with(
        &self,
        place: usize,
        whole: &Comparison<'_>,
        words: &Words,
    ) -> Option<(Template, Option<Objection>)> {
        // In short prompts each word counts for every veto as it is.
        const SHORT: usize = 16;
        let (a, b) = (&self.asked, self.candidates.get(place)?);
        if a.said == b.said {
            return None;
        }
        let found = between([a, b], &self.parts, words).or_else(|| {
            let (before, after) = self.slot(place)?;
            let parts = [a, b].map(|text| text.slot(before, after));
            let agree = || agree(parts.map(|part| self.said.spelt(part)), words);
            let same = whole.same_content() && (whole.length() <= SHORT || agree());
            Some((template(before + after, parts.map(<[u32]>::len), Parts::Slot), same))
        });
        found.map(|(template, same)| (template, (!same).then(|| against(template))))
    }

    /// How many words before and after its part the candidate shares with the prompt asked and with two others.
    fn slot(&self, place: usize) -> Option<(usize, usize)> {
        const LEAST_FRAME: usize = 4;
        const OTHERS: usize = 2;
        let Ends { mut before, mut after, like } = *self.ends.get(place)?;
        let other = |(at, ends): &(usize, &Ends)| ends.like == Some(*at) && ends.like != like;
        let mut others: Vec<&Ends> = self.ends.iter().enumerate().filter(other).map(|(_, ends)| ends).collect();
        others.sort_by_key(|ends| std::cmp::Reverse(before.min(ends.before) + after.min(ends.after)));
        for ends in others.get(..OTHERS)? {
            (before, after) = (before.min(ends.before), after.min(ends.after));
        }
        (before + after >= LEAST_FRAME).then_some((before, after))
    }
}

/// Whether no veto speaks against two parts, read by themselves.
fn agree(parts: [String; 2], words: &Words) -> bool {
    let [a, b] = parts.map(|part| Reading::of(&part, words));
    guard::objections(&Comparison::of(&a, &b)).is_empty()
}

fn template(frame: usize, [asked, candidate]: [usize; 2], parts: Parts) -> Template {
    Template { frame, asked, candidate, parts }
}

/// Says lengths only: the parts themselves may be long.
fn against(Template { frame, asked, candidate, .. }: Template) -> Objection {
    let part = |words: usize| format!("{words} words in a frame of {frame}");
    Objection::new(Veto::Template, part(asked), part(candidate))
}

/// The frame that two prompts show by themselves, and whether their parts agree.
fn between([a, b]: [&Text; 2], known: &KnownParts, words: &Words) -> Option<(Template, bool)> {
    const LONG: usize = 6;
    let (before, after) = a.segments_around(b);
    let (x, y) = (a.between(before, after), b.between(before, after));
    let sizes = [a.said_in(x).len(), b.said_in(y).len()];
    let length = a.said.len() - sizes[0];
    let frame = || a.segments[..before].iter().chain(&a.segments[a.segments.len() - after..]);
    // Work on a text follows either in the same frame or in one of other words.
    if a.is_work && b.is_work || length > 0 && frame().any(|segment| segment.names_work) {
        let (x, y) = if a.is_work && b.is_work { (a.data(), b.data()) } else { (x, y) };
        let (x, y) = (a.said_in(x), b.said_in(y));
        return Some((template(length, [x.len(), y.len()], Parts::Data), x == y));
    }
    if length < LONG || length < sizes[0].min(sizes[1]) {
        return None;
    }
    let (x, y) = (known.part(a.runs_in(x), words), known.part(b.runs_in(y), words));
    if x.asks && y.asks {
        let comparison = Comparison::of(&x.reading, &y.reading);
        let same = comparison.same_content() && guard::objections(&comparison).is_empty();
        return Some((template(length, sizes, Parts::Question), same));
    }
    Some((template(length, sizes, Parts::Data), false))
}

/// A part of a template, read as a prompt.
struct Part {
    reading: Reading,
    asks: bool,
}

/// Parts that were read: those of the prompt asked are the same beside most candidates.
#[derive(Default)]
struct KnownParts(RefCell<Vec<(Runs, Rc<Part>)>>);

impl KnownParts {
    fn part(&self, runs: Runs, words: &Words) -> Rc<Part> {
        if let Some((_, part)) = self.0.borrow().iter().find(|(known, _)| *known == runs) {
            return Rc::clone(part);
        }
        let part = Rc::new(Part::of(&runs, words));
        self.0.borrow_mut().push((runs, Rc::clone(&part)));
        part
    }
}

impl Part {
    fn of(runs: &[u32], words: &Words) -> Self {
        let written = words.joined(runs);
        let reading = Reading::of_split(Split::joined(&written, runs.to_vec(), words), words);
        let opens = |token: &Token| {
            let acts = matches!(token.quantity, Some((Quantity::Action, _)));
            token.is(Traits::QUESTION) || token.is(Traits::AUXILIARY) || acts
        };
        let asks = written.trim_end().ends_with(['?', '\u{ff1f}']) || reading.tokens.first().is_some_and(opens);
        Self { reading, asks }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Candidate, Finding, Settings, judge};
    use super::*;

    fn findings(asked: &str, candidates: &[&str]) -> Vec<Finding> {
        let candidates: Vec<_> = candidates.iter().map(|prompt| Candidate { prompt, similarity: 0.99 }).collect();
        judge(asked, &candidates, None, &Settings::default()).findings
    }

    fn one(asked: &str, candidate: &str) -> Finding {
        findings(asked, &[candidate]).remove(0)
    }

    #[test]
    fn the_lengths_of_frame_and_parts_are_told() {
        let found = one("Translate into French: the red house", "Translate into French: the red house by the lake");
        assert_eq!(found.template, Some(Template { frame: 3, asked: 3, candidate: 6, parts: Parts::Data }));
        assert!(found.vetoes.contains(&Veto::Template));
        let detail = &found.objections.last().unwrap().detail;
        assert_eq!(detail, "3 words in a frame of 3 / 6 words in a frame of 3");
    }

    #[test]
    fn data_is_the_same_but_for_case_spaces_and_punctuation() {
        for other in ["translate into french:\nThe  red house.", "Translate into French: \"the red house\""] {
            let found = one("Translate into French: the red house", other);
            assert!(!found.vetoes.contains(&Veto::Template), "{other}: {:?}", found.objections);
        }
    }

    #[test]
    fn a_question_in_a_frame_is_compared_as_one() {
        let framed =
            |question: &str| format!("You are the help desk of a small shop. Answer politely.\nQuestion: {question}");
        let found = one(&framed("How do I reset my password?"), &framed("How can I reset my password?"));
        assert_eq!((found.against, found.template.map(|t| t.parts)), (None, Some(Parts::Question)));
        let found = one(&framed("How do I reset my password?"), &framed("How do I reset my password on the new site?"));
        assert!(found.vetoes.contains(&Veto::Template), "{:?}", found.objections);
    }

    #[test]
    fn a_frame_shared_by_several_prompts_is_known() {
        let asked = "How do I paint my canoe?";
        let others = ["How do I paint my fishing boat?", "How do I paint my garden fence?", "How do I paint my bike?"];
        let found = findings(asked, &others);
        assert!(found.iter().all(|found| found.vetoes.contains(&Veto::Template)), "{found:#?}");
        let found = findings(asked, &["How can I paint my canoe?", others[0], others[1], others[2]]);
        assert_eq!(found[0].against, None, "another wording of the same part: {:?}", found[0].objections);
        assert_eq!(found[1].template.map(|template| template.parts), Some(Parts::Slot));
        // With no others there is no frame to know.
        assert_eq!(one(asked, others[0]).template, None);
    }

    #[test]
    fn prompts_without_a_frame_are_left_alone() {
        for (a, b) in [
            ("How do I reset my password?", "How can I reset my password?"),
            ("I have a question: how do I boil eggs?", "I have a question: how can I boil eggs?"),
            ("What is the capital of France?", "Could you tell me what the capital of France is?"),
        ] {
            assert_eq!(one(a, b).template, None, "{a} | {b}");
        }
    }

    proptest::proptest! {
        #[test]
        fn segments_are_made_of_any_text_and_framing_is_symmetric(a in "\\PC{0,60}", b in "[a-z:.? \"\n]{0,60}", c in "[a-z:.? \"\n]{0,60}") {
            let (mut said, words) = (Said::default(), Words::new());
            let [_, b, c] = [a, b, c].map(|prompt| Text::of(&prompt, &Split::of(&prompt, &words), &mut said, &words));
            let known = KnownParts::default();
            let (there, back) = (between([&b, &c], &known, &words), between([&c, &b], &known, &words));
            proptest::prop_assert_eq!(there.map(|(t, same)| (t.frame, t.parts, same)), back.map(|(t, same)| (t.frame, t.parts, same)));
        }
    }
}
