//! Request headers to [`Directives`]: `Cache-Control` (RFC 9111, section 5.2.1), `X-Cache-*` and `X-Residency`.
//!
//! `Cache-Control` is everybody's, so what is unknown or malformed in it is ignored. The others are dejavu's own, so a
//! malformed one is refused: whoever writes it must learn that it does nothing.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};

use super::Controls;
use crate::domain::units::parse_duration;
use crate::domain::{Directives, EntryId, MaxStale, Mode, Namespace, Tag};

const MODE: HeaderName = HeaderName::from_static("x-cache-mode");
const TTL: HeaderName = HeaderName::from_static("x-cache-ttl");
const NAMESPACE: HeaderName = HeaderName::from_static("x-cache-namespace");
const TAGS: HeaderName = HeaderName::from_static("x-cache-tags");
const MIN_SIMILARITY: HeaderName = HeaderName::from_static("x-cache-min-similarity");
const RESIDENCY: HeaderName = HeaderName::from_static("x-residency");
const FEEDBACK: HeaderName = HeaderName::from_static("x-cache-feedback");

/// dejavu's own request headers; they are not forwarded. (`Cache-Control` is: RFC 9111 demands that caches pass it.)
pub(super) const OWN_HEADERS: [HeaderName; 7] = [MODE, TTL, NAMESPACE, TAGS, MIN_SIMILARITY, RESIDENCY, FEEDBACK];

/// The longest namespace or tag, in bytes, and the most tags of one request.
const LONGEST_NAME: usize = 256;
const MOST_TAGS: usize = 64;

/// A header of dejavu's own that says nothing it understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {fault}")]
pub(super) struct Malformed {
    header: HeaderName,
    fault: String,
}

/// Reads the request controls that `allowed` leaves to clients.
///
/// # Errors
/// When a header of dejavu's own is malformed, or is there twice and not a list.
pub(super) fn directives(headers: &HeaderMap, allowed: &Controls) -> Result<Directives, Malformed> {
    let mut directives = Directives::default();
    if !headers.keys().any(is_control) {
        return Ok(directives);
    }
    if allowed.cache_control {
        cache_control(headers, &mut directives);
    }
    if let Some(value) = once(headers, &MODE, allowed.mode)? {
        directives.mode = Some(mode(value).ok_or_else(|| malformed(&MODE, MODES))?);
    }
    if let Some(value) = once(headers, &TTL, allowed.ttl)? {
        directives.ttl = Some(parse_duration(value).map_err(|fault| malformed(&TTL, &fault.to_string()))?);
    }
    if let Some(value) = once(headers, &NAMESPACE, allowed.namespace)? {
        directives.namespace = Namespace(name(&NAMESPACE, value)?.into());
    }
    if let Some(value) = once(headers, &MIN_SIMILARITY, allowed.min_similarity)? {
        let wished = value.parse::<f32>().ok().filter(|wished| (0.0..=1.0).contains(wished));
        directives.min_similarity = Some(wished.ok_or_else(|| malformed(&MIN_SIMILARITY, "a number from 0 to 1"))?);
    }
    if let Some(value) = once(headers, &RESIDENCY, allowed.residency)? {
        if !value.eq_ignore_ascii_case("local") {
            return Err(malformed(&RESIDENCY, "the only value is \"local\""));
        }
        directives.local_only = true;
    }
    if allowed.tags {
        directives.tags = tags(headers)?;
    }
    Ok(directives)
}

/// The entry that `X-Cache-Feedback: wrong; entry=ID` reports as a wrong answer to an earlier request.
///
/// # Errors
/// When the header is malformed, or is there twice.
pub(super) fn reported(headers: &HeaderMap, allowed: &Controls) -> Result<Option<EntryId>, Malformed> {
    let Some(value) = once(headers, &FEEDBACK, allowed.feedback)? else { return Ok(None) };
    let entry = value.split_once(';').filter(|(verdict, _)| verdict.trim().eq_ignore_ascii_case("wrong"));
    let entry = entry.and_then(|(_, entry)| entry.trim().strip_prefix("entry=")?.trim_matches('"').parse().ok());
    entry.map(Some).ok_or_else(|| malformed(&FEEDBACK, "write: wrong; entry=ID, with the id of X-Cache-Entry"))
}

/// Whether a header may ask anything of dejavu; most requests have none such.
fn is_control(name: &HeaderName) -> bool {
    *name == CACHE_CONTROL || OWN_HEADERS.contains(name)
}

const MODES: &str = "one of off, exact, semantic, read-only, write-only";

