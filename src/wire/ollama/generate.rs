//! `POST /api/generate`.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{Lines, Replayed, aligned, anew, lists, refuse_errors, temperature};
use crate::domain::{Asked, Cause, Digest, Prompt, Shape, Surface, Traits, Usage};
use crate::wire::adapter::{Adapter, Fold, Framing, Verdict};
use crate::wire::mould::Places;
use crate::wire::turns::{frame, keep};
use crate::wire::{Fresh, Piece};

/// The adapter.
pub(in crate::wire) struct Generate;

impl Adapter for Generate {
    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn read(&self, body: Value) -> Option<Asked> {
        read(body)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::<Lines>::default()
    }

    fn verdict(&self, answer: &Value) -> Result<Verdict, Cause> {
        refuse_errors(answer)?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
        let calls = lists(Some(answer), "tool_calls");
        if text("response").is_empty() && !calls && text("image").is_empty() {
            return Err(Cause::Empty);
        }
        Ok(super::verdict(answer, text("response").chars().count() + text("thinking").chars().count(), calls))
    }

    fn count(&self, answer: &mut Map<String, Value>, usage: Usage) {
        super::count(answer, usage);
    }

    fn anew(&self, answer: &[u8]) -> Option<Places> {
        anew(answer)
    }

    fn stream(&self, answer: Map<String, Value>, _: Usage, _: Shape, fresh: Fresh) -> Vec<Piece> {
        stream(answer, fresh)
    }
}

/// The fields that mean something to dejavu. All others (`system`, `template`, `context`, `format`, `think`, unknown
/// ones) are in the key as they are.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    prompt: Option<String>,
    suffix: Option<String>,
    images: Option<Vec<Value>>,
    raw: Option<bool>,
    stream: Option<bool>,
    options: Option<Map<String, Value>>,
    keep_alive: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn read(body: Value) -> Option<Asked> {
    // How long the model stays loaded afterwards says nothing about the answer.
    let Request { model, prompt, suffix, images, raw, stream, options, keep_alive: _, rest: mut fields } =
        serde_json::from_value(body).ok()?;
    let prompt = prompt.unwrap_or_default();
    let attachments = images.as_ref().is_some_and(|images| !images.is_empty());
    let raw_prompt = raw == Some(true);
    let fills_in = suffix.as_ref().is_some_and(|suffix| !suffix.is_empty());
    let traits = Traits {
        temperature: temperature(options.as_ref())?,
        tools: false,
        several_choices: false,
        attachments,
        stateful: false,
        load_only: prompt.is_empty() && !attachments,
        characters: prompt.chars().count() as u64,
    };
    keep(&mut fields, "suffix", suffix);
    keep(&mut fields, "images", images);
    keep(&mut fields, "raw", raw);
    keep(&mut fields, "options", options);
    // A raw prompt holds the system prompt and the turns as well, and the text before a gap is no question: neither
    // may be compared by meaning.
    let comparable = !attachments && !raw_prompt && !fills_in && !prompt.trim().is_empty();
    Some(Asked {
        surface: Surface::OllamaGenerate,
        model: Arc::from(model),
        shape: Shape { stream: stream.unwrap_or(true), usage_chunk: false },
        frame: frame(&fields, &Digest::of(b"")),
        history: Vec::new(),
        last: Digest::of(prompt.as_bytes()),
        prompt: comparable.then(|| Prompt(Arc::from(prompt))),
        traits,
    })
}

/// Thinking, then the response, then the line that ends it.
fn stream(mut answer: Map<String, Value>, fresh: Fresh) -> Vec<Piece> {
    let mut take = |key: &str| match answer.get_mut(key) {
        Some(Value::String(text)) => std::mem::take(text),
        _ => String::new(),
    };
    let (response, thinking) = (take("response"), take("thinking"));
    let mut logprobs = answer.shift_remove("logprobs");
    let mut first = Map::new();
    if let Some(unaligned) = logprobs.take_if(|logprobs| aligned(logprobs, &response).is_none()) {
        first.insert("logprobs".into(), unaligned);
    }
    let mut lines = Replayed::new(&answer, &first, fresh);
    let line = |members: Value| super::members_of(members.as_object().unwrap_or(&Map::new()));
    lines.text(&thinking, None, |word| line(json!({"response": "", "thinking": word})));
    lines.text(&response, logprobs.as_ref(), |word| line(json!({"response": word})));
    let mut last = Map::new();
    for (key, value) in answer {
        match key.as_str() {
            // These are on every line, or have been said.
            "model" | "remote_model" | "remote_host" | "created_at" => {}
            "thinking" if value == "" => {}
            _ => {
                last.insert(key, value);
            }
        }
    }
    lines.finish(&last)
}
