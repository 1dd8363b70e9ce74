//! Questions of dejavu's own, and what it reads out of answers beside what an adapter keeps.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::domain::{Recording, Surface};

/// A question to a model in a surface's words, to be answered as steadily as the model can: one user message, at
/// temperature 0, in at most `tokens` tokens, not streamed. `None` for surfaces that are not chats.
#[must_use]
pub fn question(surface: Surface, model: &str, prompt: &str, tokens: u32) -> Option<Bytes> {
    let messages = json!([{ "role": "user", "content": prompt }]);
    let body = match surface {
        Surface::OpenaiChat => json!({
            "model": model, "messages": messages, "temperature": 0, "seed": 0, "max_tokens": tokens, "stream": false,
        }),
        Surface::AnthropicMessages => {
            json!({ "model": model, "messages": messages, "temperature": 0, "max_tokens": tokens, "stream": false })
        }
        Surface::OllamaChat => json!({
            "model": model, "messages": messages, "stream": false,
            "options": { "temperature": 0, "seed": 0, "num_predict": tokens },
        }),
        _ => return None,
    };
    Some(body.to_string().into())
}

/// What an answer that was not streamed says, and the model it reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Its text.
    pub text: String,
    /// The model's name, as the answer has it.
    pub model: Option<String>,
}

/// Reads the answer to a [`question`]; `None` where it has no text.
#[must_use]
pub fn spoken(surface: Surface, body: &[u8]) -> Option<Spoken> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = match surface {
        Surface::OpenaiChat => body["choices"][0]["message"]["content"].as_str()?.to_owned(),
        Surface::AnthropicMessages => {
            let blocks = body["content"].as_array()?;
            blocks.iter().filter_map(|block| block["text"].as_str()).collect()
        }
        Surface::OllamaChat => body["message"]["content"].as_str()?.to_owned(),
        Surface::OpenaiCompletions => body["choices"][0]["text"].as_str()?.to_owned(),
        Surface::OllamaGenerate => body["response"].as_str()?.to_owned(),
        Surface::OpenaiResponses => {
            let parts = body["output"].as_array()?.iter().filter_map(|item| item["content"].as_array()).flatten();
            parts.filter_map(|part| part["text"].as_str()).collect()
        }
        Surface::OpenaiEmbeddings | Surface::OllamaEmbed | Surface::OllamaEmbeddings => return None,
    };
    Some(Spoken { text, model: body["model"].as_str().map(str::to_owned) })
}

/// OpenAI's `system_fingerprint` of the configuration that gave an answer, where there is one.
#[must_use]
pub fn fingerprint(recording: &Recording) -> Option<String> {
    if !matches!(recording.surface, Surface::OpenaiChat | Surface::OpenaiCompletions) {
        return None;
    }
    let answer: Value = serde_json::from_slice(&recording.answer).ok()?;
    answer["system_fingerprint"].as_str().filter(|print| !print.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Finish;

    #[test]
    fn a_question_is_one_the_surface_understands_and_may_be_answered_from_the_cache() {
        for surface in [Surface::OpenaiChat, Surface::AnthropicMessages, Surface::OllamaChat] {
            let asked = super::super::read(surface, &question(surface, "m", "Why?", 9).unwrap()).unwrap();
            assert_eq!(asked.prompt.as_ref().map(|prompt| &*prompt.0), Some("Why?"), "{surface:?}");
            assert_eq!((asked.traits.temperature, asked.shape.stream), (Some(0.0), false));
        }
        assert_eq!(question(Surface::OllamaEmbed, "m", "Why?", 9), None);
    }

    #[test]
    fn what_was_spoken_is_read_in_each_dialect() {
        for (surface, body) in [
            (Surface::OpenaiChat, r#"{"model":"m-1","choices":[{"message":{"content":"So."}}]}"#),
            (Surface::AnthropicMessages, r#"{"model":"m-1","content":[{"type":"text","text":"So."}]}"#),
            (Surface::OllamaChat, r#"{"model":"m-1","message":{"content":"So."},"done":true}"#),
            (Surface::OpenaiCompletions, r#"{"model":"m-1","choices":[{"text":"So."}]}"#),
            (Surface::OllamaGenerate, r#"{"model":"m-1","response":"So."}"#),
            (
                Surface::OpenaiResponses,
                r#"{"model":"m-1","output":[{"content":[{"type":"output_text","text":"So."}]}]}"#,
            ),
        ] {
            let spoken = spoken(surface, body.as_bytes()).unwrap();
            assert_eq!((&*spoken.text, spoken.model.as_deref()), ("So.", Some("m-1")));
        }
        assert_eq!(spoken(Surface::OpenaiChat, br#"{"error":"busy"}"#), None);
    }

    #[test]
    fn a_fingerprint_is_read_where_there_is_one() {
        let print = |answer: &'static str| {
            fingerprint(&Recording {
                surface: Surface::OpenaiChat,
                answer: Bytes::from_static(answer.as_bytes()),
                finish: Finish::Complete,
                reported_model: None,
                usage: None,
            })
        };
        assert_eq!(print(r#"{"system_fingerprint":"fp_1"}"#).as_deref(), Some("fp_1"));
        assert_eq!(print(r#"{"system_fingerprint":null}"#), None);
        assert_eq!(print("{}"), None);
    }
}
