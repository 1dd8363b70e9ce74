//! Things that are only themselves: languages, code, quoted literals, identifiers, members of closed classes, names.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::lexicon::{ClassKind, Id, Lexicon, Traits};
use crate::policy::reading::{Kind, Reading, Token};

/// The prompts are in different languages, and so will their answers be.
pub(super) fn language(c: &Comparison<'_>) -> Option<Objection> {
    c.a.tongue.differs(c.b.tongue).then(|| Objection::new(Veto::Language, "", ""))
}

/// Code blocks are compared by exact content.
pub(super) fn code(c: &Comparison<'_>) -> Option<Objection> {
    let blocks = |reading: &Reading| format!("{} blocks", reading.code.len());
    (c.a.code != c.b.code).then(|| Objection::new(Veto::Code, blocks(c.a), blocks(c.b)))
}

/// A quoted literal of one side is said nowhere on the other.
pub(super) fn literal(c: &Comparison<'_>) -> Option<Objection> {
    let odd = |one: &Reading, other: &Reading| -> String {
        let unsaid = one.literals.iter().filter(|literal| !other.literals.contains(literal) && !says(other, literal));
        unsaid.map(|literal| &**literal).collect::<Vec<_>>().join(", ")
    };
    let (a, b) = (odd(c.a, c.b), odd(c.b, c.a));
    (!(a.is_empty() && b.is_empty())).then(|| Objection::new(Veto::Literal, a, b))
}

fn says(reading: &Reading, literal: &str) -> bool {
    let lexicon = Lexicon::get();
    literal.split_whitespace().all(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        reading.find(Id::of(word)).is_some() || reading.find(lexicon.group(lexicon.stem(word))).is_some()
    })
}

/// Each side names an identifier, a path, a flag or an operator that the other does not.
pub(super) fn identifier(c: &Comparison<'_>) -> Option<Objection> {
    let named = |token: &&Token| matches!(token.kind, Kind::Identifier | Kind::Symbol);
    let (a, b): (Vec<_>, Vec<_>) = (c.only_a.all().filter(named).collect(), c.only_b.all().filter(named).collect());
    (!a.is_empty() && !b.is_empty()).then(|| Objection::new(Veto::Identifier, words(a), words(b)))
}

/// Each side names a member of the same closed class that the other does not.
pub(super) fn class(c: &Comparison<'_>) -> Option<Objection> {
    if !c.is_close() {
        return None;
    }
    let lexicon = Lexicon::get();
    // What leads up to the question counts here too: "I use Windows. How do I ...?", "I use a Mac. How do I ...?"
    c.only_a.with_asides().find_map(|a| {
        let class = a.member?.class;
        let veto = match lexicon.classes[usize::from(class)].0 {
            ClassKind::Language => Veto::Language,
            ClassKind::Date => Veto::Date,
            ClassKind::Form => Veto::Form,
            ClassKind::Unit => return None,
            ClassKind::Plain => Veto::Class,
        };
        let b = c.only_b.with_asides().find(|b| b.member.is_some_and(|member| member.class == class))?;
        Some(Objection::new(veto, &a.written, &b.written))
    })
}

/// Each side has a proper name that the other lacks.
pub(super) fn name(c: &Comparison<'_>) -> Option<Objection> {
    if c.only_a.hard.is_empty() || c.only_b.hard.is_empty() {
        return None;
    }
    let capitals_tell = !shouts(c.a) && !shouts(c.b);
    let is_name = |token: &&Token| {
        let capital = capitals_tell && token.capital && !token.starts && token.kind == Kind::Word;
        token.is(Traits::NAME) || capital && !token.is(Traits::GENERIC)
    };
    let mut a = c.only_a.hard.iter().copied().filter(|token| !token.aside && is_name(token)).peekable();
    let mut b = c.only_b.hard.iter().copied().filter(|token| !token.aside && is_name(token)).peekable();
    (a.peek().is_some() && b.peek().is_some()).then(|| Objection::new(Veto::Name, words(a), words(b)))
}

/// Whether capitals say nothing here: most content words have one.
fn shouts(reading: &Reading) -> bool {
    let content = reading.tokens.iter().filter(|token| token.is_content() && token.kind == Kind::Word);
    let (all, capital) = content.fold((0, 0), |(all, capital), token| (all + 1, capital + usize::from(token.capital)));
    all >= 4 && capital * 4 > all * 3
}
