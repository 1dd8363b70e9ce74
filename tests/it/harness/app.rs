//! A whole dejavu, started as the program starts it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dejavu::app::{self, Running};
use dejavu::config;
use dejavu::domain::{ManualClock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Ask, Client, Reply};
use super::upstream::{FakeUpstream, Upstream};

/// A running dejavu and everything around it.
pub struct TestApp {
    running: Option<Running>,
    pub upstreams: Vec<Upstream>,
    pub clock: Arc<ManualClock>,
    /// Gone when the test is.
    _folder: TempDir,
    file: PathBuf,
    client: Client,
    /// The `Authorization` that admin calls carry, if any.
    token: Option<&'static str>,
}

/// A dejavu to be.
#[derive(Default)]
pub struct Builder {
    upstreams: Vec<FakeUpstream>,
    config: String,
    semantic: bool,
    token: Option<&'static str>,
}

impl Builder {
    pub fn upstream(mut self, upstream: FakeUpstream) -> Self {
        self.upstreams.push(upstream);
        self
    }

    /// More configuration, as TOML with whole section headers.
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// With the real embedding model; without this, only equal requests match.
    pub fn semantic(self) -> Self {
        Self { semantic: true, ..self }
    }

    /// With an admin token.
    pub fn token(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }

    pub async fn start(self) -> TestApp {
        let folder = tempfile::tempdir().unwrap();
        let mut upstreams = Vec::new();
        for upstream in self.upstreams {
            upstreams.push(upstream.start().await);
        }
        let file = folder.path().join("dejavu.toml");
        let mode = if self.semantic { "semantic" } else { "exact" };
        let text = configuration(folder.path(), &upstreams, mode, self.token, &self.config);
        std::fs::write(&file, text).unwrap();
        // 2026-01-01, noon.
        let clock = Arc::new(ManualClock::at(Timestamp(1_767_268_800_000)));
        let running = Some(start(&file, &clock).await);
        let client = Client::new();
        let app = TestApp { running, upstreams, clock, _folder: folder, file, client, token: self.token };
        if self.semantic {
            app.until_embedding().await;
        }
        app
    }
}

/// The test's own sections win over the harness's, since a table may be written only once.
fn configuration(folder: &Path, upstreams: &[Upstream], mode: &str, token: Option<&str>, own: &str) -> String {
    let mut text = String::new();
    let mut section = |name: &str, body: String| {
        let header = format!("[{name}]\n");
        match own.split_once(&header) {
            Some(_) => {}
            None => text.push_str(&format!("{header}{body}\n")),
        }
    };
    section("server", "listen = \"127.0.0.1:0\"\n".to_owned());
    let token = token.map_or_else(String::new, |token| format!("token = \"{token}\"\n"));
    section("admin", format!("listen = \"127.0.0.1:0\"\n{token}"));
    section("store", format!("path = {:?}\n", folder.join("data")));
    section("cache", format!("mode = \"{mode}\"\njitter = 0.0\n"));
    // What the harness must set stands in the test's own sections too.
    let own = own
        .replace("[server]\n", "[server]\nlisten = \"127.0.0.1:0\"\n")
        .replace("[cache]\n", &format!("[cache]\nmode = \"{mode}\"\njitter = 0.0\n"));
    text.push_str(&own);
    for upstream in upstreams {
        let address = upstream.address.expect("it was started");
        let base = if upstream.fake.kind == "ollama" { "" } else { "/v1" };
        let (name, kind, location) = (upstream.fake.name, upstream.fake.kind, upstream.fake.location);
        let _ = writeln!(
            text,
            "[[upstream]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"http://{address}{base}\"\nlocation = \"{location}\""
        );
    }
    if !own.contains("[[route]]") {
        let names: Vec<_> = upstreams.iter().map(|upstream| upstream.fake.name).collect();
        let _ = writeln!(text, "[[route]]\nmodel = \"*\"\nto = {names:?}");
    }
    text
}

async fn start(file: &Path, clock: &Arc<ManualClock>) -> Running {
    let text = std::fs::read_to_string(file).unwrap();
    let config = config::read(&text, [], &|_| None).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    app::start_at(config, Some(file.to_owned()), clock.clone()).await.unwrap()
}

impl TestApp {
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// In front of one upstream.
    pub async fn with(upstream: FakeUpstream) -> Self {
        Self::builder().upstream(upstream).start().await
    }

