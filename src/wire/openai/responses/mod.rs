//! `POST /v1/responses`, as far as it keeps no state with the provider.
//!
//! Source: OpenAI API reference, "Responses" and "Streaming events". An answer echoes its request's parameters. What it
//! echoes of the caller (`user`, `safety_identifier`, `prompt_cache_key`) is no part of a request's identity, so a replay
//! leaves it out: it may have been another caller's.

use serde_json::{Map, Value, json};

use super::refuse_errors;
use crate::domain::{Asked, Cause, Finish, Shape, Usage};
use crate::wire::adapter::{Adapter, Fold, Framing, Step, Verdict, worse};
use crate::wire::members::members;
use crate::wire::mould::{Anew, Places};
use crate::wire::{Fresh, Piece};

mod read;
mod stream;

/// The adapter.
pub(in crate::wire) struct Responses;

impl Adapter for Responses {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read(&self, body: Value) -> Option<Asked> {
        read::read(body)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::<Events>::default()
    }

    fn verdict(&self, answer: &Value) -> Result<Verdict, Cause> {
        refuse_errors(answer)?;
        let output = answer.get("output").and_then(Value::as_array).ok_or(Cause::Unreadable)?;
        let reason = answer.get("incomplete_details").and_then(|details| details.get("reason"));
        let mut finish = match answer.get("status").and_then(Value::as_str) {
            Some("completed") => Finish::Complete,
            Some("incomplete") if reason.is_some_and(|reason| reason == "content_filter") => Finish::Filtered,
            Some("incomplete") => Finish::Truncated,
            _ => Finish::Unfinished,
        };
        let mut said = 0;
        for item in output {
            let (ending, characters) = outcome(item);
            finish = worse(finish, ending);
            said += characters;
        }
        if said == 0 {
            return Err(Cause::Empty);
        }
        Ok(Verdict {
            finish,
            model: answer.get("model").and_then(Value::as_str).map(Into::into),
            usage: usage_of(answer),
            characters: said,
        })
    }

    fn count(&self, answer: &mut Map<String, Value>, usage: Usage) {
        let Usage { prompt, completion } = usage;
        let counts = json!({
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt.saturating_add(completion),
        });
        answer.insert("usage".into(), counts);
    }

    fn anew(&self, answer: &[u8]) -> Option<Places> {
        let parsed: Map<String, Value> = serde_json::from_slice(answer).ok()?;
        Some(members(answer)?.into_iter().filter_map(|(key, at)| Some((at, anew(&parsed, &key)?))).collect())
    }

    fn stream(&self, mut answer: Map<String, Value>, _: Usage, _: Shape, fresh: Fresh) -> Vec<Piece> {
        let new = |key: &String| Some((key.clone(), anew(&answer, key)?.value(fresh)));
        let new: Vec<_> = answer.keys().filter_map(new).collect();
        answer.extend(new);
        stream::stream(answer)
    }
}

/// What a replay gives a top-level member instead of the recorded value; `None` where that stays.
fn anew(answer: &Map<String, Value>, key: &str) -> Option<Anew> {
    let old = answer.get(key)?;
    match key {
        "id" => old.as_str().map(|old| Anew::IdLike(old.to_owned())),
        "created_at" => old.is_number().then_some(Anew::Seconds),
        // As long after its creation as it was.
        "completed_at" => {
            let took = old.as_f64()? - answer.get("created_at").and_then(Value::as_f64).unwrap_or(0.0);
            Some(Anew::SecondsAfter(took.clamp(0.0, 86_400.0) as u64))
        }
        "user" | "safety_identifier" | "prompt_cache_key" => Some(Anew::Null),
        _ => None,
    }
}

/// How one output item bears on the ending, and how many characters it says; reasoning alone says nothing.
fn outcome(item: &Value) -> (Finish, u64) {
    let length =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map_or(0, |text| text.chars().count());
    match item.get("type").and_then(Value::as_str) {
        Some("message") => {
            let parts = item.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let refused = parts.iter().any(|part| part.get("type").is_some_and(|kind| kind == "refusal"));
            let said: usize = parts.iter().map(|part| length(part, "text") + length(part, "refusal")).sum();
            (if refused { Finish::Refused } else { Finish::Complete }, said as u64)
        }
        Some("reasoning") => (Finish::Complete, 0),
        // Calls of functions, custom tools, shells, computers: all wait for the caller to act.
        _ => (Finish::ToolCalls, item.to_string().len() as u64),
    }
}

fn usage_of(answer: &Value) -> Option<Usage> {
    let counts = answer.get("usage")?.as_object()?;
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    Some(Usage { prompt: count("input_tokens")?, completion: count("output_tokens")? })
}

/// Events so far. The last one holds the whole answer; only where a server leaves its output out there, the items
/// are taken from the events that ended them.
#[derive(Default)]
struct Events {
    items: Vec<(u64, Value)>,
    response: Option<Map<String, Value>>,
}

impl Fold for Events {
    fn take(&mut self, _: Option<&str>, data: &[u8]) -> Result<Step, Cause> {
        let event: Value = serde_json::from_slice(data).map_err(|_| Cause::Unreadable)?;
        let Value::Object(mut event) = event else { return Err(Cause::Unreadable) };
        let kind = event.shift_remove("type");
        match kind.as_ref().and_then(Value::as_str) {
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                match event.shift_remove("response") {
                    Some(Value::Object(response)) => self.response = Some(response),
                    _ => return Err(Cause::Unreadable),
                }
                Ok(Step::Done)
            }
            Some("response.output_item.done") => {
                let index = event.get("output_index").and_then(Value::as_u64).ok_or(Cause::Unreadable)?;
                let item = event.shift_remove("item").ok_or(Cause::Unreadable)?;
                self.items.push((index, item));
                Ok(Step::More)
            }
            Some("error") | None => Err(Cause::Unfinished),
            Some(_) => Ok(Step::More),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Map<String, Value>, Cause> {
        let mut response = self.response.ok_or(Cause::Cut)?;
        if response.get("output").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            self.items.sort_by_key(|(index, _)| *index);
            let items = self.items.into_iter().map(|(_, item)| item).collect();
            response.insert("output".into(), Value::Array(items));
        }
        Ok(response)
    }
}
