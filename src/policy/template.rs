//! Templated prompts: a constant frame around a part that varies. What was found alike may be nothing but the frame, so
//! prompts of one frame are compared by their parts.
//!
//! A frame is seen in three ways. Two prompts begin or end with the same segments (up to a colon, a line's end, a
//! quotation mark, a sentence's end). Or both ask for work on a text that follows ("Translate into French: ..."),
//! whatever the words. Or the same words stand around the parts of several other prompts of the scope.
//!
//! A part that is data must be the same, but for case, spaces, punctuation and Unicode form: the answer is made of its
//! words. A part that is a question of its own is compared as one, and has to say the same things.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use super::compare::Comparison;
use super::guard::{self, Objection};
use super::lexicon::{Id, Lexicon, Quantity, Traits};
use super::reading::{Reading, Token, Words, is_unspaced};
use crate::domain::Veto;

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
    pub(crate) fn of<'a>(asked: &str, candidates: impl Iterator<Item = &'a str>) -> Self {
        let (asked, candidates) = (Text::of(asked), candidates.map(Text::of).collect::<Vec<_>>());
        let words: Vec<&str> = asked.said().collect();
        let all: Vec<Vec<&str>> = candidates.iter().map(|text| text.said().collect()).collect();
        let ends = all.iter().map(|said| {
            let (before, after) = around(&words, said);
            let like = if *said == words { None } else { all.iter().position(|other| other == said) };
            Ends { before, after, like }
        });
        let ends = ends.collect();
        Self { asked, candidates, ends }
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
        if a.said().eq(b.said()) {
            return None;
        }
        let found = between(a, b, words).or_else(|| {
            let (before, after) = self.slot(place)?;
            let parts = [a, b].map(|text| text.slot(before, after));
            let sizes = [&parts[0], &parts[1]].map(Vec::len);
            let same = whole.same_content() && (whole.length() <= SHORT || agree(&parts, words));
            Some((template(before + after, sizes, Parts::Slot), same))
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
fn agree(parts: &[Vec<&str>; 2], words: &Words) -> bool {
    let [a, b] = [&parts[0], &parts[1]].map(|part| Reading::of(&part.join(" "), words));
    guard::objections(&Comparison::of(&a, &b)).is_empty()
}

/// How many words two prompts share at their beginnings and then at their ends.
fn around(a: &[&str], b: &[&str]) -> (usize, usize) {
    let before = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let ends = a[before..].iter().rev().zip(b[before..].iter().rev());
    (before, ends.take_while(|(a, b)| a == b).count())
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
fn between(a: &Text, b: &Text, words: &Words) -> Option<(Template, bool)> {
    const LONG: usize = 6;
    let before = a.segments.iter().zip(&b.segments).take_while(|(a, b)| a.said == b.said).count();
    let ends = a.segments[before..].iter().rev().zip(b.segments[before..].iter().rev());
    let after = ends.take_while(|(a, b)| a.said == b.said).count();
    let (x, y) = (a.between(before, after), b.between(before, after));
    let frame = || a.segments[..before].iter().chain(&a.segments[a.segments.len() - after..]);
    let (length, sizes) = (size(frame()), [size(x), size(y)]);
    // Work on a text follows either in the same frame or in one of other words.
    if a.is_work() && b.is_work() || length > 0 && frame().any(|segment| segment.names_work()) {
        let (x, y) = if a.is_work() && b.is_work() { (a.data(), b.data()) } else { (x, y) };
        let same = x.iter().flat_map(|segment| &segment.said).eq(y.iter().flat_map(|segment| &segment.said));
        return Some((template(length, [size(x), size(y)], Parts::Data), same));
    }
    if length < LONG || length < sizes[0].min(sizes[1]) {
        return None;
    }
    let (x, y) = (Part::of(x, words), Part::of(y, words));
    if x.asks && y.asks {
        let comparison = Comparison::of(&x.reading, &y.reading);
        let same = comparison.same_content() && guard::objections(&comparison).is_empty();
        return Some((template(length, sizes, Parts::Question), same));
    }
    Some((template(length, sizes, Parts::Data), false))
}

fn size<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> usize {
    segments.into_iter().map(|segment| segment.said.len()).sum()
}

/// A prompt as a row of segments.
struct Text {
    segments: Vec<Segment>,
}

/// Words up to a place where a frame may end.
#[derive(Debug, Default)]
struct Segment {
    /// The words without case and punctuation.
    said: Vec<String>,
    /// As written.
    written: String,
    /// It ends with a colon or with its line, so that what follows is something else.
    leads: bool,
    /// Whether one of its words asks for work, once that was asked.
    work: OnceCell<bool>,
}

impl Text {
    fn of(prompt: &str) -> Self {
        let mut segments = Vec::new();
        let prompt = if prompt.is_ascii() { Cow::Borrowed(prompt) } else { prompt.nfkc().collect() };
        for line in prompt.lines() {
            let mut open = Segment::default();
            for chunk in line.split_whitespace() {
                if chunk.starts_with(QUOTES) {
                    open.close(&mut segments, false);
                }
                open.written.push_str(chunk);
                open.written.push(' ');
                plain(chunk, &mut open.said);
                if chunk.ends_with([':', '\u{ff1a}']) {
                    open.close(&mut segments, true);
                } else if chunk.ends_with(ENDS) || chunk.ends_with(QUOTES) {
                    open.close(&mut segments, false);
                }
            }
            open.close(&mut segments, true);
        }
        Self { segments }
    }

    fn said(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| &segment.said).map(String::as_str)
    }

    /// The words but for those of a frame.
    fn slot(&self, before: usize, after: usize) -> Vec<&str> {
        let said: Vec<&str> = self.said().collect();
        said[before..said.len() - after].to_vec()
    }

    /// The segments but for those of a frame.
    fn between(&self, before: usize, after: usize) -> &[Segment] {
        &self.segments[before..self.segments.len() - after]
    }

    /// Whether it asks for work on the text that follows its first segment.
    fn is_work(&self) -> bool {
        const OPENING: usize = 4;
        let Some((first, [_, ..])) = self.segments.split_first() else { return false };
        let asks = first.said.first().is_some_and(|word| {
            let known = Lexicon::get().word(word).map(|known| known.traits).unwrap_or_default();
            known.has(Traits::QUESTION) || known.has(Traits::AUXILIARY) && word != "can" && word != "could"
        });
        first.leads && !asks && first.said.iter().take(OPENING).any(|word| is_work(word))
    }

    /// What follows the first segment.
    fn data(&self) -> &[Segment] {
        self.segments.get(1..).unwrap_or_default()
    }
}

impl Segment {
    fn close(&mut self, into: &mut Vec<Self>, leads: bool) {
        if !self.said.is_empty() {
            into.push(Self { leads, ..std::mem::take(self) });
        } else if let Some(last) = into.last_mut() {
            last.leads |= leads;
        }
    }

    fn names_work(&self) -> bool {
        *self.work.get_or_init(|| self.said.iter().any(|word| is_work(word)))
    }
}

const QUOTES: [char; 7] = ['"', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{00ab}', '\u{00bb}'];
const ENDS: [char; 5] = ['.', '?', '!', '\u{3002}', '\u{ff1f}'];

/// Adds the words of a run of letters and signs; a sign that is no punctuation stands for itself.
fn plain(chunk: &str, said: &mut Vec<String>) {
    let signs = |c: char| {
        !c.is_alphanumeric()
            && !matches!(c, '+' | '-' | '*' | '/' | '=' | '<' | '>' | '%' | '#' | '$' | '&' | '@' | '^' | '~' | '|')
    };
    let word = chunk.trim_matches(signs);
    let lower = if word.is_ascii() {
        word.to_ascii_lowercase()
    } else {
        word.to_lowercase().replace(['\u{2018}', '\u{2019}'], "'")
    };
    if lower.chars().any(is_unspaced) {
        said.extend(lower.chars().filter(|c| c.is_alphanumeric()).map(String::from));
    } else if !lower.is_empty() {
        said.push(lower);
    }
}

/// Whether a word asks for work on a text, whose outcome is made of its very words.
fn is_work(word: &str) -> bool {
    static STEMS: LazyLock<HashSet<Id>> = LazyLock::new(|| {
        let lines = include_str!("lexicon/work.txt").lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).map(|word| Lexicon::get().stem(word)).collect()
    });
    STEMS.contains(&Lexicon::get().stem(word))
}

/// A part of a template, read as a prompt.
struct Part {
    reading: Reading,
    asks: bool,
}

impl Part {
    fn of(segments: &[Segment], words: &Words) -> Self {
        let written: String = segments.iter().map(|segment| &*segment.written).collect();
        let reading = Reading::of(&written, words);
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
            let _ = Text::of(&a);
            let words = Words::new();
            let (b, c) = (Text::of(&b), Text::of(&c));
            let (there, back) = (between(&b, &c, &words), between(&c, &b, &words));
            proptest::prop_assert_eq!(there.map(|(t, same)| (t.frame, t.parts, same)), back.map(|(t, same)| (t.frame, t.parts, same)));
        }
    }
}
