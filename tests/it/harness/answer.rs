//! What a fake upstream answers: a text, in whichever protocol and shape it was asked, and the ways it can go wrong.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::Gate;

/// One scripted answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) say: Say,
    /// Why it ends, in OpenAI's words: `stop`, `length`, `content_filter`.
    pub(super) finish: &'static str,
    /// The model name it reports; else the one asked.
    pub(super) model: Option<String>,
    /// Breaks off after this many pieces.
    pub(super) cut_after: Option<usize>,
    /// Its body comes in pieces of this many bytes.
    pub(super) chunk: Option<usize>,
    /// Its body is gzipped.
    pub(super) gzip: bool,
    /// Waits before the head.
    pub(super) gate: Option<Gate>,
    /// Waits after this many pieces.
    pub(super) pause: Option<(usize, Gate)>,
}

#[derive(Debug, Clone)]
pub(super) enum Say {
    Text(String),
    Raw(&'static str, Bytes),
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl Answer {
    /// A good answer that says this, word by word where it streams.
    pub fn text(text: &str) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            say: Say::Text(text.to_owned()),
            finish: "stop",
            model: None,
            cut_after: None,
            chunk: None,
            gzip: false,
            gate: None,
            pause: None,
        }
    }

    /// These very bytes.
    pub fn raw(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, say: Say::Raw(content_type, body.into()), ..Self::text("") }
    }

    /// An error in OpenAI's dialect.
    pub fn error(status: u16) -> Self {
        Self::raw(status, "application/json", r#"{"error":{"message":"scripted","type":"scripted_error"}}"#)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn finish(self, finish: &'static str) -> Self {
        Self { finish, ..self }
    }

    pub fn model(self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self }
    }

    pub fn cut_after(self, pieces: usize) -> Self {
        Self { cut_after: Some(pieces), ..self }
    }

    /// Its body comes in pieces of this many bytes, wherever that cuts it.
    pub fn in_chunks_of(self, bytes: usize) -> Self {
        Self { chunk: Some(bytes), ..self }
    }

    pub fn gzipped(self) -> Self {
        Self { gzip: true, ..self }.header("content-encoding", "gzip")
    }

    /// Waits at the gate before its head.
    pub fn behind(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Waits at the gate after this many pieces of its body.
    pub fn pause_after(self, pieces: usize, gate: &Gate) -> Self {
        Self { pause: Some((pieces, gate.clone())), ..self }
    }

    /// Content type and pieces of the body for a request to `path`.
    pub(super) fn render(&self, path: &str, asked: &Value) -> (&'static str, Vec<Bytes>) {
        let (content_type, pieces) = self.plain(path, asked);
        let pieces = match self.chunk {
            Some(bytes) => pieces.concat().chunks(bytes).map(Bytes::copy_from_slice).collect(),
            None => pieces,
        };
        (content_type, if self.gzip { gzipped(&pieces) } else { pieces })
    }

    fn plain(&self, path: &str, asked: &Value) -> (&'static str, Vec<Bytes>) {
        let text = match &self.say {
            Say::Raw(content_type, body) => return (*content_type, halves(body)),
            Say::Text(text) => text,
        };
        let model = self.model.clone().unwrap_or_else(|| asked["model"].as_str().unwrap_or("").to_owned());
        let said = Said { text, model, finish: self.finish, asked };
        match (path, asked["stream"].as_bool().unwrap_or(path.starts_with("/api/"))) {
            ("/v1/chat/completions", true) => ("text/event-stream", said.openai_stream()),
            ("/v1/chat/completions", false) => ("application/json", whole(&said.openai())),
            ("/v1/completions", _) => ("application/json", whole(&said.openai_completion())),
            ("/v1/messages", true) => ("text/event-stream", said.anthropic_stream()),
            ("/v1/messages", false) => ("application/json", whole(&said.anthropic())),
            ("/api/chat" | "/api/generate", true) => ("application/x-ndjson", said.ollama_stream(path)),
            ("/api/chat" | "/api/generate", false) => {
                ("application/json; charset=utf-8", whole(&said.ollama(path, text, true)))
            }
            ("/v1/embeddings" | "/api/embed" | "/api/embeddings", _) => {
                ("application/json", whole(&said.embeddings(path)))
            }
            _ => panic!("the fake upstream has no words for {path}: script a raw answer"),
        }
    }
}

struct Said<'a> {
    text: &'a str,
    model: String,
    finish: &'static str,
    asked: &'a Value,
}

const ID: &str = "chatcmpl-upstream";
const CREATED: u64 = 1_700_000_000;

