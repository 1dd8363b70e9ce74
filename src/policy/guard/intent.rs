//! What is wanted of the same matter: another question word, another time, another obligation, another form.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::{Comparison, Remainder};
use crate::policy::lexicon::{Id, Quantity, Traits};
use crate::policy::reading::{Kind, Question, Reading, Tense, Token};

/// Who, when, where, why, how or whether, of the same fact.
pub(super) fn question(c: &Comparison<'_>) -> Option<Objection> {
    use Question::{How, What, Where, Why, YesNo};
    if !c.in_english() {
        let asks = |token: &&Token| token.is(Traits::QUESTION);
        let (a, b): (Vec<_>, Vec<_>) = (c.only_a.all().filter(asks).collect(), c.only_b.all().filter(asks).collect());
        return (!a.is_empty() && !b.is_empty()).then(|| Objection::new(Veto::Question, words(a), words(b)));
    }
    let (a, b) = (c.a.question?, c.b.question?);
    let apart = c.only_a.hard.len().max(c.only_b.hard.len());
    let differ = match (a, b) {
        _ if a == b || apart > 1 => false,
        // "What is the way to" and "how": too close to tell apart by this word.
        (What, How) | (How, What) | (What, YesNo) | (YesNo, What) => false,
        // In a program, where to change something is how to change it.
        (How, Where) | (Where, How) if names_a_control(c.a) && names_a_control(c.b) => false,
        // "What relieves it" is not "what causes it".
        (What, Why) | (Why, What) => true,
        (What, _) | (_, What) => apart == 0,
        _ => true,
    };
    differ.then(|| Objection::new(Veto::Question, name(a), name(b)))
}

/// What people do in menus and settings.
fn names_a_control(reading: &Reading) -> bool {
    const CONTROLS: [&str; 19] = [
        "change",
        "modify",
        "enable",
        "disable",
        "reset",
        "update",
        "edit",
        "set",
        "adjust",
        "configure",
        "setup",
        "view",
        "see",
        "find",
        "access",
        "check",
        "locate",
        "download",
        "retrieve",
    ];
    reading.tokens.iter().any(|token| CONTROLS.contains(&&*token.written))
}

const fn name(question: Question) -> &'static str {
    match question {
        Question::Who => "who",
        Question::When => "when",
        Question::Where => "where",
        Question::Why => "why",
        Question::How => "how",
        Question::What => "what",
        Question::YesNo => "whether",
    }
}

/// Yesterday and tomorrow, current and former, is and was.
pub(super) fn time(c: &Comparison<'_>) -> Option<Objection> {
    if !c.in_english() || !c.is_close() {
        return None;
    }
    let present = Id::of("present").0;
    let told = |token: &&Token| matches!(token.quantity, Some((Quantity::Time, group)) if group != present);
    let (a, b): (Vec<_>, Vec<_>) = (c.only_a.all().filter(told).collect(), c.only_b.all().filter(told).collect());
    // What is next or upcoming goes without saying; what is past does not.
    let next = Id::of("next").0;
    let telling = a.iter().chain(&b).any(|token| !matches!(token.quantity, Some((_, group)) if group == next));
    if telling || !a.is_empty() && !b.is_empty() {
        return Some(Objection::new(Veto::Time, words(a), words(b)));
    }
    if let Some((year, word)) = year_for_a_time(c.a, c.b).or_else(|| year_for_a_time(c.b, c.a)) {
        return Some(Objection::new(Veto::Time, &year.written, &word.written));
    }
    let tenses = (c.a.tense?, c.b.tense?);
    let shifted = tenses.0 != tenses.1 && c.same_content();
    shifted.then(|| Objection::new(Veto::Time, tense(tenses.0), tense(tenses.1)))
}

/// A year on one side (`in 2010`), where the other has no number and tells the time in a word (`the current`).
fn year_for_a_time<'a>(one: &'a Reading, other: &'a Reading) -> Option<(&'a Token, &'a Token)> {
    let year = one.tokens.iter().find(|token| token.kind == Kind::Number && is_year(&token.written))?;
    let told = |token: &&Token| matches!(token.quantity, Some((Quantity::Time, _)));
    let word = other.tokens.iter().find(told)?;
    let numbers = |reading: &Reading| reading.tokens.iter().any(|token| token.kind == Kind::Number);
    (!numbers(other)).then_some((year, word))
}

fn is_year(digits: &str) -> bool {
    digits.len() == 4 && matches!(digits.parse(), Ok(1000..=2100))
}

