//! A message as the stream that Anthropic would have sent.

use serde_json::{Map, Value, json};

use crate::wire::pieces::{Pieces, tokens_in, words};
use crate::wire::{Fresh, Piece};

/// What the end of a message tells, not its start.
const TOLD_LAST: [&str; 4] = ["stop_reason", "stop_sequence", "stop_details", "container"];

/// The counts that the end of a message repeats, cumulative.
const COUNTED_LAST: [&str; 5] =
    ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens", "server_tool_use"];

pub(super) fn stream(mut answer: Map<String, Value>, fresh: Fresh) -> Vec<Piece> {
    let mut events = Events(Pieces::default());
    let blocks = match answer.get_mut("content").map(Value::take) {
        Some(Value::Array(blocks)) => blocks,
        _ => Vec::new(),
    };
    let last = message_delta(&answer);
    events.push("message_start", &json!({"type": "message_start", "message": opened(answer, fresh)}), 0);
    for (index, block) in blocks.into_iter().enumerate() {
        stream_block(&mut events, index, block);
    }
    events.push("message_delta", &last, 0);
    events.push("message_stop", &json!({"type": "message_stop"}), 0);
    events.0.finish()
}

/// The message before anything is said in it.
fn opened(mut answer: Map<String, Value>, fresh: Fresh) -> Value {
    if let Some(id) = answer.get("id").and_then(Value::as_str).map(|old| fresh.id_like(old)) {
        answer.insert("id".into(), id.into());
    }
    answer.insert("content".into(), json!([]));
    for told_last in ["stop_reason", "stop_sequence"] {
        answer.insert(told_last.into(), Value::Null);
    }
    answer.retain(|key, value| !TOLD_LAST.contains(&key.as_str()) || value.is_null());
    answer.shift_remove("context_management");
    if let Some(written) = answer.get_mut("usage").and_then(|usage| usage.get_mut("output_tokens")) {
        *written = written.as_u64().unwrap_or(0).min(1).into();
    }
    answer.into()
}

fn message_delta(answer: &Map<String, Value>) -> Value {
    let pick = |from: &Map<String, Value>, keys: &[&str]| {
        let known = keys.iter().filter_map(|key| Some(((*key).to_owned(), from.get(*key)?.clone())));
        Value::Object(known.collect())
    };
    let mut event = json!({"type": "message_delta", "delta": pick(answer, &TOLD_LAST)});
    if let Some(Value::Object(usage)) = answer.get("usage") {
        event["usage"] = pick(usage, &COUNTED_LAST);
    }
    if let Some(managed) = answer.get("context_management") {
        event["context_management"] = managed.clone();
    }
    event
}

/// Start, deltas, stop. What does not run stands in the start, whole.
fn stream_block(events: &mut Events, index: usize, mut block: Value) {
    let mut deltas = Vec::new();
    if let Some(Value::Array(citations)) = block.get_mut("citations") {
        let told = citations.drain(..).map(|citation| json!({"type": "citations_delta", "citation": citation}));
        deltas.extend(told.map(|delta| (delta, 0)));
    }
    for (member, kind) in [("thinking", "thinking_delta"), ("text", "text_delta")] {
        for word in words(&taken(&mut block, member)) {
            deltas.push((json!({"type": kind, member: word}), tokens_in(word)));
        }
    }
    let signature = taken(&mut block, "signature");
    if !signature.is_empty() {
        deltas.push((json!({"type": "signature_delta", "signature": signature}), 0));
    }
    if let Some(input @ Value::Object(_)) = block.get_mut("input") {
        let text = std::mem::replace(input, json!({})).to_string();
        let piece = |text: &str| json!({"type": "input_json_delta", "partial_json": text});
        deltas.push((piece(""), 0));
        if text != "{}" {
            deltas.extend(words(&text).map(|word| (piece(word), tokens_in(word))));
        }
    }
    let start = json!({"type": "content_block_start", "index": index, "content_block": block});
    events.push("content_block_start", &start, 0);
    if index == 0 {
        events.push("ping", &json!({"type": "ping"}), 0);
    }
    for (delta, tokens) in deltas {
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.push("content_block_delta", &event, tokens);
    }
    events.push("content_block_stop", &json!({"type": "content_block_stop", "index": index}), 0);
}

/// The text of a member, which is left empty; none where there is no such text.
fn taken(block: &mut Value, member: &str) -> String {
    match block.get_mut(member) {
        Some(Value::String(text)) => std::mem::take(text),
        _ => String::new(),
    }
}

struct Events(Pieces);

impl Events {
    fn push(&mut self, name: &str, data: &Value, tokens: u32) {
        self.0.push(&["event: ", name, "\ndata: ", &data.to_string(), "\n\n"], tokens);
    }
}
