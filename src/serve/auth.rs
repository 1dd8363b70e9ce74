//! Who may speak to the admin listener.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq;

use super::Shared;
use super::admin::Fault;
use crate::domain::Credential;

/// Lets a request through when it shows the configured token, or when none is configured and it does not come from a
/// web page of somebody else's.
pub(super) async fn operator(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let allowed = match &shared.load().admin.token {
        Some(token) if shows(headers, token) => Ok(()),
        Some(_) => Err(Fault::new(StatusCode::UNAUTHORIZED, "this needs the admin token: Authorization: Bearer ...")),
        None => same_site(headers),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

fn shows(headers: &HeaderMap, token: &Credential) -> bool {
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked("Bearer ".len()));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.trim_ascii().ct_eq(token.expose().as_bytes()))
    })
}

/// Without a token the listener trusts its machine, not the web pages that a browser on it has open: those come with
/// another `Origin`, or (after DNS rebinding) with a `Host` that is a name.
fn same_site(headers: &HeaderMap) -> Result<(), Fault> {
    let refused = |why| Err(Fault::new(StatusCode::FORBIDDEN, why));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !host.is_empty() && !is_this_machine(host) {
        return refused("without an admin token, only requests to an IP address or to localhost are served");
    }
    match headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("")) {
        Some(origin) if origin.split_once("://").map(|(_, site)| site) != Some(host) => {
            refused("web pages of other sites may not do this")
        }
        _ => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let authority: Option<http::uri::Authority> = host.parse().ok();
    let name = authority.as_ref().map_or("", |authority| authority.host());
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(lines: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_very_token_is_accepted() {
        let token = Credential::new("secret");
        for (line, expected) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Bearer secre", false),
            ("Bearer secrets", false),
            ("Bearer ", false),
            ("secret", false),
            ("Basic secret", false),
        ] {
            assert_eq!(shows(&map(&[(AUTHORIZATION, line)]), &token), expected, "{line}");
        }
        assert!(!shows(&HeaderMap::new(), &token));
    }

    #[test]
    fn pages_of_other_sites_are_kept_out_of_an_open_listener() {
        let verdict = |host, origin| {
            let mut headers = map(&[(HOST, host)]);
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            same_site(&headers).is_ok()
        };
        assert!(verdict("127.0.0.1:8687", None));
        assert!(verdict("localhost:8687", Some("http://localhost:8687")));
        assert!(verdict("[::1]:8687", None));
        assert!(!verdict("127.0.0.1:8687", Some("https://elsewhere.example")));
        assert!(!verdict("127.0.0.1:8687", Some("null")));
        assert!(!verdict("rebound.example:8687", None));
        assert!(!verdict("rebound.example:8687", Some("http://rebound.example:8687")));
    }
}
