//! The same parts in other roles: reversed direction, exchanged subject and object, he for she.

use super::{Objection, words};
use crate::domain::Veto;
use crate::policy::compare::Comparison;
use crate::policy::lexicon::{Id, Member, Traits};
use crate::policy::reading::{Kind, Question, Reading, Token};

/// Words that bind the thing after them to one side of a relation.
const DIRECTIONAL: [&str; 7] = ["from", "to", "into", "than", "over", "before", "after"];
/// A word such as `from`, `to` or `than` binds different things on the two sides, and each side says both things.
pub(super) fn direction(c: &Comparison<'_>) -> Option<Objection> {
    if c.overlap() < 0.5 || is_symmetric(c.a) || is_symmetric(c.b) {
        return None;
    }
    let said = DIRECTIONAL.iter().filter(|word| says(c.a, word) && says(c.b, word));
    let reversed = said.into_iter().find_map(|word| {
        let (a, b) = (objects(c.a, word), objects(c.b, word));
        let apart = !a.is_empty() && !b.is_empty() && a.iter().all(|x| b.iter().all(|y| x.id != y.id));
        // Beside other differences, what is done tells no direction: `before changing tires`, `before tires are changed`.
        let things = a.iter().chain(&b).all(|bound| is_thing(bound));
        let apart = apart && (c.same_content() || things || [&a, &b].iter().any(|one| one.iter().all(|x| is_named(x))));
        let said = a.iter().all(|x| c.b.find(x.id).is_some()) && b.iter().all(|x| c.a.find(x.id).is_some());
        (apart && said && !is_nominal(word, c.a, c.b) && !is_nominal(word, c.b, c.a))
            .then(|| Objection::new(Veto::Direction, format!("{word} {}", words(a)), format!("{word} {}", words(b))))
    });
    if reversed.is_some() || !c.same_content() {
        return reversed;
    }
    passive(c.a, c.b).or_else(|| passive(c.b, c.a)).or_else(|| exchanged(c.a, c.b))
}

/// `To visit Japan` in `one`, and `a visit to Japan` in `other`.
fn is_nominal(word: &str, one: &Reading, other: &Reading) -> bool {
    let verbs = |reading: &Reading, to: usize| Some((reading.tokens.get(to + 1)?.id, reading.tokens.get(to + 2)?.id));
    let nouns = |reading: &Reading, to: usize| {
        Some((reading.tokens.get(to.checked_sub(1)?)?.id, reading.tokens.get(to + 1)?.id))
    };
    let places = |reading: &Reading| -> Vec<usize> {
        (0..reading.tokens.len()).filter(|at| &*reading.tokens[*at].written == word).collect()
    };
    let nominal: Vec<_> = places(other).into_iter().filter_map(|to| nouns(other, to)).collect();
    places(one).into_iter().filter_map(|to| verbs(one, to)).any(|verbal| nominal.contains(&verbal))
}

/// Two of one class, each of which describes on the other side what the other one does here: `a Japanese citizen in the US`,
/// `a US citizen in Japan`.
fn exchanged(a: &Reading, b: &Reading) -> Option<Objection> {
    let described = |reading: &'_ Reading| -> Vec<(Member, Id, usize)> {
        let pairs = reading.tokens.windows(2).enumerate();
        let describes = |(at, pair): (usize, &[Token])| {
            (pair[1].is_content() && !pair[1].starts).then_some((pair[0].member?, pair[1].id, at))
        };
        pairs.filter_map(describes).collect()
    };
    let says = |reading: &Reading, member: Member| reading.tokens.iter().any(|token| token.member == Some(member));
    let (of_a, of_b) = (described(a), described(b));
    of_a.iter().find_map(|(x, thing, at)| {
        let (y, _, place) = of_b.iter().find(|(y, other, _)| other == thing && y.class == x.class)?;
        let both = |described: &[(Member, Id, usize)], member: Member| {
            described.iter().any(|(found, other, _)| *found == member && other == thing)
        };
        (says(a, *y) && says(b, *x) && !both(&of_a, *y) && !both(&of_b, *x))
            .then(|| Objection::new(Veto::Direction, &a.tokens[*at].written, &b.tokens[*place].written))
    })
}

fn is_thing(token: &Token) -> bool {
    is_named(token) || !token.is(Traits::VERB) && !token.is(Traits::MODIFIER)
}

