//! What the form of a question says: who or when is asked for, and in which tense.

use super::lexicon::LEXICON;

/// The signs told by form, not by single words.
pub(super) const SIGNS: &[&str] = &[
    "who",
    "what",
    "when",
    "where",
    "which",
    "how-many",
    "how-much",
    "how",
    "why",
    "whether",
    "no-question",
    "now-tense",
    "past",
    "has",
    "future",
    "can",
    "superlative",
    "year",
    "code",
    "quoted",
    "long",
    "short",
];

/// Words looked at: the first ones and, of what is longer, the last ones too. Of a long prompt most is material.
const HEAD: usize = 48;
const TAIL: usize = 32;
/// Bytes looked at for them.
const BYTES: usize = 640;

/// The places, in the lexicon, of the signs that a prompt shows, in rising order.
pub(super) fn signs(prompt: &str) -> Vec<usize> {
    let mut shown = vec![false; LEXICON.names.len()];
    let words = words(&ends(prompt));
    let mut note = |name: &str| {
        if let Some(at) = SIGNS.iter().position(|sign| *sign == name) {
            shown[at] = true;
        }
    };
    if prompt.contains("```") || prompt.contains("();") || prompt.contains("def ") {
        note("code");
    }
    if prompt.contains(['"', '“', '«', '`']) {
        note("quoted");
    }
    match words.len() {
        0..=3 => note("short"),
        41.. => note("long"),
        _ => {}
    }
    if words.iter().any(|word| is_year(word)) {
        note("year");
    }
    if words.iter().any(|word| is_superlative(word)) {
        note("superlative");
    }
    let (asked, rest) = asked(&words);
    note(asked);
    if let Some(tense) = tense(rest, asked) {
        note(tense);
    }
    LEXICON.mark(&words, &mut shown);
    LEXICON.conclude(&mut shown);
    shown.iter().enumerate().filter(|(_, shown)| **shown).map(|(sign, _)| sign).collect()
}

/// A short prompt whole; of a long one, its beginning and its end.
fn ends(prompt: &str) -> String {
    if prompt.len() <= 2 * BYTES {
        return prompt.to_owned();
    }
    let cut = |mut at: usize| {
        while !prompt.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    format!("{} {}", &prompt[..cut(BYTES)], &prompt[cut(prompt.len() - BYTES)..])
}

/// Lower-case words without punctuation, contractions taken apart: "what's" is "what is".
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('’', "'");
    let mut words = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()) {
        let word = word.trim_matches('\'');
        match word.strip_suffix("'s").or_else(|| contracted(word)) {
            Some(start) if QUESTION.contains(&start) || matches!(start, "it" | "that" | "there") => {
                words.extend([start.to_owned(), "is".to_owned()]);
            }
            // Whose it is makes no difference: "today's" is a word of the lexicon as "todays".
            Some(start) if word.contains('\'') && !matches!(start, "today" | "tonight" | "tomorrow") => {
                words.push(start.to_owned());
            }
            _ => words.push(word.replace('\'', "")),
        }
    }
    if words.len() > HEAD + TAIL {
        words.drain(HEAD..words.len() - TAIL);
    }
    words
}

const QUESTION: &[&str] = &["who", "what", "when", "where", "which", "how", "why", "whose", "whom"];

/// "whats" as people type it.
fn contracted(word: &str) -> Option<&str> {
    matches!(word, "whats" | "whos" | "wheres" | "whens" | "hows").then(|| &word[..word.len() - 1])
}

/// What is asked for, and the words after it.
fn asked(words: &[String]) -> (&'static str, &[String]) {
    let first = words.iter().position(|word| QUESTION.contains(&word.as_str()));
    if let Some(at) = first {
        let rest = &words[at + 1..];
        let next = rest.first().map_or("", String::as_str);
        let asked = match (words[at].as_str(), next) {
            ("how", "many") => "how-many",
            ("how", "much" | "old" | "tall" | "big" | "long" | "far" | "large") => "how-much",
            ("how", _) => "how",
            ("who" | "whose" | "whom", _) => "who",
            ("when", _) => "when",
            ("where", _) => "where",
            ("which", _) => "which",
            ("why", _) => "why",
            ("what", "year" | "day" | "date" | "month") => "when",
            _ => "what",
        };
        return (asked, rest);
    }
    let whether = words.first().is_some_and(|word| auxiliary(word).is_some());
    (if whether { "whether" } else { "no-question" }, words)
}

/// The tense of the first verb that tells one.
fn tense(words: &[String], asked: &str) -> Option<&'static str> {
    const NEAR: usize = 9;
    let near = &words[..words.len().min(NEAR)];
    if let Some(tense) = near.iter().find_map(|word| auxiliary(word)) {
        return Some(tense);
    }
    // "who wrote", "which team won": no auxiliary, but a verb of the past; else the present: "who plays".
    let past = near.iter().any(|word| is_past(word));
    match asked {
        _ if past => Some("past"),
        "who" | "which" | "how-many" => Some("now-tense"),
        _ => None,
    }
}

fn auxiliary(word: &str) -> Option<&'static str> {
    match word {
        "is" | "are" | "am" | "does" | "do" | "isnt" | "arent" | "doesnt" | "dont" => Some("now-tense"),
        "was" | "were" | "did" | "had" | "wasnt" | "werent" | "didnt" => Some("past"),
        "has" | "have" | "hasnt" | "havent" => Some("has"),
        "will" | "going" | "shall" | "wont" => Some("future"),
        "can" | "could" | "should" | "would" | "may" | "must" => Some("can"),
        _ => None,
    }
}

fn is_past(word: &str) -> bool {
    const IRREGULAR: &[&str] = &[
        "wrote", "won", "sang", "sung", "made", "built", "took", "became", "began", "came", "went", "gave", "found",
        "led", "fought", "said", "told", "got", "left", "ran", "held", "brought", "taught", "drew", "spoke", "threw",
        "shot", "met", "lost", "beat", "sold", "bought", "stood", "wore", "rode", "flew", "broke", "stole", "struck",
    ];
    IRREGULAR.contains(&word)
        || (word.len() > 4 && word.ends_with("ed") && !matches!(word, "united" | "need" | "speed"))
}

/// A number that reads as a year.
fn is_year(word: &str) -> bool {
    word.len() == 4 && word.parse::<u16>().is_ok_and(|year| (1000..2100).contains(&year))
}

fn is_superlative(word: &str) -> bool {
    const NOT: &[&str] = &[
        "west",
        "test",
        "rest",
        "guest",
        "forest",
        "request",
        "interest",
        "contest",
        "latest",
        "nearest",
        "harvest",
        "honest",
        "invest",
        "protest",
        "suggest",
        "chest",
        "everest",
        "budapest",
        "southwest",
        "northwest",
        "midwest",
        "conquest",
        "digest",
        "arrest",
        "quest",
        "nest",
        "crest",
        "modest",
        "tempest",
        "newest",
        "closest",
        "bucharest",
        "pytest",
        "unittest",
        "manifest",
        "priest",
        "best",
        "biggest",
        "highest",
        "earliest",
        "wrest",
        "divest",
    ];
    word.len() > 4 && word.ends_with("est") && !NOT.contains(&word)
}
