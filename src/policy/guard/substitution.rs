//! One content word exchanged for another.

use super::{Objection, polarity, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::lexicon::Traits;
use crate::policy::reading::{Kind, Reading, Token};

/// Exactly one content word is left over on each side after stems, synonyms and typing errors, and the rest is
/// shared.
pub(super) fn substitution(c: &Comparison<'_>) -> Option<Objection> {
    const SHORT: usize = 20;
    let (a, b) = (&c.only_a, &c.only_b);
    let lengths = c.a.content.abs_diff(c.b.content);
    // Where no lexicon tells which words matter, they all do.
    if !c.is_read() && !a.hard.is_empty() && !b.hard.is_empty() {
        return Some(Objection::new(Veto::Substitution, words(a.hard.iter().copied()), words(b.hard.iter().copied())));
    }
    if polarity::flips_cancel(c) || lengths > 1 || c.length() > SHORT {
        return None;
    }
    let (x, y) = match (&a.hard[..], &b.hard[..]) {
        ([x], [y]) => (x, y),
        // A general word in place of a telling one is an exchange too: `find users`, `ban users`.
        ([x], []) => (x, a_general_word(&b.soft)?),
        ([], [y]) => (a_general_word(&a.soft)?, y),
        _ => return None,
    };
    let objection = Objection::new(Veto::Substitution, &x.written, &y.written);
    if !c.in_english() {
        return Some(objection);
    }
    let apart = x.is(Traits::VERB) && y.is(Traits::VERB) || describe_one_thing(c, x, y);
    Some(match (stands_for_a_thing(x), stands_for_a_thing(y)) {
        (true, true) => objection,
        (false, false) if is_word(x) && is_word(y) && !apart => {
            objection.until(if x.is_soft() || y.is_soft() { GENERAL } else { WORDS })
        }
        _ => objection.until(UNSURE),
    })
}

/// From where a general word (`get`, `find`) may stand for a telling one.
const GENERAL: f32 = 0.88;
/// From where one listed word may stand for another that no list calls a synonym (measured: docs/decision-policy.md).
const WORDS: f32 = 0.90;
/// The same where that is less sure: two verbs, which say what is done; two nouns that tell kinds of one thing apart; a
/// word that is none of the vocabulary.
const UNSURE: f32 = 0.94;

/// A name, a number, an identifier or a member of a closed class: no wording of anything else.
fn stands_for_a_thing(token: &Token) -> bool {
    token.kind != Kind::Word
        || token.is(Traits::NAME)
        || token.capital && !token.starts
        || token.member.is_some()
        || token.quantity.is_some()
}

/// Two nouns before the same word: `the search tool`, `the calculator tool`.
fn describe_one_thing(c: &Comparison<'_>, x: &Token, y: &Token) -> bool {
    let noun = |token: &Token| !token.is(Traits::MODIFIER);
    let after = |reading: &Reading, token: &Token| {
        let at = reading.tokens.iter().position(|other| other.id == token.id)?;
        reading.tokens.get(at + 1).filter(|after| after.is_content() && !after.starts).map(|after| after.id)
    };
    noun(x) && noun(y) && after(c.a, x).is_some_and(|thing| after(c.b, y) == Some(thing))
}

fn is_word(token: &Token) -> bool {
    token.is(Traits::KNOWN)
}

fn a_general_word<'a, 'b>(soft: &'b [&'a Token]) -> Option<&'b &'a Token> {
    match soft {
        [word] if !word.aside => Some(word),
        _ => None,
    }
}
