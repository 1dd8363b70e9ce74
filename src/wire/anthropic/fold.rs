//! Folding a Messages stream into the message that the same request would get unstreamed.

use serde_json::{Map, Value};

use crate::domain::Cause;
use crate::wire::adapter::{Fold, Step};
use crate::wire::merge::grow;
use crate::wire::strict;

/// Events so far.
#[derive(Default)]
pub(super) struct Events {
    message: Option<Map<String, Value>>,
    blocks: Vec<Block>,
}

#[derive(Default)]
struct Block {
    content: Map<String, Value>,
    /// A tool's input, which comes as pieces of JSON text.
    input: String,
    stopped: bool,
}

impl Fold for Events {
    fn take(&mut self, _: Option<&str>, data: &[u8]) -> Result<Step, Cause> {
        let event: Value = serde_json::from_slice(data).map_err(|_| Cause::Unreadable)?;
        let Value::Object(mut event) = event else { return Err(Cause::Unreadable) };
        let kind = event.shift_remove("type");
        match kind.as_ref().and_then(Value::as_str) {
            Some("message_start") => self.message = Some(object(&mut event, "message")?),
            Some("content_block_start") => {
                if index(&event)? != self.blocks.len() {
                    return Err(Cause::Unreadable);
                }
                self.blocks.push(Block { content: object(&mut event, "content_block")?, ..Block::default() });
            }
            Some("content_block_delta") => {
                let delta = object(&mut event, "delta")?;
                self.block(&event)?.take(delta)?;
            }
            Some("content_block_stop") => self.block(&event)?.stopped = true,
            Some("message_delta") => self.take_message_delta(event)?,
            Some("message_stop") => return Ok(Step::Done),
            Some("ping") => {}
            Some("error") => return Err(Cause::Unfinished),
            // An event of a kind to come may say something that a replay would lose.
            _ => return Err(Cause::Unreadable),
        }
        Ok(Step::More)
    }

    fn finish(self: Box<Self>) -> Result<Map<String, Value>, Cause> {
        let mut message = self.message.ok_or(Cause::Unreadable)?;
        let blocks: Result<Vec<_>, _> = self.blocks.into_iter().map(Block::finish).collect();
        message.insert("content".into(), Value::Array(blocks?));
        Ok(message)
    }
}

impl Events {
    fn block(&mut self, event: &Map<String, Value>) -> Result<&mut Block, Cause> {
        self.blocks.get_mut(index(event)?).ok_or(Cause::Unreadable)
    }

    /// Why it ended, and the counts so far: they are cumulative, the latest are right.
    fn take_message_delta(&mut self, mut event: Map<String, Value>) -> Result<(), Cause> {
        let message = self.message.as_mut().ok_or(Cause::Unreadable)?;
        grow(message, object(&mut event, "delta")?, false);
        grow(message, event, false);
        Ok(())
    }
}

impl Block {
    fn take(&mut self, mut delta: Map<String, Value>) -> Result<(), Cause> {
        let kind = delta.shift_remove("type");
        match kind.as_ref().and_then(Value::as_str) {
            Some("text_delta") => self.append("text", &delta),
            Some("thinking_delta") => self.append("thinking", &delta),
            Some("signature_delta") => self.append("signature", &delta),
            Some("input_json_delta") => {
                self.input.push_str(text(&delta, "partial_json")?);
                Ok(())
            }
            Some("citations_delta") => {
                let citation = delta.shift_remove("citation").ok_or(Cause::Unreadable)?;
                match self.content.entry("citations").or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(citations) => citations.push(citation),
                    none => *none = Value::Array(vec![citation]),
                }
                Ok(())
            }
            _ => Err(Cause::Unreadable),
        }
    }

    fn append(&mut self, member: &str, delta: &Map<String, Value>) -> Result<(), Cause> {
        let more = text(delta, member)?;
        match self.content.get_mut(member) {
            Some(Value::String(text)) => text.push_str(more),
            _ => {
                self.content.insert(member.to_owned(), more.into());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Value, Cause> {
        if !self.stopped {
            return Err(Cause::Cut);
        }
        if !self.input.is_empty() {
            let input = strict::parse(self.input.as_bytes()).ok_or(Cause::Unreadable)?;
            self.content.insert("input".into(), input);
        }
        Ok(self.content.into())
    }
}

fn index(event: &Map<String, Value>) -> Result<usize, Cause> {
    let index = event.get("index").and_then(Value::as_u64).ok_or(Cause::Unreadable)?;
    usize::try_from(index).map_err(|_| Cause::Unreadable)
}

fn object(event: &mut Map<String, Value>, member: &str) -> Result<Map<String, Value>, Cause> {
    match event.shift_remove(member) {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(Cause::Unreadable),
    }
}

fn text<'a>(delta: &'a Map<String, Value>, member: &str) -> Result<&'a str, Cause> {
    delta.get(member).and_then(Value::as_str).ok_or(Cause::Unreadable)
}
