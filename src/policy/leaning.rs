//! Does a question lean on what was said before it? "And in winter?", "why?", "what about the second one?".
//!
//! Asked only in conversations whose history is not compared as a whole. A question called leaning by mistake costs at
//! most a hit, one not called leaning can cost a wrong answer: so whatever is not surely complete in itself leans. The
//! words are in `lexicon/leaning.txt`.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::lexicon::{Lexicon, Quantity, Traits};
use super::reading::{Reading, Token, Tongue, Words, split_word};

/// By what a question leans on its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaning {
    /// It opens as a continuation: "and ...", "so ...", "yes ...".
    Opening,
    /// It points at something named elsewhere: "it", "those", "the second one", "the code".
    Pointing,
    /// It speaks of the conversation: "again", "you said", "another".
    Discourse,
    /// It asks about the asker, who may have said more about themselves: "what is my name?".
    Personal,
    /// It is too short to be a question of its own: "why?", "in winter?", "which is cheaper?".
    Fragment,
    /// No list tells for its language.
    Unread,
}

impl Leaning {
    /// Its one word, for `explain`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Pointing => "pointing",
            Self::Discourse => "discourse",
            Self::Personal => "personal",
            Self::Fragment => "fragment",
            Self::Unread => "unread",
        }
    }
}

/// By what the question leans on what was said before it; `None` when it stands alone.
#[must_use]
pub fn leaning(prompt: &str) -> Option<Leaning> {
    let words = Words::new();
    let reading = Reading::of(prompt, &words);
    let said = said(prompt);
    match reading.tongue {
        Tongue::Listed(0) | Tongue::Unclear => in_english(&Text::of(said, &words)),
        Tongue::Listed(tongue) => {
            let code = &Lexicon::get().tongue_codes[usize::from(tongue)];
            in_another(code, &said, reading.tokens.iter().filter(|token| tells(token)).count())
        }
        Tongue::Script(_) => Some(Leaning::Unread),
    }
}

/// The lists of the file, by language, kind and word.
static LISTS: LazyLock<HashSet<(&'static str, &'static str, &'static str)>> = LazyLock::new(|| {
    let lines = include_str!("lexicon/leaning.txt").lines().filter(|line| !line.starts_with('#'));
    let heads = lines.filter_map(|line| line.split_once(": ")?.0.split_once(' ').zip(line.split_once(": ")));
    heads
        .flat_map(|((tongue, kind), (_, words))| words.split_whitespace().map(move |word| (tongue, kind, word)))
        .collect()
});

fn listed(tongue: &str, kind: &str, word: &str) -> bool {
    let lists: &HashSet<(&str, &str, &str)> = &LISTS;
    lists.contains(&(tongue, kind, word))
}

/// The words in lower case, contractions taken apart; clause ends are of no interest here.
fn said(prompt: &str) -> Vec<String> {
    let plain = prompt.to_lowercase().replace(['\u{2018}', '\u{2019}'], "'");
    let chunks = plain.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    chunks.map(|chunk| chunk.trim_matches('\'')).filter(|chunk| !chunk.is_empty()).flat_map(split_word).collect()
}

/// Whether a word says what a prompt is about.
fn tells(token: &Token) -> bool {
    token.is_content() && !token.is_soft()
}

fn in_another(tongue: &str, said: &[String], telling: usize) -> Option<Leaning> {
    let any = |kind: &str| said.iter().any(|word| listed(tongue, kind, word));
    match said.first() {
        _ if LISTS.iter().all(|(known, ..)| *known != tongue) => Some(Leaning::Unread),
        Some(first) if listed(tongue, "opening", first) => Some(Leaning::Opening),
        _ if any("discourse") => Some(Leaning::Discourse),
        _ if any("pointing") => Some(Leaning::Pointing),
        _ if telling < 3 => Some(Leaning::Fragment),
        _ => None,
    }
}

/// An English prompt's words, each with what the lexicon says of it.
struct Text {
    said: Vec<String>,
    tokens: Vec<Token>,
}

const COMPLEMENTS: [&str; 14] =
    ["of", "for", "in", "at", "on", "from", "between", "to", "with", "by", "about", "behind", "that", "called"];
const BE: [&str; 8] = ["is", "are", "was", "were", "be", "been", "exist", "exists"];

