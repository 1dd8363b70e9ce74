//! A model server with scripted answers: a real HTTP server on a port of its own that counts its calls, keeps what it
//! was sent, and fails the test that leaves answers over or asks for more than there are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Answer, Gate};

/// A scripted model server.
#[derive(Debug)]
pub struct FakeUpstream {
    pub name: &'static str,
    pub kind: &'static str,
    pub location: &'static str,
    script: Arc<Script>,
}

#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    always: Mutex<Option<Answer>>,
    seen: Mutex<Vec<Seen>>,
    unscripted: Mutex<Vec<String>>,
    digests: Mutex<BTreeMap<String, String>>,
}

/// A request as it reached the upstream.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

impl FakeUpstream {
    /// Speaks OpenAI's API, in a cloud.
    pub fn openai() -> Self {
        Self { name: "openai", kind: "openai", location: "cloud", script: Arc::default() }
    }

    /// Speaks Ollama's API, on this machine, and has the models `llama3.2` and `qwen3`.
    pub fn ollama() -> Self {
        let ollama = Self { name: "ollama", kind: "ollama", location: "local", script: Arc::default() };
        ollama.script.digest("llama3.2:latest", "aaaa");
        ollama.script.digest("qwen3:latest", "bbbb");
        ollama
    }

    /// Speaks Anthropic's API, in a cloud.
    pub fn anthropic() -> Self {
        Self { name: "anthropic", kind: "anthropic", location: "cloud", script: Arc::default() }
    }

    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The next answer.
    pub fn reply(self, answer: impl Into<Answer>) -> Self {
        self.script.answers.lock().unwrap().push_back(answer.into());
        self
    }

    /// What it answers whenever the script has nothing more.
    pub fn always(self, answer: impl Into<Answer>) -> Self {
        *self.script.always.lock().unwrap() = Some(answer.into());
        self
    }

    /// Starts serving; the handle is for the test.
    pub(super) async fn start(self) -> Upstream {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&self.script));
        let server = tokio::task::JoinSet::new();
        let mut upstream = Upstream { address: Some(address), server, fake: self };
        upstream.server.spawn(async move {
            axum::serve(socket, router).await.unwrap();
        });
        upstream
    }
}

/// A running [`FakeUpstream`].
#[derive(Debug)]
pub struct Upstream {
    pub fake: FakeUpstream,
    pub(super) address: Option<std::net::SocketAddr>,
    server: tokio::task::JoinSet<()>,
}

impl Upstream {
    /// Everything it was asked, in order, without the lists that dejavu polls by itself.
    pub fn seen(&self) -> Vec<Seen> {
        self.fake.script.seen.lock().unwrap().clone()
    }

    /// Where it serves.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address.expect("it was started")
    }

    /// How often it was asked for an answer.
    pub fn calls(&self) -> usize {
        self.seen().len()
    }

    /// Adds an answer to the script.
    pub fn then(&self, answer: impl Into<Answer>) {
        self.fake.script.answers.lock().unwrap().push_back(answer.into());
    }

    /// What it answers from now on.
    pub fn says(&self, answer: impl Into<Answer>) {
        *self.fake.script.always.lock().unwrap() = Some(answer.into());
    }

    /// A model is pulled anew: its digest changes.
    pub fn pull(&self, model: &str, digest: &str) {
        self.fake.script.digest(model, digest);
    }

    /// Stops serving: connections are refused from now on.
    pub async fn stop(&mut self) {
        self.server.shutdown().await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let unscripted = self.fake.script.unscripted.lock().unwrap();
        assert!(unscripted.is_empty(), "{} was asked more than the test expects: {unscripted:?}", self.fake.name);
        let left = self.fake.script.answers.lock().unwrap();
        assert!(left.is_empty(), "{} was never asked for these answers: {left:?}", self.fake.name);
    }
}

impl Script {
    fn digest(&self, model: &str, digest: &str) {
        self.digests.lock().unwrap().insert(model.to_owned(), digest.to_owned());
    }

    fn next(&self) -> Option<Answer> {
        self.answers.lock().unwrap().pop_front().or_else(|| self.always.lock().unwrap().clone())
    }

    fn tags(&self) -> Value {
        let digests = self.digests.lock().unwrap();
        let models: Vec<_> = digests
            .iter()
            .map(|(name, digest)| json!({ "name": name, "model": name, "digest": digest, "size": 1 }))
            .collect();
        json!({ "models": models })
    }
}

async fn serve(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if path == "/api/tags" {
        return json_response(&script.tags());
    }
    if path == "/api/version" {
        return json_response(&json!({ "version": "0.12.0" }));
    }
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let full = head.uri.path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let seen = Seen { method: head.method, path: full, headers: head.headers, body: body.clone() };
    script.seen.lock().unwrap().push(seen);
    let Some(answer) = script.next() else {
        script.unscripted.lock().unwrap().push(path);
        return Response::builder().status(599).body(Body::empty()).unwrap();
    };
    if let Some(gate) = &answer.gate {
        gate.pass().await;
    }
    let asked = serde_json::from_slice(&body).unwrap_or(Value::Null);
    respond(&answer, &path, &asked)
}

fn respond(answer: &Answer, path: &str, asked: &Value) -> Response {
    let (content_type, pieces) = answer.render(path, asked);
    let whole: usize = pieces.iter().map(Bytes::len).sum();
    let mut response = Response::builder().status(answer.status).header("content-type", content_type);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    if content_type.starts_with("application/json") {
        response = response.header("content-length", whole);
    }
    response.body(Body::from_stream(stream::unfold(Sending::new(answer, pieces), Sending::next))).unwrap()
}

struct Sending {
    pieces: VecDeque<Bytes>,
    sent: usize,
    cut_after: Option<usize>,
    pause: Option<(usize, Gate)>,
}

impl Sending {
    fn new(answer: &Answer, pieces: Vec<Bytes>) -> Self {
        Self { pieces: pieces.into(), sent: 0, cut_after: answer.cut_after, pause: answer.pause.clone() }
    }

    async fn next(mut self) -> Option<(Result<Bytes, &'static str>, Self)> {
        // What was sent before must have left before what comes next, a cut above all.
        tokio::task::yield_now().await;
        if let Some((after, gate)) = &self.pause
            && *after == self.sent
        {
            gate.pass().await;
        }
        if self.cut_after == Some(self.sent) {
            return Some((Err("cut"), self));
        }
        let piece = self.pieces.pop_front()?;
        self.sent += 1;
        Some((Ok(piece), self))
    }
}

fn json_response(value: &Value) -> Response {
    Response::builder().header("content-type", "application/json").body(Body::from(value.to_string())).unwrap()
}