const fn tense(tense: Tense) -> &'static str {
    match tense {
        Tense::Past => "past",
        Tense::Present => "present",
        Tense::Future => "future",
    }
}

/// Another form or length of answer.
pub(super) fn form(c: &Comparison<'_>) -> Option<Objection> {
    // These two ask for more of the same, so they count only against another form.
    let mild = |token: &Token| matches!(&*token.written, "form-steps" | "form-examples");
    let is_form = |token: &&Token| token.written.starts_with("form-");
    let (a, b): (Vec<_>, Vec<_>) = (c.only_a.all().filter(is_form).collect(), c.only_b.all().filter(is_form).collect());
    let strong = a.iter().chain(&b).any(|token| !mild(token));
    let differ = strong || !a.is_empty() && !b.is_empty();
    let shown = |tokens: &[&Token]| tokens.iter().map(|token| &token.written[5..]).collect::<Vec<_>>().join(" ");
    (differ && c.is_close()).then(|| Objection::new(Veto::Form, shown(&a), shown(&b)))
}

/// A request opens with other work: translate, summarise, fix.
pub(super) fn action(c: &Comparison<'_>) -> Option<Objection> {
    let (a, b) = (requested(c.a), requested(c.b));
    let unsaid = |token: Option<&Token>, only: &Remainder<'_>| {
        token.is_some_and(|token| only.all().any(|left| left.id == token.id))
    };
    let same_work =
        a.is_some() && b.is_some() && a.and_then(|token| token.quantity) == b.and_then(|token| token.quantity);
    if same_work || c.overlap() < 0.4 || !unsaid(a, &c.only_a) && !unsaid(b, &c.only_b) {
        return None;
    }
    let shown = |token: Option<&Token>| token.map(|token| token.written.to_string()).unwrap_or_default();
    Some(Objection::new(Veto::Action, shown(a), shown(b)))
}

/// The work that the first clause asks for, unless it is to explain, as every question does.
fn requested(reading: &Reading) -> Option<&Token> {
    let explain = Id::of("explain").0;
    let first = reading.tokens.first()?;
    matches!(first.quantity, Some((Quantity::Action, group)) if group != explain).then_some(first)
}

/// All, any, none, only.
pub(super) fn quantifier(c: &Comparison<'_>) -> Option<Objection> {
    if !c.in_english() || !c.is_close() {
        return None;
    }
    let (a, b) = (of_kind(c.a, Quantity::Quantifier), of_kind(c.b, Quantity::Quantifier));
    let narrow = |token: &&Token| {
        matches!(&*token.written, "only" | "solely" | "exclusively" | "none" | "few" | "both" | "either")
    };
    let apart = !a.is_empty() && !b.is_empty() && disjoint(&a, &b);
    // "Do birds fly?" leaves open what "do all birds fly?" asks.
    let yes_or_no = c.a.question == Some(Question::YesNo) && c.b.question == Some(Question::YesNo);
    let telling = |token: &&Token| narrow(token) || yes_or_no && &*token.written != "any";
    let one_sided = a.iter().chain(&b).any(telling) && a.is_empty() != b.is_empty();
    (apart || one_sided).then(|| Objection::new(Veto::Quantifier, words(a), words(b)))
}

/// Can, should, must.
pub(super) fn modal(c: &Comparison<'_>) -> Option<Objection> {
    if !c.in_english() || c.only_a.hard.len() + c.only_b.hard.len() > 2 {
        return None;
    }
    let (mut a, mut b) = (of_kind(c.a, Quantity::Modal), of_kind(c.b, Quantity::Modal));
    // "What should I pack" and "what do I need to pack" ask the same; "should I" and "do I need to" do not.
    if c.a.question == Some(Question::What) && c.b.question == Some(Question::What) {
        let strict = |token: &&Token| &*token.written != "need";
        a.retain(strict);
        b.retain(strict);
    }
    (!a.is_empty() && !b.is_empty() && disjoint(&a, &b)).then(|| Objection::new(Veto::Modal, words(a), words(b)))
}

fn of_kind(reading: &Reading, kind: Quantity) -> Vec<&Token> {
    let is_kind = |token: &&Token| !token.aside && token.quantity.is_some_and(|(found, _)| found == kind);
    reading.tokens.iter().filter(is_kind).collect()
}

fn disjoint(a: &[&Token], b: &[&Token]) -> bool {
    a.iter().all(|x| b.iter().all(|y| x.quantity != y.quantity))
}
