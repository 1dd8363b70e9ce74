//! One content word exchanged for another.

use super::{Objection, polarity, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;

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
    Some(Objection::new(Veto::Substitution, &x.written, &y.written))
}

fn a_general_word<'a, 'b>(
    soft: &'b [&'a crate::policy::reading::Token],
) -> Option<&'b &'a crate::policy::reading::Token> {
    match soft {
        [word] if !word.aside => Some(word),
        _ => None,
    }
}
