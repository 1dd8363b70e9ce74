//! A model server for the demo: a real HTTP server on this machine that speaks the Ollama and OpenAI dialects, takes
//! its time as a real one does, and knows a few answers by heart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header::CONTENT_TYPE};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::answers;
use super::dialect::{Dialect, Reply};
use crate::domain::{Clock, SystemClock};

/// How fast the simulated model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Until the first token.
    pub first_token: Duration,
    /// Between tokens.
    pub per_token: Duration,
}

impl Pace {
    /// A small model on a good laptop: 300 ms to the first token, then 60 tokens a second.
    pub const REALISTIC: Self =
        Self { first_token: Duration::from_millis(300), per_token: Duration::from_micros(16_667) };
    /// No waiting at all.
    pub const INSTANT: Self = Self { first_token: Duration::ZERO, per_token: Duration::ZERO };
}

/// A running simulated model server. Dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    model: Arc<Model>,
    _running: JoinSet<()>,
}

/// What the server serves and counts.
#[derive(Debug)]
struct Model {
    pace: Pace,
    /// Each model's build, counted from 1.
    builds: Mutex<BTreeMap<String, u32>>,
    generations: AtomicUsize,
    tags_read: AtomicUsize,
}

impl Simulator {
    /// Starts one that serves `models` on a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(models: &[&str], pace: Pace) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let model = Arc::new(Model {
            pace,
            builds: Mutex::new(models.iter().map(|name| ((*name).to_owned(), 1)).collect()),
            generations: AtomicUsize::new(0),
            tags_read: AtomicUsize::new(0),
        });
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "tokens may arrive in clumps");
            }
        });
        let app = router(Arc::clone(&model));
        let mut running = JoinSet::new();
        running.spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the simulated model server ended");
            }
        });
        Ok(Self { address, model, _running: running })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces a model by a new build under the same name, as `ollama pull` does.
    pub fn pull(&self, name: &str) {
        if let Some(build) = self.model.builds.lock().get_mut(name) {
            *build += 1;
        }
    }

    /// How many answers it has generated or begun.
    #[must_use]
    pub fn generations(&self) -> usize {
        self.model.generations.load(Ordering::SeqCst)
    }

    /// How often its list of models was read.
    #[must_use]
    pub fn tags_read(&self) -> usize {
        self.model.tags_read.load(Ordering::SeqCst)
    }
}

fn router(model: Arc<Model>) -> Router {
    Router::new()
        .route("/", get(async || "Ollama is running"))
        .route("/api/version", get(async || as_json(StatusCode::OK, &json!({ "version": "0.0.0-simulated" }))))
        .route("/api/tags", get(tags))
        .route("/api/ps", get(async || as_json(StatusCode::OK, &json!({ "models": [] }))))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(async |state, body| generate(Dialect::OpenAiChat, state, body).await))
        .route("/api/chat", post(async |state, body| generate(Dialect::OllamaChat, state, body).await))
        .route("/api/generate", post(async |state, body| generate(Dialect::OllamaGenerate, state, body).await))
        .with_state(model)
}

async fn tags(State(model): State<Arc<Model>>) -> Response {
    model.tags_read.fetch_add(1, Ordering::SeqCst);
    let modified = SystemClock.now().rfc3339();
    let tag = |(name, build): (&String, &u32)| {
        json!({
            "name": format!("{name}:latest"), "model": format!("{name}:latest"), "modified_at": modified,
            "size": 2_019_393_189_u64, "digest": digest(name, *build),
            "details": { "format": "gguf", "family": "simulated", "parameter_size": "3.2B", "quantization_level": "Q4_K_M" },
        })
    };
    let models: Vec<Value> = model.builds.lock().iter().map(tag).collect();
    as_json(StatusCode::OK, &json!({ "models": models }))
}

async fn models(State(model): State<Arc<Model>>) -> Response {
    let created = SystemClock.now().seconds();
    let entry = |name: &String| json!({ "id": name, "object": "model", "created": created, "owned_by": "library" });
    let data: Vec<Value> = model.builds.lock().keys().map(entry).collect();
    as_json(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

async fn generate(dialect: Dialect, State(model): State<Arc<Model>>, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return as_json(StatusCode::BAD_REQUEST, &dialect.error("the body is no JSON"));
    };
    let name = request["model"].as_str().unwrap_or_default();
    let known = model.builds.lock().get(name.strip_suffix(":latest").unwrap_or(name)).copied();
    let Some(build) = known else {
        return as_json(StatusCode::NOT_FOUND, &dialect.error(&format!("model '{name}' not found")));
    };
    let number = model.generations.fetch_add(1, Ordering::SeqCst);
    let prompt = dialect.prompt(&request);
    let reply = Reply {
        id: number,
        model: name.to_owned(),
        now: SystemClock.now(),
        prompt_tokens: tokens(&prompt).len(),
        tokens: tokens(&answers::answer(&prompt, build)),
    };
    let pace = model.pace;
    if dialect.streams(&request) {
        let pieces = dialect.stream(&reply, &request);
        return stream_of(dialect.stream_type(), pieces, pace);
    }
    let writing = pace.per_token.saturating_mul(u32::try_from(reply.tokens.len()).unwrap_or(u32::MAX));
    wait(pace.first_token + writing).await;
    as_json(StatusCode::OK, &dialect.whole(&reply))
}

/// Words with the space behind them: near enough to what a tokenizer makes of plain text.
fn tokens(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Sends one piece after another, each when the model would have written it.
fn stream_of(content_type: &'static str, pieces: Vec<String>, pace: Pace) -> Response {
    let paced = stream::unfold((pieces.into_iter(), pace.first_token), move |(mut left, delay)| async move {
        let piece = left.next()?;
        wait(delay).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(piece)), (left, pace.per_token)))
    });
    respond(StatusCode::OK, content_type, Body::from_stream(paced))
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

