//! How a prompt asks: its main clause, question word and tense, and which clauses only lead up to it.

use super::super::lexicon::Traits;
use super::Token;

/// What a main clause asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// who, whose
    Who,
    /// when
    When,
    /// where
    Where,
    /// why
    Why,
    /// how
    How,
    /// what, which
    What,
    /// is, does, can ...
    YesNo,
}

/// When the main clause's verb plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tense {
    /// was, did, had
    Past,
    /// is, does, has
    Present,
    /// will
    Future,
}

/// What [`read`] found.
pub(super) struct Asked {
    pub(super) question: Option<Question>,
    pub(super) tense: Option<Tense>,
}

/// Finds question and tense, and marks the clauses that only lead up to the question.
pub(super) fn read(tokens: &mut [Token]) -> Asked {
    let bounds = clauses(tokens);
    let asking: Vec<bool> = bounds.iter().map(|(from, to)| asks(&tokens[*from..*to])).collect();
    let main = bounds.iter().zip(&asking).position(|((from, to), asks)| *asks && !leads_up(&tokens[*from..*to]));
    let main = main.or_else(|| asking.iter().position(|asks| *asks)).unwrap_or(0);
    let Some((from, to)) = bounds.get(main).copied() else {
        return Asked { question: None, tense: None };
    };
    let asked = Asked { question: question(&tokens[from..to]), tense: tense(&tokens[from..to]) };
    if asking[main] && stands_alone(&tokens[from..to]) {
        for (nth, (from, to)) in bounds.iter().copied().enumerate() {
            let clause = &mut tokens[from..to];
            if !asking[nth] && clause.iter().any(in_first_person) && !tells_a_state(clause) {
                clause.iter_mut().for_each(|token| token.aside = true);
            }
        }
    }
    asked
}

fn clauses(tokens: &[Token]) -> Vec<(usize, usize)> {
    let mut bounds = Vec::new();
    let mut from = 0;
    for at in 1..=tokens.len() {
        if at == tokens.len() || tokens[at].starts {
            bounds.push((from, at));
            from = at;
        }
    }
    bounds
}

fn asks(clause: &[Token]) -> bool {
    clause.first().is_some_and(|first| first.is(Traits::QUESTION) || first.is(Traits::AUXILIARY))
        && !leaves_out_i(clause)
}

/// `Can't remember my password`, `won't start`: no question, but a statement without its subject.
fn leaves_out_i(clause: &[Token]) -> bool {
    matches!(clause, [first, not, third, ..]
        if first.is(Traits::AUXILIARY) && &*not.written == "not" && third.is(Traits::VERB) && !third.is(Traits::PRONOUN))
}

/// `When my disk is full, how ...`: when something is so, not when it is.
fn leads_up(clause: &[Token]) -> bool {
    matches!(clause, [first, second, ..] if &*first.written == "when" && !second.is(Traits::AUXILIARY))
}

/// A clause that says enough by itself, and points at nothing said before.
fn stands_alone(clause: &[Token]) -> bool {
    let subject = clause.iter().filter(|token| token.is_content() && !token.is_soft()).count();
    subject >= 1 && !clause.iter().any(|token| token.is(Traits::ANAPHORA))
}

/// What the speaker or theirs are or have decides the answer: `I am pregnant`, `my child has a fever`. What they do,
/// saw or heard does not: `I am writing a report`.
fn tells_a_state(clause: &[Token]) -> bool {
    let verb =
        clause.iter().position(|token| matches!(&*token.written, "am" | "are" | "is" | "was" | "have" | "has" | "had"));
    verb.is_some_and(|at| {
        let next = clause[at + 1..].iter().find(|token| !token.is_soft());
        next.is_some_and(|next| !next.written.ends_with("ing") && !next.is(Traits::AUXILIARY))
    })
}

fn in_first_person(token: &Token) -> bool {
    matches!(&*token.written, "i" | "my" | "me" | "we" | "our" | "us" | "mine")
}

/// The question word that opens the clause, after nothing but function words and generalities.
fn question(clause: &[Token]) -> Option<Question> {
    let opening =
        clause.iter().take_while(|token| !token.is_content() || token.is_soft() || token.is(Traits::QUESTION));
    let word = opening.clone().find_map(|token| match &*token.written {
        "who" | "whom" | "whose" => Some(Question::Who),
        "when" => Some(Question::When),
        "where" => Some(Question::Where),
        "why" => Some(Question::Why),
        "how" => Some(Question::How),
        "what" | "which" => Some(Question::What),
        _ => None,
    });
    word.or_else(|| clause.first().filter(|first| first.is(Traits::AUXILIARY)).map(|_| Question::YesNo))
}

fn tense(clause: &[Token]) -> Option<Tense> {
    clause.iter().find_map(|token| match &*token.written {
        "was" | "were" | "did" | "had" => Some(Tense::Past),
        "is" | "are" | "am" | "do" | "does" | "has" | "should" | "must" => Some(Tense::Present),
        "will" => Some(Tense::Future),
        _ => None,
    })
}
