//! The closed classes that the judge knows, read once from the text files beside this module.
//!
//! Everything here is data that a person can read and extend: [`Lexicon::get`] is the only way in. Words are known
//! by an [`Id`], a hash of their stem, so that inflections meet and comparisons are of integers.

mod parse;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// Stands for a word by its stem, in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u64);

impl Id {
    /// FNV-1a over the text's bytes, spread once more so that it can index a table as it is.
    pub(crate) fn of(text: &str) -> Self {
        text.bytes().fold(Hash::default(), Hash::with).id()
    }
}

/// An [`Id`] in the making, for whoever reads the text byte by byte anyway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// That of the text with one more byte.
    pub(crate) fn with(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// That of the whole text.
    pub(crate) fn id(self) -> Id {
        Id(self.0 ^ (self.0 >> 29))
    }
}

/// What a word is, beside its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits(u32);

macro_rules! traits {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)+) => {
        impl Traits { $($(#[$doc])* pub(crate) const $name: Self = Self(1 << $bit);)+ }
    };
}

traits! {
    /// Carries structure, not subject matter.
    FUNCTION = 0;
    /// May come and go without changing what is asked.
    BENIGN = 1;
    /// So general that rewordings add and drop it.
    GENERIC = 2;
    /// Turns a statement around.
    NEGATION = 3;
    /// A question word.
    QUESTION = 4;
    /// A preposition.
    PREPOSITION = 5;
    /// An auxiliary verb.
    AUXILIARY = 6;
    /// A word of degree: more, less, very.
    DEGREE = 7;
    /// Points back at what was said before.
    ANAPHORA = 8;
    /// A given name or a well-known surname.
    NAME = 9;
    /// Spelt as meant.
    KNOWN = 10;
    /// An article.
    ARTICLE = 11;
    /// A conjunction.
    CONJUNCTION = 12;
    /// A pronoun.
    PRONOUN = 13;
    /// Turns against what follows it, as a negation does.
    ADVERSE = 14;
    /// A relation that holds both ways.
    SYMMETRIC = 15;
    /// Mostly used as a verb.
    VERB = 16;
    /// Mostly used as an adjective or an adverb.
    MODIFIER = 17;
    /// A noun that frames what is asked about.
    FRAME = 18;
}

impl Traits {
    /// Whether it has every trait of `other`.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of its traits that are in `mask`.
    pub(crate) const fn only(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// Its traits but these.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both together.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A member of a closed class; equal members are the same thing under several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Which class, by its place in the file.
    pub(crate) class: u16,
    /// Which member.
    pub(crate) member: u16,
}

/// Groups of words that differ in amount, obligation, time or the work they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Quantity {
    /// all, any, none, only ...
    Quantifier,
    /// can, must, should.
    Modal,
    /// past, present, future ...
    Time,
    /// first, second, last ...
    Ordinal,
    /// best.
    Superlative,
    /// two, twenty, million.
    Number,
    /// explain, translate, fix ...
    Action,
}

/// All that is known about one written word.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// What it is.
    pub(crate) traits: Traits,
    /// Its stem, where that was worked out when the lexicon was read.
    pub(crate) stem: Option<Id>,
    /// What follows from stem and spelling, so that reading a word takes few looks into large tables.
    pub(crate) told: Option<Told>,
    /// The closed class it belongs to.
    pub(crate) member: Option<Member>,
    /// The group of quantities it belongs to; numbers carry their value instead.
    pub(crate) quantity: Option<(Quantity, u64)>,
}

/// What the other tables say of a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The group of its stem.
    pub(crate) group: Id,
    /// A phrase begins with its stem.
    pub(crate) opens: bool,
    /// The first sixteen listed languages that have it as a function word, a bit each.
    pub(crate) tongues: u16,
}

/// A phrase that stands for other words.
#[derive(Debug)]
pub(crate) struct Phrase {
    /// The stems after the first.
    pub(crate) rest: Vec<Id>,
    /// Only where a clause begins.
    pub(crate) at_start: bool,
    /// What to read instead; nothing drops the phrase.
    pub(crate) instead: Vec<Instead>,
}

/// A word that stands for a phrase.
#[derive(Debug, Clone)]
pub(crate) struct Instead {
    /// In lower case, a contraction by its first word.
    pub(crate) word: Box<str>,
    /// A clause begins with it.
    pub(crate) begins: bool,
    /// Letters with digits.
    pub(crate) is_identifier: bool,
}

/// What kind of difference two members of one class are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClassKind {
    /// Countries, databases, animals ...
    Plain,
    /// Programming, markup and natural languages.
    Language,
    /// Weekdays, months, days.
    Date,
    /// Units of measure.
    Unit,
    /// Forms of an answer: haiku, essay, table ...
    Form,
}

/// Lets an [`Id`], already well spread, be its own hash.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// A map keyed by [`Id`].
pub(crate) type IdMap<V> = HashMap<Id, V, BuildHasherDefault<IdHasher>>;
/// A set of [`Id`]s.
pub(crate) type IdSet = HashSet<Id, BuildHasherDefault<IdHasher>>;
/// A set of unordered pairs of [`Id`]s, each pair with the smaller first.
pub(crate) type PairSet = HashSet<(Id, Id), BuildHasherDefault<IdHasher>>;

