//! Finds the credential that a request carries, wherever its protocol puts it.

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

use crate::domain::Credential;

const KEYS: [HeaderName; 2] = [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];

/// The credential of a request: the token of `Authorization: Bearer` (OpenAI, Ollama; RFC 6750), `x-api-key`
/// (Anthropic) or `api-key` (Azure), in that order. Another `Authorization` scheme counts with its whole value. An
/// empty one is none.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Option<Credential> {
    let authorization = headers.get(AUTHORIZATION).map(|value| bearer_token(value.as_bytes()));
    let keys = KEYS.into_iter().map(|name| headers.get(name).map(|value| value.as_bytes()));
    std::iter::once(authorization)
        .chain(keys)
        .flatten()
        .map(<[u8]>::trim_ascii)
        .find(|secret| !secret.is_empty())
        .map(as_written)
}

/// Header values may hold any bytes; two different ones must stay different.
fn as_written(secret: &[u8]) -> Credential {
    match std::str::from_utf8(secret) {
        Ok(text) => Credential::new(text),
        Err(_) => Credential::new(&secret.escape_ascii().to_string()),
    }
}

fn bearer_token(value: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"bearer";
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) && token.first().is_none_or(|b| *b == b' ') => {
            token
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        presented(&headers.collect()).map(|credential| credential.expose().to_owned())
    }

    #[test]
    fn each_protocol_puts_it_elsewhere() {
        assert_eq!(of(&[("authorization", "Bearer sk-1")]).as_deref(), Some("sk-1"));
        assert_eq!(of(&[("authorization", "bearer  sk-1 ")]).as_deref(), Some("sk-1"));
        assert_eq!(of(&[("x-api-key", "sk-ant")]).as_deref(), Some("sk-ant"));
        assert_eq!(of(&[("api-key", "azure")]).as_deref(), Some("azure"));
        assert_eq!(of(&[("authorization", "Basic dTpw")]).as_deref(), Some("Basic dTpw"));
        assert_eq!(of(&[("authorization", "BearerX")]).as_deref(), Some("BearerX"));
    }

    #[test]
    fn bytes_that_are_no_text_stay_apart() {
        let of = |byte| presented(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(&[byte]).unwrap())]));
        assert_ne!(of(0xfe), of(0xff));
    }

    #[test]
    fn nothing_and_emptiness_are_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("authorization", "Bearer ")]), None);
        assert_eq!(of(&[("authorization", "Bearer "), ("x-api-key", "k")]).as_deref(), Some("k"));
    }
}
