//! Splits prose into tokens: words, numbers, identifiers and operators, of any script.

use std::borrow::Cow;

use super::super::lexicon::{Quantity, Traits};
use super::numbers;
use super::words::After;
use super::{Kind, Token, Words};

/// Corrects the typing errors in the words that hold an English question together.
pub(super) fn mend(tokens: &mut [Token], lexicon: &Words) {
    // A known word in the place of another: "how long dose it take".
    for at in 1..tokens.len() {
        let subject = tokens[at].is(Traits::PRONOUN) || tokens[at].is(Traits::ARTICLE);
        if subject && &*tokens[at - 1].written == "dose" {
            tokens[at - 1] = Token { starts: tokens[at - 1].starts, ..Token::word("does", lexicon) };
        }
    }
    for token in tokens.iter_mut().filter(|token| token.kind == Kind::Word && !token.is(Traits::KNOWN)) {
        if let Some(meant) = lexicon.meant(&token.written) {
            let Token { capital, starts, possessive, .. } = *token;
            *token = Token { capital, starts, possessive, ..meant };
        }
    }
}

/// Adds the tokens of one run of non-space characters, as if no clause began with it.
pub(super) fn read(chunk: &str, lexicon: &Words, out: &mut Vec<Token>) -> After {
    let from = out.len();
    // Most chunks are plain words.
    if chunk.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        word_like(&lowered(chunk), lexicon, out);
        mark(&mut out[from..], false, chunk.as_bytes()[0].is_ascii_uppercase());
        return After::Continues;
    }
    let core = chunk.trim_start_matches(|c| OPENING.contains(&c)).trim_end_matches(is_closing);
    let ends = chunk.trim_end_matches(['"', '\'', ')', ']', '*', '_', '`']).ends_with(BREAKS);
    if !core.chars().any(char::is_alphanumeric) {
        operator(chunk, lexicon, out);
        return if ends { After::Begins } else { After::AsBefore };
    }
    // A sign glued to sentence punctuation ("c++?") was cut too far or not at all: the lexicon knows the sign words.
    let signed = chunk.trim_matches(|c| OPENING.contains(&c) || BREAKS.contains(&c) || matches!(c, ')' | ']'));
    if signed != core && lexicon.word(&signed.to_lowercase()).is_some_and(|known| known.member.is_some()) {
        word_like(&signed.to_lowercase(), lexicon, out);
    } else if core.chars().any(is_unspaced) {
        unspaced(core, lexicon, out);
    } else {
        piece(core, lexicon, out);
    }
    mark(&mut out[from..], chunk.starts_with('('), core.chars().next().is_some_and(char::is_uppercase));
    if ends { After::Begins } else { After::Continues }
}

fn mark(tokens: &mut [Token], starts: bool, capital: bool) {
    if let Some(first) = tokens.first_mut() {
        first.starts = starts;
    }
    for token in tokens {
        token.capital = capital;
    }
}

const OPENING: &[char] =
    &['"', '\'', '(', '[', '{', '<', '*', '`', '~', ',', ';', ':', '!', '?', '\u{00bf}', '\u{00a1}'];
const BREAKS: &[char] =
    &['.', ',', ';', ':', '!', '?', '\u{2026}', '\u{3002}', '\u{3001}', '\u{2014}', '\u{2013}', '\u{061f}', '\u{060c}'];

fn is_closing(c: char) -> bool {
    !(c.is_alphanumeric() || matches!(c, '%' | '+' | '#' | '$' | '\u{20ac}' | '\u{00a3}' | '/')) || c == '\u{ff0c}'
}

/// An operator such as `==` stands for itself; punctuation is nothing.
fn operator(chunk: &str, lexicon: &Words, out: &mut Vec<Token>) {
    let sign = chunk.trim_matches(|c: char| {
        matches!(c, '"' | '\'' | '`' | ',' | '.' | ';' | ':' | '(' | ')' | '?' | '!') || c == '\u{2026}'
    });
    match sign {
        "" | "-" | "--" | "*" | "_" | "\u{2013}" | "\u{2014}" => {}
        _ => {
            out.push(if sign == "&" { Token::word("and", lexicon) } else { Token::raw(sign, Kind::Symbol) });
        }
    }
}

/// Text of scripts without spaces: a token per character, runs of other characters as usual.
fn unspaced(text: &str, lexicon: &Words, out: &mut Vec<Token>) {
    let mut run = String::new();
    for c in text.chars() {
        if is_unspaced(c) {
            if !run.is_empty() {
                piece(&run, lexicon, out);
                run.clear();
            }
            out.push(Token::raw(c.encode_utf8(&mut [0; 4]), Kind::Word));
        } else if c.is_alphanumeric() || !run.is_empty() {
            run.push(c);
        }
    }
    let run = run.trim_end_matches(is_closing);
    if !run.is_empty() {
        piece(run, lexicon, out);
    }
}