fn is_named(token: &Token) -> bool {
    token.member.is_some() || token.is(Traits::NAME) || token.capital || token.kind != Kind::Word
}

/// What the word binds: the next content word after each place it stands.
fn objects<'a>(reading: &'a Reading, word: &str) -> Vec<&'a Token> {
    let places = reading.tokens.iter().enumerate().filter(|(_, token)| &*token.written == word);
    places.filter_map(|(at, _)| reading.tokens[at + 1..].iter().take(4).find(|token| token.is_content())).collect()
}

/// `one` is in the passive with its agent named, and `other` in the active with the agent as its object.
fn passive(one: &Reading, other: &Reading) -> Option<Objection> {
    let is_be = |token: &Token| matches!(&*token.written, "is" | "are" | "was" | "were" | "be" | "been" | "being");
    let by = one.tokens.iter().position(|token| &*token.written == "by")?;
    if !one.tokens[..by].iter().any(is_be) || other.tokens.iter().any(|token| &*token.written == "by") {
        return None;
    }
    let agent = one.tokens[by + 1..].iter().find(|token| token.is_content())?;
    let patient = one.tokens[..by].iter().find(|token| token.is_content() && !token.is_soft())?;
    let place = |id: Id| other.tokens.iter().position(|token| token.id == id);
    let (agent_at, patient_at) = (place(agent.id)?, place(patient.id)?);
    let between = other.tokens.get(patient_at.min(agent_at)..patient_at.max(agent_at)).unwrap_or_default();
    (agent_at > patient_at && !between.iter().any(is_coordination))
        .then(|| Objection::new(Veto::Direction, format!("by {}", agent.written), format!("of {}", agent.written)))
}

fn is_symmetric(reading: &Reading) -> bool {
    reading.tokens.iter().any(|token| token.is(Traits::SYMMETRIC))
}

fn is_coordination(token: &Token) -> bool {
    matches!(&*token.written, "and" | "or" | "vs")
}

/// The same words in another order, where order carries the roles: not a clause moved to the front, not `a and b`.
pub(super) fn order(c: &Comparison<'_>) -> Option<Objection> {
    const SHORT: usize = 12;
    if c.a.tokens.len().max(c.b.tokens.len()) > SHORT || is_symmetric(c.a) {
        return None;
    }
    if !c.only_a.hard.is_empty() || !c.only_b.hard.is_empty() || c.mended > 0 {
        return None;
    }
    // So do `Japan's population` and `the population of Japan`, `renew a passport` and `passport renewal`.
    let owns = |reading: &Reading| reading.tokens.iter().any(|token| token.possessive);
    let respelt = |token: &Token| c.b.find(token.id).is_some_and(|other| other.stem != token.stem);
    if owns(c.a) != owns(c.b) || c.a.tokens.iter().any(respelt) {
        return None;
    }
    // The passive turns the order about and says the same; what it exchanges is direction's to see.
    if says(c.a, "be") != says(c.b, "be") || says(c.a, "by") != says(c.b, "by") {
        return None;
    }
    if only_an_inflection_moves(c) {
        return None;
    }
    let (a, b) = (sequence(c.a), sequence(c.b));
    let multiset = |ids: &[Id]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let differs = a != b && multiset(&a) == multiset(&b) && !is_rotation(&a, &b);
    // Keywords thrown together have no order to speak of.
    let is_sentence = |reading: &Reading| reading.tokens.iter().any(|token| token.is(Traits::FUNCTION));
    (differs && is_sentence(c.a) && is_sentence(c.b)).then(|| Objection::new(Veto::Order, "", ""))
}

/// Whether all but one word stand in the same order, and that one in an inflection of its own, where how, when, where or
/// why is asked: `how is it made`, `how do they make it`. Where who or what is asked, such a verb changes what it is asked
/// of (`who paid`, `who was paid`).
fn only_an_inflection_moves(c: &Comparison<'_>) -> bool {
    let asks_how = |reading: &Reading| {
        matches!(reading.question, Some(Question::How | Question::When | Question::Where | Question::Why))
            || reading.tokens.iter().any(|token| matches!(&*token.written, "frequency" | "duration"))
    };
    if !asks_how(c.a) || !asks_how(c.b) {
        return false;
    }
    let telling = |reading: &Reading| -> Vec<Id> {
        let telling = reading.tokens.iter().filter(|token| token.is_content() && !token.is(Traits::BENIGN));
        telling.map(|token| token.id).collect()
    };
    let (a, b) = (telling(c.a), telling(c.b));
    let inflected = |id: Id| c.a.find(id).zip(c.b.find(id)).is_some_and(|(x, y)| x.written != y.written);
    let without = |ids: &[Id], moved: Id| -> Vec<Id> { ids.iter().copied().filter(|id| *id != moved).collect() };
    a.iter().any(|id| inflected(*id) && without(&a, *id) == without(&b, *id))
}