    /// The first upstream.
    pub fn upstream(&self) -> &Upstream {
        &self.upstreams[0]
    }

    /// A request to the app listener.
    pub fn post(&self, path: &str, body: Value) -> Ask {
        self.client.post(&self.url(path), body)
    }

    /// The same, with these bytes.
    pub fn send(&self, method: &str, path: &str, body: impl Into<bytes::Bytes>) -> Ask {
        self.client.request(method, &self.url(path), body.into())
    }

    pub fn get(&self, path: &str) -> Ask {
        self.send("GET", path, "")
    }

    /// An OpenAI chat with one message.
    pub fn chat(&self, prompt: &str) -> Ask {
        let messages = json!([{ "role": "user", "content": prompt }]);
        self.post("/v1/chat/completions", json!({ "model": "gpt-4o", "messages": messages }))
    }

    /// An Ollama chat with one message; it streams unless told otherwise.
    pub fn ollama_chat(&self, prompt: &str) -> Ask {
        let messages = json!([{ "role": "user", "content": prompt }]);
        self.post("/api/chat", json!({ "model": "llama3.2", "messages": messages }))
    }

    /// A `GET` to the admin listener.
    pub fn admin_get(&self, path: &str) -> Ask {
        self.authorised(self.client.request("GET", &self.admin_url(path), bytes::Bytes::new()))
    }

    /// A `POST` to the admin listener.
    pub fn admin_post(&self, path: &str, body: Value) -> Ask {
        self.authorised(self.client.post(&self.admin_url(path), body))
    }

    /// A `POST` of these bytes to the admin listener.
    pub fn admin_body(&self, path: &str, body: impl Into<bytes::Bytes>) -> Ask {
        self.authorised(self.client.request("POST", &self.admin_url(path), body.into()))
    }

    /// A `DELETE` to the admin listener.
    pub fn admin_delete(&self, path: &str) -> Ask {
        self.authorised(self.client.request("DELETE", &self.admin_url(path), bytes::Bytes::new()))
    }

    /// Any call to the admin listener, with an empty body.
    pub fn admin_send(&self, method: &str, path: &str) -> Ask {
        self.authorised(self.client.request(&method.to_uppercase(), &self.admin_url(path), bytes::Bytes::new()))
    }

    /// A `GET` to the admin listener without the token.
    pub fn admin_anonymous(&self, path: &str) -> Ask {
        self.client.request("GET", &self.admin_url(path), bytes::Bytes::new())
    }

    fn authorised(&self, ask: Ask) -> Ask {
        match self.token {
            Some(token) => ask.header("authorization", &format!("Bearer {token}")),
            None => ask,
        }
    }

    /// `requests` of the statistics.
    pub async fn counted(&self) -> Value {
        self.admin_get("/admin/v1/stats").send().await.json()["requests"].clone()
    }

    /// Writes more configuration into the file; a reload or a restart applies it.
    pub fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        std::fs::write(&self.file, change(text)).unwrap();
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Stops as SIGTERM does: drains, flushes.
    pub async fn stop(&mut self) {
        self.running.take().expect("it runs").shutdown().await;
    }

    /// The running server, to stop it while the test goes on.
    pub fn take_running(&mut self) -> Running {
        self.running.take().expect("it runs")
    }

    /// Starts it anew on the same folder.
    pub async fn start_again(&mut self) {
        self.running = Some(start(&self.file, &self.clock).await);
    }

    /// Stops it and starts it anew on the same folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Where the app listener is.
    pub fn address(&self) -> std::net::SocketAddr {
        self.running().app
    }

    async fn until_embedding(&self) {
        for _ in 0..600 {
            let ready: Reply = self.admin_get("/readyz").send().await;
            if ready.json()["mode"] == "semantic" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no embedder: {}", self.admin_get("/readyz").send().await.text());
    }

    /// What is known of the risk, as soon as so many checks of served answers have ended.
    pub async fn until_checked(&self, checks: u64) -> Value {
        for _ in 0..600 {
            let risk = self.admin_get("/admin/v1/risk").send().await.json();
            let ended = ["told", "undecided", "failed"].iter().filter_map(|how| risk["checks"][how].as_u64());
            if ended.sum::<u64>() == checks {
                return risk;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no check: {}", self.admin_get("/admin/v1/risk").send().await.text());
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running().app)
    }

    fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running().admin)
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }
}
