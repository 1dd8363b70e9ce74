//! The server under test and what stands around it.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use dejavu::app::{self, Running};
use dejavu::cli::http::Client;
use dejavu::config;
use http::{Method, Response};
use serde_json::{Value, json};

/// A running cache, its upstream, and a client.
pub(crate) struct Bed {
    /// The chat path of the cache.
    pub(crate) url: String,
    /// The chat path of the upstream.
    pub(crate) upstream: String,
    running: Running,
    client: Client,
}

impl Bed {
    pub(crate) async fn start(data: &Path) -> Self {
        let upstream =
            serve(Router::new().route("/v1/chat/completions", post(answer)).route("/v1/models", get(models))).await;
        let text = format!(
            "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nstore.path = {data:?}\n\
             semantic.recent = 0\n[[upstream]]\nname = \"bare\"\nkind = \"openai\"\nurl = \"{upstream}/v1\"\n"
        );
        let config = config::read(&text, [], &|_| None).expect("a good configuration");
        let running = app::start(config, None).await.expect("the server starts");
        Self {
            url: format!("http://{}/v1/chat/completions", running.app),
            upstream: format!("{upstream}/v1/chat/completions"),
            running,
            client: Client::default(),
        }
    }

    pub(crate) async fn ask(&self, body: &Bytes) -> Response<Bytes> {
        let headers = [("content-type", "application/json")];
        self.client.fetch(Method::POST, &self.url, &headers, body.clone()).await.expect("an answer")
    }

    /// Asks the upstream whatever the cache knows, and has its answer kept.
    pub(crate) async fn ask_anew(&self, body: &Bytes) {
        let headers = [("content-type", "application/json"), ("cache-control", "no-cache")];
        self.client.fetch(Method::POST, &self.url, &headers, body.clone()).await.expect("an answer");
    }

    /// A server that returns these bytes to every post, and nothing else.
    pub(crate) async fn bare(&self, bytes: Bytes) -> String {
        let handler = move || {
            let bytes = bytes.clone();
            async move { ([("content-type", "application/json")], bytes) }
        };
        // As the cache must, it reads the request's body first.
        let url = serve(Router::new().route("/", post(move |_: Bytes| handler()))).await;
        format!("{url}/")
    }

    /// Waits until the index holds all entries.
    pub(crate) async fn until_rebuilt(&self, entries: usize) {
        loop {
            let vectors = self.admin("stats").await["cache"]["index"]["vectors"].as_u64().unwrap_or_default();
            if vectors as usize >= entries {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How long these steps of a lookup by meaning took on average, in milliseconds, as the server tells.
    pub(crate) async fn steps<const N: usize>(&self, steps: [&str; N]) -> [f64; N] {
        let url = format!("http://{}/metrics", self.running.admin);
        let answer = self.client.fetch(Method::GET, &url, &[], Bytes::new()).await.expect("an answer");
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        let sample = |step: &str, what: &str| -> f64 {
            let name = format!("dejavu_lookup_step_duration_seconds_{what}{{step=\"{step}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).expect("a sample")
        };
        steps.map(|step| sample(step, "sum") / sample(step, "count") * 1e3)
    }

    pub(crate) async fn semantic_hits(&self) -> u64 {
        self.admin("stats").await["requests"]["hit_semantic"].as_u64().expect("a count")
    }

    async fn admin(&self, name: &str) -> Value {
        let url = format!("http://{}/admin/v1/{name}", self.running.admin);
        let answer = self.client.fetch(Method::GET, &url, &[], Bytes::new()).await.expect("an answer");
        serde_json::from_slice(answer.body()).expect("JSON")
    }

    pub(crate) async fn stop(self) {
        self.running.shutdown().await;
    }
}

/// A chat request for one user message.
pub(crate) fn chat(text: &str, stream: bool) -> Bytes {
    json!({"model": "gpt-4o-mini", "stream": stream, "messages": [{"role": "user", "content": text}]})
        .to_string()
        .into()
}

/// Question number `at`, beginning with `opening`; the same number asks the same thing.
pub(crate) fn wording(opening: &str, at: usize) -> String {
    const VERBS: [&str; 20] = [
        "repair",
        "clean",
        "sell",
        "paint",
        "store",
        "insure",
        "replace",
        "measure",
        "transport",
        "decorate",
        "rent",
        "photograph",
        "weigh",
        "protect",
        "recycle",
        "assemble",
        "inspect",
        "polish",
        "register",
        "donate",
    ];
    const THINGS: [&str; 25] = [
        "bicycle",
        "piano",
        "garden fence",
        "kitchen table",
        "winter coat",
        "fishing boat",
        "bookshelf",
        "wooden floor",
        "sewing machine",
        "tent",
        "mirror",
        "violin",
        "greenhouse",
        "motorcycle",
        "fireplace",
        "carpet",
        "telescope",
        "lawn mower",
        "surfboard",
        "aquarium",
        "chandelier",
        "wheelbarrow",
        "typewriter",
        "saddle",
        "canoe",
    ];
    format!("{opening} {} my {}?", VERBS[at % VERBS.len()], THINGS[at / VERBS.len() % THINGS.len()])
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut background = tokio::task::JoinSet::new();
    background.spawn(async move { axum::serve(listener, router).await });
    background.detach_all();
    format!("http://{address}")
}

async fn answer(body: Bytes) -> axum::Json<Value> {
    let asked: Value = serde_json::from_slice(&body).expect("JSON");
    let text = asked["messages"][0]["content"].as_str().unwrap_or_default();
    let said = format!("You asked: {text} {}", "Here is an answer of a usual length, some sentences long. ".repeat(12));
    axum::Json(json!({
        "id": "chatcmpl-0123456789abcdef0123456789abc", "object": "chat.completion", "created": 1_700_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said, "refusal": null}, "logprobs": null,
                     "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 150, "total_tokens": 162},
        "system_fingerprint": "fp_0123456789"
    }))
}

async fn models() -> axum::Json<Value> {
    axum::Json(json!({"object": "list", "data": []}))
}