fn mode(value: &str) -> Option<Mode> {
    let known = [
        ("off", Mode::Off),
        ("exact", Mode::Exact),
        ("semantic", Mode::Semantic),
        ("read-only", Mode::ReadOnly),
        ("write-only", Mode::WriteOnly),
    ];
    known.into_iter().find(|(word, _)| value.eq_ignore_ascii_case(word)).map(|(_, mode)| mode)
}

fn tags(headers: &HeaderMap) -> Result<Vec<Tag>, Malformed> {
    let mut tags = Vec::new();
    for line in headers.get_all(&TAGS) {
        for tag in text(&TAGS, line)?.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            let tag = Tag(name(&TAGS, tag)?.into());
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    if tags.len() > MOST_TAGS { Err(malformed(&TAGS, &format!("at most {MOST_TAGS} labels"))) } else { Ok(tags) }
}

fn name<'a>(header: &HeaderName, value: &'a str) -> Result<&'a str, Malformed> {
    if value.len() > LONGEST_NAME {
        return Err(malformed(header, &format!("at most {LONGEST_NAME} bytes")));
    }
    Ok(value)
}

/// The header's one value, trimmed, if clients may use it and it is there.
fn once<'a>(headers: &'a HeaderMap, header: &HeaderName, allowed: bool) -> Result<Option<&'a str>, Malformed> {
    let mut values = headers.get_all(header).iter().filter(|_| allowed);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => text(header, value).map(Some),
        (Some(_), Some(_)) => Err(malformed(header, "given twice")),
    }
}

fn text<'a>(header: &HeaderName, value: &'a http::HeaderValue) -> Result<&'a str, Malformed> {
    std::str::from_utf8(value.as_bytes()).map(str::trim).map_err(|_| malformed(header, "not UTF-8 text"))
}

fn malformed(header: &HeaderName, fault: &str) -> Malformed {
    Malformed { header: header.clone(), fault: fault.to_owned() }
}

/// RFC 9111, 5.2: names are case-insensitive, a value is a token or a quoted string, the first of a name counts.
fn cache_control(headers: &HeaderMap, directives: &mut Directives) {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    for (name, value) in lines.flat_map(split_list) {
        let seconds = value.as_deref().and_then(delta_seconds);
        match name.to_ascii_lowercase().as_str() {
            "no-cache" => directives.no_cache = true,
            "no-store" => directives.no_store = true,
            "only-if-cached" => directives.only_if_cached = true,
            "max-age" if directives.max_age.is_none() => directives.max_age = seconds,
            "min-fresh" if directives.min_fresh.is_none() => directives.min_fresh = seconds,
            "max-stale" if directives.max_stale.is_none() => {
                directives.max_stale = match value {
                    None => Some(MaxStale::Any),
                    Some(_) => seconds.map(MaxStale::AtMost),
                };
            }
            _ => {}
        }
    }
}

/// RFC 9111, 1.2.2: digits only; what is too large for the type counts as its end.
fn delta_seconds(value: &str) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // A hundred years: far beyond any answer, and safe to add to any instant.
    const LONGEST: u64 = 100 * 365 * 86_400;
    digits.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX).min(LONGEST)))
}

/// Splits `a, b=1, c="x, \"y\""` at the commas outside quotes, into names and unquoted values.
fn split_list(line: &str) -> Vec<(String, Option<String>)> {
    let mut members = Vec::new();
    let (mut member, mut quoted, mut escaped) = (String::new(), false, false);
    for c in line.chars().chain([',']) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                members.extend(split_member(&std::mem::take(&mut member)));
                continue;
            }
            _ => {}
        }
        member.push(c);
    }
    // A quote that never closes: what stands before it was split off already, the rest means nothing.
    members
}