/// Han, kana, Thai, Lao, Khmer and Burmese are written without spaces.
pub(crate) const fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// One chunk without the punctuation around it.
fn piece(core: &str, lexicon: &Words, out: &mut Vec<Token>) {
    let lower = lowered(core);
    let lower = &*lower;
    if lower.chars().all(|c| c.is_alphabetic() || is_mark(c)) || known_member(lower, lexicon) {
        return word_like(lower, lexicon, out);
    }
    match lower {
        "u.s" | "u.s.a" => return word_like("usa", lexicon, out),
        "u.k" => return word_like("uk", lexicon, out),
        "e.g" | "i.e" => return,
        _ => {}
    }
    if lower.chars().all(|c| c.is_alphabetic() || is_mark(c) || c == '\'') {
        return contraction(lower, lexicon, out);
    }
    if numbers::read(lower, lexicon, out) {
        return;
    }
    let plain = |part: &str| {
        !part.is_empty()
            && (part.chars().all(|c| c.is_alphabetic() || c == '\'') || part.chars().all(|c| c.is_ascii_digit()))
    };
    for joint in ['-', '/'] {
        if lower.contains(joint) && lower.split(joint).all(plain) {
            return lower.split(joint).for_each(|part| piece(part, lexicon, out));
        }
    }
    if let Some(stem) =
        lower.strip_suffix(".js").or_else(|| lower.strip_suffix(".io")).filter(|stem| known_member(stem, lexicon))
    {
        return word_like(stem, lexicon, out);
    }
    let bare = lower.trim_end_matches(['+', '#', '%', '$', '/']);
    let ident = if bare.chars().any(|c| !c.is_alphabetic()) {
        Token::raw(bare, Kind::Identifier)
    } else {
        Token::word(bare, lexicon)
    };
    out.push(ident);
}

fn lowered(text: &str) -> Cow<'_, str> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

fn known_member(lower: &str, lexicon: &Words) -> bool {
    lexicon.word(lower).is_some_and(|known| known.member.is_some())
}

/// Combining marks belong to the letter before them (Indic and Arabic vowels).
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0591}'..='\u{05c7}' | '\u{064b}'..='\u{065f}' | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' | '\u{0981}'..='\u{0983}' | '\u{09bc}'..='\u{09cd}' | '\u{0b80}'..='\u{0bcd}' | '\u{0c00}'..='\u{0d4d}')
}

fn word_like(lower: &str, lexicon: &Words, out: &mut Vec<Token>) {
    match spelt_out(lower) {
        [] => out.push(number_word(Token::word(lower, lexicon))),
        words => out.extend(words.iter().map(|word| Token::word(word, lexicon))),
    }
}

/// A number in words becomes one in digits.
fn number_word(token: Token) -> Token {
    match token.quantity {
        Some((Quantity::Number, value)) => {
            let digits = Token::raw(&value.to_string(), Kind::Number);
            Token { member: token.member, quantity: token.quantity, ..digits }
        }
        _ => token,
    }
}

fn contraction(lower: &str, lexicon: &Words, out: &mut Vec<Token>) {
    let from = out.len();
    let (words, possessive) = expanded(lower);
    for word in words {
        out.push(number_word(Token::word(&word, lexicon)));
    }
    if possessive && let Some(last) = out[from..].last_mut() {
        last.possessive = true;
    }
}

/// The words that a written word stands for, in lower case: `what's` is `what is`.
pub(crate) fn split_word(lower: &str) -> Vec<String> {
    match spelt_out(lower) {
        [] if lower.contains('\'') => expanded(lower).0,
        [] => vec![lower.to_owned()],
        words => words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// Short spellings without an apostrophe.
const fn spelt_out(lower: &str) -> &'static [&'static str] {
    match lower.as_bytes() {
        b"whats" => &["what", "is"],
        b"wheres" => &["where", "is"],
        b"whos" => &["who", "is"],
        b"hows" => &["how", "is"],
        b"dont" => &["do", "not"],
        b"doesnt" => &["does", "not"],
        b"didnt" => &["did", "not"],
        b"cant" | b"cannot" => &["can", "not"],
        b"couldnt" => &["could", "not"],
        b"wont" => &["will", "not"],
        b"wouldnt" => &["would", "not"],
        b"shouldnt" => &["should", "not"],
        b"isnt" => &["is", "not"],
        b"arent" => &["are", "not"],
        b"wasnt" => &["was", "not"],
        b"im" => &["i", "am"],
        b"ive" => &["i", "have"],
        b"wat" | b"wht" => &["what"],
        b"wy" => &["why"],
        b"hwo" => &["how"],
        b"u" => &["you"],
        b"ur" => &["your"],
        b"teh" => &["the"],
        b"gonna" => &["will"],
        b"wanna" => &["want", "to"],
        _ => &[],
    }
}

/// A word with an apostrophe: its parts, and whether it ended as a possessive.
fn expanded(lower: &str) -> (Vec<String>, bool) {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(verb) = lower.strip_suffix("n't") {
        let verb = match verb {
            "ca" => "can",
            "wo" => "will",
            "sha" => "shall",
            other => other,
        };
        return (own(&[verb, "not"]), false);
    }
    for (ending, word) in [("'m", "am"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would")] {
        if let Some(subject) = lower.strip_suffix(ending) {
            return (own(&[subject, word]), false);
        }
    }
    if let Some(owner) = lower.strip_suffix("'s") {
        let speaks = ["what", "who", "where", "how", "when", "why", "that", "it", "he", "she", "there", "here"];
        return if speaks.contains(&owner) {
            (own(&[owner, "is"]), false)
        } else if owner == "let" {
            (own(&["let", "us"]), false)
        } else {
            (own(&[owner]), true)
        };
    }
    match lower.strip_suffix('\'') {
        Some(owner) => (own(&[owner]), true),
        None => (own(&[&lower.replace('\'', "")]), false),
    }
}
