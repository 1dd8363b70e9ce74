//! Replaces phrases by the words they stand for, and drops the framing around a question.

use super::super::lexicon::{Id, Phrase, Quantity};
use super::tokens::split_word;
use super::{Kind, Token, Words};

/// The tokens with every phrase replaced, leftmost first and longest first.
pub(super) fn replace(tokens: Vec<Token>, lexicon: &Words) -> Vec<Token> {
    // Phrases are written in stems, tokens are known by group: match on the stem of what is written.
    let stems: Vec<Id> = tokens.iter().map(|token| token.stem).collect();
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    // Whether everything since the clause began was dropped.
    let mut at_start = true;
    let mut starts = false;
    let mut tokens: Vec<Option<Token>> = tokens.into_iter().map(Some).collect();
    while at < tokens.len() {
        let begins = tokens[at].as_ref().is_some_and(|token| token.starts);
        at_start |= begins;
        starts |= begins;
        let Some(phrase) = fitting(at, at_start, &tokens, &stems, lexicon) else {
            if let Some(mut token) = tokens[at].take() {
                token.starts |= starts && at_start;
                at_start = false;
                starts = false;
                out.push(token);
            }
            at += 1;
            continue;
        };
        let length = 1 + phrase.rest.len();
        let last = tokens[at + length - 1].as_ref();
        let possessive = last.is_some_and(|token| token.possessive);
        let capital = tokens[at].as_ref().is_some_and(|token| token.capital);
        for (nth, word) in phrase.instead.iter().enumerate() {
            // `^how`: a clause begins with it.
            let begins = word.strip_prefix('^');
            let mut token = written_out(begins.unwrap_or(word), lexicon);
            token.starts = nth == 0 && at_start || begins.is_some();
            token.possessive = possessive;
            token.capital = capital && phrase.rest.is_empty();
            out.push(token);
        }
        if !phrase.instead.is_empty() {
            at_start = false;
            starts = false;
        }
        at += length;
    }
    out
}

fn written_out(word: &str, lexicon: &Words) -> Token {
    if word.chars().any(char::is_alphabetic) && word.chars().any(|c| c.is_ascii_digit()) {
        return Token::raw(word, Kind::Identifier);
    }
    let token = Token::word(split_word(word).first().map_or(word, |word| word), lexicon);
    match token.quantity {
        Some((Quantity::Number, _)) => Token { kind: Kind::Number, ..token },
        _ => token,
    }
}

/// The longest phrase that begins here and does not run over a clause's end.
fn fitting<'a>(
    at: usize,
    at_start: bool,
    tokens: &[Option<Token>],
    stems: &[Id],
    lexicon: &'a Words,
) -> Option<&'a Phrase> {
    lexicon.phrases.get(&stems[at])?.iter().find(|phrase| {
        (at_start || !phrase.at_start)
            && stems.get(at + 1..=at + phrase.rest.len()).is_some_and(|following| following == phrase.rest)
            && !tokens[at + 1..=at + phrase.rest.len()].iter().flatten().any(|token| token.starts)
    })
}
