//! dejavu's own errors, in the words and the form of the caller's protocol.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::domain::Protocol;

/// Why dejavu itself must refuse a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 401: the credential is missing or unknown.
    Unauthorised,
    /// 403: the credential may not do this.
    Forbidden(String),
    /// 400: a header or parameter of dejavu's own is malformed.
    BadRequest(String),
    /// 404: no route leads anywhere for this model.
    NoRoute(String),
    /// 413: the body is larger than the server takes.
    TooLarge,
    /// 413: the body is larger than the server reads, and what decides where it goes stands too late in it.
    ModelUnseen,
    /// 429: a limit of the operator's.
    OverLimit(Duration),
    /// 502: no upstream could be reached.
    Unreachable(String),
    /// 503: every upstream is busy.
    Busy(Duration),
    /// 504: `only-if-cached` and nothing to serve.
    NotCached,
}

/// dejavu's own error body, JSON in the caller's protocol. The status is `serve`'s to choose.
///
/// Sources: OpenAI API reference, "Error codes" (`error.message, type, param, code`); Anthropic API reference, "Errors"
/// (`type: error`, `error.type, message`); Ollama API, "Errors" (`error`).
#[must_use]
pub fn refuse(protocol: Protocol, refusal: &Refusal) -> Bytes {
    let message = message(refusal);
    let body = match protocol {
        Protocol::OpenAi => {
            let (kind, param, code) = openai_words(refusal);
            json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
        }
        Protocol::Anthropic => json!({"type": "error", "error": {"type": anthropic_word(refusal), "message": message}}),
        Protocol::Ollama => json!({"error": message}),
    };
    body.to_string().into()
}

fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unauthorised => "dejavu: the API key is missing or not known here".into(),
        Refusal::Forbidden(why) => format!("dejavu: this API key may not do that: {why}"),
        Refusal::BadRequest(why) => format!("dejavu: {why}"),
        Refusal::NoRoute(model) => format!("dejavu: model '{model}' not found: no route leads to it"),
        Refusal::TooLarge => "dejavu: the request body is larger than this server takes".into(),
        Refusal::ModelUnseen => {
            "dejavu: the request body is larger than this server reads, and the model's name, which \
             decides where it goes, is not at its beginning"
                .into()
        }
        Refusal::OverLimit(wait) => format!("dejavu: over the limit; try again in {}", seconds(*wait)),
        Refusal::Unreachable(why) => format!("dejavu: no upstream could be reached: {why}"),
        Refusal::Busy(wait) => format!("dejavu: every upstream is busy; try again in {}", seconds(*wait)),
        Refusal::NotCached => "dejavu: no answer is cached, and only a cached one was asked for".into(),
    }
}

fn seconds(wait: Duration) -> String {
    match wait.as_millis().div_ceil(1000).max(1) {
        1 => "1 second".into(),
        count => format!("{count} seconds"),
    }
}

/// OpenAI's `type`, `param` and `code`.
fn openai_words(refusal: &Refusal) -> (&'static str, Value, Value) {
    match refusal {
        Refusal::Unauthorised => ("invalid_request_error", Value::Null, "invalid_api_key".into()),
        Refusal::Forbidden(_) => ("permission_error", Value::Null, "permission_denied".into()),
        Refusal::BadRequest(_) => ("invalid_request_error", Value::Null, Value::Null),
        Refusal::NoRoute(_) => ("invalid_request_error", "model".into(), "model_not_found".into()),
        Refusal::TooLarge | Refusal::ModelUnseen => ("invalid_request_error", Value::Null, "request_too_large".into()),
        Refusal::OverLimit(_) => ("requests", Value::Null, "rate_limit_exceeded".into()),
        Refusal::Unreachable(_) => ("server_error", Value::Null, "upstream_unreachable".into()),
        Refusal::Busy(_) => ("server_error", Value::Null, "overloaded".into()),
        Refusal::NotCached => ("server_error", Value::Null, "not_cached".into()),
    }
}

/// Anthropic's `error.type`.
const fn anthropic_word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorised => "authentication_error",
        Refusal::Forbidden(_) => "permission_error",
        Refusal::BadRequest(_) => "invalid_request_error",
        Refusal::NoRoute(_) => "not_found_error",
        Refusal::TooLarge | Refusal::ModelUnseen => "request_too_large",
        Refusal::OverLimit(_) => "rate_limit_error",
        Refusal::Unreachable(_) => "api_error",
        Refusal::Busy(_) => "overloaded_error",
        Refusal::NotCached => "timeout_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_form() {
        let refusal = Refusal::NoRoute("m \"1\"".into());
        let said = |protocol| serde_json::from_slice::<Value>(&refuse(protocol, &refusal)).unwrap();
        let message = "dejavu: model 'm \"1\"' not found: no route leads to it";
        let error =
            json!({"message": message, "type": "invalid_request_error", "param": "model", "code": "model_not_found"});
        assert_eq!(said(Protocol::OpenAi), json!({"error": error}));
        let error = json!({"type": "not_found_error", "message": message});
        assert_eq!(said(Protocol::Anthropic), json!({"type": "error", "error": error}));
        assert_eq!(said(Protocol::Ollama), json!({"error": message}));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        let body = refuse(Protocol::Ollama, &Refusal::Busy(Duration::from_millis(1200)));
        assert!(String::from_utf8_lossy(&body).contains("try again in 2 seconds"));
    }
}
