//! `POST /v1/chat/completions`.
//!
//! Source: OpenAI API reference, "Chat Completions"; the fields that compatible servers add (`reasoning`,
//! `reasoning_content`, Azure's filter results, vLLM's `stop_reason`) are kept wherever they stand.

use serde_json::{Map, Value};

use super::{anew, refuse_errors, usage_json, usage_of};
use crate::domain::{Asked, Cause, Finish, Shape, Usage};
use crate::wire::adapter::{Adapter, Fold, Framing, Verdict, worse};
use crate::wire::mould::Places;
use crate::wire::{Fresh, Piece};

mod fold;
mod read;
mod stream;

/// The adapter.
pub(in crate::wire) struct Chat;

impl Adapter for Chat {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn read(&self, body: Value) -> Option<Asked> {
        read::read(body)
    }

    fn fold(&self) -> Box<dyn Fold> {
        Box::<fold::Chunks>::default()
    }

    fn verdict(&self, answer: &Value) -> Result<Verdict, Cause> {
        refuse_errors(answer)?;
        let choices = answer.get("choices").and_then(Value::as_array).ok_or(Cause::Unreadable)?;
        let (mut finish, mut characters) = (Finish::Complete, 0);
        for choice in choices {
            let message = choice.get("message").and_then(Value::as_object).ok_or(Cause::Unreadable)?;
            let said = Said::of(message);
            finish = worse(finish, ending(choice.get("finish_reason"), &said));
            characters += said.characters;
            if said.nothing {
                return Err(Cause::Empty);
            }
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
        stream::stream(&answer, usage, shape, fresh)
    }
}

/// What one choice's message holds.
struct Said {
    refused: bool,
    calls: bool,
    nothing: bool,
    characters: u64,
}

impl Said {
    fn of(message: &Map<String, Value>) -> Self {
        let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
        let refused = !text("refusal").is_empty();
        let tool_calls = message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let function_call = message.get("function_call").filter(|call| call.is_object());
        let calls = !tool_calls.is_empty() || function_call.is_some();
        let written: usize = tool_calls.iter().chain(function_call).map(|call| call.to_string().len()).sum();
        let spoken = message.get("audio").is_some_and(Value::is_object);
        let characters = ["content", "reasoning", "reasoning_content", "refusal"].map(|key| text(key).chars().count());
        Self {
            refused,
            calls,
            nothing: text("content").is_empty() && !refused && !calls && !spoken,
            characters: (characters.iter().sum::<usize>() + written) as u64,
        }
    }
}

/// How one choice ended. Tool calls and refusals count even where the server calls that `stop`.
fn ending(reason: Option<&Value>, said: &Said) -> Finish {
    let named = match reason.and_then(Value::as_str) {
        Some("stop") => Finish::Complete,
        Some("length") => Finish::Truncated,
        Some("content_filter") => Finish::Filtered,
        Some("tool_calls" | "function_call") => Finish::ToolCalls,
        _ => Finish::Unfinished,
    };
    let refused = if said.refused { Finish::Refused } else { Finish::Complete };
    let calls = if said.calls { Finish::ToolCalls } else { Finish::Complete };
    worse(named, worse(refused, calls))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::domain::{Asked, Cause, Finish, Recording, Shape, Surface, Timestamp};
    use crate::wire::{Fresh, Recorder, read, replay};

    fn asked(body: &Value) -> Asked {
        read(Surface::OpenaiChat, body.to_string().as_bytes()).unwrap()
    }

    fn record(stream: &str) -> Result<Recording, Cause> {
        let mut recorder = Recorder::new(Surface::OpenaiChat, true).asked(40);
        recorder.push(stream.as_bytes());
        recorder.finish()
    }

    fn played(recording: &Recording, stream: bool, usage_chunk: bool) -> String {
        let fresh = Fresh { now: Timestamp(1_700_000_000_000), nonce: 7 };
        let pieces = replay(recording, Shape { stream, usage_chunk }, fresh);
        pieces.iter().map(|piece| String::from_utf8(piece.bytes.to_vec()).unwrap()).collect()
    }

    const STREAM: &str = concat!(
        "data: {\"id\":\"chatcmpl-abc\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\",\"system_fingerprint\":\"fp\",",
        "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}],\"obfuscation\":\"x\"}\n\n",
        "data: {\"id\":\"chatcmpl-abc\",\"created\":1,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Paris\"}}]}\n\n",
        "data: {\"id\":\"chatcmpl-abc\",\"created\":1,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" it is.\"}}]}\n\n",
        "data: {\"id\":\"chatcmpl-abc\",\"created\":1,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn a_stream_becomes_the_whole_answer_it_stands_for() {
        let recording = record(STREAM).unwrap();
        let expected = json!({
            "id": "chatcmpl-abc", "object": "chat.completion", "created": 1, "model": "m-1",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": "Paris it is.", "refusal": null}, "finish_reason": "stop",
            }],
            "system_fingerprint": "fp",
            "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
        });
        assert_eq!(serde_json::from_slice::<Value>(&recording.answer).unwrap(), expected);
        assert_eq!(recording.finish, Finish::Complete);
        assert_eq!(recording.reported_model.as_deref(), Some("m-1"));
    }

    #[test]
    fn a_stream_is_replayed_as_openai_streams() {
        let text = played(&record(STREAM).unwrap(), true, true);
        let id = text.split('"').nth(3).unwrap();
        assert!(id.starts_with("chatcmpl-") && id != "chatcmpl-abc");
        let head = format!(
            "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m-1\",\"system_fingerprint\":\"fp\",\"choices\":["
        );
        let chunk = |delta: &str, finish: &str| {
            format!("{head}{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}],\"usage\":null}}\n\n")
        };
        let expected = [
            chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null"),
            chunk(r#"{"content":"Paris"}"#, "null"),
            chunk(r#"{"content":" it"}"#, "null"),
            chunk(r#"{"content":" is."}"#, "null"),
            chunk("{}", "\"stop\""),
            format!("{head}],\"usage\":{{\"prompt_tokens\":10,\"completion_tokens\":3,\"total_tokens\":13}}}}\n\n"),
            "data: [DONE]\n\n".to_owned(),
        ];
        assert_eq!(text, expected.concat());
        assert!(!played(&record(STREAM).unwrap(), true, false).contains("usage"));
    }

    #[test]
    fn a_whole_answer_is_replayed_byte_for_byte_but_for_its_identity() {
        let body = r#"{ "id" : "chatcmpl-9", "created":5, "model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a\u0041"},"finish_reason":"stop","x":1.50}] }"#;
        let mut recorder = Recorder::new(Surface::OpenaiChat, false);
        body.as_bytes().chunks(3).for_each(|chunk| recorder.push(chunk));
        let text = played(&recorder.finish().unwrap(), false, false);
        let id = text.split('"').nth(3).unwrap().to_owned();
        assert_eq!(text, body.replace("chatcmpl-9", &id).replace("\"created\":5", "\"created\":1700000000"));
    }

    #[test]
    fn what_is_no_answer_is_not_recorded() {
        for cut in 0..STREAM.len() {
            assert_eq!(record(&STREAM[..cut]), Err(Cause::Cut), "cut at {cut}");
        }
        let error = STREAM.replace("data: [DONE]", "data: {\"error\":{\"message\":\"overloaded\"}}\n\ndata: [DONE]");
        assert_eq!(record(&error), Err(Cause::Unfinished));
        assert_eq!(record(&STREAM.replace("Paris", "").replace(" it is.", "")), Err(Cause::Empty));
        assert_eq!(record(&STREAM.replace("\"stop\"", "\"length\"")).unwrap().finish, Finish::Truncated);
        assert_eq!(record(&STREAM.replace("\"stop\"", "null")).unwrap().finish, Finish::Unfinished);
    }

    #[test]
    fn only_the_last_plain_user_text_is_a_prompt() {
        let prompt =
            |messages: Value| asked(&json!({"model": "m", "messages": messages})).prompt.map(|p| p.0.to_string());
        let user = |content: Value| json!({"role": "user", "content": content});
        assert_eq!(prompt(json!([user("hi".into())])).as_deref(), Some("hi"));
        let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        assert_eq!(prompt(json!([user(parts)])).as_deref(), Some("a\nb"));
        assert_eq!(prompt(json!([user("hi".into()), {"role": "assistant", "content": "x"}])), None);
        assert_eq!(prompt(json!([user(json!([{"type": "image_url", "image_url": {"url": "u"}}]))])), None);
        assert_eq!(prompt(json!([user(" ".into())])), None);
    }
}
