//! Do two answers to one request say the same? Told first by what can be told for certain (numbers, names, code, yes or
//! no), then by how alike they are. Where neither tells, that is said, and nobody is blamed.

use super::super::compare::Comparison;
use super::super::guard;
use super::super::reading::{Reading, Words};
use crate::domain::Veto;

/// What comparing two answers came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They say the same.
    Same,
    /// They do not.
    Different,
    /// That cannot be told from the words.
    Undecided,
}

/// Answers of at most so many words are compared word by word.
const SHORT: usize = 40;
/// Of short answers, and of long ones, the similarity from which on they say the same ..
const ALIKE: (f32, f32) = (0.85, 0.90);
/// .. and below which they do not.
const UNLIKE: f32 = 0.50;

/// Compares what was served with a fresh answer to the same request. `likeness` is the cosine similarity of the two, as
/// far as an embedder saw them whole.
#[must_use]
pub fn compare(served: &str, fresh: &str, likeness: Option<f32>) -> Agreement {
    if plain(served) == plain(fresh) {
        return Agreement::Same;
    }
    if let (Some(one), Some(other)) = (verdict(served), verdict(fresh))
        && one != other
    {
        return Agreement::Different;
    }
    let words = Words::new();
    let (one, other) = (Reading::of(served, &words), Reading::of(fresh, &words));
    let short = one.tokens.len().max(other.tokens.len()) <= SHORT;
    let objections = guard::objections(&Comparison::of(&one, &other));
    if short && objections.iter().any(|objection| is_fact(objection.veto)) {
        return Agreement::Different;
    }
    let alike = if short { ALIKE.0 } else { ALIKE.1 };
    match likeness {
        Some(likeness) if likeness < UNLIKE => Agreement::Different,
        // A long answer may give other examples and yet be right: what differs in it proves nothing, nor is it the same.
        Some(likeness) if likeness >= alike && !objections.iter().any(|objection| is_fact(objection.veto)) => {
            Agreement::Same
        }
        _ => Agreement::Undecided,
    }
}

/// Whether a veto is about what is the case, and not about how a question is put.
const fn is_fact(veto: Veto) -> bool {
    matches!(
        veto,
        Veto::Number
            | Veto::Unit
            | Veto::Date
            | Veto::Literal
            | Veto::Identifier
            | Veto::Ordinal
            | Veto::Antonym
            | Veto::Class
            | Veto::Direction
            | Veto::Name
            | Veto::Negation
            | Veto::Code
    )
}

/// Letters and digits alone, in lower case.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// The yes or no that an answer begins with.
fn verdict(text: &str) -> Option<bool> {
    let first = plain(text);
    match first.split(' ').next()? {
        "yes" | "true" | "correct" | "ja" | "oui" | "si" | "sí" => Some(true),
        "no" | "false" | "incorrect" | "nein" | "non" | "nope" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_fact_differs_however_alike_it_reads() {
        for (served, fresh) in [
            ("It costs 25 dollars.", "It costs 30 dollars."),
            ("Yes, you can return it within a month.", "No, you cannot return it within a month."),
            ("The capital is Lima.", "The capital is Quito."),
            ("Run `git reset --soft HEAD~1`.", "Run `git reset --hard HEAD~1`."),
        ] {
            assert_eq!(compare(served, fresh, Some(0.97)), Agreement::Different, "{served} | {fresh}");
        }
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        assert_eq!(compare("Lima.", "lima", None), Agreement::Same);
        let (served, fresh) = ("You reset it on the account page.", "You can reset it on your account page.");
        assert_eq!(compare(served, fresh, Some(0.93)), Agreement::Same);
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        let (served, fresh) = ("You reset it on the account page.", "Ask the help desk for a reset link.");
        assert_eq!(compare(served, fresh, Some(0.7)), Agreement::Undecided);
        assert_eq!(compare(served, fresh, None), Agreement::Undecided);
        assert_eq!(compare(served, "Bananas are rich in potassium.", Some(0.1)), Agreement::Different);
        let long = |number: u32| format!("{} In {number} it was so.", "The war had many causes. ".repeat(12));
        assert_eq!(compare(&long(1914), &long(1918), Some(0.99)), Agreement::Undecided);
    }
}
