//! Which headers pass, and whose credential an upstream sees. Pure.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use super::Kind;
use crate::domain::Credential;

/// The headers to send: the client's, less those of its own connection, with the upstream's own key if there is one.
pub(super) fn to_upstream(mut headers: HeaderMap, kind: Kind, api_key: Option<&Credential>) -> HeaderMap {
    strip_hop_by_hop(&mut headers);
    // The transport writes these for its own connection; the body's length may change with the model's name.
    for own in [HOST, CONTENT_LENGTH, EXPECT] {
        headers.remove(own);
    }
    if let Some((name, value)) = api_key.and_then(|key| credential(kind, key)) {
        for other in ["authorization", "x-api-key", "api-key"] {
            headers.remove(other);
        }
        headers.insert(name, value);
    }
    headers
}

/// Takes the headers out that belong to one connection (RFC 9110, 7.6.1), those that `Connection` names included.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    let unnamed = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in named.into_iter().chain(always).chain(unnamed) {
        headers.remove(name);
    }
}

/// The header that carries a key; `None` for a key that no header can hold.
fn credential(kind: Kind, key: &Credential) -> Option<(HeaderName, HeaderValue)> {
    let (name, text) = match kind {
        Kind::Ollama | Kind::OpenAi => (AUTHORIZATION, format!("Bearer {}", key.expose().trim())),
        Kind::Anthropic => (HeaderName::from_static("x-api-key"), key.expose().trim().to_owned()),
    };
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        list.iter().map(pair).collect()
    }

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        let client = headers(&[
            ("host", "dejavu"),
            ("connection", "close, x-trace"),
            ("x-trace", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "9"),
            ("accept-encoding", "gzip"),
            ("user-agent", "app/1"),
        ]);
        let sent = to_upstream(client, Kind::OpenAi, None);
        assert_eq!(sent, headers(&[("accept-encoding", "gzip"), ("user-agent", "app/1")]));
    }

    #[test]
    fn the_upstream_s_key_replaces_every_credential_of_the_client() {
        let client = headers(&[("authorization", "Bearer mine"), ("x-api-key", "mine"), ("api-key", "mine")]);
        let key = Credential::new("theirs");
        let sent = to_upstream(client.clone(), Kind::OpenAi, Some(&key));
        assert_eq!(sent, headers(&[("authorization", "Bearer theirs")]));
        let sent = to_upstream(client.clone(), Kind::Anthropic, Some(&key));
        assert_eq!(sent, headers(&[("x-api-key", "theirs")]));
        assert_eq!(to_upstream(client.clone(), Kind::Ollama, None), client);
    }
}
