//! What a judge sees in a prompt: its words by meaning, its numbers, literals and code, and how it asks.
//!
//! A prompt is read once ([`Reading::of`]); comparing two readings is [`super::compare`]'s work.

mod clauses;
mod numbers;
mod phrases;
mod text;
mod tokens;
mod tongue;
mod words;

use std::borrow::Cow;
use std::rc::Rc;

use super::lexicon::{Id, Lexicon, Member, Quantity, Told, Traits};

pub(crate) use clauses::{Question, Tense};
use text::Prose;
pub(crate) use tokens::{is_unspaced, split_word};
pub(crate) use tongue::Tongue;
pub(crate) use words::{LINE_END, Runs, Words};

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters.
    Word,
    /// A number, a date or a version in digits, or a number in words.
    Number,
    /// Letters with digits, paths, flags, addresses.
    Identifier,
    /// An operator.
    Symbol,
}

/// One word of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// As written, in lower case; numbers in digits.
    pub(crate) written: Rc<str>,
    /// Its stem, before synonyms are taken for one.
    pub(crate) stem: Id,
    /// Its meaning, as far as a stem and a group of synonyms tell.
    pub(crate) id: Id,
    /// What it is made of.
    pub(crate) kind: Kind,
    /// What it is.
    pub(crate) traits: Traits,
    /// Its closed class.
    pub(crate) member: Option<Member>,
    /// Its group of quantities.
    pub(crate) quantity: Option<(Quantity, u64)>,
    /// Written with a capital.
    pub(crate) capital: bool,
    /// A clause begins here.
    pub(crate) starts: bool,
    /// It has a possessive ending.
    pub(crate) possessive: bool,
    /// It stands in a clause that leads up to the question.
    pub(crate) aside: bool,
    /// A phrase begins with its stem.
    opens: bool,
    /// Its meaning hangs on what stands beside it.
    unsettled: bool,
    /// The listed languages that have it as a function word, a bit each.
    tongues: u16,
    /// The script of its first letter; 0 for Latin.
    script: u16,
}

impl Token {
    /// A word as the lexicon knows it.
    pub(crate) fn word(written: &str, words: &Words) -> Self {
        words.looked_up(written, |surface| Self::looked_up(written, surface, words))
    }

    fn looked_up(written: &str, surface: Id, lexicon: &Lexicon) -> Self {
        let known = lexicon.words.get(&surface).copied().unwrap_or_default();
        let stem = known.stem.unwrap_or_else(|| lexicon.stem(written));
        // A calculator is more than what calculates.
        let agent = written.ends_with("or") || written.ends_with("er");
        let inherited = lexicon.stems.get(&stem).copied().unwrap_or_default();
        let inherited = if agent { inherited.without(Traits::GENERIC) } else { inherited };
        let told = known.told.unwrap_or_else(|| lexicon.told(surface, stem));
        Self {
            id: told.group,
            traits: known.traits.with(inherited),
            member: known.member,
            quantity: known.quantity,
            unsettled: numbers::is_unsettled(written),
            ..Self::bare(written, stem, Kind::Word, told)
        }
    }

    /// A token that is only itself.
    pub(crate) fn raw(written: &str, kind: Kind) -> Self {
        let id = Id::of(written);
        Self { id, ..Self::bare(written, id, kind, Lexicon::get().told(id, id)) }
    }

    fn bare(written: &str, stem: Id, kind: Kind, told: Told) -> Self {
        Self {
            written: written.into(),
            id: stem,
            stem,
            kind,
            traits: Traits::default(),
            member: None,
            quantity: None,
            capital: false,
            starts: false,
            possessive: false,
            aside: false,
            opens: told.opens,
            unsettled: false,
            tongues: told.tongues,
            script: written.chars().next().and_then(tongue::script).unwrap_or_default(),
        }
    }

    /// Whether it says what the prompt is about.
    pub(crate) fn is_content(&self) -> bool {
        !self.traits.has(Traits::FUNCTION)
    }

    /// Whether a rewording may add or drop it.
    pub(crate) fn is_soft(&self) -> bool {
        self.aside || self.traits.has(Traits::BENIGN) || self.traits.has(Traits::GENERIC)
    }

    pub(crate) fn is(&self, traits: Traits) -> bool {
        self.traits.has(traits)
    }
}

