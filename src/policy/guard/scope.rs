//! A qualifier on one side only: a narrower question, or one about something that belongs to the other's subject.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::reading::{Reading, Token};

/// One side adds words that narrow the question, or owns what the other names.
pub(super) fn scope(c: &Comparison<'_>) -> Option<Objection> {
    const SHORT: usize = 16;
    let (a, b) = (&c.only_a.hard, &c.only_b.hard);
    let one_sided = a.is_empty() != b.is_empty();
    if one_sided && (c.length() <= SHORT || !c.is_read()) {
        return Some(Objection::new(Veto::Scope, words(a.iter().copied()), words(b.iter().copied())));
    }
    if !c.same_content() || c.length() > SHORT {
        return None;
    }
    let owner = owner(c.a, c.b).or_else(|| owner(c.b, c.a))?;
    Some(Objection::new(Veto::Scope, format!("{}'s", owner.written), &owner.written))
}

/// An owner on one side that on the other side stands alone: neither `of` it, nor before the same thing.
fn owner<'a>(one: &'a Reading, other: &Reading) -> Option<&'a Token> {
    let next = |reading: &Reading, at: usize| {
        reading.tokens[at + 1..].iter().find(|token| token.is_content()).map(|token| token.id)
    };
    one.tokens.iter().enumerate().find_map(|(at, token)| {
        let owned = next(one, at)?;
        let alone = |(place, same): (usize, &Token)| {
            let of = other.tokens[..place]
                .iter()
                .rev()
                .take(2)
                .any(|before| matches!(&*before.written, "of" | "for" | "in" | "by"));
            !same.possessive && !of && next(other, place) != Some(owned)
        };
        let mut places = other.tokens.iter().enumerate().filter(|(_, same)| same.id == token.id).peekable();
        (token.possessive && places.peek().is_some() && places.all(alone)).then_some(token)
    })
}
