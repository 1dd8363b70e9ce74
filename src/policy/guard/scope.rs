//! A qualifier on one side only: a narrower question, or one about something that belongs to the other's subject.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::lexicon::{Lexicon, Traits};
use crate::policy::reading::{Kind, Reading, Token};

/// One side adds words that narrow the question, or owns what the other names.
pub(super) fn scope(c: &Comparison<'_>) -> Option<Objection> {
    const SHORT: usize = 16;
    let (a, b) = (&c.only_a.hard, &c.only_b.hard);
    let one_sided = a.is_empty() != b.is_empty();
    if one_sided && (c.length() <= SHORT || !c.is_read()) {
        let objection = Objection::new(Veto::Scope, words(a.iter().copied()), words(b.iter().copied()));
        let bar = a.iter().chain(b).map(|word| bar(word, c)).try_fold(0.0, |most: f32, bar| Some(most.max(bar?)));
        return Some(match bar {
            Some(bar) if c.in_english() && a.len() + b.len() == 1 => objection.until(bar),
            Some(bar) if c.in_english() => objection.until(bar.max(SEVERAL)),
            _ => objection,
        });
    }
    if !c.same_content() || c.length() > SHORT {
        return None;
    }
    let owner = owner(c.a, c.b).or_else(|| owner(c.b, c.a))?;
    Some(Objection::new(Veto::Scope, format!("{}'s", owner.written), &owner.written))
}

// From where a word more changes nothing, by its kind (measured: docs/decision-policy.md).
const FRAME: f32 = 0.80;
const VERB: f32 = 0.86;
const OPPOSED: f32 = 0.88;
const NOUN: f32 = 0.90;
const KIND: f32 = 0.92;
const SEVERAL: f32 = 0.88;

/// From where this word may go unsaid: a word that frames the question (`the formula for`) early, a verb
/// (`implement a cache`) later, one that has an opposite or another noun later still, last a noun that says which kind
/// of things (`tomato plants`). `None` for what narrows the question: adjectives and adverbs, names, what follows a
/// preposition (`per file`) or makes another thing of one that was named (`a fishing license`), and verbs that turn the
/// sentence around.
fn bar(token: &Token, c: &Comparison<'_>) -> Option<f32> {
    let name = token.is(Traits::NAME) || token.capital && !token.starts;
    let plain = token.kind == Kind::Word && token.is(Traits::KNOWN) && !name && !token.possessive;
    let narrows = token.is(Traits::ADVERSE) || token.quantity.is_some() || token.member.is_some();
    if !plain || narrows {
        return None;
    }
    let one = if c.a.find(token.id).is_some() { c.a } else { c.b };
    let at = one.tokens.iter().position(|other| other.id == token.id)?;
    let before = one.tokens[..at].iter().rev().find(|token| !token.is(Traits::ARTICLE));
    let article = at > 0 && (one.tokens[at - 1].is(Traits::ARTICLE) || one.tokens[at - 1].possessive);
    let after = one.tokens.get(at + 1);
    let describes = after.is_some_and(|after| after.is_content() && !after.is_soft() && !after.starts);
    // "Is drinking coffee bad?", "by eating chocolate": what one does with a thing, when one asks about it.
    let is_done = token.is(Traits::VERB) && token.written.ends_with("ing") && describes;
    if is_done && before.is_some_and(|before| before.is(Traits::AUXILIARY) && before.starts || &*before.written == "by")
    {
        return Some(VERB);
    }
    let adjunct =
        before.is_some_and(|before| before.is(Traits::PREPOSITION) && !matches!(&*before.written, "to" | "of"));
    if token.is(Traits::FRAME) {
        return (!adjunct || before.is_some_and(|before| matches!(&*before.written, "in" | "at"))).then_some(FRAME);
    }
    // "I am diabetic": what somebody is or has.
    let is_told = before.is_some_and(|before| before.is(Traits::AUXILIARY));
    if adjunct || is_told || token.is(Traits::MODIFIER) {
        return None;
    }
    // A verb with an opposite may be all that is asked (`increase my limit`, `my limit`), so it asks for more.
    let acts = Lexicon::get().has_opposite(token.id);
    match (token.is(Traits::VERB), article, describes) {
        (true, true, _) | (false, true, true) => None,
        (true, false, _) => Some(if acts { OPPOSED } else { VERB }),
        (false, false, true) => Some(KIND),
        (false, _, false) => Some(NOUN),
    }
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
        // A time owns nothing: `tomorrow's meeting`.
        let owns = token.possessive && token.quantity.is_none();
        (owns && places.peek().is_some() && places.all(alone)).then_some(token)
    })
}
