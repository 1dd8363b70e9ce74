//! Lays two readings side by side: which words they share, and which only one of them has.

use super::lexicon::{Id, Lexicon, Traits, edits};
use super::reading::{Kind, Reading, Token};

/// Two readings, aligned.
pub(crate) struct Comparison<'a> {
    /// The prompt asked.
    pub(crate) a: &'a Reading,
    /// The candidate.
    pub(crate) b: &'a Reading,
    /// What only the asked prompt has.
    pub(crate) only_a: Remainder<'a>,
    /// What only the candidate has.
    pub(crate) only_b: Remainder<'a>,
    /// Content words that both have, as written, inflected, synonymous or mistyped.
    pub(crate) shared: usize,
    /// Of those, how many are the same only as synonyms, abbreviations or typing errors.
    pub(crate) mended: usize,
}

/// The words of one side that the other lacks, each once.
#[derive(Default)]
pub(crate) struct Remainder<'a> {
    /// Words that say what the prompt is about.
    pub(crate) hard: Vec<&'a Token>,
    /// General words that a rewording may add.
    pub(crate) soft: Vec<&'a Token>,
    /// Words that carry structure.
    pub(crate) function: Vec<&'a Token>,
}

impl<'a> Remainder<'a> {
    /// All of them, those of leading clauses left out.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Token> {
        self.with_asides().filter(|token| !token.aside)
    }

    /// All of them, those of leading clauses too.
    pub(crate) fn with_asides(&self) -> impl Iterator<Item = &'a Token> {
        self.hard.iter().chain(&self.soft).chain(&self.function).copied()
    }
}

impl<'a> Comparison<'a> {
    /// Aligns two readings.
    pub(crate) fn of(a: &'a Reading, b: &'a Reading) -> Self {
        let lexicon = Lexicon::get();
        let ((mut left, shared_a), (mut right, shared_b)) = (unmatched(a, b), unmatched(b, a));
        let mended = mend(&mut left, &mut right, a, b, lexicon);
        Self { a, b, only_a: sorted(left), only_b: sorted(right), shared: shared_a.max(shared_b) + mended, mended }
    }

    /// Words of the shorter prompt.
    pub(crate) fn length(&self) -> usize {
        self.a.tokens.len().min(self.b.tokens.len())
    }

    /// Share of all content words that both have.
    pub(crate) fn overlap(&self) -> f32 {
        let apart = self.only_a.hard.len() + self.only_b.hard.len();
        if self.shared + apart == 0 {
            return 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of words are small")]
        let overlap = self.shared as f32 / (self.shared + apart) as f32;
        overlap
    }

    /// Whether single words decide: the prompts are short, or share most of their words.
    pub(crate) fn is_close(&self) -> bool {
        self.length() <= 20 || self.overlap() >= 0.5
    }

    /// Whether both say the same content words.
    pub(crate) fn same_content(&self) -> bool {
        self.only_a.hard.is_empty() && self.only_b.hard.is_empty()
    }

    /// Whether what only one of them has stands in several places of it, with shared words between.
    pub(crate) fn is_scattered(&self) -> bool {
        let scattered = |reading: &Reading, only: &Remainder<'_>| {
            let telling = reading.tokens.iter().filter(|token| token.is_content() && !token.is_soft());
            let mut alone = telling.map(|token| only.hard.iter().any(|left| left.id == token.id));
            alone.by_ref().any(|alone| alone) && alone.by_ref().any(|alone| !alone) && alone.any(|alone| alone)
        };
        scattered(self.a, &self.only_a) || scattered(self.b, &self.only_b)
    }

    /// Whether there is a lexicon for both prompts' languages, however small; without one, every word counts.
    pub(crate) fn is_read(&self) -> bool {
        self.a.tongue.has_lexicon() && self.b.tongue.has_lexicon()
    }

    /// Whether both readings apply the English lexicon.
    pub(crate) fn in_english(&self) -> bool {
        self.a.tongue.reads_as_english() && self.b.tongue.reads_as_english()
    }
}

/// Tokens of `one` that `other` lacks, each id once, and how many content ids both have.
fn unmatched<'a>(one: &'a Reading, other: &Reading) -> (Vec<&'a Token>, usize) {
    let mut alone = Vec::new();
    let mut shared = 0;
    for (_, token) in one.tokens.iter().enumerate().filter(|(place, token)| one.place(token.id) == Some(*place)) {
        if other.place(token.id).is_none() {
            alone.push(token);
        } else {
            shared += usize::from(token.is_content());
        }
    }
    (alone, shared)
}

/// Pairs off what is the same under another spelling; returns how many pairs.
fn mend(left: &mut Vec<&Token>, right: &mut Vec<&Token>, a: &Reading, b: &Reading, lexicon: &Lexicon) -> usize {
    // Long prompts with many differences are not mended word by word: nothing hangs on one of them.
    const MANY: usize = 24;
    if left.len() > MANY || right.len() > MANY {
        return 0;
    }
    let mut mended = 0;
    let mut at = 0;
    while at < left.len() {
        let found = right.iter().position(|other| same_meaning(left[at], other, lexicon));
        match found {
            Some(place) => {
                mended += usize::from(left[at].is_content());
                left.remove(at);
                right.remove(place);
            }
            None => at += 1,
        }
    }
    mended + compounds(left, right, b) + compounds(right, left, a)
}

fn same_meaning(one: &Token, other: &Token, lexicon: &Lexicon) -> bool {
    if one.kind != Kind::Word || other.kind != Kind::Word {
        return false;
    }
    if one.is_content() != other.is_content() {
        return is_slip(&one.written, &other.written);
    }
    if !one.is_content() || one.member.is_some() && other.member.is_some() {
        return false;
    }
    lexicon.are_synonyms(one.id, other.id) || is_typing_error(one, other) || is_derived(one, other, lexicon)
}

