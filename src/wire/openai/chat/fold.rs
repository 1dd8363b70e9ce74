//! Folding chat chunks into the answer that the same request would get unstreamed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{DONE, refuse_errors, settle_top};
use crate::domain::Cause;
use crate::wire::adapter::{Fold, Step};
use crate::wire::merge::grow;

/// Chunks so far.
#[derive(Default)]
pub(super) struct Chunks {
    /// Members beside the choices: `id`, `model`, `system_fingerprint`, unknown ones.
    top: Map<String, Value>,
    usage: Option<Value>,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    message: Map<String, Value>,
    calls: Vec<(u64, Map<String, Value>)>,
    /// `finish_reason`, `logprobs`, and what else stands beside the delta.
    rest: Map<String, Value>,
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
        let Value::Object(chunk) = chunk else { return Err(Cause::Unreadable) };
        for (key, value) in chunk {
            match (key.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    choices.into_iter().try_for_each(|choice| self.take_choice(choice))?;
                }
                // Padding against traffic analysis; it says nothing.
                ("obfuscation" | "object" | "choices", _) => {}
                ("usage", Value::Null) => {}
                ("usage", usage) => self.usage = Some(usage),
                (_, value) => settle_top(&mut self.top, key, value),
            }
        }
        Ok(Step::More)
    }

    fn finish(self: Box<Self>) -> Result<Map<String, Value>, Cause> {
        let Self { mut top, usage, choices } = *self;
        let mut answer = Map::new();
        if let Some(id) = top.shift_remove("id") {
            answer.insert("id".into(), id);
        }
        answer.insert("object".into(), "chat.completion".into());
        for key in ["created", "model"] {
            if let Some(value) = top.shift_remove(key) {
                answer.insert(key.into(), value);
            }
        }
        let choices = choices.into_iter().map(|(index, choice)| choice.finish(index)).collect();
        answer.insert("choices".into(), Value::Array(choices));
        if let Some(usage) = usage {
            answer.insert("usage".into(), usage);
        }
        answer.append(&mut top);
        Ok(answer)
    }
}

impl Chunks {
    fn take_choice(&mut self, choice: Value) -> Result<(), Cause> {
        let Value::Object(mut choice) = choice else { return Err(Cause::Unreadable) };
        let index = choice.shift_remove("index").and_then(|index| index.as_u64()).unwrap_or(0);
        let into = self.choices.entry(index).or_default();
        match choice.shift_remove("delta") {
            Some(Value::Object(delta)) => into.take_delta(delta)?,
            None | Some(Value::Null) => {}
            Some(_) => return Err(Cause::Unreadable),
        }
        grow(&mut into.rest, choice, false);
        Ok(())
    }
}

impl Choice {
    fn take_delta(&mut self, mut delta: Map<String, Value>) -> Result<(), Cause> {
        // Named in one chunk, sometimes in all.
        if let Some(role) = delta.shift_remove("role").filter(Value::is_string) {
            self.message.insert("role".into(), role);
        }
        if let Some(Value::Array(fragments)) = delta.get_mut("tool_calls") {
            std::mem::take(fragments).into_iter().try_for_each(|fragment| self.take_call(fragment))?;
        }
        grow(&mut self.message, delta, true);
        Ok(())
    }

    /// A fragment belongs to the call of its index; servers that leave the index out begin a call with its id.
    fn take_call(&mut self, fragment: Value) -> Result<(), Cause> {
        let Value::Object(mut fragment) = fragment else { return Err(Cause::Unreadable) };
        let index = match fragment.shift_remove("index").and_then(|index| index.as_u64()) {
            Some(index) => index,
            None if fragment.contains_key("id") => self.calls.last().map_or(0, |(last, _)| last.saturating_add(1)),
            None => self.calls.last().map_or(0, |(last, _)| *last),
        };
        match self.calls.iter_mut().find(|(at, _)| *at == index) {
            Some((_, call)) => grow(call, fragment, false),
            None => self.calls.push((index, fragment)),
        }
        Ok(())
    }

    /// The choice as an unstreamed answer has it.
    fn finish(self, index: u64) -> Value {
        let Self { message: mut parts, mut calls, mut rest } = self;
        let mut message = Map::new();
        message.insert("role".into(), parts.shift_remove("role").unwrap_or_else(|| "assistant".into()));
        message.insert("content".into(), parts.shift_remove("content").unwrap_or(Value::Null));
        message.append(&mut parts);
        if !calls.is_empty() {
            calls.sort_by_key(|(index, _)| *index);
            let calls = calls.into_iter().map(|(_, call)| Value::Object(call)).collect();
            message.shift_remove("tool_calls");
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        let mut choice = Map::new();
        choice.insert("index".into(), index.into());
        choice.insert("message".into(), message.into());
        if let Some(logprobs) = rest.shift_remove("logprobs") {
            choice.insert("logprobs".into(), logprobs);
        }
        choice.insert("finish_reason".into(), rest.shift_remove("finish_reason").unwrap_or(Value::Null));
        choice.append(&mut rest);
        choice.into()
    }
}