impl Said<'_> {
    fn words(&self) -> Vec<&str> {
        self.text.split_inclusive(' ').collect()
    }

    fn usage(&self) -> Value {
        let count = self.words().len();
        json!({ "prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count })
    }

    fn openai(&self) -> Value {
        json!({
            "id": ID, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": [{
                "index": 0, "message": { "role": "assistant", "content": self.text }, "logprobs": null,
                "finish_reason": self.finish,
            }],
            "usage": self.usage(),
        })
    }

    fn openai_completion(&self) -> Value {
        json!({
            "id": ID, "object": "text_completion", "created": CREATED, "model": self.model,
            "choices": [{ "index": 0, "text": self.text, "logprobs": null, "finish_reason": self.finish }],
            "usage": self.usage(),
        })
    }

    fn openai_stream(&self) -> Vec<Bytes> {
        let with_usage = self.asked["stream_options"]["include_usage"] == true;
        let event = |choices: Value, usage: Value| {
            let mut chunk = json!({
                "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
                "choices": choices,
            });
            if with_usage {
                chunk["usage"] = usage;
            }
            Bytes::from(format!("data: {chunk}\n\n"))
        };
        let delta = |delta: Value, finish: Value| {
            event(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]), Value::Null)
        };
        let mut pieces = vec![delta(json!({ "role": "assistant", "content": "" }), Value::Null)];
        pieces.extend(self.words().into_iter().map(|word| delta(json!({ "content": word }), Value::Null)));
        pieces.push(delta(json!({}), json!(self.finish)));
        if with_usage {
            pieces.push(event(json!([]), self.usage()));
        }
        pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
        pieces
    }

    fn stop_reason(&self) -> &'static str {
        match self.finish {
            "stop" => "end_turn",
            "length" => "max_tokens",
            other => other,
        }
    }

    fn anthropic(&self) -> Value {
        json!({
            "id": "msg_upstream", "type": "message", "role": "assistant", "model": self.model,
            "content": [{ "type": "text", "text": self.text }],
            "stop_reason": self.stop_reason(), "stop_sequence": null,
            "usage": { "input_tokens": 7, "output_tokens": self.words().len() },
        })
    }

    fn anthropic_stream(&self) -> Vec<Bytes> {
        let event = |name: &str, data: Value| Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
        let start = json!({
            "type": "message_start",
            "message": {
                "id": "msg_upstream", "type": "message", "role": "assistant", "model": self.model, "content": [],
                "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 7, "output_tokens": 1 },
            },
        });
        let block = json!({ "type": "text", "text": "" });
        let mut pieces = vec![
            event("message_start", start),
            event("content_block_start", json!({ "type": "content_block_start", "index": 0, "content_block": block })),
        ];
        pieces.extend(self.words().into_iter().map(|word| {
            let delta = json!({ "type": "text_delta", "text": word });
            event("content_block_delta", json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
        }));
        let delta = json!({ "stop_reason": self.stop_reason(), "stop_sequence": null });
        let usage = json!({ "output_tokens": self.words().len() });
        pieces.extend([
            event("content_block_stop", json!({ "type": "content_block_stop", "index": 0 })),
            event("message_delta", json!({ "type": "message_delta", "delta": delta, "usage": usage })),
            event("message_stop", json!({ "type": "message_stop" })),
        ]);
        pieces
    }

    fn ollama(&self, path: &str, text: &str, done: bool) -> Value {
        let mut line = json!({ "model": self.model, "created_at": "2024-01-01T00:00:00.000000Z" });
        match path {
            "/api/chat" => line["message"] = json!({ "role": "assistant", "content": text }),
            _ => line["response"] = json!(text),
        }
        line["done"] = json!(done);
        if done {
            line["done_reason"] = json!(self.finish);
            for (name, value) in [
                ("total_duration", 1_000_000),
                ("load_duration", 1_000),
                ("prompt_eval_count", 7),
                ("prompt_eval_duration", 2_000),
                ("eval_count", self.words().len()),
                ("eval_duration", 3_000),
            ] {
                line[name] = json!(value);
            }
        }
        line
    }

    /// A vector tells its text: its length, and the place of its first letter in the alphabet.
    fn embeddings(&self, path: &str) -> Value {
        let vector = |text: &Value| {
            let text = text.as_str().unwrap_or("");
            json!([text.len(), text.bytes().next().map_or(0, |first| first.to_ascii_lowercase() - b'a' + 1)])
        };
        let one = std::slice::from_ref(&self.asked["input"]);
        let inputs = self.asked["input"].as_array().map_or(one, Vec::as_slice);
        let tokens = inputs.len() * 5;
        match path {
            "/v1/embeddings" => {
                let data = inputs.iter().enumerate();
                let data =
                    data.map(|(at, text)| json!({ "object": "embedding", "index": at, "embedding": vector(text) }));
                json!({
                    "object": "list", "data": data.collect::<Vec<_>>(), "model": self.model,
                    "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
                })
            }
            "/api/embed" => json!({
                "model": self.model, "embeddings": inputs.iter().map(vector).collect::<Vec<_>>(),
                "total_duration": 1000, "load_duration": 10, "prompt_eval_count": tokens,
            }),
            _ => json!({ "embedding": vector(&self.asked["prompt"]) }),
        }
    }

    fn ollama_stream(&self, path: &str) -> Vec<Bytes> {
        let line = |text: &str, done| Bytes::from(format!("{}\n", self.ollama(path, text, done)));
        let mut pieces: Vec<_> = self.words().into_iter().map(|word| line(word, false)).collect();
        pieces.push(line("", true));
        pieces
    }
}

/// Each piece can be decoded as soon as it has come.
fn gzipped(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut coded = Vec::new();
    for piece in pieces {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        coded.push(Bytes::from(std::mem::take(encoder.get_mut())));
    }
    coded.push(Bytes::from(encoder.finish().unwrap()));
    coded
}

fn whole(value: &Value) -> Vec<Bytes> {
    halves(&Bytes::from(value.to_string()))
}

/// Two pieces, so that a body that is no stream can be cut and paused too.
fn halves(body: &Bytes) -> Vec<Bytes> {
    let middle = body.len() / 2;
    vec![body.slice(..middle), body.slice(middle..)]
}
