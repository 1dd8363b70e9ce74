//! A chat answer as the stream that OpenAI would have sent.

use serde_json::{Map, Value, json};

use super::super::Envelope;
use crate::domain::{Shape, Usage};
use crate::wire::pieces::{tokens_in, words};
use crate::wire::{Fresh, Piece};

/// The message's running texts, in the order in which a model says them.
const TEXTS: [&str; 4] = ["reasoning_content", "reasoning", "content", "refusal"];

/// Where the running text of a tool call lies: function calls have arguments, custom tools an input.
const CALL_TEXTS: [(&str, &str); 2] = [("function", "arguments"), ("custom", "input")];

pub(super) fn stream(answer: &Map<String, Value>, usage: Usage, shape: Shape, fresh: Fresh) -> Vec<Piece> {
    let mut chunks = Envelope::new(answer, "chat.completion.chunk", shape, fresh);
    for choice in answer.get("choices").and_then(Value::as_array).into_iter().flatten() {
        stream_choice(&mut chunks, choice);
    }
    chunks.finish(answer, usage, shape)
}

/// Role first, then the texts word by word, then the calls, then the reason why it ended.
fn stream_choice(chunks: &mut Envelope, choice: &Value) {
    let nothing = Map::new();
    let message = choice.get("message").and_then(Value::as_object).unwrap_or(&nothing);
    let form = ChoiceForm::new(choice);
    chunks.push(&form.delta(&opening(message), &opening_logprobs(choice)), 0);
    for (key, text) in TEXTS.into_iter().filter_map(|key| Some((key, message.get(key)?.as_str()?))) {
        match aligned(choice, key, text) {
            Some(entries) => {
                for (token, entry) in entries {
                    chunks.push(&form.delta(&json!({key: token}), &logprob(key, entry)), tokens_in(token));
                }
            }
            None => words(text).for_each(|word| chunks.push(&form.text(key, word), tokens_in(word))),
        }
    }
    for (index, call) in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
        stream_call(chunks, &form, index, call);
    }
    if let Some(call) = message.get("function_call").filter(|call| call.is_object()) {
        let (first, arguments) = without_text(call.clone(), "arguments");
        chunks.push(&form.delta(&json!({"function_call": first}), &Value::Null), 0);
        for word in words(&arguments) {
            chunks.push(&form.delta(&json!({"function_call": {"arguments": word}}), &Value::Null), tokens_in(word));
        }
    }
    chunks.push(&form.finish(choice), 0);
}

/// Id, type and name in the first fragment only, then the arguments word by word.
fn stream_call(chunks: &mut Envelope, form: &ChoiceForm, index: usize, call: &Value) {
    let mut first = json!({"index": index});
    let mut said = None;
    for (key, value) in call.as_object().into_iter().flatten().filter(|(key, _)| *key != "index") {
        first[key] = match CALL_TEXTS.into_iter().find(|(member, _)| member == key) {
            Some((member, text)) => {
                let (named, running) = without_text(value.clone(), text);
                said = Some((member, text, running));
                named
            }
            None => value.clone(),
        };
    }
    chunks.push(&form.delta(&json!({"tool_calls": [first]}), &Value::Null), 0);
    let Some((member, text, running)) = said else { return };
    for word in words(&running) {
        let fragment = json!({"index": index, member: {text: word}});
        chunks.push(&form.delta(&json!({"tool_calls": [fragment]}), &Value::Null), tokens_in(word));
    }
}

/// An object with the text of one member taken out, and that text.
fn without_text(mut object: Value, member: &str) -> (Value, String) {
    match object.get_mut(member) {
        Some(Value::String(text)) => {
            let text = std::mem::take(text);
            (object, text)
        }
        _ => (object, String::new()),
    }
}

/// The first delta: the role, an empty content where there is one, and the members that do not run.
fn opening(message: &Map<String, Value>) -> Value {
    let mut delta = Map::new();
    for (key, value) in message {
        match (key.as_str(), value) {
            ("tool_calls", Value::Array(calls)) if !calls.is_empty() => {}
            ("function_call", Value::Object(_)) => {}
            ("content", Value::String(_)) => {
                delta.insert(key.clone(), "".into());
            }
            (key, Value::String(text)) if TEXTS.contains(&key) && !text.is_empty() => {}
            _ => {
                delta.insert(key.clone(), value.clone());
            }
        }
    }
    delta.into()
}

/// The log probabilities of one text, token by token, if together they spell the text.
fn aligned<'a>(choice: &'a Value, key: &str, text: &str) -> Option<Vec<(&'a str, &'a Value)>> {
    let list = choice.get("logprobs")?.get(key)?.as_array()?;
    let entries: Vec<_> =
        list.iter().map(|entry| Some((entry.get("token")?.as_str()?, entry))).collect::<Option<_>>()?;
    let spelled: String = entries.iter().map(|(token, _)| *token).collect();
    (spelled == text && !text.is_empty()).then_some(entries)
}

/// The log probabilities that no single token carries: sent with the first delta.
fn opening_logprobs(choice: &Value) -> Value {
    let Some(Value::Object(logprobs)) = choice.get("logprobs") else { return Value::Null };
    let text = |key: &str| choice.get("message").and_then(|message| message.get(key)).and_then(Value::as_str);
    let mut left = logprobs.clone();
    left.retain(|key, _| text(key).is_none_or(|text| aligned(choice, key, text).is_none()));
    if left.values().all(Value::is_null) && left.len() < logprobs.len() { Value::Null } else { left.into() }
}

fn logprob(key: &str, entry: &Value) -> Value {
    let other = if key == "refusal" { "content" } else { "refusal" };
    json!({key: [entry], other: null})
}

/// How the chunks of one choice are written.
struct ChoiceForm {
    index: String,
    /// What stands between delta and end of choice when there are no log probabilities.
    rest: &'static str,
    /// Whether chunks name log probabilities at all.
    logprobs: bool,
}

impl ChoiceForm {
    fn new(choice: &Value) -> Self {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0).to_string();
        let logprobs = choice.get("logprobs").is_some();
        let rest = if logprobs { r#","logprobs":null,"finish_reason":null}"# } else { r#","finish_reason":null}"# };
        Self { index, rest, logprobs }
    }

    fn delta(&self, delta: &Value, logprobs: &Value) -> String {
        let index = &self.index;
        if self.logprobs && !logprobs.is_null() {
            return format!(r#"{{"index":{index},"delta":{delta},"logprobs":{logprobs},"finish_reason":null}}"#);
        }
        format!(r#"{{"index":{index},"delta":{delta}{}"#, self.rest)
    }

    /// The commonest chunk: one word of one text.
    fn text(&self, key: &str, word: &str) -> String {
        format!(r#"{{"index":{},"delta":{{"{key}":{}}}{}"#, self.index, Value::from(word), self.rest)
    }

    /// The last chunk: nothing new, why it ended, and what else the choice holds.
    fn finish(&self, choice: &Value) -> String {
        let mut last = json!({"index": 0, "delta": {}});
        last["index"] = choice.get("index").cloned().unwrap_or(0.into());
        if self.logprobs {
            last["logprobs"] = Value::Null;
        }
        last["finish_reason"] = Value::Null;
        for (key, value) in choice.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "index" | "message" | "logprobs") {
                last[key] = value.clone();
            }
        }
        last.to_string()
    }
}
