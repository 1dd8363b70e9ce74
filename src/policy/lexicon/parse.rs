//! Reads the data files into a [`Lexicon`]. They are part of the program, so a malformed line is a fault of the
//! build, found by this module's tests.

use std::collections::{HashMap, HashSet};

use super::{
    ClassKind, Id, IdMap, Instead, Known, Lexicon, Member, PairSet, Phrase, Quantity, Traits, english, ordered,
};

/// A function word of one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TongueWord {
    /// The language's number.
    pub(crate) tongue: u8,
    /// What it is there.
    pub(crate) traits: Traits,
}

const FUNCTION: &str = include_str!("function.txt");
const PHRASES: &str = include_str!("phrases.txt");
const GROUPS: &str = include_str!("groups.txt");
const SYNONYMS: &str = include_str!("synonyms.txt");
const ANTONYMS: &str = include_str!("antonyms.txt");
const CLASSES: &str = include_str!("classes.txt");
const QUANTITIES: &str = include_str!("quantities.txt");
const TONGUES: &str = include_str!("tongues.txt");
const NAMES: &str = include_str!("names.txt");
const ANAPHORA: &str = include_str!("anaphora.txt");
const WORDNET_SYNONYMS: &str = include_str!("wordnet/synonyms.txt");
const WORDNET_ANTONYMS: &str = include_str!("wordnet/antonyms.txt");
const WORDNET_IRREGULAR: &str = include_str!("wordnet/irregular.txt");
const WORDNET_ACTIONS: &str = include_str!("wordnet/actions.txt");
const WORDNET_DERIVED: &str = include_str!("wordnet/derived.txt");
const WORDNET_MODIFIERS: &str = include_str!("wordnet/modifiers.txt");
const WORDNET_VERBS: &str = include_str!("wordnet/verbs.txt");
const WORDNET_VOCABULARY: &str = include_str!("wordnet/vocabulary.txt");

/// Reads every file.
pub(super) fn read() -> Lexicon {
    let mut lexicon = Lexicon {
        words: IdMap::default(),
        groups: IdMap::default(),
        phrases: HashMap::default(),
        openings: HashSet::default(),
        synonyms: PairSet::default(),
        antonyms: PairSet::default(),
        opposed: HashSet::default(),
        stems: IdMap::default(),
        spelling: IdMap::default(),
        classes: Vec::new(),
        tongues: IdMap::default(),
        tongue_codes: Vec::new(),
        english: english(),
    };
    // In this order: stems first, then what is keyed by stems, then what is keyed by groups.
    vocabulary(&mut lexicon);
    functions(&mut lexicon);
    quantities(&mut lexicon);
    classes(&mut lexicon);
    tongues(&mut lexicon);
    groups(&mut lexicon);
    opposites_and_likes(&mut lexicon);
    phrases(&mut lexicon);
    spelling(&mut lexicon);
    tell(&mut lexicon);
    lexicon
}

/// The lines that say something.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Lines of the form `head: word word`.
fn headed(text: &'static str) -> impl Iterator<Item = (&'static str, std::str::SplitWhitespace<'static>)> {
    lines(text).filter_map(|line| line.split_once(':')).map(|(head, words)| (head.trim(), words.split_whitespace()))
}

impl Lexicon {
    fn entry(&mut self, written: &str) -> &mut Known {
        self.words.entry(Id::of(written)).or_default()
    }

    fn mark(&mut self, written: &str, traits: Traits) {
        let stem = self.stem(written);
        let known = self.entry(written);
        known.traits = known.traits.with(traits);
        known.stem = Some(stem);
    }

    /// How a phrase knows a word: a number by its digits, any other by its stem.
    fn phrase_id(&self, written: &str) -> Id {
        match self.word(written).and_then(|known| known.quantity) {
            Some((Quantity::Number, value)) => Id::of(&value.to_string()),
            _ => self.stem(written),
        }
    }

