//! Which headers travel on, and which make two requests different.

use std::sync::LazyLock;

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

use super::directives::OWN_HEADERS;
use crate::domain::{Digest, FieldHasher};

/// RFC 9110, 7.6.1, the ones it names as such in practice, and what the next hop's connection sets for itself.
const NEXT_HOP: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    CONTENT_LENGTH,
];

/// Headers that change what a model server answers, or for whom.
const CHANGE_ANSWERS: [HeaderName; 5] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("openai-beta"),
];

/// The headers to send on: end-to-end ones, without dejavu's own request controls.
pub(super) fn to_send_on(headers: &HeaderMap) -> HeaderMap {
    let named_by_connection: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = headers.clone();
    // hyper has answered an `Expect: 100-continue` itself.
    for name in NEXT_HOP.iter().chain(&OWN_HEADERS).chain(&named_by_connection).chain([&EXPECT]) {
        kept.remove(name);
    }
    kept
}

/// The identity of a request with nothing beside its body that could change the answer, as most are.
static PLAIN: LazyLock<Digest> = LazyLock::new(|| digest(&HeaderMap::new(), &[], None));

/// Everything beside the body that can change the answer: the known headers, the operator's `extra` ones, and the
/// query string.
pub(super) fn identity(headers: &HeaderMap, extra: &[HeaderName], query: Option<&str>) -> Digest {
    let is_plain = query.is_none() && extra.is_empty() && !CHANGE_ANSWERS.iter().any(|name| headers.contains_key(name));
    if is_plain { *PLAIN } else { digest(headers, extra, query) }
}

fn digest(headers: &HeaderMap, extra: &[HeaderName], query: Option<&str>) -> Digest {
    let mut hasher = FieldHasher::unkeyed("headers").field(query.unwrap_or("").as_bytes());
    for name in CHANGE_ANSWERS.iter().chain(extra) {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        hasher = hasher.field(name.as_str().as_bytes()).list(values.into_iter());
    }
    hasher.digest()
}

/// The content codings of a body, joined as one list; empty where there are none.
pub(super) fn codings(headers: &HeaderMap) -> String {
    if !headers.contains_key(CONTENT_ENCODING) {
        return String::new();
    }
    let lines = headers.get_all(CONTENT_ENCODING).iter().map(|line| line.to_str().unwrap_or("?"));
    lines.collect::<Vec<_>>().join(",")
}

/// Whether a client takes a body of these codings (RFC 9110, 12.5.3): each must be in its list, and not at weight 0.
pub(super) fn accepts(headers: &HeaderMap, codings: &str) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let accepted: Vec<String> = listed
        .flat_map(|line| line.split(','))
        .filter_map(|member| {
            let (coding, weight) = member.split_once(';').unwrap_or((member, ""));
            let refused = weight.trim().trim_start_matches("q=").parse() == Ok(0.0);
            (!refused).then(|| coding.trim().to_ascii_lowercase())
        })
        .collect();
    let named = codings.split(',').map(|coding| coding.trim().to_ascii_lowercase());
    named
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .all(|coding| accepted.iter().any(|accepted| *accepted == coding || accepted == "*"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn hop_by_hop_headers_and_dejavus_own_stay_here() {
        let sent_on = to_send_on(&map(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("host", "here"),
            ("transfer-encoding", "chunked"),
            ("x-cache-mode", "exact"),
            ("x-residency", "local"),
            ("cache-control", "no-cache"),
            ("authorization", "Bearer k"),
            ("x-custom", "1"),
        ]));
        let mut names: Vec<_> = sent_on.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "cache-control", "x-custom"]);
    }

    #[test]
    fn only_headers_that_change_answers_are_identity() {
        let of = |lines| identity(&map(lines), &[HeaderName::from_static("x-variant")], None);
        assert_eq!(of(&[]), of(&[("user-agent", "a"), ("authorization", "k")]));
        assert_ne!(of(&[]), of(&[("anthropic-beta", "b")]));
        assert_ne!(of(&[("anthropic-beta", "b")]), of(&[("anthropic-version", "b")]));
        assert_ne!(of(&[]), of(&[("x-variant", "1")]));
        assert_ne!(identity(&map(&[]), &[], None), identity(&map(&[]), &[], Some("api-version=1")));
    }

    #[test]
    fn a_client_takes_the_codings_it_lists() {
        let of = |line| map(&[("accept-encoding", line)]);
        assert!(accepts(&HeaderMap::new(), "") && accepts(&HeaderMap::new(), "identity"));
        assert!(!accepts(&HeaderMap::new(), "gzip"));
        assert!(accepts(&of("deflate, GZIP;q=0.5"), "gzip"));
        assert!(!accepts(&of("br, gzip;q=0"), "gzip"));
        assert!(accepts(&of("*"), "zstd"));
        assert!(!accepts(&of("gzip"), "gzip, br"));
    }
}
