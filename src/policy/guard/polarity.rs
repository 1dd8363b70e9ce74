//! Opposites and negation.

use super::Objection;
use crate::domain::Veto;
use crate::policy::compare::{Comparison, Remainder};
use crate::policy::lexicon::{Lexicon, Traits};
use crate::policy::reading::{Kind, Reading, Token};

/// Each side has one of a pair of opposites. Two flips of which one is of degree (`more careful`, `less careless`),
/// and an opposite together with a negation (`not open`, `closed`), cancel out.
pub(super) fn antonym(c: &Comparison<'_>) -> Option<Objection> {
    if !c.in_english() || !c.is_close() {
        return None;
    }
    let pairs = opposites(c);
    let (a, b) = *pairs.first()?;
    (!cancel_out(c, &pairs)).then(|| Objection::new(Veto::Antonym, &a.written, &b.written))
}

/// Whether the opposites between the two prompts undo each other.
pub(super) fn flips_cancel(c: &Comparison<'_>) -> bool {
    c.in_english() && cancel_out(c, &opposites(c))
}

fn cancel_out(c: &Comparison<'_>, pairs: &[(&Token, &Token)]) -> bool {
    let of_degree = |(a, b): &&(&Token, &Token)| a.is(Traits::DEGREE) && b.is(Traits::DEGREE);
    let flips_twice = pairs.len() == 2 && pairs.iter().filter(of_degree).count() == 1;
    let negated = pairs.len() == 1 && c.a.negations.abs_diff(c.b.negations) % 2 == 1;
    flips_twice || negated
}

/// One is negated, or turned by a word such as `refuse` or `without`, and the other is not.
pub(super) fn negation(c: &Comparison<'_>) -> Option<Objection> {
    if c.length() > 20 || c.overlap() < 0.4 {
        return None;
    }
    let turned = |only: &Remainder<'_>| only.all().filter(|token| token.is(Traits::ADVERSE)).count();
    let odd = (c.a.negations + c.b.negations + turned(&c.only_a) + turned(&c.only_b)) % 2 == 1;
    // An opposite on the other side takes up the negation, or is an objection of its own.
    if !odd || c.in_english() && opposites(c).len() == 1 {
        return None;
    }
    let said = |reading: &Reading, only: &Remainder<'_>| {
        let turn = only.all().find(|token| token.is(Traits::ADVERSE) || token.is(Traits::NEGATION));
        turn.map_or(if reading.negations > 0 { "not" } else { "" }, |token| &token.written).to_owned()
    };
    Some(Objection::new(Veto::Negation, said(c.a, &c.only_a), said(c.b, &c.only_b)))
}

fn opposites<'a>(c: &Comparison<'a>) -> Vec<(&'a Token, &'a Token)> {
    let lexicon = Lexicon::get();
    let opposed = |a: &Token, b: &Token| {
        a.kind == Kind::Word
            && b.kind == Kind::Word
            && (lexicon.are_antonyms(a.id, b.id) || by_prefix(a, b) || by_prefix(b, a))
    };
    c.only_a.all().filter_map(|a| c.only_b.all().find(|b| opposed(a, b)).map(|b| (a, b))).collect()
}

/// `unlock` of `lock`, `careless` of `careful`.
fn by_prefix(one: &Token, other: &Token) -> bool {
    const PREFIXES: [&str; 9] = ["un", "dis", "non", "de", "in", "im", "ir", "il", "anti"];
    let (one, other) = (&*one.written, &*other.written);
    let prefixed = |prefix: &&str| one.strip_prefix(*prefix).is_some_and(|rest| rest.len() >= 4 && rest == other);
    let without = one.strip_suffix("less").zip(other.strip_suffix("ful")).is_some_and(|(x, y)| x == y);
    PREFIXES.iter().any(prefixed) || without
}
