//! What each sign is worth for each class.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::Timeliness;
use super::lexicon::LEXICON;

/// A worth for each class, for every sign and to begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// What speaks for each class before any sign is seen.
    pub bias: [f32; 4],
    /// By sign.
    pub signs: Vec<[f32; 4]>,
}

/// The text is no list of weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of the weights: a sign of the lexicon and four numbers are wanted")]
pub struct Invalid(pub usize);

static SHIPPED: LazyLock<Weights> =
    LazyLock::new(|| Weights::read(include_str!("weights.txt")).expect("the shipped file is read by a test"));

impl Weights {
    /// Those the program was built with.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads lines of `none hours minutes live | sign`; `bias` is a sign of its own. What is not named is worth nothing.
    ///
    /// # Errors
    /// The first line that says something else.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let mut weights = Self { bias: [0.0; 4], signs: vec![[0.0; 4]; LEXICON.names.len()] };
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let invalid = || Invalid(number + 1);
            let (figures, name) = line.split_once(" | ").ok_or_else(invalid)?;
            let figures = figures.split_whitespace().map(str::parse).collect::<Result<Vec<f32>, _>>();
            let figures: [f32; 4] = figures.ok().and_then(|figures| figures.try_into().ok()).ok_or_else(invalid)?;
            match LEXICON.names.iter().position(|known| known == name) {
                Some(sign) => weights.signs[sign] = figures,
                None if name == "bias" => weights.bias = figures,
                None => return Err(invalid()),
            }
        }
        Ok(weights)
    }

    /// The text that [`Self::read`] reads, to two decimals.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::new();
        let named = LEXICON.names.iter().map(String::as_str).zip(&self.signs);
        for (name, [none, hours, minutes, live]) in [("bias", &self.bias)].into_iter().chain(named) {
            if [none, hours, minutes, live].into_iter().any(|worth| worth.abs() >= 0.005) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{none:6.2} {hours:6.2} {minutes:6.2} {live:6.2} | {name}");
            }
        }
        text
    }

    /// The probability of each class, given the signs.
    #[must_use]
    pub fn odds(&self, signs: &[usize]) -> [f32; 4] {
        let mut odds = self.scores(signs);
        let top = odds.iter().copied().fold(f32::MIN, f32::max);
        odds.iter_mut().for_each(|score| *score = (*score - top).exp());
        let sum: f32 = odds.iter().sum();
        odds.map(|score| score / sum)
    }

    /// The likeliest class; the more lasting of two that are as likely.
    #[must_use]
    pub fn classify(&self, signs: &[usize]) -> Timeliness {
        let scores = self.scores(signs);
        let mut best = 0;
        for class in 1..scores.len() {
            if scores[class] > scores[best] {
                best = class;
            }
        }
        Timeliness::ALL[best]
    }

    /// How much a sign speaks for a class against lasting answers; for lasting ones, against the others' mean.
    pub(super) fn speaks_for(&self, sign: usize, class: Timeliness) -> f32 {
        let worth = self.signs[sign];
        match class {
            Timeliness::None => worth[0] - (worth[1] + worth[2] + worth[3]) / 3.0,
            _ => worth[class as usize] - worth[0],
        }
    }

    fn scores(&self, signs: &[usize]) -> [f32; 4] {
        let mut scores = self.bias;
        for worth in signs.iter().filter_map(|sign| self.signs.get(*sign)) {
            scores.iter_mut().zip(worth).for_each(|(score, worth)| *score += worth);
        }
        scores
    }
}