fn as_json(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", Body::from(body.to_string()))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// As long and as opaque as Ollama's.
fn digest(name: &str, build: u32) -> String {
    blake3::hash(format!("{name} build {build}").as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::cli::http::Client;

    const MODEL: &str = "llama3.2";

    async fn call(simulator: &Simulator, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let url = simulator.url() + path;
        let answer = Client::default().fetch(method, &url, &[], body.to_owned()).await.unwrap();
        (answer.status(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn openai_s_dialect_whole_and_streamed_says_the_same() {
        let simulator = Simulator::start(&[MODEL], Pace::INSTANT).await.unwrap();
        let ask = |more: &str| format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"Hi"}}]{more}}}"#);
        let (status, whole) = call(&simulator, Method::POST, "/v1/chat/completions", &ask("")).await;
        assert_eq!(status, StatusCode::OK);
        let said = json(&whole)["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        let streamed = ask(r#","stream":true,"stream_options":{"include_usage":true}"#);
        let (_, events) = call(&simulator, Method::POST, "/v1/chat/completions", &streamed).await;
        assert!(events.ends_with("data: [DONE]\n\n"));
        let chunks: Vec<Value> = events
            .lines()
            .filter_map(|line| line.strip_prefix("data: {"))
            .map(|rest| json(&format!("{{{rest}")))
            .collect();
        let told: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(told, said);
        let usage = &chunks.last().unwrap()["usage"];
        assert_eq!(usage, &json(&whole)["usage"]);
        assert_eq!(simulator.generations(), 2);
    }

    #[tokio::test]
    async fn ollama_s_dialect_streams_lines_by_default() {
        let simulator = Simulator::start(&[MODEL], Pace::INSTANT).await.unwrap();
        for (path, ask) in [
            ("/api/chat", format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"Hi"}}]"#)),
            ("/api/generate", format!(r#"{{"model":"{MODEL}:latest","prompt":"Hi""#)),
        ] {
            let (_, lines) = call(&simulator, Method::POST, path, &format!("{ask}}}")).await;
            let lines: Vec<Value> = lines.lines().map(json).collect();
            let (last, rest) = lines.split_last().unwrap();
            assert!(rest.iter().all(|line| line["done"] == false));
            assert_eq!((&last["done"], &last["done_reason"]), (&json("true"), &json("\"stop\"")));
            let text =
                |line: &Value| line["message"]["content"].as_str().or(line["response"].as_str()).unwrap().to_owned();
            let (_, whole) = call(&simulator, Method::POST, path, &format!("{ask},\"stream\":false}}")).await;
            assert_eq!(rest.iter().map(text).collect::<String>(), text(&json(&whole)));
        }
    }

    #[tokio::test]
    async fn a_pull_changes_the_digest_and_what_the_model_knows() {
        let simulator = Simulator::start(&[MODEL], Pace::INSTANT).await.unwrap();
        let ask = json!({ "model": MODEL, "stream": false, "prompt": answers::CHANGES_WITH_THE_MODEL }).to_string();
        let digest = async || {
            let (_, tags) = call(&simulator, Method::GET, "/api/tags", "").await;
            json(&tags)["models"][0]["digest"].as_str().unwrap().to_owned()
        };
        let said = async || {
            let (_, answer) = call(&simulator, Method::POST, "/api/generate", &ask).await;
            json(&answer)["response"].clone()
        };
        let before = (digest().await, said().await);
        simulator.pull(MODEL);
        let after = (digest().await, said().await);
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_eq!(before.0.len(), 64);
        assert_eq!(simulator.tags_read(), 2);
    }

    #[tokio::test]
    async fn a_model_it_does_not_have_is_refused_in_the_caller_s_dialect() {
        let simulator = Simulator::start(&[MODEL], Pace::INSTANT).await.unwrap();
        let (status, error) = call(&simulator, Method::POST, "/v1/chat/completions", r#"{"model":"x"}"#).await;
        assert_eq!(
            (status, json(&error)["error"]["message"].as_str()),
            (StatusCode::NOT_FOUND, Some("model 'x' not found"))
        );
        let (_, error) = call(&simulator, Method::POST, "/api/chat", r#"{"model":"x"}"#).await;
        assert_eq!(json(&error)["error"].as_str(), Some("model 'x' not found"));
    }
}