impl Text {
    fn of(said: Vec<String>, words: &Words) -> Self {
        let tokens = said.iter().map(|word| Token::word(word, words)).collect();
        Self { said, tokens }
    }

    /// The word at a place, empty beyond the ends.
    fn word(&self, at: usize) -> &str {
        self.said.get(at).map_or("", |word| word)
    }

    fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |at| self.word(at))
    }

    fn has(&self, word: &str) -> bool {
        self.said.iter().any(|said| said == word)
    }

    fn telling(&self, from: usize, to: usize) -> usize {
        self.tokens[from..to].iter().filter(|token| tells(token)).count()
    }

    fn is_named(&self) -> bool {
        self.tokens.iter().any(|token| token.is(Traits::NAME) || token.member.is_some())
    }
}

fn in_english(text: &Text) -> Option<Leaning> {
    let places = 0..text.said.len();
    if text.said.first().is_none_or(|first| listed("en", "opening", first)) || follows_on(text) {
        return Some(Leaning::Opening);
    }
    if places.clone().any(|at| speaks_of_the_conversation(text, at)) {
        return Some(Leaning::Discourse);
    }
    if places.clone().any(|at| points(text, at) || is_bare_definite(text, at)) {
        return Some(Leaning::Pointing);
    }
    if is_personal(text) {
        return Some(Leaning::Personal);
    }
    is_fragment(text).then_some(Leaning::Fragment)
}

/// "what about ...", "how about ...", "what if ...", "why not ...".
fn follows_on(text: &Text) -> bool {
    matches!(
        (text.word(0), text.word(1)),
        ("what" | "how", "about") | ("what", "if" | "else") | ("why", "not" | "so") | ("how", "so" | "come")
    )
}

fn speaks_of_the_conversation(text: &Text, at: usize) -> bool {
    let (word, next) = (text.word(at), text.word(at + 1));
    match word {
        // "taller than", "too much", "both x and y": what they need stands in the prompt itself.
        "more" | "less" => !text.has("than"),
        "too" => next.is_empty(),
        "both" => !text.has("and"),
        "either" => !text.has("or"),
        "neither" => !text.has("nor"),
        "you" | "i" | "we" => listed("en", "saying", next) || matches!(text.before(at), "did"),
        _ => listed("en", "discourse", word),
    }
}

fn points(text: &Text, at: usize) -> bool {
    let (before, word, next) = (text.before(at), text.word(at), text.word(at + 1));
    if listed("en", "thing", word)
        && matches!(before, "the" | "this" | "that" | "these" | "those" | "your" | "my" | "our")
    {
        return !(at + 1..at + 4).any(|near| COMPLEMENTS.contains(&text.word(near)));
    }
    if !listed("en", "pointing", word) {
        return false;
    }
    match word {
        "there" if BE.contains(&before) || BE.contains(&next) => return false,
        // "is it safe to ...", "does it take to ...", "is it true that ...".
        "it" if listed("en", "expletive", next) && matches!(text.word(at + 2), "to" | "that" | "for") => return false,
        // "prove that ...", "a word that rhymes ...", but neither "explain that" nor "about that".
        "that" if at > 0 && !next.is_empty() => {
            let governs = &text.tokens[at - 1];
            let object = matches!(governs.quantity, Some((Quantity::Action, _)));
            if governs.is_content() && !object || text.tokens[at + 1].is(Traits::ARTICLE) {
                return false;
            }
        }
        "such" if next == "as" => return false,
        "one" if next == "of" || text.tokens.get(at + 1).is_some_and(Token::is_content) => return before == "the",
        _ => {}
    }
    // "How do I reset my password if I have forgotten it": what it points at was named before it.
    const NAMED_BEFORE: usize = 3;
    let may_be_named = text.tokens[at].is(Traits::PRONOUN)
        && !matches!(word, "there" | "here" | "one" | "ones" | "others")
        && !matches!(word, "this" | "that" | "these" | "those" | "such")
        && (at == 0 || !text.tokens[at - 1].is(Traits::PREPOSITION));
    !may_be_named || at < 6 || text.telling(0, at) < NAMED_BEFORE
}

