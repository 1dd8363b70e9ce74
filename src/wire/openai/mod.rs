//! OpenAI's dialect: what its surfaces have in common.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Value, json};

use super::members::members;
use super::mould::{Anew, Places};
use crate::domain::{Cause, Usage};

use chunks::{Envelope, StreamOptions, settle_top, shape};

pub(super) mod chat;
mod chunks;
pub(super) mod completions;
pub(super) mod responses;

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// An answer's `id` and `created`.
fn anew(answer: &[u8]) -> Option<Places> {
    let anew = |(key, at): (Cow<'_, str>, Range<usize>)| {
        let new = match &*key {
            "id" => Anew::IdLike(serde_json::from_slice(&answer[at.clone()]).ok()?),
            "created" => Anew::Seconds,
            _ => return None,
        };
        Some((at, new))
    };
    Some(members(answer)?.into_iter().filter_map(anew).collect())
}

/// Reads `usage`; `None` where it is absent or `null`.
fn usage_of(answer: &Value) -> Option<Usage> {
    let counts = answer.get("usage")?.as_object()?;
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    Some(Usage { prompt: count("prompt_tokens")?, completion: count("completion_tokens").unwrap_or(0) })
}

/// Writes `usage`.
fn usage_json(usage: Usage) -> Value {
    let Usage { prompt, completion } = usage;
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt.saturating_add(completion)})
}

/// An answer that is an error instead, under whatever status.
fn refuse_errors(answer: &Value) -> Result<(), Cause> {
    match answer.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Cause::Unfinished),
    }
}
