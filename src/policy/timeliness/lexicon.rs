//! The words and phrases that are signs, read once from `lexicon.txt` beside this file.

use std::collections::HashMap;
use std::sync::LazyLock;

/// All signs and what shows them.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// The signs' names; a sign is its place here.
    pub(super) names: Vec<String>,
    /// Phrases by their first word: the words after it, and the sign.
    phrases: HashMap<String, Vec<(Vec<String>, usize)>>,
    /// Phrases of scripts that put no space between words.
    unspaced: Vec<(String, usize)>,
    /// Signs that are there where all of their parts are.
    together: Vec<(Vec<usize>, usize)>,
}

/// The one of the program.
pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(include_str!("lexicon.txt")));

impl Lexicon {
    fn read(text: &str) -> Self {
        let mut lexicon =
            Self { names: Vec::new(), phrases: HashMap::new(), unspaced: Vec::new(), together: Vec::new() };
        super::question::SIGNS.iter().for_each(|name| {
            lexicon.sign(name);
        });
        let mut now = None;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                now = Some(lexicon.sign(name));
                if name.contains(" & ") {
                    let parts = name.split(" & ").map(|part| lexicon.sign(part)).collect();
                    let whole = lexicon.sign(name);
                    lexicon.together.push((parts, whole));
                }
            } else if let Some(sign) = now {
                line.split(';').for_each(|phrase| lexicon.add(phrase.trim(), sign));
            }
        }
        lexicon
    }

    fn sign(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    fn add(&mut self, phrase: &str, sign: usize) {
        if phrase.chars().any(is_unspaced) {
            self.unspaced.push((phrase.to_owned(), sign));
            return;
        }
        let mut words = phrase.split_whitespace().map(str::to_owned);
        if let Some(first) = words.next() {
            self.phrases.entry(first).or_default().push((words.collect(), sign));
        }
    }

    /// Notes every sign that the words show.
    pub(super) fn mark(&self, words: &[String], shown: &mut [bool]) {
        for (at, word) in words.iter().enumerate() {
            for (rest, sign) in self.phrases.get(word).into_iter().flatten() {
                if words[at + 1..].starts_with(rest) {
                    shown[*sign] = true;
                }
            }
            if !self.unspaced.is_empty() && word.chars().any(is_unspaced) {
                self.unspaced
                    .iter()
                    .filter(|(phrase, _)| word.contains(phrase))
                    .for_each(|(_, sign)| shown[*sign] = true);
            }
        }
    }

    /// Notes the signs that are made of others. After all others.
    pub(super) fn conclude(&self, shown: &mut [bool]) {
        for (parts, whole) in &self.together {
            shown[*whole] = parts.iter().all(|part| shown[*part]);
        }
    }
}

/// Chinese and Japanese characters, Korean ones too: their words carry endings.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}
