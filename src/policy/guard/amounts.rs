//! Numbers, years, units and ordinals.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::{Comparison, Remainder};
use crate::policy::lexicon::{ClassKind, Id, Lexicon, Quantity};
use crate::policy::reading::{Kind, Reading, Token};

/// Both name numbers, and not the same ones. A number on one side only is no reason by itself.
pub(super) fn number(c: &Comparison<'_>) -> Option<Objection> {
    let names_any = |reading: &Reading| reading.tokens.iter().any(|token| token.kind == Kind::Number);
    if !names_any(c.a) || !names_any(c.b) || !c.is_close() {
        return None;
    }
    let (a, b) = (numbers(c.a), numbers(c.b));
    let ids = |tokens: &[&Token]| {
        let mut ids: Vec<Id> = tokens.iter().map(|token| token.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    if ids(&a) == ids(&b) {
        return None;
    }
    let odd = |these: &[&Token], those: &[&Token]| -> Vec<String> {
        let missing = these.iter().filter(|this| those.iter().all(|that| that.id != this.id));
        missing.map(|token| token.written.to_string()).collect()
    };
    let (left, right) = (odd(&a, &b), odd(&b, &a));
    let veto = if left.iter().chain(&right).all(|digits| is_date(digits)) { Veto::Date } else { Veto::Number };
    Some(Objection::new(veto, left.join(" "), right.join(" ")))
}

fn numbers(reading: &Reading) -> Vec<&Token> {
    reading.tokens.iter().filter(|token| token.kind == Kind::Number).collect()
}

/// A year, a decade, or digits with date or time separators.
fn is_date(digits: &str) -> bool {
    let year = digits.strip_suffix('s').unwrap_or(digits);
    let is_year = year.len() == 4 && matches!(year.parse(), Ok(1700..=2100));
    is_year || digits.contains([':', '/']) || digits.matches('-').count() == 2
}

/// Each side measures in a unit that the other does not use.
pub(super) fn unit(c: &Comparison<'_>) -> Option<Objection> {
    let lexicon = Lexicon::get();
    let is_unit = |token: &&Token| {
        token.member.is_some_and(|member| lexicon.classes[usize::from(member.class)].0 == ClassKind::Unit)
    };
    let (a, b): (Vec<_>, Vec<_>) = (c.only_a.all().filter(is_unit).collect(), c.only_b.all().filter(is_unit).collect());
    if a.is_empty() || b.is_empty() || !c.is_close() {
        return None;
    }
    Some(Objection::new(Veto::Unit, words(a), words(b)))
}

/// First, second, last: any difference counts, one-sided too.
pub(super) fn ordinal(c: &Comparison<'_>) -> Option<Objection> {
    if !c.is_close() {
        return None;
    }
    let (a, b) = (ordinals(&c.only_a), ordinals(&c.only_b));
    let groups = |tokens: &[&Token]| {
        let mut groups: Vec<_> = tokens.iter().filter_map(|token| token.quantity).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    };
    if groups(&a) == groups(&b) {
        return None;
    }
    Some(Objection::new(Veto::Ordinal, words(a), words(b)))
}

fn ordinals<'a>(only: &Remainder<'a>) -> Vec<&'a Token> {
    only.all().filter(|token| matches!(token.quantity, Some((Quantity::Ordinal, _)))).collect()
}