    fn grouped(&self, written: &str) -> Id {
        self.group(self.stem(written))
    }
}

fn vocabulary(lexicon: &mut Lexicon) {
    for (form, mut base) in headed(WORDNET_IRREGULAR) {
        let stem = lexicon.work_out_stem(base.next().unwrap_or(form));
        let known = lexicon.entry(form);
        known.traits = known.traits.with(Traits::KNOWN);
        known.stem = Some(stem);
    }
    for word in lines(WORDNET_VOCABULARY) {
        lexicon.mark(word, Traits::KNOWN);
    }
    for word in lines(WORDNET_MODIFIERS) {
        lexicon.mark(word, Traits::MODIFIER);
    }
    for word in lines(WORDNET_VERBS) {
        lexicon.mark(word, Traits::VERB);
    }
    for name in lines(NAMES).flat_map(str::split_whitespace) {
        lexicon.mark(name, Traits::NAME.with(Traits::KNOWN));
    }
}

fn functions(lexicon: &mut Lexicon) {
    for (category, words) in headed(FUNCTION) {
        let traits = match category {
            "article" => Traits::ARTICLE.with(Traits::FUNCTION),
            "conjunction" => Traits::CONJUNCTION.with(Traits::FUNCTION),
            "preposition" => Traits::PREPOSITION.with(Traits::FUNCTION),
            "pronoun" => Traits::PRONOUN.with(Traits::FUNCTION),
            "auxiliary" => Traits::AUXILIARY.with(Traits::FUNCTION),
            "question" => Traits::QUESTION.with(Traits::FUNCTION),
            "negation" => Traits::NEGATION.with(Traits::FUNCTION),
            "degree" => Traits::DEGREE.with(Traits::FUNCTION),
            "adverse" => Traits::ADVERSE,
            "symmetric" => Traits::SYMMETRIC,
            "frame" => Traits::FRAME,
            "benign" => Traits::BENIGN,
            _ => Traits::GENERIC,
        };
        for word in words {
            lexicon.mark(word, traits.with(Traits::KNOWN));
        }
    }
    for word in lines(ANAPHORA).flat_map(str::split_whitespace) {
        lexicon.mark(word, Traits::ANAPHORA);
    }
}

fn quantities(lexicon: &mut Lexicon) {
    for (head, words) in headed(QUANTITIES) {
        let (kind, group) = head.split_once(' ').unwrap_or((head, ""));
        let kind = match kind {
            "quantifier" => Quantity::Quantifier,
            "modal" => Quantity::Modal,
            "time" => Quantity::Time,
            "superlative" => Quantity::Superlative,
            "ordinal" => Quantity::Ordinal,
            "number" => Quantity::Number,
            _ => Quantity::Action,
        };
        // A number's group is its value; any other group is known by its name.
        let group = group.parse().unwrap_or_else(|_| Id::of(group).0);
        for word in words {
            lexicon.mark(word, Traits::KNOWN);
            lexicon.entry(word).quantity = Some((kind, group));
        }
    }
}

fn classes(lexicon: &mut Lexicon) {
    for line in lines(CLASSES) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let kind = match name.split_once('/').map(|(kind, _)| kind) {
                Some("language") => ClassKind::Language,
                Some("date") => ClassKind::Date,
                Some("unit") => ClassKind::Unit,
                Some("form") => ClassKind::Form,
                _ => ClassKind::Plain,
            };
            lexicon.classes.push((kind, name.into()));
            continue;
        }
        let class = u16::try_from(lexicon.classes.len().saturating_sub(1)).unwrap_or(u16::MAX);
        for (member, item) in line.split(',').enumerate() {
            let member = Some(Member { class, member: u16::try_from(member).unwrap_or(u16::MAX) });
            let mut first = None;
            for alias in item.split('=').map(str::trim) {
                lexicon.mark(alias, Traits::KNOWN);
                // Every alias is one word to the judge, and a plural one with its singular.
                let stem = *first.get_or_insert(lexicon.stem(alias));
                let own = lexicon.stem(alias);
                if own != stem {
                    lexicon.groups.insert(own, stem);
                }
                let plural = format!("{alias}s");
                for written in [alias, plural.as_str()] {
                    let known = lexicon.entry(written);
                    if known.member.is_none() {
                        known.member = member;
                        known.stem = Some(own);
                        known.traits = known.traits.with(Traits::KNOWN);
                    }
                }
            }
        }
    }
}

