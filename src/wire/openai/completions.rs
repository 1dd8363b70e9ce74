//! `POST /v1/completions`.
//!
//! Source: OpenAI API reference, "Completions" (legacy), which most self-hosted servers still offer. A prompt may be
//! one text, several, or tokens; only one text may be compared by meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{DONE, Envelope, anew, refuse_errors, settle_top, usage_json, usage_of};
use crate::domain::{Asked, Cause, Digest, Finish, Prompt, Shape, Surface, Traits, Usage};
use crate::wire::adapter::{Adapter, Fold, Framing, Step, Verdict, worse};
use crate::wire::merge::grow;
use crate::wire::mould::Places;
use crate::wire::pieces::{tokens_in, words};
use crate::wire::turns::{frame, keep};
use crate::wire::{Fresh, Piece, canonical};

/// The adapter.
pub(in crate::wire) struct Completions;

impl Adapter for Completions {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read(&self, body: Value) -> Option<Asked> {
        read(body)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::<Chunks>::default()
    }

    fn verdict(&self, answer: &Value) -> Result<Verdict, Cause> {
        refuse_errors(answer)?;
        let choices = answer.get("choices").and_then(Value::as_array).ok_or(Cause::Unreadable)?;
        let (mut finish, mut characters) = (Finish::Complete, 0);
        for choice in choices {
            let text = choice.get("text").and_then(Value::as_str).ok_or(Cause::Unreadable)?;
            if text.is_empty() {
                return Err(Cause::Empty);
            }
            characters += text.chars().count() as u64;
            let ending = match choice.get("finish_reason").and_then(Value::as_str) {
                Some("stop") => Finish::Complete,
                Some("length") => Finish::Truncated,
                Some("content_filter") => Finish::Filtered,
                _ => Finish::Unfinished,
            };
            finish = worse(finish, ending);
        }
        if choices.is_empty() {
            return Err(Cause::Empty);
        }
        let model = answer.get("model").and_then(Value::as_str).filter(|name| !name.is_empty()).map(Into::into);
        Ok(Verdict { finish, model, usage: usage_of(answer), characters })
    }

    fn count(&self, answer: &mut Map<String, Value>, usage: Usage) {
        answer.insert("usage".into(), usage_json(usage));
    }

    fn anew(&self, answer: &[u8]) -> Option<Places> {
        anew(answer)
    }

    fn stream(&self, answer: Map<String, Value>, usage: Usage, shape: Shape, fresh: Fresh) -> Vec<Piece> {
        let mut chunks = Envelope::new(&answer, "text_completion", shape, fresh);
        for choice in answer.get("choices").and_then(Value::as_array).into_iter().flatten() {
            stream_choice(&mut chunks, choice);
        }
        chunks.finish(&answer, usage, shape)
    }
}

/// The fields that mean something to dejavu. All others, known to OpenAI or not, are in the key as they are.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    prompt: Value,
    stream: Option<bool>,
    stream_options: Option<super::StreamOptions>,
    temperature: Option<f64>,
    n: Option<u64>,
    best_of: Option<u64>,
    suffix: Option<String>,
    user: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn read(body: Value) -> Option<Asked> {
    let Request {
        model,
        prompt,
        stream,
        stream_options,
        temperature,
        n,
        best_of,
        suffix,
        // Says who asks, not what.
        user: _,
        rest: mut fields,
    } = serde_json::from_value(body).ok()?;
    let (text, several) = match &prompt {
        Value::String(text) => (Some(text.as_str()), false),
        Value::Array(prompts) if prompts.is_empty() => return None,
        // A list of one text is that text; numbers are tokens of one prompt.
        Value::Array(prompts) => match prompts.as_slice() {
            [Value::String(text)] => (Some(text.as_str()), false),
            [Value::Number(_), ..] => (None, false),
            [Value::String(_) | Value::Array(_), rest @ ..] => (None, !rest.is_empty()),
            _ => return None,
        },
        _ => return None,
    };
    let comparable = suffix.as_ref().is_none_or(String::is_empty);
    let text = text.filter(|text| !text.trim().is_empty());
    let traits = Traits {
        temperature: temperature.map(|t| t as f32),
        several_choices: several || n.is_some_and(|n| n > 1) || best_of.is_some_and(|n| n > 1),
        characters: text.map_or(0, |text| text.chars().count() as u64),
        ..Traits::default()
    };
    keep(&mut fields, "temperature", temperature);
    keep(&mut fields, "n", n);
    keep(&mut fields, "best_of", best_of);
    keep(&mut fields, "suffix", suffix);
    Some(Asked {
        surface: Surface::OpenaiCompletions,
        model: Arc::from(model),
        shape: super::shape(stream, stream_options),
        frame: frame(&fields, &Digest::of(b"")),
        history: Vec::new(),
        // The text before a gap is no question: it may not be compared by meaning.
        prompt: text.filter(|_| comparable).map(|text| Prompt(Arc::from(text))),
        last: canonical::digest(&prompt),
        traits,
    })
}

/// Chunks so far.
#[derive(Default)]
struct Chunks {
    top: Map<String, Value>,
    choices: BTreeMap<u64, Map<String, Value>>,
}

impl Fold for Chunks {
    fn take(&mut self, name: Option<&str>, data: &[u8]) -> Result<Step, Cause> {
        if data.trim_ascii() == DONE.as_bytes() {
            return Ok(Step::Done);
        }
        if name == Some("error") {
            return Err(Cause::Unfinished);
        }
        let chunk: Value = serde_json::from_slice(data).map_err(|_| Cause::Unreadable)?;
        refuse_errors(&chunk)?;
        let Value::Object(mut chunk) = chunk else { return Err(Cause::Unreadable) };
        if let Some(Value::Array(choices)) = chunk.shift_remove("choices") {
            for choice in choices {
                let Value::Object(choice) = choice else { return Err(Cause::Unreadable) };
                let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
                grow(self.choices.entry(index).or_default(), choice, false);
            }
        }
        chunk.shift_remove("obfuscation");
        chunk.into_iter().for_each(|(key, value)| settle_top(&mut self.top, key, value));
        Ok(Step::More)
    }

    fn finish(self: Box<Self>) -> Result<Map<String, Value>, Cause> {
        let mut answer = self.top;
        let choices = self.choices.into_values().map(Value::Object).collect();
        answer.insert("choices".into(), Value::Array(choices));
        Ok(answer)
    }
}

/// The text word by word, then the reason why it ended and what else the choice holds. Log probabilities, whose
/// offsets count from the whole text's start, go with the first word.
fn stream_choice(chunks: &mut Envelope, choice: &Value) {
    let index = choice.get("index").cloned().unwrap_or(0.into());
    let mut logprobs = choice.get("logprobs").cloned();
    for word in words(choice.get("text").and_then(Value::as_str).unwrap_or_default()) {
        let mut chunk = json!({"index": index, "text": word});
        if let Some(logprobs) = &mut logprobs {
            chunk["logprobs"] = logprobs.take();
        }
        chunk["finish_reason"] = Value::Null;
        chunks.push(&chunk.to_string(), tokens_in(word));
    }
    let mut last = json!({"index": index, "text": ""});
    for (key, value) in choice.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "index" | "text") {
            last[key] = if key == "logprobs" { Value::Null } else { value.clone() };
        }
    }
    chunks.push(&last.to_string(), 0);
}
