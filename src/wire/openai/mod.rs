//! OpenAI's dialect: what its surfaces have in common.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Fresh;
use super::members::{members, splice};
use crate::domain::{Cause, Usage};

use chunks::{Envelope, StreamOptions, settle_top, shape};

pub(super) mod chat;
mod chunks;
pub(super) mod completions;
pub(super) mod responses;

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// An answer with a new `id` and `created`, every other byte as it was.
fn renewed(answer: &[u8], fresh: Fresh) -> Option<Bytes> {
    let mut edits = Vec::new();
    for (key, at) in members(answer)? {
        let new = match &*key {
            "id" => serde_json::from_slice::<String>(&answer[at.clone()]).ok().map(|old| json!(fresh.id_like(&old))),
            "created" => Some(json!(fresh.now.seconds())),
            _ => None,
        };
        edits.extend(new.map(|new| (at, new.to_string().into_bytes())));
    }
    Some(splice(answer, &edits))
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
