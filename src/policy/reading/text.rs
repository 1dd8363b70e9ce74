//! Takes a prompt apart: Unicode normalisation, code blocks, quoted literals, and the prose that remains.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::super::lexicon::Id;

/// A prompt's parts.
pub(super) struct Prose<'a> {
    /// The text outside code blocks, normalised; borrowed where that is the prompt as it was written.
    pub(super) words: Cow<'a, str>,
    /// What stands in quotation marks or backticks.
    pub(super) literals: Vec<Box<str>>,
    /// Each code block.
    pub(super) code: Vec<Id>,
}

/// Separates code and literals from prose. The words of literals stay in the prose as well.
pub(super) fn take_apart(prompt: &str) -> Prose<'_> {
    let (words, code) = without_code(normalised(prompt));
    let literals = literals(&words);
    Prose { words, literals, code }
}

/// NFKC, with typographic quotes and dashes as their plain forms and invisible characters gone.
fn normalised(prompt: &str) -> Cow<'_, str> {
    if prompt.is_ascii() {
        return Cow::Borrowed(prompt);
    }
    let plain = |c: char| match c {
        '\u{2018}' | '\u{2019}' | '\u{02bc}' | '\u{00b4}' => Some('\''),
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{00ab}' | '\u{00bb}' => Some('"'),
        '\u{2010}'..='\u{2012}' => Some('-'),
        '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{00ad}' => None,
        other => Some(other),
    };
    match is_nfkc_quick(prompt.chars()) {
        IsNormalized::Yes => prompt.chars().filter_map(plain).collect(),
        _ => prompt.nfkc().filter_map(plain).collect(),
    }
}

/// The text without its code, and each run of code by a hash of its lines. Code is what stands between fences, and
/// lines outside of them that look like nothing a person would write.
fn without_code(text: Cow<'_, str>) -> (Cow<'_, str>, Vec<Id>) {
    let is_plain = |line: &str| !line.trim_start().starts_with("```") && !looks_like_code(line);
    let has = |byte: u8| text.as_bytes().contains(&byte);
    let may_hold_code = has(b'\n') || has(b'`') && text.contains("```");
    if !may_hold_code || text.lines().all(is_plain) {
        return (text, Vec::new());
    }
    let mut prose = String::with_capacity(text.len());
    let mut code = Vec::new();
    let mut block = String::new();
    let mut fenced = false;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if fence {
            fenced = !fenced;
        }
        if fence || fenced || looks_like_code(line) {
            let line = if fence { "" } else { line.trim_end() };
            if !line.is_empty() {
                block.push_str(line);
                block.push('\n');
            }
            continue;
        }
        close(&mut block, &mut code);
        prose.push_str(line);
        prose.push('\n');
    }
    close(&mut block, &mut code);
    (prose.into(), code)
}

fn close(block: &mut String, code: &mut Vec<Id>) {
    if !block.is_empty() {
        code.push(Id::of(block));
        block.clear();
    }
}

/// Whether a line is code or data: it ends like a statement, or much of it is brackets and operators.
fn looks_like_code(line: &str) -> bool {
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return false;
    }
    let is_sign =
        |byte: &u8| matches!(byte, b'{' | b'}' | b'[' | b']' | b'(' | b')' | b';' | b'=' | b'<' | b'>' | b'|');
    let signs = trimmed.bytes().filter(|byte| is_sign(byte)).count();
    trimmed.ends_with([';', '{', '}']) || signs >= 2 && signs * 8 > trimmed.chars().count()
}

/// What stands in double quotes, backticks, or single quotes that are no apostrophes.
fn literals(text: &str) -> Vec<Box<str>> {
    const QUOTES: [u8; 3] = [b'"', b'`', b'\''];
    let mut found = Vec::new();
    // Most have none, and that is found out without looking at each letter by itself.
    let is_quote = |byte: &u8| u8::from(*byte == b'"') | u8::from(*byte == b'`') | u8::from(*byte == b'\'');
    if text.as_bytes().iter().map(is_quote).fold(0, |any, quote| any | quote) == 0 {
        return found;
    }
    let mut at = 0;
    while let Some(next) = text.as_bytes()[at..].iter().position(|byte| QUOTES.contains(byte)) {
        let quote = char::from(text.as_bytes()[at + next]);
        let (before, after) = (&text[..at + next], &text[at + next + 1..]);
        at += next + 1;
        let opens = quote != '\'' || !before.chars().next_back().is_some_and(char::is_alphanumeric);
        if opens && let Some(end) = closing(after, quote) {
            let tidy = tidied(&after[..end]);
            if !tidy.is_empty() {
                found.push(tidy.into_boxed_str());
            }
            at += end + 1;
        }
    }
    found
}

/// Where the quote closes: within the line, and for a single quote not inside a word.
fn closing(text: &str, quote: char) -> Option<usize> {
    let line = text.find('\n').unwrap_or(text.len());
    text[..line]
        .match_indices(quote)
        .map(|(at, _)| at)
        .find(|at| *at > 0 && (quote != '\'' || !text[at + 1..].chars().next().is_some_and(char::is_alphanumeric)))
}

/// Lower case, single spaces, no punctuation at its ends.
pub(super) fn tidied(text: &str) -> String {
    let text = text.to_lowercase();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.trim_matches(|c: char| matches!(c, '.' | ',' | '!' | '?' | ';' | ':') || c.is_whitespace()).to_owned()
}
