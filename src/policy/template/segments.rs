//! Prompts as rows of segments, up to the places where a frame may end, and of words by number.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;

use super::super::lexicon::{Id, IdMap, IdSet, Lexicon, Traits};
use super::super::reading::{LINE_END, Runs, Split, Token, Words, is_unspaced};

/// What several prompts are made of, each thing once: the prompts of one judgement share most of it.
#[derive(Default)]
pub(super) struct Said {
    /// By the number that [`Words`] knows them by.
    chunks: Vec<Chunk>,
    words: Vec<Word>,
    numbers: IdMap<u32>,
    /// The words of all chunks, one after another, by number.
    sequence: Vec<u32>,
    /// The letters of all words.
    written: String,
}

/// What [`Words`] calls a run: characters between spaces.
struct Chunk {
    /// Its words: places in [`Said::sequence`].
    words: Range<usize>,
    /// A segment begins with it.
    quotes: bool,
    /// What ends with it.
    ends: Option<End>,
}

/// Where a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a quotation mark or a sentence.
    Plain,
    /// With a colon or its line.
    Leads,
}

/// A word without case and punctuation.
struct Word {
    /// Places in [`Said::written`].
    written: Range<usize>,
    /// It asks for work on a text.
    works: bool,
    /// It opens a question.
    asks: bool,
}

/// A prompt as a row of segments.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) segments: Vec<Segment>,
    /// Its words without case and punctuation, by number.
    pub(super) said: Vec<u32>,
    /// Its chunks, by number.
    chunks: Vec<u32>,
    /// It asks for work on the text that follows its first segment.
    pub(super) is_work: bool,
}

/// Words up to a place where a frame may end.
#[derive(Debug)]
pub(super) struct Segment {
    /// Places in [`Text::said`].
    said: Range<usize>,
    /// Places in [`Text::chunks`].
    chunks: Range<usize>,
    /// It ends with a colon or with its line, so that what follows is something else.
    leads: bool,
    /// One of its words asks for work.
    pub(super) names_work: bool,
}

impl Said {
    /// Learns the runs that were added to `words` since.
    fn catch_up(&mut self, words: &Words) {
        words.written_from(self.chunks.len(), |chunk| {
            // Most are plain words.
            if chunk.bytes().all(|byte| byte.is_ascii_lowercase()) {
                let number = self.word(chunk, words);
                self.sequence.push(number);
                let words = self.sequence.len() - 1..self.sequence.len();
                return self.chunks.push(Chunk { words, quotes: false, ends: None });
            }
            let ends = if chunk.ends_with([':', '\u{ff1a}']) {
                Some(End::Leads)
            } else {
                (chunk.ends_with(ENDS) || chunk.ends_with(QUOTES)).then_some(End::Plain)
            };
            let from = self.sequence.len();
            plain(chunk, |word| {
                let number = self.word(word, words);
                self.sequence.push(number);
            });
            self.chunks.push(Chunk { words: from..self.sequence.len(), quotes: chunk.starts_with(QUOTES), ends });
        });
    }

    fn word(&mut self, word: &str, words: &Words) -> u32 {
        let next = u32::try_from(self.words.len()).expect("texts are shorter than four billion words");
        let number = *self.numbers.entry(Id::of(word)).or_insert(next);
        if number == next {
            let from = self.written.len();
            self.written.push_str(word);
            let written = from..self.written.len();
            let token = Token::word(word, words);
            let asks = token.is(Traits::QUESTION) || token.is(Traits::AUXILIARY) && word != "can" && word != "could";
            self.words.push(Word { written, works: asks_for_work(token.stem), asks });
        }
        number
    }

    /// The words of these numbers.
    pub(super) fn spelt(&self, said: &[u32]) -> String {
        said.iter().map(|word| &self.written[self.words[*word as usize].written.clone()]).collect::<Vec<_>>().join(" ")
    }
}

impl Text {
    /// Reads a prompt.
    pub(super) fn of(prompt: &str, split: &Split<'_>, known: &mut Said, words: &Words) -> Self {
        match split.as_written() {
            Some(runs) => Self::of_runs(runs, known, words),
            None if prompt.is_ascii() => Self::of_runs(&words.split(prompt), known, words),
            None => Self::of_runs(&words.split(&prompt.nfkc().collect::<String>()), known, words),
        }
    }

