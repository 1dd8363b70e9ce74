//! One request of the demo and what came back, as an app would see it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::script::{Ask, Call, MODEL};
use crate::cli::http::Client;

/// What an app learns from one answer.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) ask: Ask,
    /// `X-Cache-Status`.
    pub(super) status: String,
    /// `X-Cache-Match`.
    pub(super) matched: Option<String>,
    /// `X-Cache-Similarity`.
    pub(super) similarity: Option<String>,
    /// `X-Cache-Reason`.
    pub(super) reason: Option<String>,
    /// Until the first bytes of the body.
    pub(super) first: Duration,
    /// Until its end.
    pub(super) took: Duration,
    /// What the model said.
    pub(super) text: String,
    /// Tokens the model wrote, as the answer counts them.
    pub(super) tokens: u64,
}

/// Sends a request to the cache and reads the answer to its end.
pub(super) async fn exchange(client: &Client, base: &str, ask: Ask) -> Result<Exchange> {
    let authorization = format!("Bearer {}", ask.key);
    let mut headers = vec![("authorization", &*authorization), ("content-type", "application/json")];
    headers.extend(ask.headers);
    let asked = Instant::now();
    let url = format!("{base}{}", ask.call.path());
    let answer = client.send(Method::POST, &url, &headers, ask.body().to_string()).await?;
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    let mut first = None;
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.context("the answer broke off")?.into_data() {
            first.get_or_insert_with(|| asked.elapsed());
            bytes.extend_from_slice(&chunk);
        }
    }
    let took = asked.elapsed();
    if !head.status.is_success() {
        bail!("{} to {:?}: {}", head.status, ask.prompt, String::from_utf8_lossy(&bytes));
    }
    let (text, tokens) = ask.understand(&bytes)?;
    let header = |name| value(&head.headers, name);
    Ok(Exchange {
        ask,
        status: header("x-cache-status").unwrap_or_default(),
        matched: header("x-cache-match"),
        similarity: header("x-cache-similarity"),
        reason: header("x-cache-reason"),
        first: first.unwrap_or(took),
        took,
        text,
        tokens,
    })
}

fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

impl Call {
    const fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Ollama => "/api/chat",
        }
    }
}

impl Ask {
    fn body(&self) -> Value {
        let mut body = json!({
            "model": MODEL, "stream": self.stream,
            "messages": [{ "role": "system", "content": "Answer in two sentences." }, { "role": "user", "content": self.prompt }],
        });
        if self.stream && self.call == Call::OpenAi {
            body["stream_options"] = json!({ "include_usage": true });
        }
        body
    }

    /// The text of an answer, and the number of tokens the model wrote.
    fn understand(&self, body: &[u8]) -> Result<(String, u64)> {
        let body = std::str::from_utf8(body).context("the answer is no text")?;
        let pieces: Vec<Value> = match (self.call, self.stream) {
            (_, false) => vec![serde_json::from_str(body)?],
            (Call::Ollama, true) => body.lines().map(serde_json::from_str).collect::<Result<_, _>>()?,
            (Call::OpenAi, true) => {
                let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
                events.filter(|data| *data != "[DONE]").map(serde_json::from_str).collect::<Result<_, _>>()?
            }
        };
        let text = |piece: &Value| match (self.call, self.stream) {
            (Call::Ollama, _) => piece["message"]["content"].as_str().map(str::to_owned),
            (Call::OpenAi, false) => piece["choices"][0]["message"]["content"].as_str().map(str::to_owned),
            (Call::OpenAi, true) => piece["choices"][0]["delta"]["content"].as_str().map(str::to_owned),
        };
        let tokens = |piece: &Value| piece["usage"]["completion_tokens"].as_u64().or(piece["eval_count"].as_u64());
        Ok((pieces.iter().filter_map(text).collect(), pieces.iter().filter_map(tokens).next_back().unwrap_or_default()))
    }
}
