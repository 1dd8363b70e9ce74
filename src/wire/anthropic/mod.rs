//! `POST /v1/messages`: Anthropic's dialect has one cacheable surface.
//!
//! Source: Anthropic API reference, "Messages" and "Streaming Messages". The headers `anthropic-version` and
//! `anthropic-beta` are part of a request's identity too; `serve` sees to them.

use serde_json::{Map, Value, json};

use super::adapter::{Adapter, Fold, Framing, Verdict, worse};
use super::members::members;
use super::mould::{Anew, Places};
use super::{Fresh, Piece};
use crate::domain::{Asked, Cause, Finish, Shape, Usage};

mod fold;
mod read;
mod stream;

/// The adapter.
pub(super) struct Messages;

impl Adapter for Messages {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read(&self, body: Value) -> Option<Asked> {
        read::read(body)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::<fold::Events>::default()
    }

    fn verdict(&self, answer: &Value) -> Result<Verdict, Cause> {
        if answer.get("type").is_some_and(|kind| kind == "error") {
            return Err(Cause::Unfinished);
        }
        let blocks = answer.get("content").and_then(Value::as_array).ok_or(Cause::Unreadable)?;
        let is = |block: &Value, kind: &str| block.get("type").is_some_and(|own| own == kind);
        let text = |block: &Value| block.get("text").and_then(Value::as_str).unwrap_or_default().len();
        let calls = blocks.iter().any(|block| is(block, "tool_use"));
        if !calls && blocks.iter().map(text).sum::<usize>() == 0 {
            return Err(Cause::Empty);
        }
        let named = match answer.get("stop_reason").and_then(Value::as_str) {
            Some("end_turn" | "stop_sequence") => Finish::Complete,
            Some("tool_use") => Finish::ToolCalls,
            Some("max_tokens" | "model_context_window_exceeded") => Finish::Truncated,
            Some("refusal") => Finish::Refused,
            _ => Finish::Unfinished,
        };
        Ok(Verdict {
            finish: worse(named, if calls { Finish::ToolCalls } else { Finish::Complete }),
            model: answer.get("model").and_then(Value::as_str).map(Into::into),
            usage: usage_of(answer),
            characters: blocks.iter().map(|block| block.to_string().len() as u64).sum(),
        })
    }

    fn count(&self, answer: &mut Map<String, Value>, usage: Usage) {
        let Usage { prompt, completion } = usage;
        answer.insert("usage".into(), json!({"input_tokens": prompt, "output_tokens": completion}));
    }

    fn anew(&self, answer: &[u8]) -> Option<Places> {
        let at = members(answer)?.into_iter().find(|(key, _)| key == "id").map(|(_, at)| at);
        let old = at.as_ref().and_then(|at| serde_json::from_slice(&answer[at.clone()]).ok());
        Some(at.zip(old.map(Anew::IdLike)).into_iter().collect())
    }

    fn stream(&self, answer: Map<String, Value>, _: Usage, _: Shape, fresh: Fresh) -> Vec<Piece> {
        stream::stream(answer, fresh)
    }
}

/// Reads `usage`: what was read from or written to Anthropic's prompt cache was read too.
fn usage_of(answer: &Value) -> Option<Usage> {
    let counts = answer.get("usage")?.as_object()?;
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"].map(|name| count(name).unwrap_or(0));
    let prompt = cached.into_iter().fold(count("input_tokens")?, u64::saturating_add);
    Some(Usage { prompt, completion: count("output_tokens")? })
}
