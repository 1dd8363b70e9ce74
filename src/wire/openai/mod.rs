//! OpenAI's dialect: what its surfaces have in common.

use bytes::Bytes;
use serde_json::{Value, json};

use super::members::{members, splice};
use super::{Fresh, Piece};
use crate::domain::{Cause, Usage};

pub(super) mod chat;

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
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// An answer that is an error instead, under whatever status.
fn refuse_errors(answer: &Value) -> Result<(), Cause> {
    match answer.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Cause::Unfinished),
    }
}

/// The event that ends a stream, as a piece.
fn end(pieces: super::pieces::Pieces) -> Vec<Piece> {
    let mut pieces = pieces;
    pieces.push(&["data: ", DONE, "\n\n"], 0);
    pieces.finish()
}
