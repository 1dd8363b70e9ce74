//! Takes a prompt apart: Unicode normalisation, code blocks, quoted literals, and the prose that remains.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::super::lexicon::Id;

/// A prompt's parts.
pub(super) struct Prose {
    /// The text outside code blocks, normalised.
    pub(super) words: String,
    /// What stands in quotation marks or backticks.
    pub(super) literals: Vec<Box<str>>,
    /// Each code block.
    pub(super) code: Vec<Id>,
}

/// Separates code and literals from prose. The words of literals stay in the prose as well.
pub(super) fn take_apart(prompt: &str) -> Prose {
    let text = normalised(prompt);
    let (words, code) = without_code(&text);
    let literals = literals(&words);
    Prose { words, literals, code }
}

/// NFKC, with typographic quotes and dashes as their plain forms and invisible characters gone.
fn normalised(prompt: &str) -> String {
    if prompt.is_ascii() {
        return prompt.to_owned();
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
fn without_code(text: &str) -> (String, Vec<Id>) {
    if !text.contains("```") && !text.contains('\n') {
        return (text.to_owned(), Vec::new());
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
    (prose, code)
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
    let signs = trimmed
        .chars()
        .filter(|c| matches!(c, '{' | '}' | '[' | ']' | '(' | ')' | ';' | '=' | '<' | '>' | '|'))
        .count();
    let length = trimmed.chars().count();
    trimmed.ends_with([';', '{', '}']) || signs * 8 > length && signs >= 2
}

/// What stands in double quotes, backticks, or single quotes that are no apostrophes.
fn literals(text: &str) -> Vec<Box<str>> {
    if !text.contains(['"', '`', '\'']) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let opens = matches!(c, '"' | '`') || c == '\'' && !before.is_alphanumeric();
        if opens && let Some(end) = closing(after, c) {
            let tidy = tidied(&after[..end]);
            if !tidy.is_empty() {
                found.push(tidy.into_boxed_str());
            }
            before = c;
            rest = &after[end + 1..];
        } else {
            before = c;
            rest = after;
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