fn tongues(lexicon: &mut Lexicon) {
    for (head, words) in headed(TONGUES) {
        let (code, kind) = head.split_once(' ').unwrap_or((head, "stop"));
        let place = lexicon.tongue_codes.iter().position(|known| **known == *code).unwrap_or_else(|| {
            lexicon.tongue_codes.push(code.into());
            lexicon.tongue_codes.len() - 1
        });
        let tongue = u8::try_from(place).unwrap_or(u8::MAX);
        let traits = Traits::FUNCTION.with(match kind {
            "negation" => Traits::NEGATION,
            "question" => Traits::QUESTION,
            _ => Traits::default(),
        });
        for word in words {
            let known = lexicon.tongues.entry(Id::of(word)).or_default();
            match known.iter_mut().find(|known| known.tongue == tongue) {
                Some(known) => known.traits = known.traits.with(traits),
                None => known.push(TongueWord { tongue, traits }),
            }
        }
    }
}

fn groups(lexicon: &mut Lexicon) {
    for (head, words) in headed(GROUPS) {
        let head = lexicon.grouped(head);
        for word in words {
            let stem = lexicon.stem(word);
            if stem != head {
                lexicon.groups.entry(stem).or_insert(head);
            }
        }
    }
    // The noun of an action joins its verb's group, unless it has a group of its own.
    let heads: HashSet<Id> = lexicon.groups.values().copied().collect();
    for (verb, nouns) in headed(WORDNET_ACTIONS) {
        let verb = lexicon.grouped(verb);
        for noun in nouns {
            let stem = lexicon.stem(noun);
            if stem != verb && !heads.contains(&stem) {
                lexicon.groups.entry(stem).or_insert(verb);
            }
        }
    }
}

fn opposites_and_likes(lexicon: &mut Lexicon) {
    for line in lines(ANTONYMS) {
        let Some((left, right)) = line.split_once('/') else { continue };
        for a in left.split_whitespace() {
            for b in right.split_whitespace() {
                let pair = ordered(lexicon.grouped(a), lexicon.grouped(b));
                lexicon.antonyms.insert(pair);
            }
        }
    }
    for line in lines(SYNONYMS) {
        let words: Vec<Id> = line.split_whitespace().map(|word| lexicon.grouped(word)).collect();
        for (nth, a) in words.iter().enumerate() {
            for b in &words[nth + 1..] {
                lexicon.synonyms.insert(ordered(*a, *b));
            }
        }
    }
    for (head, words) in headed(WORDNET_ANTONYMS) {
        for word in words {
            let pair = ordered(lexicon.grouped(head), lexicon.grouped(word));
            lexicon.antonyms.insert(pair);
        }
    }
    for (head, words) in headed(WORDNET_SYNONYMS).chain(headed(WORDNET_DERIVED)) {
        for word in words {
            let pair = ordered(lexicon.grouped(head), lexicon.grouped(word));
            lexicon.synonyms.insert(pair);
        }
    }
    lexicon.antonyms.retain(|(a, b)| a != b);
    lexicon.opposed = lexicon.antonyms.iter().flat_map(|(a, b)| [*a, *b]).collect();
}

