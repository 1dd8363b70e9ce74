//! Numbers, in digits of any script and in words, with what is written onto them; and short words whose meaning
//! hangs on a number beside them.

use super::super::lexicon::{Id, Quantity, Traits};
use super::{Kind, Token, Words};

/// Reads a chunk that is a number with or without a unit; returns whether it was one.
pub(super) fn read(lower: &str, lexicon: &Words, out: &mut Vec<Token>) -> bool {
    let plain = latin_digits(lower);
    let lower = plain.as_deref().unwrap_or(lower);
    let currency = match lower.chars().next() {
        Some('$') => Some("usd"),
        Some('\u{20ac}') => Some("eur"),
        Some('\u{00a3}') => Some("gbp"),
        _ => None,
    };
    let lower = if currency.is_some() { lower.trim_start_matches(|c: char| !c.is_alphanumeric()) } else { lower };
    let end =
        lower.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '/' | '-'))).unwrap_or(lower.len());
    let (digits, suffix) = lower.split_at(end);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let (digits, suffix) = (digits.trim_end_matches(['.', ',', ':', '/', '-']), suffix.trim_start_matches('\u{00b0}'));
    // "5-year-old" is a number and two words.
    if let Some(words) = suffix.strip_prefix('-').or_else(|| lower[digits.len()..].strip_prefix('-'))
        && words.split('-').all(|word| !word.is_empty() && word.chars().all(char::is_alphabetic))
    {
        out.push(number(digits));
        out.extend(words.split('-').map(|word| Token::word(word, lexicon)));
        return true;
    }
    match suffix {
        "" => out.push(number(digits)),
        "%" => out.extend([number(digits), Token::word("percent", lexicon)]),
        "k" => out.push(number(&times(digits, 1000))),
        "bn" => out.push(number(&times(digits, 1_000_000_000))),
        "st" | "nd" | "rd" | "th" => out.push(ordinal(digits, lexicon)),
        "$" => out.extend([number(digits), Token::word("usd", lexicon)]),
        "\u{20ac}" => out.extend([number(digits), Token::word("eur", lexicon)]),
        "c" => out.extend([number(digits), Token::word("celsius", lexicon)]),
        "f" => out.extend([number(digits), Token::word("fahrenheit", lexicon)]),
        "m" | "g" | "h" | "d" | "w" | "x" | "v" => out.extend([number(digits), Token::raw(suffix, Kind::Word)]),
        "s" if digits.len() == 4 => out.push(number(&format!("{digits}s"))),
        _ if lexicon.word(suffix).is_some_and(|known| known.member.is_some()) => {
            out.extend([number(digits), Token::word(suffix, lexicon)]);
        }
        _ => return false,
    }
    if let Some(currency) = currency {
        out.push(Token::word(currency, lexicon));
    }
    true
}

/// A number token of a canonical spelling: no thousands separators, no trailing zero fraction.
fn number(digits: &str) -> Token {
    let grouped = digits.split(',').skip(1).all(|group| group.len() == 3) && digits.contains(',');
    let digits = if grouped { digits.replace(',', "") } else { digits.replace(',', ".") };
    // "3.0" is three, and "10:00" is ten o'clock.
    let digits = digits.strip_suffix(".0").or_else(|| digits.strip_suffix(":00")).unwrap_or(&digits);
    Token::raw(digits, Kind::Number)
}

fn times(digits: &str, by: u64) -> String {
    match digits.parse::<f64>() {
        #[expect(clippy::cast_precision_loss, reason = "the factor is a small power of ten")]
        Ok(value) => format!("{}", value * by as f64),
        Err(_) => digits.to_owned(),
    }
}

fn ordinal(digits: &str, lexicon: &Words) -> Token {
    let _ = lexicon;
    let written = format!("{digits}th");
    let value = digits.parse().unwrap_or_default();
    Token { quantity: Some((Quantity::Ordinal, value)), ..Token::raw(&written, Kind::Word) }
}

/// The text with the digits of other scripts as Latin ones, if it has any.
fn latin_digits(text: &str) -> Option<String> {
    const ZEROES: [u32; 12] = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xe50, 0xff10];
    if text.is_ascii() {
        return None;
    }
    let digit = |c: char| {
        let zero = ZEROES.into_iter().find(|zero| (*zero..zero + 10).contains(&u32::from(c)))?;
        char::from_digit(u32::from(c) - zero, 10)
    };
    Some(text.chars().map(|c| digit(c).unwrap_or(c)).collect())
}