fn split_member(member: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match member.split_once('=') {
        Some((name, value)) => (name.trim(), Some(unquote(value.trim()))),
        None => (member.trim(), None),
    };
    (!name.is_empty()).then(|| (name.to_owned(), value))
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[(&'static str, &str)]) -> Result<Directives, Malformed> {
        directives(&headers(lines), &Controls::default())
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn cc(line: &str) -> Directives {
        read(&[("cache-control", line)]).unwrap()
    }

    #[test]
    fn no_header_asks_for_nothing() {
        assert_eq!(read(&[]), Ok(Directives::default()));
    }

    #[test]
    fn cache_control_is_a_case_insensitive_list_over_all_lines() {
        let read = read(&[("cache-control", "No-Cache , MAX-AGE=60"), ("cache-control", "only-if-cached,,")]).unwrap();
        assert!(read.no_cache && read.only_if_cached && !read.no_store);
        assert_eq!(read.max_age, Some(Duration::from_secs(60)));
    }

    #[test]
    fn values_may_be_quoted_and_unknown_directives_are_ignored() {
        let read = cc("max-age=\"60\", ext=\"no-store, \\\"no-cache\\\"\", community=UCI, min-fresh=5");
        assert_eq!((read.max_age, read.min_fresh), (Some(Duration::from_secs(60)), Some(Duration::from_secs(5))));
        assert!(!read.no_store && !read.no_cache);
    }

    #[test]
    fn a_quote_that_never_closes_takes_nothing_before_it_along() {
        let read = cc("no-store, ext=\"no-cache, max-age=1");
        assert!(read.no_store && !read.no_cache && read.max_age.is_none());
    }

    #[test]
    fn max_stale_may_stand_alone() {
        assert_eq!(cc("max-stale").max_stale, Some(MaxStale::Any));
        assert_eq!(cc("max-stale=30").max_stale, Some(MaxStale::AtMost(Duration::from_secs(30))));
        assert_eq!(cc("max-stale=soon").max_stale, None);
    }

    #[test]
    fn the_first_of_a_name_counts_and_what_is_no_number_is_ignored() {
        assert_eq!(cc("max-age=1, max-age=2").max_age, Some(Duration::from_secs(1)));
        for bad in ["max-age=-1", "max-age=1.5", "max-age=", "max-age", "max-age=ten"] {
            assert_eq!(cc(bad).max_age, None, "{bad}");
        }
        assert!(cc("max-age=99999999999999999999999").max_age > Some(Duration::from_secs(1 << 31)));
    }

    #[test]
    fn dejavus_own_headers_are_read() {
        let read = read(&[
            ("x-cache-mode", "Read-Only"),
            ("x-cache-ttl", "10m"),
            ("x-cache-namespace", " docs "),
            ("x-cache-tags", "a, b,,a"),
            ("x-cache-tags", "c"),
            ("x-cache-min-similarity", "0.97"),
            ("x-residency", "LOCAL"),
        ])
        .unwrap();
        assert_eq!(read.mode, Some(Mode::ReadOnly));
        assert_eq!(read.ttl, Some(Duration::from_secs(600)));
        assert_eq!(&*read.namespace.0, "docs");
        assert_eq!(read.tags.iter().map(|tag| &*tag.0).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(read.min_similarity, Some(0.97));
        assert!(read.local_only);
    }

    #[test]
    fn a_malformed_header_of_dejavus_own_is_refused() {
        for (name, value) in [
            ("x-cache-mode", "sometimes"),
            ("x-cache-mode", ""),
            ("x-cache-ttl", "soon"),
            ("x-cache-ttl", "-1"),
            ("x-cache-min-similarity", "1.1"),
            ("x-cache-min-similarity", "NaN"),
            ("x-cache-namespace", &"n".repeat(LONGEST_NAME + 1)),
            ("x-residency", "mars"),
        ] {
            let fault = read(&[(name, value)]).unwrap_err();
            assert!(fault.to_string().starts_with(name), "{fault}");
        }
        assert!(read(&[("x-cache-mode", "off"), ("x-cache-mode", "exact")]).is_err());
    }

    #[test]
    fn feedback_names_an_entry() {
        let of = |value: &str| reported(&headers(&[("x-cache-feedback", value)]), &Controls::default());
        let id = EntryId([0xab; 16]);
        assert_eq!(of(&format!("wrong; entry={id}")), Ok(Some(id)));
        assert_eq!(of(&format!("Wrong;entry=\"{id}\"")), Ok(Some(id)));
        for bad in ["", "wrong", "wrong; entry=7", &format!("right; entry={id}"), &format!("wrong; {id}")] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(reported(&HeaderMap::new(), &Controls::default()), Ok(None));
    }

    #[test]
    fn what_the_operator_switched_off_is_ignored_even_malformed() {
        let off = Controls {
            cache_control: false,
            mode: false,
            ttl: false,
            namespace: false,
            tags: false,
            min_similarity: false,
            residency: false,
            feedback: false,
        };
        let all = headers(&[
            ("cache-control", "no-store"),
            ("x-cache-mode", "sometimes"),
            ("x-cache-ttl", "1"),
            ("x-cache-namespace", "n"),
            ("x-cache-tags", "t"),
            ("x-cache-min-similarity", "1"),
            ("x-residency", "local"),
        ]);
        assert_eq!(directives(&all, &off), Ok(Directives::default()));
    }
}