/// A prompt, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// Its words in order, phrases replaced and framing dropped.
    pub(crate) tokens: Vec<Token>,
    places: Places,
    /// Quoted literals, in lower case with single spaces.
    pub(crate) literals: Vec<Box<str>>,
    /// Code blocks, by exact content but for white space at line ends.
    pub(crate) code: Vec<Id>,
    /// Its language.
    pub(crate) tongue: Tongue,
    /// What its main clause asks for.
    pub(crate) question: Option<Question>,
    /// The tense of its main clause.
    pub(crate) tense: Option<Tense>,
    /// How often it negates.
    pub(crate) negations: usize,
    /// Number of content words.
    pub(crate) content: usize,
}

/// A prompt taken apart: what is read of it.
pub(crate) struct Split<'a> {
    prose: Prose<'a>,
    runs: Runs,
}

impl<'a> Split<'a> {
    /// Takes a prompt apart.
    pub(crate) fn of(prompt: &'a str, words: &Words) -> Self {
        let prose = text::take_apart(prompt);
        let runs = words.split(&prose.words);
        Self { prose, runs }
    }

    /// The same of a text that was joined of these runs.
    pub(crate) fn joined(text: &'a str, runs: Runs, words: &Words) -> Self {
        let prose = text::take_apart(text);
        let as_written = matches!(prose.words, Cow::Borrowed(_));
        let runs = if as_written { runs } else { words.split(&prose.words) };
        Self { prose, runs }
    }

    /// Its runs, if all of the prompt is read as it was written.
    pub(crate) fn as_written(&self) -> Option<&[u32]> {
        matches!(self.prose.words, Cow::Borrowed(_)).then_some(&self.runs)
    }
}

impl Reading {
    /// Reads a prompt.
    pub(crate) fn of(prompt: &str, lexicon: &Words) -> Self {
        Self::of_split(Split::of(prompt, lexicon), lexicon)
    }

    /// Reads a prompt that was taken apart.
    pub(crate) fn of_split(Split { prose, runs }: Split<'_>, lexicon: &Words) -> Self {
        let mut tokens = lexicon.tokens(&runs);
        let tongue = Tongue::of(&tokens);
        if tongue.reads_as_english() {
            tokens::mend(&mut tokens, lexicon);
            tokens = phrases::replace(tokens, lexicon);
            numbers::join(&mut tokens);
            numbers::disambiguate(&mut tokens, lexicon);
        } else {
            tongue.apply(&mut tokens, lexicon);
        }
        let clauses::Asked { question, tense } = clauses::read(&mut tokens);
        let places = Places::of(&tokens);
        let negations = tokens.iter().filter(|token| token.is(Traits::NEGATION)).count();
        let content = tokens.iter().filter(|token| token.is_content()).count();
        Self { tokens, places, literals: prose.literals, code: prose.code, tongue, question, tense, negations, content }
    }

    /// The first token with this id.
    pub(crate) fn find(&self, id: Id) -> Option<&Token> {
        self.place(id).map(|place| &self.tokens[place])
    }

    /// Where the first token with this id stands.
    pub(crate) fn place(&self, id: Id) -> Option<usize> {
        self.places.get(id, &self.tokens).map(|place| place as usize)
    }
}

/// Where the first token of each id stands: a table indexed by ids, which are hashes, with as many empty slots as full.
#[derive(Debug, Clone, PartialEq)]
struct Places(Vec<u32>);

impl Places {
    /// An empty slot.
    const NONE: u32 = u32::MAX;

    fn of(tokens: &[Token]) -> Self {
        let mut places = Self(vec![Self::NONE; (tokens.len() * 2).next_power_of_two()]);
        for (place, token) in (0..).zip(tokens) {
            let slot = places.slot(token.id, tokens);
            if places.0[slot] == Self::NONE {
                places.0[slot] = place;
            }
        }
        places
    }

    fn get(&self, id: Id, tokens: &[Token]) -> Option<u32> {
        Some(self.0[self.slot(id, tokens)]).filter(|place| *place != Self::NONE)
    }

    /// The slot of this id, or the empty one where it would be.
    fn slot(&self, id: Id, tokens: &[Token]) -> usize {
        let mask = self.0.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let mut slot = id.0 as usize & mask;
        while self.0[slot] != Self::NONE && tokens[self.0[slot] as usize].id != id {
            slot = (slot + 1) & mask;
        }
        slot
    }
}
