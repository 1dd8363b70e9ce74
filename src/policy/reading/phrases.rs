//! Replaces phrases by the words they stand for, and drops the framing around a question.

use super::super::lexicon::{Id, Phrase, Quantity};
use super::tokens::split_word;
use super::{Kind, Token, Words};

/// The tokens with every phrase replaced, leftmost first and longest first.
pub(super) fn replace(tokens: Vec<Token>, lexicon: &Words) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len() + 4);
    // Whether everything since the clause began was dropped.
    let mut at_start = true;
    let mut starts = false;
    let mut rest = tokens.into_iter();
    while let Some(first) = rest.as_slice().first() {
        at_start |= first.starts;
        starts |= first.starts;
        let Some(phrase) = fitting(rest.as_slice(), at_start, lexicon) else {
            if let Some(mut token) = rest.next() {
                token.starts |= starts && at_start;
                at_start = false;
                starts = false;
                out.push(token);
            }
            continue;
        };
        let capital = first.capital && phrase.rest.is_empty();
        let last = phrase.rest.len();
        let possessive = rest.as_slice()[last].possessive;
        for (nth, word) in phrase.instead.iter().enumerate() {
            // `^how`: a clause begins with it.
            let begins = word.strip_prefix('^');
            let mut token = written_out(begins.unwrap_or(word), lexicon);
            token.starts = nth == 0 && at_start || begins.is_some();
            token.possessive = possessive;
            token.capital = capital;
            out.push(token);
        }
        if !phrase.instead.is_empty() {
            at_start = false;
            starts = false;
        }
        rest.nth(last);
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

/// The longest phrase that these tokens begin with and that does not run over a clause's end. Phrases are written in
/// stems, tokens are known by group: what counts is the stem of what is written.
fn fitting<'a>(tokens: &[Token], at_start: bool, lexicon: &'a Words) -> Option<&'a Phrase> {
    let (first, following) = tokens.split_first().filter(|(first, _)| first.opens)?;
    let second = following.first().filter(|token| !token.starts).map(|token| token.stem);
    let fits = |phrase: &&Phrase| {
        let begins = phrase.rest.first().is_none_or(|stem| Some(*stem) == second);
        begins && (at_start || !phrase.at_start) && goes_on(&phrase.rest, following)
    };
    lexicon.phrases.get(&first.stem)?.iter().find(fits)
}

fn goes_on(rest: &[Id], following: &[Token]) -> bool {
    let same = |(stem, token): (&Id, &Token)| token.stem == *stem && !token.starts;
    following.len() >= rest.len() && rest.iter().zip(following).all(same)
}
