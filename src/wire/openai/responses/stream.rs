//! A response as the stream that OpenAI would have sent.
//!
//! Every event's name is its type, sequence numbers rise by one, and each delta names the item and the indexes that
//! the finished answer has. There is no `[DONE]`.

use serde_json::{Map, Value, json};

use crate::wire::Piece;
use crate::wire::pieces::{Pieces, tokens_in, words};

pub(super) fn stream(answer: Map<String, Value>) -> Vec<Piece> {
    let mut events = Events { pieces: Pieces::default(), next: 0 };
    let begun = begun(&answer);
    events.push("response.created", json!({"response": begun}), 0);
    events.push("response.in_progress", json!({"response": begun}), 0);
    for (index, item) in answer.get("output").and_then(Value::as_array).into_iter().flatten().enumerate() {
        stream_item(&mut events, index, item);
    }
    let kind = match answer.get("status").and_then(Value::as_str) {
        Some("incomplete") => "response.incomplete",
        Some("failed") => "response.failed",
        _ => "response.completed",
    };
    events.push(kind, json!({"response": answer}), 0);
    events.pieces.finish()
}

/// The response before anything is said in it.
fn begun(answer: &Map<String, Value>) -> Value {
    let mut begun = answer.clone();
    begun.insert("status".into(), "in_progress".into());
    begun.insert("output".into(), json!([]));
    for told_last in ["usage", "incomplete_details", "completed_at"] {
        if let Some(value) = begun.get_mut(told_last) {
            *value = Value::Null;
        }
    }
    begun.shift_remove("output_text");
    begun.into()
}

/// Where a delta belongs.
struct Place<'a> {
    item_id: &'a str,
    output_index: usize,
}

impl Place<'_> {
    /// An event's members: the place, one more index where there is one, and `more`.
    fn with(&self, index: Option<(&str, usize)>, more: Value) -> Value {
        let mut members = json!({"item_id": self.item_id, "output_index": self.output_index});
        if let Some((name, index)) = index {
            members[name] = index.into();
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            members[key] = value.clone();
        }
        members
    }
}

fn stream_item(events: &mut Events, index: usize, item: &Value) {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
    let place = Place { item_id: text("id"), output_index: index };
    let mut opening = item.clone();
    let mut empty = |member: &str, nothing: Value| {
        if let Some(value) = opening.get_mut(member) {
            *value = nothing;
        }
    };
    empty("status", "in_progress".into());
    match text("type") {
        "message" => empty("content", json!([])),
        "reasoning" => {
            empty("summary", json!([]));
            if item.get("content").is_some_and(Value::is_array) {
                empty("content", json!([]));
            }
        }
        "function_call" => empty("arguments", "".into()),
        "custom_tool_call" => empty("input", "".into()),
        _ => {}
    }
    events.push("response.output_item.added", json!({"output_index": index, "item": opening}), 0);
    match text("type") {
        "message" => parts(item, "content").for_each(|(at, part)| stream_part(events, &place, at, part)),
        "reasoning" => {
            parts(item, "summary").for_each(|(at, part)| stream_summary(events, &place, at, part));
            parts(item, "content").for_each(|(at, part)| stream_part(events, &place, at, part));
        }
        "function_call" => {
            let done = json!({"name": item.get("name"), "arguments": text("arguments")});
            stream_text(events, "response.function_call_arguments", &place, None, text("arguments"), done);
        }
        "custom_tool_call" => {
            let done = json!({"input": text("input")});
            stream_text(events, "response.custom_tool_call_input", &place, None, text("input"), done);
        }
        _ => {}
    }
    events.push("response.output_item.done", json!({"output_index": index, "item": item}), 0);
}

fn parts<'a>(item: &'a Value, member: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    item.get(member).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// One part of a message or of reasoning: added, said, done.
fn stream_part(events: &mut Events, place: &Place<'_>, at: usize, part: &Value) {
    let text = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut opening = part.clone();
    for (member, nothing) in
        [("text", json!("")), ("refusal", json!("")), ("annotations", json!([])), ("logprobs", json!([]))]
    {
        if let Some(value) = opening.get_mut(member) {
            *value = nothing;
        }
    }
    let here = Some(("content_index", at));
    events.push("response.content_part.added", place.with(here, json!({"part": opening})), 0);
    match text("type") {
        "output_text" => stream_output_text(events, place, at, part),
        "refusal" => {
            stream_text(events, "response.refusal", place, here, text("refusal"), json!({"refusal": text("refusal")}));
        }
        "reasoning_text" => {
            stream_text(events, "response.reasoning_text", place, here, text("text"), json!({"text": text("text")}));
        }
        _ => {}
    }
    events.push("response.content_part.done", place.with(here, json!({"part": part})), 0);
}

/// The text word by word, or token by token where its log probabilities spell it; then its annotations.
fn stream_output_text(events: &mut Events, place: &Place<'_>, at: usize, part: &Value) {
    let here = Some(("content_index", at));
    let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
    let logprobs = part.get("logprobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let token = |entry: &'_ Value| entry.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
    let spelled: String = logprobs.iter().map(token).collect();
    let said: Vec<(String, Value)> = if spelled == text {
        logprobs.iter().map(|entry| (token(entry), json!([entry]))).collect()
    } else {
        words(text).map(|word| (word.to_owned(), json!([]))).collect()
    };
    for (delta, logprobs) in said {
        let tokens = tokens_in(&delta);
        let event = place.with(here, json!({"delta": delta, "logprobs": logprobs}));
        events.push("response.output_text.delta", event, tokens);
    }
    for (index, annotation) in parts(part, "annotations") {
        let event = place.with(here, json!({"annotation_index": index, "annotation": annotation}));
        events.push("response.output_text.annotation.added", event, 0);
    }
    events.push("response.output_text.done", place.with(here, json!({"text": text, "logprobs": logprobs})), 0);
}

fn stream_summary(events: &mut Events, place: &Place<'_>, at: usize, part: &Value) {
    let here = Some(("summary_index", at));
    let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
    let mut opening = part.clone();
    if let Some(text) = opening.get_mut("text") {
        *text = "".into();
    }
    events.push("response.reasoning_summary_part.added", place.with(here, json!({"part": opening})), 0);
    stream_text(events, "response.reasoning_summary_text", place, here, text, json!({"text": text}));
    events.push("response.reasoning_summary_part.done", place.with(here, json!({"part": part})), 0);
}

/// A text's deltas, and that it is done.
fn stream_text(
    events: &mut Events,
    kind: &str,
    place: &Place<'_>,
    here: Option<(&str, usize)>,
    text: &str,
    done: Value,
) {
    for word in words(text) {
        events.push(&format!("{kind}.delta"), place.with(here, json!({"delta": word})), tokens_in(word));
    }
    events.push(&format!("{kind}.done"), place.with(here, done), 0);
}

struct Events {
    pieces: Pieces,
    next: u64,
}

impl Events {
    fn push(&mut self, kind: &str, members: Value, tokens: u32) {
        let mut event = json!({"type": kind, "sequence_number": self.next});
        self.next += 1;
        for (key, value) in members.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        self.pieces.push(&["event: ", kind, "\ndata: ", &event.to_string(), "\n\n"], tokens);
    }
}
