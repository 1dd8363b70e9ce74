//! Streams of chunks, which chat and completions share: what every chunk repeats, and how they begin and end.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{DONE, usage_json};
use crate::domain::{Shape, Usage};
use crate::wire::pieces::Pieces;
use crate::wire::{Fresh, Piece};

/// A request's `stream_options`.
#[derive(Deserialize)]
pub(super) struct StreamOptions {
    include_usage: Option<bool>,
}

/// The shape that a request's `stream` and `stream_options` ask for.
pub(super) fn shape(stream: Option<bool>, options: Option<StreamOptions>) -> Shape {
    let usage_chunk = options.and_then(|options| options.include_usage).unwrap_or(false);
    Shape { stream: stream.unwrap_or(false), usage_chunk }
}

/// Takes one member that stands beside the choices of a recorded chunk. The first chunk names the answer; Azure's
/// very first is blank and only carries filter results.
pub(super) fn settle_top(top: &mut Map<String, Value>, key: String, value: Value) {
    let blank = |value: &Value| value.is_null() || value == "" || value == 0;
    match top.get_mut(&key) {
        Some(known) if matches!(key.as_str(), "id" | "created" | "model") && !blank(known) => {}
        Some(known) if !blank(&value) => *known = value,
        Some(_) => {}
        // A chunk before the last says that it counts nothing yet.
        None if key == "usage" && value.is_null() => {}
        None => {
            top.insert(key, value);
        }
    }
}

/// The chunks of a replayed stream so far, and what is the same on all of them.
pub(super) struct Envelope {
    /// From `data: ` up to the choices.
    head: String,
    /// The same for the first chunk, which also carries what the answer holds beside its choices.
    first: Option<String>,
    tail: &'static str,
    pieces: Pieces,
}

impl Envelope {
    /// Begins the stream of an answer, whose chunks call themselves `object`.
    pub(super) fn new(answer: &Map<String, Value>, object: &str, shape: Shape, fresh: Fresh) -> Self {
        let (mut head, mut first) = (Map::new(), Map::new());
        for (key, value) in answer {
            let value = match (key.as_str(), value) {
                ("choices" | "usage", _) => continue,
                ("id", Value::String(old)) => fresh.id_like(old).into(),
                ("created", _) => fresh.now.seconds().into(),
                ("object", _) => object.into(),
                (_, value) => value.clone(),
            };
            if !value.is_object() && !value.is_array() {
                head.insert(key.clone(), value.clone());
            }
            first.insert(key.clone(), value);
        }
        let open = |members: Map<String, Value>| {
            let text = Value::Object(members).to_string();
            let comma = if text.len() > 2 { "," } else { "" };
            format!("data: {}{comma}\"choices\":[", &text[..text.len() - 1])
        };
        let tail = if shape.usage_chunk { "],\"usage\":null}\n\n" } else { "]}\n\n" };
        Self { head: open(head), first: Some(open(first)), tail, pieces: Pieces::default() }
    }

    /// Adds a chunk with one choice, in JSON.
    pub(super) fn push(&mut self, choice: &str, tokens: u32) {
        let first = self.first.take();
        self.pieces.push(&[first.as_deref().unwrap_or(&self.head), choice, self.tail], tokens);
    }

    /// Ends the stream: with the token counts, where they were asked for.
    pub(super) fn finish(mut self, answer: &Map<String, Value>, usage: Usage, shape: Shape) -> Vec<Piece> {
        if shape.usage_chunk {
            let counted = answer.get("usage").filter(|usage| usage.is_object()).cloned();
            let counted = counted.unwrap_or_else(|| usage_json(usage)).to_string();
            self.pieces.push(&[&self.head, "],\"usage\":", &counted, "}\n\n"], 0);
        }
        self.pieces.push(&["data: ", DONE, "\n\n"], 0);
        self.pieces.finish()
    }
}
