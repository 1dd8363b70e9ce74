//! A qualifier on one side only: a narrower question, or one about something that belongs to the other's subject.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::lexicon::Traits;
use crate::policy::reading::{Reading, Token};

/// One side adds words that narrow the question, or owns what the other names.
pub(super) fn scope(c: &Comparison<'_>) -> Option<Objection> {
    const SHORT: usize = 16;
    let (a, b) = (&c.only_a.hard, &c.only_b.hard);
    let one_sided = a.is_empty() != b.is_empty();
    if one_sided && (c.length() <= SHORT || !c.is_read()) {
        let objection = Objection::new(Veto::Scope, words(a.iter().copied()), words(b.iter().copied()));
        let [word] = a.iter().chain(b).collect::<Vec<_>>()[..] else { return Some(objection) };
        return Some(if c.in_english() && is_support(word, c) { objection.until(SUPPORT) } else { objection });
    }
    if !c.same_content() || c.length() > SHORT {
        return None;
    }
    let owner = owner(c.a, c.b).or_else(|| owner(c.b, c.a))?;
    Some(Objection::new(Veto::Scope, format!("{}'s", owner.written), &owner.written))
}

/// From where a verb more changes nothing (measured: docs/decision-policy.md).
const SUPPORT: f32 = 0.88;

/// A verb that may support another word (`implement a cache`, `a cache`), unless it turns the sentence around or tells
/// of a change. Nouns and adjectives narrow what is asked, and so does a verb in the place of one: `per file`,
/// `an accredited nurse`.
fn is_support(token: &Token, c: &Comparison<'_>) -> bool {
    let verb = token.is(Traits::VERB) && !token.is(Traits::ADVERSE) && token.quantity.is_none() && !token.capital;
    let before = |reading: &Reading| {
        let at = reading.tokens.iter().position(|other| other.id == token.id)?;
        at.checked_sub(1).map(|at| {
            let before = &reading.tokens[at];
            before.is(Traits::ARTICLE)
                || before.possessive
                || before.is(Traits::PREPOSITION) && &*before.written != "to"
        })
    };
    verb && !before(c.a).or_else(|| before(c.b)).unwrap_or_default()
}

/// An owner on one side that on the other side stands alone: neither `of` it, nor before the same thing.
fn owner<'a>(one: &'a Reading, other: &'a Reading) -> Option<&'a Token> {
    let next = |reading: &'a Reading, at: usize| reading.tokens[at + 1..].iter().find(|token| token.is_content());
    one.tokens.iter().enumerate().find_map(|(at, token)| {
        let owned = next(one, at)?;
        let alone = |(place, same): (usize, &Token)| {
            let of = other.tokens[..place]
                .iter()
                .rev()
                .take(3)
                .any(|before| matches!(&*before.written, "of" | "for" | "in" | "by" | "from" | "to"));
            !same.possessive && !of && next(other, place).map(|token| token.id) != Some(owned.id)
        };
        let mut places = other.tokens.iter().enumerate().filter(|(_, same)| same.id == token.id).peekable();
        (token.possessive && places.peek().is_some() && places.all(alone)).then_some(token)
    })
}
