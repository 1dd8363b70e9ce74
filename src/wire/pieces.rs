//! The pieces of a replayed stream, and what a piece of text is.

use std::ops::Range;

use bytes::Bytes;

use super::Piece;

/// The longest piece of text, in bytes: text without spaces is cut into pieces of about a long word.
const LONGEST: usize = 24;

/// Collects pieces in one buffer, so that a replay of a thousand words is one allocation and not a thousand.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    buffer: Vec<u8>,
    cuts: Vec<(Range<usize>, u32)>,
}

impl Pieces {
    /// Adds one piece made of `parts` in a row; `tokens` of text are in it.
    pub(super) fn push(&mut self, parts: &[&str], tokens: u32) {
        let start = self.buffer.len();
        for part in parts {
            self.buffer.extend_from_slice(part.as_bytes());
        }
        self.cuts.push((start..self.buffer.len(), tokens));
    }

    /// All pieces, in order.
    pub(super) fn finish(self) -> Vec<Piece> {
        let buffer = Bytes::from(self.buffer);
        self.cuts.into_iter().map(|(cut, tokens)| Piece { bytes: buffer.slice(cut), tokens }).collect()
    }
}

/// Text in pieces as a model writes it: a word with the space before it.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = word_end(rest)?;
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Where the first word of `text` ends; `None` when there is no text left.
fn word_end(text: &str) -> Option<usize> {
    let mut in_word = false;
    for (at, char) in text.char_indices() {
        if at > 0 && ((in_word && char.is_whitespace()) || at >= LONGEST) {
            return Some(at);
        }
        in_word |= !char.is_whitespace();
    }
    (!text.is_empty()).then_some(text.len())
}

/// An estimate of the tokens in so many characters of text: four to a token, and never none.
pub(super) fn tokens(characters: u64) -> u64 {
    characters.div_ceil(4).max(1)
}

/// The same for one piece of text; none for none.
pub(super) fn tokens_in(text: &str) -> u32 {
    if text.is_empty() { 0 } else { u32::try_from(tokens(text.chars().count() as u64)).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_carry_the_space_before_them() {
        assert_eq!(words("Paris is  nice.\n").collect::<Vec<_>>(), ["Paris", " is", "  nice.", "\n"]);
        assert_eq!(words("").count(), 0);
    }

    proptest! {
        #[test]
        fn words_lose_nothing_and_none_is_long(text in ".{0,80}") {
            prop_assert_eq!(words(&text).collect::<String>(), text.clone());
            prop_assert!(words(&text).all(|word| !word.is_empty() && word.len() < LONGEST + 4));
        }
    }
}