fn phrases(lexicon: &mut Lexicon) {
    for line in lines(PHRASES) {
        let Some((phrases, instead)) = line.rsplit_once('=') else { continue };
        let instead: Vec<Instead> = instead.split_whitespace().filter(|word| *word != "-").map(instead_of).collect();
        for phrase in phrases.split(',') {
            let phrase = phrase.trim();
            let (phrase, at_start) = phrase.strip_prefix('^').map_or((phrase, false), |rest| (rest, true));
            let stems = phrase.split_whitespace().flat_map(super::super::reading::split_word);
            let stems: Vec<Id> = stems.map(|word| lexicon.phrase_id(&word)).collect();
            let Some((first, rest)) = stems.split_first() else { continue };
            let phrase = Phrase { rest: rest.to_vec(), at_start, instead: instead.clone() };
            lexicon.openings.insert(*first);
            lexicon.phrases.entry((*first, rest.first().copied())).or_default().push(phrase);
        }
    }
    for phrases in lexicon.phrases.values_mut() {
        phrases.sort_by_key(|phrase| std::cmp::Reverse((phrase.rest.len(), phrase.at_start)));
    }
}

/// `^how`: a clause begins with it.
fn instead_of(written: &str) -> Instead {
    let begins = written.strip_prefix('^');
    let word = begins.unwrap_or(written);
    let is_identifier = word.chars().any(char::is_alphabetic) && word.chars().any(|c| c.is_ascii_digit());
    let first = super::super::reading::split_word(word).into_iter().next().filter(|_| !is_identifier);
    Instead { word: first.unwrap_or_else(|| word.to_owned()).into(), begins: begins.is_some(), is_identifier }
}

/// Which stems are of known words, and how the words that hold a question together are mistyped.
fn spelling(lexicon: &mut Lexicon) {
    /// In so many phrases stand some eighty words, nearly all of structure.
    const OFTEN: usize = 14;
    let told_apart = |word: &str| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let headed = lines(FUNCTION).filter_map(|line| line.split_once(':')).filter(|(head, _)| head.trim() != "frame");
    let structural = headed.flat_map(|(_, words)| words.split_whitespace());
    // The words of a few phrases are about something, and near to too many others: `painter` to `printer`.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in lines(PHRASES).flat_map(|line| line.split(['=', ',', ' ', '^'])).filter(|word| told_apart(word)) {
        lexicon.mark(word, Traits::KNOWN);
        *counts.entry(word).or_default() += 1;
    }
    let often = counts.into_iter().filter(|(_, count)| *count >= OFTEN).map(|(word, _)| word);
    for word in structural.filter(|word| told_apart(word)).chain(often) {
        lexicon.mark(word, Traits::KNOWN);
        for short in with_one_letter_less(word).chain([word.to_owned()]) {
            let meant = lexicon.spelling.entry(Id::of(&short)).or_default();
            if !meant.contains(&word) {
                meant.push(word);
            }
        }
    }
    for meant in lexicon.spelling.values_mut() {
        meant.sort_unstable();
    }
    let inherited =
        Traits::ADVERSE.with(Traits::SYMMETRIC).with(Traits::GENERIC).with(Traits::VERB).with(Traits::FRAME);
    for known in lexicon.words.values() {
        if let Some(stem) = known.stem {
            let traits = lexicon.stems.entry(stem).or_insert(Traits::KNOWN);
            *traits = traits.with(known.traits.only(inherited));
        }
    }
}

/// Notes with each word what the other tables say of it.
fn tell(lexicon: &mut Lexicon) {
    let mut words = std::mem::take(&mut lexicon.words);
    for (surface, known) in &mut words {
        known.told = known.stem.map(|stem| lexicon.told(*surface, stem));
    }
    lexicon.words = words;
}

/// The word with each of its letters left out in turn; for ASCII words.
pub(super) fn with_one_letter_less(word: &str) -> impl Iterator<Item = String> {
    (0..word.len()).map(move |at| format!("{}{}", &word[..at], &word[at + 1..]))
}
