//! The simulated model server's words on the wire: OpenAI chat, Ollama chat, Ollama generate.

use serde_json::{Value, json};

use crate::domain::Timestamp;

/// An API call that generates text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAiChat,
    OllamaChat,
    OllamaGenerate,
}

/// What the model says, before it is put into a dialect.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) id: usize,
    pub(super) model: String,
    pub(super) now: Timestamp,
    pub(super) prompt_tokens: usize,
    pub(super) tokens: Vec<String>,
}

impl Dialect {
    /// The last thing the user said.
    pub(super) fn prompt(self, request: &Value) -> String {
        let said = match self {
            Self::OllamaGenerate => &request["prompt"],
            Self::OpenAiChat | Self::OllamaChat => {
                let last = request["messages"].as_array().and_then(|messages| messages.last());
                last.map_or(&Value::Null, |message| &message["content"])
            }
        };
        let parts = said.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
        said.as_str().map_or_else(|| parts.collect(), str::to_owned)
    }

    /// Whether to stream: OpenAI does when asked to, Ollama unless asked not to.
    pub(super) fn streams(self, request: &Value) -> bool {
        request["stream"].as_bool().unwrap_or(self != Self::OpenAiChat)
    }

    pub(super) const fn stream_type(self) -> &'static str {
        match self {
            Self::OpenAiChat => "text/event-stream",
            Self::OllamaChat | Self::OllamaGenerate => "application/x-ndjson",
        }
    }

    pub(super) fn error(self, message: &str) -> Value {
        match self {
            Self::OpenAiChat => {
                json!({ "error": { "message": message, "type": "api_error", "param": null, "code": null } })
            }
            Self::OllamaChat | Self::OllamaGenerate => json!({ "error": message }),
        }
    }

    /// The answer in one piece.
    pub(super) fn whole(self, reply: &Reply) -> Value {
        match self {
            Self::OpenAiChat => {
                let message = json!({ "role": "assistant", "content": reply.text() });
                let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
                let mut answer = reply.chunk("chat.completion", choice);
                answer["usage"] = reply.usage();
                answer
            }
            Self::OllamaChat | Self::OllamaGenerate => reply.last_line(self.content(&reply.text())),
        }
    }

    /// The answer as events or lines, one for each token and those around them.
    pub(super) fn stream(self, reply: &Reply, request: &Value) -> Vec<String> {
        match self {
            Self::OpenAiChat => reply.events(request["stream_options"]["include_usage"] == json!(true)),
            Self::OllamaChat | Self::OllamaGenerate => {
                let lines = reply.tokens.iter().map(|token| reply.line(self.content(token)));
                lines.chain([reply.last_line(self.content(""))]).map(|line| format!("{line}\n")).collect()
            }
        }
    }

    /// Ollama's two calls differ in where the text stands.
    fn content(self, text: &str) -> (&'static str, Value) {
        match self {
            Self::OllamaGenerate => ("response", json!(text)),
            Self::OpenAiChat | Self::OllamaChat => ("message", json!({ "role": "assistant", "content": text })),
        }
    }
}

impl Reply {
    fn text(&self) -> String {
        self.tokens.concat()
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens, "completion_tokens": self.tokens.len(),
            "total_tokens": self.prompt_tokens + self.tokens.len(),
        })
    }

    fn chunk(&self, object: &str, choice: Value) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.id), "object": object, "created": self.now.seconds(),
            "model": self.model, "system_fingerprint": "fp_ollama", "choices": [choice],
        })
    }

    fn events(&self, with_usage: bool) -> Vec<String> {
        let delta = |delta: Value, finish: Value| {
            self.chunk("chat.completion.chunk", json!({ "index": 0, "delta": delta, "finish_reason": finish }))
        };
        let mut chunks: Vec<Value> = self
            .tokens
            .iter()
            .map(|token| delta(json!({ "role": "assistant", "content": token }), Value::Null))
            .collect();
        chunks.push(delta(json!({}), json!("stop")));
        if with_usage {
            let mut last = delta(json!({}), Value::Null);
            last["choices"] = json!([]);
            chunks.iter_mut().for_each(|chunk| chunk["usage"] = Value::Null);
            last["usage"] = self.usage();
            chunks.push(last);
        }
        chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).chain(["data: [DONE]\n\n".to_owned()]).collect()
    }

    fn line(&self, (key, content): (&str, Value)) -> Value {
        json!({ "model": self.model, "created_at": self.now.rfc3339(), key: content, "done": false })
    }

    fn last_line(&self, content: (&str, Value)) -> Value {
        const NANOS_PER_TOKEN: usize = 16_667_000;
        let mut line = self.line(content);
        let writing = self.tokens.len() * NANOS_PER_TOKEN;
        let figures = json!({
            "done": true, "done_reason": "stop", "total_duration": writing + 300_000_000, "load_duration": 1_000_000,
            "prompt_eval_count": self.prompt_tokens, "prompt_eval_duration": 299_000_000,
            "eval_count": self.tokens.len(), "eval_duration": writing,
        });
        if let (Some(line), Value::Object(figures)) = (line.as_object_mut(), figures) {
            line.extend(figures);
        }
        line
    }
}
