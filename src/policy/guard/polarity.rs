//! Opposites and negation.

use super::Objection;
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::lexicon::{Lexicon, Traits};
use crate::policy::reading::{Kind, Token};

/// Each side has one of a pair of opposites. Two flips of which one is of degree (`more careful`, `less careless`),
/// and an opposite together with a negation (`not open`, `closed`), cancel out.
pub(super) fn antonym(c: &Comparison<'_>) -> Option<Objection> {
    if !c.in_english() || !c.is_close() {
        return None;
    }
    let pairs = opposites(c);
    let (a, b) = *pairs.first()?;
    let of_degree = |(a, b): &(&Token, &Token)| a.is(Traits::DEGREE) && b.is(Traits::DEGREE);
    let flips_twice = pairs.len() == 2 && pairs.iter().filter(|pair| of_degree(pair)).count() == 1;
    let negated = pairs.len() == 1 && c.a.negations.abs_diff(c.b.negations) % 2 == 1;
    (!flips_twice && !negated).then(|| Objection::new(Veto::Antonym, &a.written, &b.written))
}

/// One is negated and the other is not.
pub(super) fn negation(c: &Comparison<'_>) -> Option<Objection> {
    let differs = c.a.negations.abs_diff(c.b.negations) % 2 == 1;
    if !differs || c.length() > 20 || c.overlap() < 0.4 || c.in_english() && opposites(c).len() == 1 {
        return None;
    }
    let said = |negations: usize| if negations % 2 == 1 { "not" } else { "" };
    Some(Objection::new(Veto::Negation, said(c.a.negations), said(c.b.negations)))
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
