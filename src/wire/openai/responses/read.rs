//! Reading a Responses request.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::domain::{Asked, Shape, Surface, Traits};
use crate::wire::turns::{Conversation, Said, frame, keep};

/// The fields that mean something to dejavu. All others, known to OpenAI or not, are in the key as they are;
/// `metadata` too, since the answer echoes it.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    input: Value,
    stream: Option<bool>,
    temperature: Option<f64>,
    tools: Option<Vec<Value>>,
    store: Option<bool>,
    background: Option<bool>,
    previous_response_id: Option<Value>,
    conversation: Option<Value>,
    prompt: Option<Value>,
    stream_options: Option<IgnoredAny>,
    user: Option<IgnoredAny>,
    safety_identifier: Option<IgnoredAny>,
    prompt_cache_key: Option<IgnoredAny>,
    prompt_cache_retention: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

pub(super) fn read(body: Value) -> Option<Asked> {
    let Request {
        model,
        input,
        stream,
        temperature,
        tools,
        store,
        background,
        previous_response_id,
        conversation: kept_conversation,
        prompt: kept_prompt,
        // These say who asks, who pays, how fast and where a provider caches, not what is asked.
        stream_options: _,
        user: _,
        safety_identifier: _,
        prompt_cache_key: _,
        prompt_cache_retention: _,
        service_tier: _,
        rest: mut fields,
    } = serde_json::from_value(body).ok()?;
    let items = match input {
        Value::String(text) => vec![json!({"role": "user", "content": text})],
        Value::Array(items) => items,
        _ => return None,
    };
    let refers = items.iter().any(|item| item.get("type").is_some_and(|kind| kind == "item_reference"));
    let items: Option<Vec<_>> = items.into_iter().map(object).collect();
    let conversation = Conversation::read(items?, said)?;
    let hosted = tools.iter().flatten().any(hosted);
    let traits = Traits {
        temperature: temperature.map(|t| t as f32),
        tools: tools.as_ref().is_some_and(|tools| !tools.is_empty()),
        several_choices: false,
        attachments: conversation.attachments,
        // Kept by default, unless the caller says `store: false`.
        stateful: store != Some(false)
            || background == Some(true)
            || refers
            || hosted
            || previous_response_id.is_some()
            || kept_conversation.is_some()
            || kept_prompt.is_some(),
        load_only: false,
        characters: conversation.characters,
    };
    keep(&mut fields, "temperature", temperature);
    keep(&mut fields, "tools", tools);
    // The answer echoes it.
    keep(&mut fields, "store", store);
    keep(&mut fields, "background", background);
    keep(&mut fields, "previous_response_id", previous_response_id);
    keep(&mut fields, "conversation", kept_conversation);
    keep(&mut fields, "prompt", kept_prompt);
    Some(Asked {
        surface: Surface::OpenaiResponses,
        model: Arc::from(model),
        shape: Shape { stream: stream.unwrap_or(false), usage_chunk: false },
        frame: frame(&fields, &conversation.rim),
        history: conversation.history,
        prompt: conversation.prompt,
        last: conversation.last,
        traits,
    })
}

fn object(item: Value) -> Option<Map<String, Value>> {
    match item {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Tools that the caller itself runs are functions and custom tools; all others run with the provider.
fn hosted(tool: &Value) -> bool {
    !matches!(tool.get("type").and_then(Value::as_str), Some("function" | "custom"))
}

/// Understands one input item: a message of text and parts, or something else that has a type.
fn said(item: &Map<String, Value>) -> Option<Said> {
    let kind = item.get("type").map_or(Some("message"), Value::as_str)?;
    if kind != "message" {
        return Some(Said { role: kind.to_owned(), text: None, characters: 0, attachments: false });
    }
    let role = item.get("role")?.as_str()?.to_owned();
    match item.get("content")? {
        Value::String(text) => {
            let characters = text.chars().count() as u64;
            Some(Said { role, text: Some(text.clone()), characters, attachments: false })
        }
        Value::Array(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(|part| plain_text(part, &role)).collect();
            let (mut characters, mut attachments) = (0, false);
            for part in parts {
                let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
                characters += text.chars().count() as u64;
                attachments |= !matches!(part.get("type")?.as_str()?, "input_text" | "output_text" | "refusal");
            }
            Some(Said { role, text: texts.map(|texts| texts.join("\n")), characters, attachments })
        }
        _ => None,
    }
}

/// The text of a part that is nothing but text: as callers write it, or as the model's answers carry it.
fn plain_text<'a>(part: &'a Value, role: &str) -> Option<&'a str> {
    let part = part.as_object()?;
    let empty = |key: &str| part.get(key).is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
    let known = |key: &String| matches!(key.as_str(), "type" | "text" | "annotations" | "logprobs");
    let plain = match part.get("type")?.as_str()? {
        "input_text" => part.len() == 2,
        "output_text" if role == "assistant" => part.keys().all(known) && empty("annotations") && empty("logprobs"),
        _ => false,
    };
    plain.then(|| part.get("text")?.as_str()).flatten()
}