/// Whether one word is made of the other by an ending that keeps its sense: `leaky` of `leaking`, `inventor` of
/// `invented`. Two different nouns of one verb (`manager`, `management`) are two things.
fn is_derived(one: &Token, other: &Token, lexicon: &Lexicon) -> bool {
    const VERBAL: [&str; 5] = ["ing", "ed", "es", "s", "e"];
    const OTHER: [&str; 10] = ["y", "er", "or", "ion", "ation", "ment", "ance", "ence", "age", "al"];
    fn root<'a>(written: &'a str, endings: &[&str]) -> Option<&'a str> {
        let longest = endings.iter().filter(|ending| written.ends_with(**ending)).max_by_key(|ending| ending.len())?;
        written.strip_suffix(longest).filter(|root| root.len() >= 4)
    }
    fn bare(token: &Token) -> &str {
        root(&token.written, &VERBAL).unwrap_or(&token.written)
    }
    let made = |token: &Token, base: &str| root(&token.written, &OTHER).is_some_and(|root| root == base);
    let alike = one.written.as_bytes().iter().zip(other.written.as_bytes()).take_while(|(x, y)| x == y).count();
    alike >= 4 && (made(one, bare(other)) || made(other, bare(one))) && !lexicon.are_antonyms(one.id, other.id)
}

/// Whether two known words differ by two neighbouring letters: `form` for `from`, `dose` for `does`.
fn is_slip(x: &str, y: &str) -> bool {
    x.len() == y.len()
        && x.len() >= 4
        && x != y
        && x.is_ascii()
        && y.is_ascii()
        && {
            let differing: Vec<usize> = (0..x.len()).filter(|at| x.as_bytes()[*at] != y.as_bytes()[*at]).collect();
            matches!(differing[..], [p, q] if q == p + 1 && x.as_bytes()[p] == y.as_bytes()[q] && x.as_bytes()[q] == y.as_bytes()[p])
        }
}

/// Whether one is the other mistyped: at least one of them is no known word, and both begin alike.
fn is_typing_error(one: &Token, other: &Token) -> bool {
    let (x, y) = (&*one.written, &*other.written);
    let shorter = x.len().min(y.len());
    if shorter < 4 || one.is(Traits::KNOWN) && other.is(Traits::KNOWN) || !x.is_ascii() || !y.is_ascii() {
        return false;
    }
    let named = |token: &Token| token.capital && !token.starts || token.is(Traits::NAME);
    let allowed = match shorter {
        _ if named(one) && named(other) && shorter < 7 => return false,
        4..=7 => 1,
        _ => 2,
    };
    x.as_bytes()[0] == y.as_bytes()[0]
        && x.len().abs_diff(y.len()) <= allowed
        && edits(x.as_bytes(), y.as_bytes()) <= allowed
}

/// Pairs a word of `ones` with several words in a row of `other` that it abbreviates or joins: `setup` with
/// `set up`, `roi` with `return on investment`.
fn compounds(ones: &mut Vec<&Token>, others: &mut Vec<&Token>, other: &Reading) -> usize {
    let mut mended = 0;
    ones.retain(|one| {
        if others.is_empty() {
            return true;
        }
        if !matches!(one.kind, Kind::Word | Kind::Identifier) || !one.is_content() || one.written.len() < 2 {
            return true;
        }
        let Some((from, to)) = spelling_out(&one.written, &other.tokens) else { return true };
        let run: Vec<Id> = other.tokens[from..to].iter().map(|token| token.id).collect();
        // At least one of the words must be missing here, or they stand for themselves.
        if !others.iter().any(|token| run.contains(&token.id)) {
            return true;
        }
        others.retain(|token| !run.contains(&token.id));
        mended += 1;
        false
    });
    mended
}

/// The run of tokens whose letters or initials are `written`.
fn spelling_out(written: &str, tokens: &[Token]) -> Option<(usize, usize)> {
    let first = written.as_bytes().first();
    let may_begin = |token: &Token| token.written.as_bytes().first() == first;
    (0..tokens.len()).filter(|from| may_begin(&tokens[*from])).find_map(|from| {
        let joined = joined_at(written, &tokens[from..]);
        joined.or_else(|| initials_at(written, &tokens[from..])).map(|length| (from, from + length))
    })
}

fn joined_at(written: &str, tokens: &[Token]) -> Option<usize> {
    let mut rest = written;
    for (nth, token) in tokens.iter().take(3).enumerate() {
        rest = rest.strip_prefix(&*token.written)?;
        if rest.is_empty() {
            return (nth > 0).then_some(nth + 1);
        }
    }
    None
}

fn initials_at(written: &str, tokens: &[Token]) -> Option<usize> {
    let mut letters = written.chars();
    let length = written.chars().count();
    if !(2..=6).contains(&length) || tokens.len() < length {
        return None;
    }
    let mut wanted = letters.next()?;
    let mut words = 0;
    for (nth, token) in tokens.iter().take(length + 3).enumerate() {
        if token.kind == Kind::Word && token.written.starts_with(wanted) {
            words += 1;
            match letters.next() {
                Some(next) => wanted = next,
                None => return (words == length).then_some(nth + 1),
            }
        } else if nth == 0 || token.is_content() {
            return None;
        }
    }
    None
}

fn sorted(tokens: Vec<&Token>) -> Remainder<'_> {
    let mut remainder = Remainder::default();
    for token in tokens {
        let list = if !token.is_content() {
            &mut remainder.function
        } else if token.is_soft() {
            &mut remainder.soft
        } else {
            &mut remainder.hard
        };
        list.push(token);
    }
    remainder
}