/// "The side effects", "the fee", "examples": of what, was said before. Not "the capital of France", nor what there is
/// but one of.
fn is_bare_definite(text: &Text, at: usize) -> bool {
    if matches!(text.word(at), "example" | "examples") {
        return !(at + 1..at + 3).any(|near| COMPLEMENTS.contains(&text.word(near)));
    }
    if text.word(at) != "the" {
        return false;
    }
    let phrase = text.tokens[at + 1..].iter().take_while(|token| token.is_content());
    let (mut length, mut known) = (0, false);
    for token in phrase {
        length += 1;
        known |= token.is(Traits::NAME)
            || token.member.is_some()
            || matches!(token.quantity, Some((Quantity::Superlative | Quantity::Ordinal, _)))
            || listed("en", "unique", &token.written)
            || token.written.ends_with("est");
    }
    !known && !COMPLEMENTS.contains(&text.word(at + 1 + length))
}

/// "What is my name?", "where is my order?", "should I sell?"; but not "how do I reset my password?".
fn is_personal(text: &Text) -> bool {
    if text.word(0) == "how" {
        return false;
    }
    (0..text.said.len()).any(|at| match text.word(at) {
        "my" | "mine" | "our" | "ours" | "us" | "myself" => true,
        "me" => !requests(text.before(at)),
        "i" | "we" => {
            matches!(text.before(at), "should" | "am" | "are" | "did" | "do" | "have" | "was" | "will" | "would")
        }
        _ => false,
    })
}

/// "tell me", "give me": the asker is only who is to be told.
fn requests(word: &str) -> bool {
    listed("en", "request", word)
}

fn is_fragment(text: &Text) -> bool {
    let (first, all) = (&text.tokens[0], text.telling(0, text.said.len()));
    let named = text.is_named();
    let complement = COMPLEMENTS.iter().any(|word| text.has(word));
    let bare = text.said.iter().any(|word| listed("en", "bare", word)) && !text.has("than") && !text.has("or");
    if all == 0 || bare && !complement {
        return true;
    }
    let governs =
        |at: usize| first.is(Traits::PREPOSITION) && text.tokens.get(at).is_some_and(|t| t.is(Traits::QUESTION));
    let asks = first.is(Traits::QUESTION) || first.is(Traits::AUXILIARY) || governs(1);
    if !asks && !matches!(first.quantity, Some((Quantity::Action, _))) && !requests(text.word(0)) {
        return all < if named { 3 } else { 4 } || first.is(Traits::PREPOSITION) || first.is(Traits::ARTICLE);
    }
    // "How do I boil an egg?" is whole; "when should you consider surgery?" may be about anything.
    let how = text.word(0) == "how" && !matches!(text.word(1), "many" | "much" | "long" | "often");
    let enough = match (named, how || !asks || complement) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    all < enough
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/pairs/leaning.tsv`: whether a question leans, and the question.
    #[test]
    fn every_question_of_the_table_leans_or_stands_as_it_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pairs/leaning.tsv");
        let table = std::fs::read_to_string(path).unwrap();
        let rows: Vec<_> =
            table.lines().filter(|line| !line.starts_with('#')).filter_map(|l| l.split_once('\t')).collect();
        for kind in ["leans", "stands"] {
            assert!(rows.iter().filter(|row| row.0 == kind).count() >= 40, "{kind}");
        }
        let faults: Vec<_> = rows
            .iter()
            .map(|(kind, prompt)| (kind, prompt, leaning(prompt)))
            .filter(|(kind, _, found)| found.is_some() != (**kind == "leans"))
            .collect();
        assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
    }

    #[test]
    fn it_says_by_what_a_question_leans() {
        for (prompt, by) in [
            ("and in winter?", Leaning::Opening),
            ("What about the second one?", Leaning::Opening),
            ("How does it work?", Leaning::Pointing),
            ("Explain the joke again", Leaning::Discourse),
            ("What is my name?", Leaning::Personal),
            ("Why?", Leaning::Fragment),
            ("\u{4e3a}\u{4ec0}\u{4e48}\u{5929}\u{662f}\u{84dd}\u{8272}\u{7684}", Leaning::Unread),
        ] {
            assert_eq!(leaning(prompt), Some(by), "{prompt}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_and_case_and_spaces_tell_nothing(prompt in "\\PC{0,80}", plain in "[a-z ,.?']{0,60}") {
            let _ = leaning(&prompt);
            let spaced = plain.replace(' ', "  ");
            proptest::prop_assert_eq!(leaning(&plain), leaning(&spaced));
        }
    }
}
