//! Reading a Messages request.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::domain::{Asked, Shape, Surface, Traits};
use crate::wire::turns::{Conversation, Said, frame, keep};

/// The fields that mean something to dejavu. All others (`system`'s text, `max_tokens`, `thinking`, unknown ones) are
/// in the key as they are.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    messages: Vec<Map<String, Value>>,
    system: Option<Value>,
    stream: Option<bool>,
    temperature: Option<f64>,
    tools: Option<Vec<Value>>,
    mcp_servers: Option<Vec<Value>>,
    container: Option<Value>,
    metadata: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    cache_control: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

pub(super) fn read(body: Value) -> Option<Asked> {
    let Request {
        model,
        mut messages,
        mut system,
        stream,
        temperature,
        mut tools,
        mcp_servers,
        container,
        // These say who asks, who pays and what a provider caches, not what is asked.
        metadata: _,
        service_tier: _,
        cache_control: _,
        rest: mut fields,
    } = serde_json::from_value(body).ok()?;
    system.iter_mut().for_each(forget_caching);
    tools.iter_mut().flatten().for_each(forget_mark);
    messages.iter_mut().filter_map(|message| message.get_mut("content")).for_each(forget_caching);
    let conversation = Conversation::read(messages, said)?;
    let some = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let in_system = system.as_ref().map_or(0, characters);
    let traits = Traits {
        temperature: temperature.map(|t| t as f32),
        // Servers of tools answer from outside the request, as tools do.
        tools: some(&tools) || some(&mcp_servers),
        several_choices: false,
        attachments: conversation.attachments,
        // A container keeps files from one request to the next.
        stateful: container.is_some(),
        load_only: false,
        characters: conversation.characters + in_system,
    };
    keep(&mut fields, "system", system);
    keep(&mut fields, "temperature", temperature);
    keep(&mut fields, "tools", tools);
    keep(&mut fields, "mcp_servers", mcp_servers);
    keep(&mut fields, "container", container);
    Some(Asked {
        surface: Surface::AnthropicMessages,
        model: Arc::from(model),
        shape: Shape { stream: stream.unwrap_or(false), usage_chunk: false },
        frame: frame(&fields, &conversation.rim),
        history: conversation.history,
        prompt: conversation.prompt,
        last: conversation.last,
        traits,
    })
}

/// Takes the prompt-caching marks off content: off its blocks, and off the blocks inside tool results.
fn forget_caching(content: &mut Value) {
    for block in content.as_array_mut().into_iter().flatten() {
        forget_mark(block);
        if let Some(inner) = block.get_mut("content") {
            forget_caching(inner);
        }
    }
}

fn forget_mark(block: &mut Value) {
    if let Some(block) = block.as_object_mut() {
        block.shift_remove("cache_control");
    }
}

/// Understands one message: content is text, or a list of blocks.
fn said(message: &Map<String, Value>) -> Option<Said> {
    let role = message.get("role")?.as_str()?.to_owned();
    let content = message.get("content")?;
    let (text, attachments) = match content {
        Value::String(text) => (Some(text.clone()), false),
        Value::Array(blocks) => {
            let texts: Option<Vec<&str>> = blocks.iter().map(plain_text).collect();
            let mut attachments = false;
            for block in blocks {
                attachments |= attached(block)?;
            }
            (texts.map(|texts| texts.join("\n")), attachments)
        }
        _ => return None,
    };
    Some(Said { role, text, characters: characters(content), attachments })
}

/// The text of a block that is nothing but text.
fn plain_text(block: &Value) -> Option<&str> {
    let block = block.as_object()?;
    let plain = block.len() == 2 && block.get("type")? == "text";
    plain.then(|| block.get("text")?.as_str()).flatten()
}

/// Whether a block carries something that is no text; `None` when it is no block.
fn attached(block: &Value) -> Option<bool> {
    Some(match block.get("type")?.as_str()? {
        "text" | "thinking" | "redacted_thinking" | "tool_use" | "server_tool_use" => false,
        "tool_result" => match block.get("content") {
            Some(Value::Array(inner)) => inner.iter().any(|block| attached(block) != Some(false)),
            _ => false,
        },
        _ => true,
    })
}

/// Characters of text in content.
fn characters(content: &Value) -> u64 {
    match content {
        Value::String(text) => text.chars().count() as u64,
        Value::Array(blocks) => {
            let member = |block: &Value, key: &str| block.get(key).map_or(0, characters);
            blocks.iter().map(|block| member(block, "text") + member(block, "content")).sum()
        }
        _ => 0,
    }
}
