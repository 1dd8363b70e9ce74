//! Replaces phrases by the words they stand for, and drops the framing around a question.

use super::super::lexicon::{Id, Instead, Phrase, Quantity};
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
        for (nth, instead) in phrase.instead.iter().enumerate() {
            let mut token = written_out(instead, lexicon);
            token.starts = nth == 0 && at_start || instead.begins;
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

fn written_out(Instead { word, is_identifier, .. }: &Instead, lexicon: &Words) -> Token {
    if *is_identifier {
        return Token::raw(word, Kind::Identifier);
    }
    let token = Token::word(word, lexicon);
    match token.quantity {
        Some((Quantity::Number, _)) => Token { kind: Kind::Number, ..token },
        _ => token,
    }
}

/// The longest phrase that these tokens begin with and that does not run over a clause's end. Phrases are written in
/// stems, tokens are known by group: what counts is the stem of what is written.
fn fitting<'a>(tokens: &[Token], at_start: bool, lexicon: &'a Words) -> Option<&'a Phrase> {
    let (first, following) = tokens.split_first().filter(|(first, _)| first.opens)?;
    let same = |(stem, token): (&Id, &Token)| token.stem == *stem && !token.starts;
    let goes_on = |rest: &[Id]| following.len() >= rest.len() && rest.iter().zip(following).all(same);
    let fits = |phrase: &&Phrase| (at_start || !phrase.at_start) && goes_on(&phrase.rest);
    let second = following.first().filter(|second| !second.starts).map(|second| second.stem);
    let longer = second.and_then(|second| lexicon.phrases(first.stem, Some(second)).iter().find(fits));
    longer.or_else(|| lexicon.phrases(first.stem, None).iter().find(fits))
}
