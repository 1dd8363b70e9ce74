//! How soon may the answer to a question be another one?
//!
//! A linear model over signs that a person can read: which words of which closed classes a prompt has, what it asks
//! for, in which tense ([`signs`]). `lexicon.txt` holds the words, `weights.txt` what each sign is worth for each
//! class, learned from `examples.tsv` by `dejavu evaluate --timeliness` (docs/freshness.md has its figures).

mod lexicon;
mod question;
mod weights;

pub use weights::{Invalid, Weights};

use lexicon::LEXICON;

/// How soon the answer to a question may be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeliness {
    /// Not by the passing of time: who wrote a book.
    None,
    /// It holds for hours, or until something happens: who is president, what came out last.
    Hours,
    /// It holds for minutes: the weather, a price at an exchange.
    Minutes,
    /// It holds for the moment of asking only: the time, the weather right now.
    Live,
}

impl Timeliness {
    /// All of them, the most lasting first.
    pub const ALL: [Self; 4] = [Self::None, Self::Hours, Self::Minutes, Self::Live];

    /// Its word, in `explain` and in the examples.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hours => "hours",
            Self::Minutes => "minutes",
            Self::Live => "live",
        }
    }
}

/// What a prompt was found to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The class.
    pub timeliness: Timeliness,
    /// The probability of each class, as in [`Timeliness::ALL`].
    pub odds: [f32; 4],
    /// The signs that speak most for this class against lasting answers, the most telling first.
    pub signs: Vec<&'static str>,
}

/// The class of a prompt, by the shipped weights.
#[must_use]
pub fn timeliness(prompt: &str) -> Timeliness {
    Weights::shipped().classify(&signs(prompt))
}

/// The class of a prompt and what speaks for it.
#[must_use]
pub fn find(prompt: &str) -> Finding {
    const MOST: usize = 5;
    let (weights, signs) = (Weights::shipped(), signs(prompt));
    let timeliness = weights.classify(&signs);
    let mut telling: Vec<_> = signs.iter().map(|sign| (weights.speaks_for(*sign, timeliness), *sign)).collect();
    telling.retain(|(worth, _)| *worth > 0.0);
    telling.sort_by(|a, b| b.0.total_cmp(&a.0));
    let signs_for = telling.iter().take(MOST).map(|(_, sign)| name(*sign)).collect();
    Finding { timeliness, odds: weights.odds(&signs), signs: signs_for }
}

/// The signs a prompt shows, each below [`count`], in rising order.
#[must_use]
pub fn signs(prompt: &str) -> Vec<usize> {
    question::signs(prompt)
}

/// How many signs there are.
#[must_use]
pub fn count() -> usize {
    LEXICON.names.len()
}

/// A sign's name.
#[must_use]
pub fn name(sign: usize) -> &'static str {
    LEXICON.names.get(sign).map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
