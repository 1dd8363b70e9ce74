//! The only place that picks a status for what dejavu itself must refuse. The bodies are the caller's protocol's
//! ([`crate::wire::refuse`]).

use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::domain::{Protocol, Surface};
use crate::upstream::UpstreamError;
use crate::wire::{self, Refusal};

/// A refusal as a response of the caller's protocol.
pub(super) fn refuse(protocol: Protocol, refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::from(wire::refuse(protocol, refusal)));
    *response.status_mut() = status(refusal);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = retry_after(refusal) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// The dialect spoken on a path, for errors of paths that are no surface.
pub(super) fn protocol_of(path: &str, headers: &HeaderMap) -> Protocol {
    if let Some(surface) = Surface::ALL.into_iter().find(|surface| path.starts_with(surface.path())) {
        return surface.protocol();
    }
    if path.starts_with("/api/") {
        Protocol::Ollama
    } else if headers.contains_key("anthropic-version") {
        Protocol::Anthropic
    } else {
        Protocol::OpenAi
    }
}

const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Unauthorised => StatusCode::UNAUTHORIZED,
        Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
        Refusal::BadRequest(_) => StatusCode::BAD_REQUEST,
        Refusal::NoRoute(_) => StatusCode::NOT_FOUND,
        Refusal::TooLarge | Refusal::ModelUnseen => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::OverLimit(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Unreachable(_) => StatusCode::BAD_GATEWAY,
        Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::NotCached => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// Whole seconds to wait, rounded up, at least one.
fn retry_after(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::OverLimit(wait) | Refusal::Busy(wait) => Some(seconds_up(*wait)),
        _ => None,
    }
}

fn seconds_up(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::NoRoute(model) => Self::NoRoute(model),
            UpstreamError::Residency(_) => Self::Forbidden(error.to_string()),
            UpstreamError::Busy { retry_after } => Self::Busy(retry_after),
            UpstreamError::Unreachable { .. } | UpstreamError::Cut { .. } => Self::Unreachable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_round_up_to_whole_seconds() {
        assert_eq!(retry_after(&Refusal::Busy(Duration::from_millis(1))), Some(1));
        assert_eq!(retry_after(&Refusal::OverLimit(Duration::from_millis(1500))), Some(2));
        assert_eq!(retry_after(&Refusal::NotCached), None);
    }

    #[test]
    fn each_path_has_its_dialect() {
        let none = HeaderMap::new();
        assert_eq!(protocol_of("/v1/messages/count_tokens", &none), Protocol::Anthropic);
        assert_eq!(protocol_of("/api/show", &none), Protocol::Ollama);
        assert_eq!(protocol_of("/v1/files", &none), Protocol::OpenAi);
        let anthropic = HeaderMap::from_iter([(
            http::HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static("2023-06-01"),
        )]);
        assert_eq!(protocol_of("/v1/models", &anthropic), Protocol::Anthropic);
    }
}
