//! Reading a chat completion request.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::super::{StreamOptions, shape};
use crate::domain::{Asked, Surface, Traits};
use crate::wire::turns::{Conversation, Said, frame, keep};

/// The fields that mean something to dejavu. All others, known to OpenAI or not, are in the key as they are.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    messages: Vec<Map<String, Value>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    temperature: Option<f64>,
    n: Option<u64>,
    tools: Option<Vec<Value>>,
    functions: Option<Vec<Value>>,
    web_search_options: Option<Value>,
    store: Option<bool>,
    modalities: Option<Vec<String>>,
    user: Option<IgnoredAny>,
    safety_identifier: Option<IgnoredAny>,
    prompt_cache_key: Option<IgnoredAny>,
    prompt_cache_retention: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

pub(super) fn read(body: Value) -> Option<Asked> {
    let Request {
        model,
        messages,
        stream,
        stream_options,
        temperature,
        n,
        tools,
        functions,
        web_search_options,
        store,
        modalities,
        // These say who asks, who pays, how fast and where a provider caches, not what is asked.
        user: _,
        safety_identifier: _,
        prompt_cache_key: _,
        prompt_cache_retention: _,
        metadata: _,
        service_tier: _,
        rest: mut fields,
    } = serde_json::from_value(body).ok()?;
    let conversation = Conversation::read(messages, said)?;
    let some = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let traits = Traits {
        temperature: temperature.map(|t| t as f32),
        // Hosted search is a tool too: its answer comes from outside the request.
        tools: some(&tools) || some(&functions) || web_search_options.is_some(),
        several_choices: n.is_some_and(|n| n > 1),
        attachments: conversation.attachments,
        // A spoken answer has an id under which the provider keeps it for later turns.
        stateful: store == Some(true) || modalities.iter().flatten().any(|modality| modality == "audio"),
        load_only: false,
        characters: conversation.characters,
    };
    keep(&mut fields, "temperature", temperature);
    keep(&mut fields, "n", n);
    keep(&mut fields, "tools", tools);
    keep(&mut fields, "functions", functions);
    keep(&mut fields, "web_search_options", web_search_options);
    keep(&mut fields, "modalities", modalities);
    Some(Asked {
        surface: Surface::OpenaiChat,
        model: Arc::from(model),
        shape: shape(stream, stream_options),
        frame: frame(&fields, &conversation.rim),
        history: conversation.history,
        prompt: conversation.prompt,
        last: conversation.last,
        traits,
    })
}

/// Understands one message: content is text, a list of parts, or nothing (an assistant that only calls tools).
fn said(message: &Map<String, Value>) -> Option<Said> {
    let role = message.get("role")?.as_str()?.to_owned();
    let mut said = Said { role, text: None, characters: 0, attachments: false };
    match message.get("content") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => {
            said.characters = text.chars().count() as u64;
            said.text = Some(text.clone());
        }
        Some(Value::Array(parts)) => {
            let texts: Option<Vec<&str>> = parts.iter().map(plain_text).collect();
            said.text = texts.map(|texts| texts.join("\n"));
            for part in parts {
                let part = part.as_object()?;
                let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
                said.characters += text.chars().count() as u64;
                said.attachments |= !matches!(part.get("type")?.as_str()?, "text" | "refusal");
            }
        }
        Some(_) => return None,
    }
    // A spoken turn that is only referred to lies with the provider.
    said.attachments |= message.get("audio").is_some_and(|audio| !audio.is_null());
    Some(said)
}

/// The text of a part that is nothing but text.
fn plain_text(part: &Value) -> Option<&str> {
    let part = part.as_object()?;
    let plain = part.len() == 2 && part.get("type")? == "text";
    plain.then(|| part.get("text")?.as_str()).flatten()
}