/// Joins numbers in words into one: `twenty five`, `two hundred`, `5 million`.
pub(super) fn join(tokens: &mut Vec<Token>) {
    let mut at = 1;
    while at < tokens.len() {
        let both = || in_words(&tokens[at - 1]).zip(in_words(&tokens[at]));
        let Some((left, right)) = (tokens[at].kind == Kind::Number).then(both).flatten() else {
            at += 1;
            continue;
        };
        let worded = |token: &Token| token.quantity.is_some_and(|(kind, _)| kind == Quantity::Number);
        let joined = if right >= 100.0 && worded(&tokens[at]) && left < right {
            left * right
        } else if worded(&tokens[at - 1]) && worded(&tokens[at]) && left >= 20.0 && left % 10.0 == 0.0 && right < 10.0 {
            left + right
        } else {
            at += 1;
            continue;
        };
        let digits = format!("{joined}");
        tokens[at - 1].id = Id::of(&digits);
        tokens[at - 1].written = digits.into();
        tokens.remove(at);
    }
}

fn in_words(token: &Token) -> Option<f64> {
    if token.kind == Kind::Number { token.written.parse().ok() } else { None }
}

/// Whether `last` is a verb here: a noun stands before it, an auxiliary verb before that, and no noun follows.
fn lasts(at: usize, tokens: &[Token]) -> bool {
    let noun = at > 0 && tokens[at - 1].is_content() && !tokens[at - 1].possessive;
    let asks = tokens[..at].iter().any(|token| token.is(Traits::AUXILIARY) || &*token.written == "duration");
    noun && asks && !tokens.get(at + 1).is_some_and(|after| after.is_content() && !after.is_soft())
}

/// Whether a word is one that [`disambiguate`] settles.
pub(super) fn is_unsettled(word: &str) -> bool {
    matches!(word, "c" | "f" | "k" | "r" | "us" | "go" | "second" | "seconds" | "last" | "ii" | "iii" | "vii" | "viii")
}

/// Settles short words by what stands beside them: `c` by a number is Celsius, `the us` is a country, `the second`
/// is an ordinal, `in go` is a language.
pub(super) fn disambiguate(tokens: &mut [Token], lexicon: &Words) {
    let numbered = tokens.iter().any(|token| token.kind == Kind::Number);
    for at in 0..tokens.len() {
        if !tokens[at].unsettled {
            continue;
        }
        let before = at.checked_sub(1).map_or("", |at| &*tokens[at].written);
        let after = tokens.get(at + 1).map_or("", |token| &*token.written);
        let article = matches!(before, "the" | "a" | "an" | "my" | "his" | "her" | "its" | "your" | "our" | "this");
        // "The second" counts places; "a second" does only before the thing counted.
        let counts_places = tokens.get(at + 1).is_some_and(Token::is_content) || before != "a";
        let settled = match &*tokens[at].written {
            "c" if numbered => Some(Token::word("celsius", lexicon)),
            "f" if numbered => Some(Token::word("fahrenheit", lexicon)),
            "k" if numbered => Some(Token::word("kelvin", lexicon)),
            "r" if !matches!(before, "in" | "with" | "using" | "from" | "to" | "than" | "and") => {
                Some(Token::word("are", lexicon))
            }
            "us" if article && before != "our"
                || matches!(
                    after,
                    "citizen"
                        | "citizens"
                        | "passport"
                        | "dollar"
                        | "dollars"
                        | "visa"
                        | "president"
                        | "government"
                        | "army"
                        | "economy"
                        | "tax"
                        | "law"
                ) =>
            {
                Some(Token { traits: Traits::KNOWN, ..Token::word("usa", lexicon) })
            }
            "go" if matches!(before, "in" | "than" | "with" | "using" | "from")
                || matches!(
                    after,
                    "than"
                        | "function"
                        | "program"
                        | "code"
                        | "module"
                        | "struct"
                        | "interface"
                        | "channel"
                        | "routine"
                ) =>
            {
                Some(Token { traits: Traits::KNOWN, ..Token::word("golang", lexicon) })
            }
            "second" if counts_places && (article || before.is_empty()) => {
                Some(Token { quantity: Some((Quantity::Ordinal, 2)), member: None, ..Token::raw("second", Kind::Word) })
            }
            // "How long do eggs last": it comes after what lasts, and nothing is counted by it.
            "last" if lasts(at, tokens) => Some(Token { quantity: None, ..Token::word("keep", lexicon) }),
            "second" | "seconds" => Some(Token::word("secs", lexicon)),
            "ii" => Some(number("2")),
            "iii" => Some(number("3")),
            "vii" => Some(number("7")),
            "viii" => Some(number("8")),
            _ => None,
        };
        if let Some(settled) = settled {
            let old = &tokens[at];
            tokens[at] = Token { capital: old.capital, starts: old.starts, possessive: old.possessive, ..settled };
        } else if &*tokens[at].written == "us" {
            tokens[at].member = None;
        }
    }
}