/// Everything the data files say.
pub(crate) struct Lexicon {
    /// By the hash of the word as written, in lower case.
    pub(crate) words: IdMap<Known>,
    /// Stem to the stem that stands for its whole group.
    pub(crate) groups: IdMap<Id>,
    /// By the stems of their first two words, or of their only one; longest first.
    phrases: HashMap<(Id, Option<Id>), Vec<Phrase>, BuildHasherDefault<IdHasher>>,
    /// The stems that phrases begin with.
    openings: IdSet,
    /// The stems of all known words, with the traits that inflections inherit.
    pub(crate) stems: IdMap<Traits>,
    /// Words that hold questions together, by their own spelling and by each with one letter less.
    spelling: IdMap<Vec<&'static str>>,
    /// Pairs of like meaning, by group.
    pub(crate) synonyms: PairSet,
    /// Pairs of opposite meaning, by group.
    pub(crate) antonyms: PairSet,
    /// Every group that has an opposite.
    pub(crate) opposed: IdSet,
    /// The class kinds and names, by class number.
    pub(crate) classes: Vec<(ClassKind, Box<str>)>,
    /// Function words of each language: language number by word.
    pub(crate) tongues: IdMap<Vec<parse::TongueWord>>,
    /// The languages, by number: their code.
    pub(crate) tongue_codes: Vec<Box<str>>,
    english: Stemmer,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(parse::read);

impl Lexicon {
    /// The one lexicon, read on first use (a few milliseconds).
    pub(crate) fn get() -> &'static Self {
        &LEXICON
    }

    /// What is known about a word written so (in lower case).
    pub(crate) fn word(&self, written: &str) -> Option<&Known> {
        self.words.get(&Id::of(written))
    }

    /// The stem of an English word in lower case.
    pub(crate) fn stem(&self, written: &str) -> Id {
        match self.word(written) {
            Some(Known { stem: Some(stem), .. }) => *stem,
            _ => self.work_out_stem(written),
        }
    }

    /// The phrases that begin with this stem, or with these two, longest first.
    pub(crate) fn phrases(&self, first: Id, second: Option<Id>) -> &[Phrase] {
        self.phrases.get(&(first, second)).map_or(&[], |phrases| phrases)
    }

    /// What the tables say of a word with this spelling and this stem.
    pub(crate) fn told(&self, surface: Id, stem: Id) -> Told {
        let known = self.tongues.get(&surface).into_iter().flatten();
        let function = known.filter(|known| known.traits.has(Traits::FUNCTION));
        let tongues = function.fold(0, |all, known| all | 1_u16.checked_shl(known.tongue.into()).unwrap_or(0));
        Told { group: self.group(stem), opens: self.openings.contains(&stem), tongues }
    }

    /// The group a stem belongs to.
    pub(crate) fn group(&self, stem: Id) -> Id {
        self.groups.get(&stem).copied().unwrap_or(stem)
    }

    /// Whether two groups mean nearly the same.
    pub(crate) fn are_synonyms(&self, a: Id, b: Id) -> bool {
        let pair = ordered(a, b);
        self.synonyms.contains(&pair) && !self.antonyms.contains(&pair)
    }

    /// Whether two groups are opposites.
    pub(crate) fn are_antonyms(&self, a: Id, b: Id) -> bool {
        self.antonyms.contains(&ordered(a, b))
    }

    /// Whether some word is its opposite.
    pub(crate) fn has_opposite(&self, group: Id) -> bool {
        self.opposed.contains(&group)
    }

    /// The structural word that an unknown one was meant to be: one letter wrong, missing, added, or two exchanged.
    pub(crate) fn mended(&self, written: &str) -> Option<&'static str> {
        if written.len() < 4 || !written.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let found = |spelt: &str| {
            let meant = self.spelling.get(&Id::of(spelt))?;
            meant.iter().copied().find(|word| edits(word.as_bytes(), written.as_bytes()) == 1)
        };
        found(written).or_else(|| parse::with_one_letter_less(written).find_map(|short| found(&short)))
    }

    fn work_out_stem(&self, written: &str) -> Id {
        if written.is_ascii() { Id::of(&self.english.stem(written)) } else { Id::of(written) }
    }
}

/// Damerau-Levenshtein distance (optimal string alignment), for short words.
pub(crate) fn edits(x: &[u8], y: &[u8]) -> usize {
    if x.len().abs_diff(y.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=y.len()).collect();
    for i in 1..=x.len() {
        let mut row = vec![i; y.len() + 1];
        for j in 1..=y.len() {
            let swap = usize::from(x[i - 1] != y[j - 1]);
            row[j] = (previous[j] + 1).min(row[j - 1] + 1).min(previous[j - 1] + swap);
            if i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[y.len()]
}

/// A pair with its smaller part first.
pub(crate) fn ordered(a: Id, b: Id) -> (Id, Id) {
    if a <= b { (a, b) } else { (b, a) }
}

/// The stemmer for English, as every part of the lexicon uses it.
fn english() -> Stemmer {
    Stemmer::create(Algorithm::English)
}