/// The words that carry roles, by meaning, with the two sides of each `and` and `or` in a fixed order.
fn sequence(reading: &Reading) -> Vec<Id> {
    let carries_roles = |token: &&Token| {
        token.is_content() && !token.is(Traits::BENIGN)
            || token.is(Traits::PREPOSITION)
            || token.is(Traits::CONJUNCTION)
            || token.is(Traits::QUESTION)
    };
    let tokens: Vec<&Token> = reading.tokens.iter().filter(carries_roles).collect();
    let mut ids: Vec<Id> = tokens.iter().map(|token| token.id).collect();
    for at in 1..ids.len().saturating_sub(1) {
        if is_coordination(tokens[at]) && ids[at - 1] > ids[at + 1] {
            ids.swap(at - 1, at + 1);
        }
    }
    ids
}

fn is_rotation(a: &[Id], b: &[Id]) -> bool {
    (1..a.len()).any(|by| a[by..] == b[..a.len() - by] && a[..by] == b[a.len() - by..])
}

/// The same people told of by pronouns in other places: he for she, you for me, your things for mine.
pub(super) fn pronoun(c: &Comparison<'_>) -> Option<Objection> {
    if c.length() > 20 {
        return None;
    }
    let mine_or_yours = owner(c.a).zip(owner(c.b)).filter(|(a, b)| a.0 != b.0).map(|(a, b)| (a.1, b.1));
    // "How do I change my name" and "how do you change your name" ask the same.
    let speak_alike = |one: &Reading, other: &Reading| says(one, "i") && says(other, "you");
    if let Some((a, b)) = mine_or_yours.filter(|_| !speak_alike(c.a, c.b) && !speak_alike(c.b, c.a)) {
        return Some(Objection::new(Veto::Pronoun, &a.written, &b.written));
    }
    [THIRD, SECOND].into_iter().find_map(|persons| {
        let (a, b) = (told(c.a, persons), told(c.b, persons));
        let sides = |tokens: &[(bool, &Token)]| -> Vec<bool> { tokens.iter().map(|(side, _)| *side).collect() };
        let (left, right) = (sides(&a), sides(&b));
        // Between you and me only an exchange counts: "how do I" and "how do you" ask the same.
        let both = |sides: &[bool]| sides.contains(&true) && sides.contains(&false);
        let counts = if persons == SECOND { both(&left) && both(&right) } else { !a.is_empty() && !b.is_empty() };
        let shown = |tokens: &[(bool, &Token)]| words(tokens.iter().map(|(_, token)| *token));
        (counts && left != right).then(|| Objection::new(Veto::Pronoun, shown(&a), shown(&b)))
    })
}

/// Whose things a prompt speaks of, if only mine or only yours; true for mine.
fn owner(reading: &Reading) -> Option<(bool, &Token)> {
    let find = |words: [&str; 2]| reading.tokens.iter().find(|token| !token.aside && words.contains(&&*token.written));
    match (find(["my", "mine"]), find(["your", "yours"])) {
        (Some(mine), None) => Some((true, mine)),
        (None, Some(yours)) => Some((false, yours)),
        _ => None,
    }
}

fn says(reading: &Reading, word: &str) -> bool {
    reading.tokens.iter().any(|token| &*token.written == word)
}

/// Two sets of pronouns that stand for different people.
type Persons = [&'static [&'static str]; 2];
const THIRD: Persons = [&["he", "him", "his", "himself"], &["she", "her", "hers", "herself"]];
const SECOND: Persons = [&["i", "me", "my", "mine"], &["you", "your", "yours"]];

/// The pronouns of these persons in order, and whether each is of the first set.
fn told<'a>(reading: &'a Reading, persons: Persons) -> Vec<(bool, &'a Token)> {
    let side = |token: &'a Token| {
        let [first, second] = persons.map(|words| words.contains(&&*token.written));
        (first || second).then_some((first, token))
    };
    reading.tokens.iter().filter_map(side).collect()
}
