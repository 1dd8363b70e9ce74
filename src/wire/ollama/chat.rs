//! `POST /api/chat`.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{Lines, Replayed, aligned, anew, lists, refuse_errors, temperature};
use crate::domain::{Asked, Cause, Digest, Shape, Surface, Traits, Usage};
use crate::wire::adapter::{Adapter, Fold, Framing, Verdict};
use crate::wire::mould::Places;
use crate::wire::turns::{Conversation, Said, frame, keep};
use crate::wire::{Fresh, Piece};

/// The adapter.
pub(in crate::wire) struct Chat;

impl Adapter for Chat {
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
        let message = answer.get("message").filter(|message| message.is_object());
        let text = |key: &str| message.and_then(|message| message.get(key)).and_then(Value::as_str).unwrap_or_default();
        let calls = lists(message, "tool_calls");
        if text("content").is_empty() && !calls && !lists(message, "images") {
            return Err(Cause::Empty);
        }
        Ok(super::verdict(answer, text("content").chars().count() + text("thinking").chars().count(), calls))
    }

    fn count(&self, answer: &mut Map<String, Value>, usage: Usage) {
        super::count(answer, usage);
    }

    fn anew(&self, answer: &[u8]) -> Option<Places> {
        anew(answer)
    }

    fn stream(&self, mut answer: Map<String, Value>, _: Usage, _: Shape, fresh: Fresh) -> Vec<Piece> {
        stream(&mut answer, fresh)
    }
}

/// The fields that mean something to dejavu. All others, known to Ollama or not, are in the key as they are.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    messages: Option<Vec<Map<String, Value>>>,
    stream: Option<bool>,
    tools: Option<Vec<Value>>,
    options: Option<Map<String, Value>>,
    keep_alive: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn read(body: Value) -> Option<Asked> {
    // How long the model stays loaded afterwards says nothing about the answer.
    let Request { model, messages, stream, tools, options, keep_alive: _, rest: mut fields } =
        serde_json::from_value(body).ok()?;
    let messages = messages.unwrap_or_default();
    let load_only = messages.is_empty();
    let conversation = if load_only { nothing_said() } else { Conversation::read(messages, said)? };
    let traits = Traits {
        temperature: temperature(options.as_ref())?,
        tools: tools.as_ref().is_some_and(|tools| !tools.is_empty()),
        several_choices: false,
        attachments: conversation.attachments,
        stateful: false,
        load_only,
        characters: conversation.characters,
    };
    keep(&mut fields, "tools", tools);
    keep(&mut fields, "options", options);
    Some(Asked {
        surface: Surface::OllamaChat,
        model: Arc::from(model),
        shape: Shape { stream: stream.unwrap_or(true), usage_chunk: false },
        frame: frame(&fields, &conversation.rim),
        history: conversation.history,
        prompt: conversation.prompt,
        last: conversation.last,
        traits,
    })
}

/// The conversation of a call that only loads or unloads a model.
fn nothing_said() -> Conversation {
    let nothing = Digest::of(b"");
    Conversation { history: Vec::new(), prompt: None, last: nothing, rim: nothing, attachments: false, characters: 0 }
}

/// Understands one message: content is text, images stand beside it.
fn said(message: &Map<String, Value>) -> Option<Said> {
    let role = message.get("role")?.as_str()?.to_owned();
    let text = match message.get("content") {
        None | Some(Value::Null) => None,
        Some(content) => Some(content.as_str()?.to_owned()),
    };
    let attachments = match message.get("images") {
        None | Some(Value::Null) => false,
        Some(images) => !images.as_array()?.is_empty(),
    };
    let characters = text.as_deref().map_or(0, |text| text.chars().count() as u64);
    Some(Said { role, text: text.filter(|_| !attachments), characters, attachments })
}

/// Thinking, then content, then calls, then the line that ends it.
fn stream(answer: &mut Map<String, Value>, fresh: Fresh) -> Vec<Piece> {
    let Some(Value::Object(mut message)) = answer.shift_remove("message") else { return Vec::new() };
    let role = message.shift_remove("role").unwrap_or_else(|| "assistant".into());
    let mut take = |key: &str| match message.shift_remove(key) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (content, thinking) = (take("content"), take("thinking"));
    let calls = message.shift_remove("tool_calls");
    let mut logprobs = answer.shift_remove("logprobs");
    let mut first = Map::new();
    if let Some(unaligned) = logprobs.take_if(|logprobs| aligned(logprobs, &content).is_none()) {
        first.insert("logprobs".into(), unaligned);
    }
    let mut lines = Replayed::new(answer, &first, fresh);
    let wrap = |message: &Value| format!("\"message\":{message}");
    // What else the message holds goes with its first words.
    if !message.is_empty() {
        let mut opening = json!({"role": role, "content": ""});
        for (key, value) in message {
            opening[key] = value;
        }
        lines.line(&format!("{},\"done\":false", wrap(&opening)), 0);
    }
    lines.text(&thinking, None, |word| wrap(&json!({"role": role, "content": "", "thinking": word})));
    lines.text(&content, logprobs.as_ref(), |word| wrap(&json!({"role": role, "content": word})));
    for call in calls.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let message = json!({"role": role, "content": "", "tool_calls": [call]});
        lines.line(&format!("{},\"done\":false", wrap(&message)), tokens_of(call));
    }
    let mut last = Map::new();
    last.insert("message".into(), json!({"role": role, "content": ""}));
    for (key, value) in std::mem::take(answer) {
        if !matches!(key.as_str(), "model" | "remote_model" | "remote_host" | "created_at") {
            last.insert(key, value);
        }
    }
    lines.finish(&last)
}

/// About how many tokens a tool call took to write.
fn tokens_of(call: &Value) -> u32 {
    super::tokens_in(&call.to_string())
}
