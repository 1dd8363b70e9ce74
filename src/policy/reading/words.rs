//! The lexicon as one judgement uses it: its prompts share most of their words, so each is looked up once.

use std::cell::RefCell;
use std::ops::{Deref, Range};

use super::super::lexicon::{Hash, Id, IdMap, Lexicon};
use super::{Token, tokens};

/// The lexicon, and what was already looked up in it. Forgetting all of it changes nothing but the time taken.
pub(crate) struct Words {
    lexicon: &'static Lexicon,
    /// Words in lower case.
    seen: RefCell<IdMap<Token>>,
    /// Words that are no words, and what they were meant to be.
    mended: RefCell<IdMap<Option<Token>>>,
    chunks: RefCell<Chunks>,
}

/// A text as a row of runs of characters between spaces, each by the number that [`Words`] knows it by.
pub(crate) type Runs = Vec<u32>;

/// What stands in [`Runs`] where a line ends.
pub(crate) const LINE_END: u32 = u32::MAX;

/// Runs of characters between spaces, and the tokens in each.
struct Chunks {
    numbers: IdMap<u32>,
    known: Vec<Chunk>,
    written: String,
    tokens: Vec<Token>,
}

/// What a run of characters between spaces is, were it not to begin a clause.
struct Chunk {
    written: Range<usize>,
    tokens: Range<usize>,
    after: After,
}

/// What a run of characters between spaces says of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It goes on.
    Continues,
    /// A clause begins with it.
    Begins,
    /// It begins a clause if this one does, which is nothing but signs.
    AsBefore,
}

impl Words {
    /// None looked up yet.
    pub(crate) fn new() -> Self {
        // As many as a few prompts of some length have, so that these seldom grow.
        const MANY: usize = 128;
        let numbers = IdMap::with_capacity_and_hasher(MANY, Default::default());
        let (known, tokens) = (Vec::with_capacity(MANY), Vec::with_capacity(MANY));
        let chunks = Chunks { numbers, known, tokens, written: String::with_capacity(MANY * 8) };
        let seen = IdMap::with_capacity_and_hasher(MANY, Default::default());
        Self { lexicon: Lexicon::get(), seen: seen.into(), mended: RefCell::default(), chunks: chunks.into() }
    }

    /// The word, looked up only once.
    pub(super) fn looked_up(&self, written: &str, look_up: impl FnOnce(Id) -> Token) -> Token {
        let id = Id::of(written);
        if let Some(known) = self.seen.borrow().get(&id) {
            return known.clone();
        }
        let token = look_up(id);
        self.seen.borrow_mut().insert(id, token.clone());
        token
    }

    /// The structural word that an unknown one was meant to be.
    pub(super) fn meant(&self, written: &str) -> Option<Token> {
        let id = Id::of(written);
        if let Some(known) = self.mended.borrow().get(&id) {
            return known.clone();
        }
        let meant = self.lexicon.mended(written).map(|meant| Token::word(meant, self));
        self.mended.borrow_mut().insert(id, meant.clone());
        meant
    }

    /// Splits a text at its spaces.
    pub(crate) fn split(&self, text: &str) -> Runs {
        let mut chunks = self.chunks.borrow_mut();
        let mut runs = Vec::with_capacity(text.len() / 5 + 2);
        for line in text.lines() {
            let mut rest = line;
            while let Some((chunk, id, after)) = next_chunk(rest) {
                rest = after;
                let number = chunks.numbers.get(&id).copied();
                runs.push(number.unwrap_or_else(|| chunks.add(chunk, id, self)));
            }
            runs.push(LINE_END);
        }
        runs
    }

    /// The tokens of a text, in order.
    pub(super) fn tokens(&self, runs: &[u32]) -> Vec<Token> {
        let chunks = self.chunks.borrow();
        let mut out = Vec::with_capacity(runs.len() + 4);
        let mut starts = true;
        for run in runs {
            if *run == LINE_END {
                starts = true;
                continue;
            }
            let chunk = &chunks.known[*run as usize];
            let from = out.len();
            match &chunks.tokens[chunk.tokens.clone()] {
                [only] => out.push(only.clone()),
                several => out.extend_from_slice(several),
            }
            if let Some(first) = out.get_mut(from) {
                first.starts |= starts;
            }
            starts = match chunk.after {
                After::Continues => false,
                After::Begins => true,
                After::AsBefore => starts,
            };
        }
        out
    }

    /// What the numbers of [`Words::split`] stand for, for those from this one on.
    pub(crate) fn written_from(&self, number: usize, mut each: impl FnMut(&str)) {
        let chunks = self.chunks.borrow();
        chunks.known.iter().skip(number).for_each(|chunk| each(&chunks.written[chunk.written.clone()]));
    }

    /// A row of runs as written, with single spaces.
    pub(crate) fn joined(&self, runs: &[u32]) -> String {
        let chunks = self.chunks.borrow();
        let mut written = String::with_capacity(runs.len() * 7);
        for run in runs.iter().filter(|run| **run != LINE_END) {
            written.push_str(&chunks.written[chunks.known[*run as usize].written.clone()]);
            written.push(' ');
        }
        written
    }
}

impl Chunks {
    fn add(&mut self, chunk: &str, id: Id, words: &Words) -> u32 {
        let number = u32::try_from(self.known.len()).expect("texts are shorter than four billion characters");
        let (from, at) = (self.tokens.len(), self.written.len());
        let after = tokens::read(chunk, words, &mut self.tokens);
        self.written.push_str(chunk);
        self.known.push(Chunk { written: at..self.written.len(), tokens: from..self.tokens.len(), after });
        self.numbers.insert(id, number);
        number
    }
}

/// The first run of characters between spaces, its hash, and what follows it. Reads each byte once.
fn next_chunk(line: &str) -> Option<(&str, Id, &str)> {
    let bytes = line.as_bytes();
    let is_space = |byte: u8| byte == b' ' || matches!(byte, b'\t'..=b'\r');
    let from = bytes.iter().position(|byte| !is_space(*byte))?;
    let mut hash = Hash::default();
    let mut to = from;
    while let Some(byte) = bytes.get(to).copied() {
        // All but letters, digits and signs are rare.
        if !byte.is_ascii_graphic() {
            if is_space(byte) {
                break;
            }
            if !byte.is_ascii() {
                return next_in_unicode(&line[from..]);
            }
        }
        hash = hash.with(byte);
        to += 1;
    }
    Some((&line[from..to], hash.id(), &line[to..]))
}

fn next_in_unicode(line: &str) -> Option<(&str, Id, &str)> {
    let line = line.trim_start();
    let (chunk, after) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
    (!chunk.is_empty()).then(|| (chunk, Id::of(chunk), after))
}

impl Deref for Words {
    type Target = Lexicon;

    fn deref(&self) -> &Lexicon {
        self.lexicon
    }
}
