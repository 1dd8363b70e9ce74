//! The laws of the room, held against generated input; `tests/it/golden.rs` holds them against written cases.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::embeddings::Batch;
use super::{Fresh, Recorder, read, replay};
use crate::domain::{Cause, Finish, Recording, Shape, Surface, Timestamp, Usage};

const FRESH: Fresh = Fresh { now: Timestamp(1_700_000_000_000), nonce: 3 };
const STREAM: Shape = Shape { stream: true, usage_chunk: true };
const WHOLE: Shape = Shape { stream: false, usage_chunk: false };

/// Member names that mean something on some surface, and a few that mean nothing.
const NAMES: [&str; 40] = [
    "model",
    "messages",
    "role",
    "content",
    "type",
    "text",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "tools",
    "n",
    "temperature",
    "options",
    "images",
    "choices",
    "message",
    "delta",
    "index",
    "finish_reason",
    "tool_calls",
    "function",
    "arguments",
    "logprobs",
    "usage",
    "id",
    "created",
    "error",
    "done",
    "done_reason",
    "response",
    "output",
    "summary",
    "item",
    "status",
    "data",
    "embedding",
    "embeddings",
    "content_block",
    "unknown",
];

fn surfaces() -> impl Strategy<Value = Surface> {
    prop::sample::select(Surface::ALL.to_vec())
}

/// JSON of the surfaces' vocabulary, put together without sense.
fn nonsense() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "user",
        "assistant",
        "stop",
        "length",
        "text",
        "message",
        "function_call",
        "reasoning",
        "tool_use",
        "message_start",
        "content_block_delta",
        "response.completed",
        "resp_1",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(NAMES.to_vec()), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

fn record(surface: Surface, streamed: bool, body: &[u8]) -> Result<Recording, Cause> {
    let mut recorder = Recorder::new(surface, streamed);
    recorder.push(body);
    recorder.finish()
}

fn played(recording: &Recording, shape: Shape) -> Vec<u8> {
    replay(recording, shape, FRESH).iter().flat_map(|piece| piece.bytes.to_vec()).collect()
}

/// The answer with what replays renew taken out.
fn settled(recording: &Recording) -> Value {
    let mut answer: Value = serde_json::from_slice(&recording.answer).unwrap();
    for renewed in ["id", "created", "created_at"] {
        if let Some(value) = answer.get_mut(renewed) {
            *value = Value::Null;
        }
    }
    answer
}

proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(surface in surfaces(), streamed: bool, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(surface, &bytes);
        let _ = record(surface, streamed, &bytes);
        let _ = Batch::read(surface, &bytes.into());
    }

    #[test]
    fn nothing_panics_on_nonsense(surface in surfaces(), events in prop::collection::vec(nonsense(), 1..5)) {
        let body = events[0].to_string();
        let _ = read(surface, body.as_bytes());
        let _ = record(surface, false, body.as_bytes());
        if let Some(batch) = Batch::read(surface, &body.clone().into()) {
            let all: Vec<usize> = (0..batch.items().len()).collect();
            let _ = batch.split(&all, body.as_bytes());
            let _ = batch.request_for(&all[1..]);
        }
        let sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let _ = record(surface, true, (sse + "data: [DONE]\n\n").as_bytes());
        let _ = record(surface, true, lines.as_bytes());
        // A recording damaged in any way is replayed somehow, or not at all.
        let damaged = Recording {
            surface, answer: body.into(), finish: Finish::Complete, reported_model: None, usage: Some(Usage::default()),
        };
        let _ = played(&damaged, STREAM);
        let _ = played(&damaged, WHOLE);
    }

    #[test]
    fn any_chat_answer_survives_both_shapes(
        content in prop::option::of("\\PC{0,60}"), reasoning in prop::option::of("\\PC{1,30}"),
        arguments in prop::collection::vec("\\PC{0,30}", 0..3), extra in nonsense(), choices in 1_u64..3,
    ) {
        let calls: Vec<_> = arguments.iter().enumerate().map(|(at, arguments)| {
            json!({"id": format!("call_{at}"), "type": "function", "function": {"name": "f", "arguments": arguments}})
        }).collect();
        let mut message = json!({"role": "assistant", "content": content});
        if let Some(reasoning) = &reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        // An answer's own unknown member; text at this place would run, as a delta's text does.
        message["unknown"] = json!({"within": extra});
        let choices: Vec<_> = (0..choices).map(|index| {
            json!({"index": index, "message": message, "finish_reason": "stop"})
        }).collect();
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
        let answer = json!({"id": "chatcmpl-x", "created": 1, "model": "m", "choices": choices, "usage": usage,
            "object": "chat.completion"});
        let said = content.as_deref().is_some_and(|content| !content.is_empty()) || !calls.is_empty();
        let first = record(Surface::OpenaiChat, false, answer.to_string().as_bytes());
        prop_assert_eq!(first.is_ok(), said);
        let Ok(first) = first else { return Ok(()) };
        for shape in [WHOLE, STREAM] {
            let again = record(Surface::OpenaiChat, shape.stream, &played(&first, shape));
            prop_assert_eq!(again.map(|again| settled(&again)), Ok(settled(&first)));
        }
    }

    #[test]
    fn any_message_survives_both_shapes(texts in prop::collection::vec("\\PC{0,40}", 1..3), thinking in "\\PC{0,30}", signature in "[a-zA-Z0-9+/=]{0,40}", input in nonsense()) {
        let mut blocks = vec![json!({"type": "thinking", "thinking": thinking, "signature": signature})];
        blocks.extend(texts.iter().map(|text| json!({"type": "text", "text": text})));
        let inputs = Map::from_iter([("a".to_owned(), input)]);
        blocks.push(json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": inputs}));
        let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": blocks,
            "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 2}});
        let first = record(Surface::AnthropicMessages, false, answer.to_string().as_bytes()).unwrap();
        match record(Surface::AnthropicMessages, true, &played(&first, STREAM)) {
            Ok(again) => prop_assert_eq!(settled(&again), settled(&first)),
            // Inputs with numbers that no two readers need read alike are not recorded from streams.
            Err(cause) => prop_assert_eq!(cause, Cause::Unreadable),
        }
    }

    #[test]
    fn any_ollama_answer_survives_both_shapes(content in "\\PC{1,60}", thinking in "\\PC{0,30}", seed: u64) {
        let mut message = json!({"role": "assistant", "content": content});
        if !thinking.is_empty() {
            message["thinking"] = json!(thinking);
        }
        let answer = json!({"model": "m", "created_at": "2023-08-04T19:22:45.499127Z", "message": message, "done": true,
            "done_reason": "stop", "total_duration": seed, "prompt_eval_count": 1, "eval_count": 2});
        let first = record(Surface::OllamaChat, false, answer.to_string().as_bytes()).unwrap();
        let again = record(Surface::OllamaChat, true, &played(&first, STREAM));
        prop_assert_eq!(again.map(|again| settled(&again)), Ok(settled(&first)));
    }
}