    fn of_runs(runs: &[u32], known: &mut Said, words: &Words) -> Self {
        known.catch_up(words);
        let (said, chunks) = (Vec::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
        let mut text = Self { segments: Vec::with_capacity(8), said, chunks, is_work: false };
        // Where the segment that is open begins, among words and among chunks.
        let mut open = (0, 0);
        for run in runs {
            if *run == LINE_END {
                text.close(&mut open, End::Leads);
                // Signs without a word are left behind with their line.
                open.1 = text.chunks.len();
                continue;
            }
            let chunk = &known.chunks[*run as usize];
            if chunk.quotes {
                text.close(&mut open, End::Plain);
            }
            text.chunks.push(*run);
            match &known.sequence[chunk.words.clone()] {
                [only] => text.said.push(*only),
                several => text.said.extend_from_slice(several),
            }
            if let Some(end) = chunk.ends {
                text.close(&mut open, end);
            }
        }
        text.tell(known);
        text
    }

    /// Ends the segment that is open, if there are words in it; the end of none belongs to the one before.
    fn close(&mut self, open: &mut (usize, usize), end: End) {
        let leads = end == End::Leads;
        if self.said.len() > open.0 {
            let (said, chunks) = (open.0..self.said.len(), open.1..self.chunks.len());
            *open = (said.end, chunks.end);
            self.segments.push(Segment { said, chunks, leads, names_work: false });
        } else if let Some(last) = self.segments.last_mut() {
            last.leads |= leads;
        }
    }

    /// Notes where work is asked for.
    fn tell(&mut self, known: &Said) {
        const OPENING: usize = 4;
        let word = |number: &u32| &known.words[*number as usize];
        for segment in &mut self.segments {
            segment.names_work = self.said[segment.said.clone()].iter().any(|number| word(number).works);
        }
        let Some((first, [_, ..])) = self.segments.split_first() else { return };
        let said = &self.said[first.said.clone()];
        self.is_work = first.leads
            && !said.first().is_some_and(|first| word(first).asks)
            && said.iter().take(OPENING).any(|number| word(number).works);
    }

    /// The words of some of its segments.
    pub(super) fn said_in(&self, segments: &[Segment]) -> &[u32] {
        match segments {
            [] => &[],
            [first, .., last] => &self.said[first.said.start..last.said.end],
            [only] => &self.said[only.said.clone()],
        }
    }

    /// What some of its segments are made of.
    pub(super) fn runs_in(&self, segments: &[Segment]) -> Runs {
        segments.iter().flat_map(|segment| &self.chunks[segment.chunks.clone()]).copied().collect()
    }

    /// How many segments two prompts share at their beginnings and then at their ends.
    pub(super) fn segments_around(&self, other: &Self) -> (usize, usize) {
        let same = |(a, b): &(&Segment, &Segment)| self.said[a.said.clone()] == other.said[b.said.clone()];
        let before = self.segments.iter().zip(&other.segments).take_while(same).count();
        let ends = self.segments[before..].iter().rev().zip(other.segments[before..].iter().rev());
        (before, ends.take_while(same).count())
    }

    /// How many words two prompts share at their beginnings and then at their ends.
    pub(super) fn words_around(&self, other: &Self) -> (usize, usize) {
        let (a, b) = (&self.said, &other.said);
        let before = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let ends = a[before..].iter().rev().zip(b[before..].iter().rev());
        (before, ends.take_while(|(a, b)| a == b).count())
    }

    /// The words but for those of a frame.
    pub(super) fn slot(&self, before: usize, after: usize) -> &[u32] {
        &self.said[before..self.said.len() - after]
    }

    /// The segments but for those of a frame.
    pub(super) fn between(&self, before: usize, after: usize) -> &[Segment] {
        &self.segments[before..self.segments.len() - after]
    }

    /// What follows the first segment.
    pub(super) fn data(&self) -> &[Segment] {
        self.segments.get(1..).unwrap_or_default()
    }
}

const QUOTES: [char; 7] = ['"', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{00ab}', '\u{00bb}'];
const ENDS: [char; 5] = ['.', '?', '!', '\u{3002}', '\u{ff1f}'];

/// The words of a run of letters and signs; a sign that is no punctuation stands for itself.
fn plain(chunk: &str, mut each: impl FnMut(&str)) {
    let signs = |c: char| {
        !c.is_alphanumeric()
            && !matches!(c, '+' | '-' | '*' | '/' | '=' | '<' | '>' | '%' | '#' | '$' | '&' | '@' | '^' | '~' | '|')
    };
    let word = chunk.trim_matches(signs);
    let lower = match word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        true => Cow::Borrowed(word),
        false if word.is_ascii() => Cow::Owned(word.to_ascii_lowercase()),
        false => Cow::Owned(word.to_lowercase().replace(['\u{2018}', '\u{2019}'], "'")),
    };
    if !lower.is_ascii() && lower.chars().any(is_unspaced) {
        let letters = lower.chars().filter(|c| c.is_alphanumeric());
        letters.for_each(|letter| each(letter.encode_utf8(&mut [0; 4])));
    } else if !lower.is_empty() {
        each(&lower);
    }
}

/// Whether a word of this stem asks for work on a text, whose outcome is made of its very words.
fn asks_for_work(stem: Id) -> bool {
    static STEMS: LazyLock<IdSet> = LazyLock::new(|| {
        let lines = include_str!("../lexicon/work.txt").lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).map(|word| Lexicon::get().stem(word)).collect()
    });
    STEMS.contains(&stem)
}
