//! The fleet against real servers on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::*;
use crate::domain::{Credential, Lasting, Location};

/// What a fake server does with the next request.
pub(super) enum Reply {
    Say(StatusCode, &'static str),
    /// Sends the text and then nothing, with the connection open.
    Stall(&'static str),
    /// Sends the text and breaks off.
    Break(&'static str),
    /// Sends mebibytes for ever, and counts them.
    Flood(Arc<AtomicUsize>),
}

/// A real HTTP server on a port of its own that notes what it is asked and says `default` when its replies run out.
pub(super) struct Fake {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    replies: Arc<Mutex<Vec<Reply>>>,
    _running: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(default: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(Vec::<Reply>::new()));
        let (notes, queue) = (Arc::clone(&asked), Arc::clone(&replies));
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            notes.lock().push((parts.uri.to_string(), parts.headers, body));
            let next = queue.lock().pop();
            next.unwrap_or(Reply::Say(StatusCode::OK, default)).respond()
        });
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, replies, _running: running }
    }

    /// Sets the replies to the next requests, first one first.
    pub(super) fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        let mut replies: Vec<_> = replies.into_iter().collect();
        replies.reverse();
        *self.replies.lock() = replies;
    }

    pub(super) fn calls(&self) -> usize {
        self.asked.lock().len()
    }

    fn last(&self) -> (String, HeaderMap, Bytes) {
        self.asked.lock().last().unwrap().clone()
    }
}

impl Reply {
    fn respond(self) -> Response {
        let first = |text: &'static str| stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(text.as_bytes()))]);
        let (status, body) = match self {
            Self::Flood(sent) => {
                let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
                let endless = stream::repeat_with(move || {
                    sent.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(mebibyte.clone())
                });
                (StatusCode::OK, Body::from_stream(endless))
            }
            Self::Say(status, text) => (status, Body::from(text)),
            Self::Stall(text) => (StatusCode::OK, Body::from_stream(first(text).chain(stream::pending()))),
            Self::Break(text) => {
                // The server writes out what it has whenever it must wait for more.
                let end = stream::once(async {
                    tokio::task::yield_now().await;
                    Err(std::io::Error::other("gone"))
                });
                (StatusCode::OK, Body::from_stream(first(text).chain(end)))
            }
        };
        Response::builder().status(status).header("x-from", "fake").header("keep-alive", "5").body(body).unwrap()
    }
}

pub(super) const DOWN: Reply = Reply::Say(StatusCode::SERVICE_UNAVAILABLE, "down");
/// Nothing listens there: the port is reserved, and never handed out.
const NOWHERE: &str = "http://127.0.0.1:1";

pub(super) fn upstream(name: &str, kind: Kind, url: &str) -> Settings {
    Settings::new(name, kind, url)
}

fn route(model: &str, to: &[&str]) -> RouteSettings {
    let to = to.iter().map(|to| (*to).to_owned()).collect();
    RouteSettings { model: model.into(), to, ..RouteSettings::default() }
}

fn chat(model: &str) -> Outgoing {
    Outgoing {
        upload: None,
        method: Method::POST,
        path: "/v1/chat/completions".into(),
        headers: HeaderMap::new(),
        body: format!(r#"{{ "model":"{model}","n" : 1}}"#).into(),
        model: Some(model.into()),
    }
}

async fn send(fleet: &Fleet, request: Outgoing) -> Result<Incoming, UpstreamError> {
    let plan = fleet.plan(&request.path, request.model.as_deref(), false)?;
    fleet.send(&plan, request).await
}

async fn text(answer: Incoming) -> Result<String, UpstreamError> {
    let mut body = answer.body;
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await {
        whole.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(whole).unwrap())
}

#[tokio::test]
async fn bytes_and_headers_pass_both_ways() {
    let fake = Fake::start("hello").await;
    let fleet = Fleet::new(&[upstream("one", Kind::OpenAi, &format!("{}/v1", fake.url))], &[]).unwrap();
    let mut request = chat("m");
    request.path.push_str("?trace=1");
    for (name, value) in [("authorization", "Bearer mine"), ("accept-encoding", "gzip"), ("te", "trailers")] {
        request.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let answer = send(&fleet, request.clone()).await.unwrap();
    assert_eq!(answer.head.status, StatusCode::OK);
    assert_eq!(answer.head.headers["x-from"], "fake");
    assert!(!answer.head.headers.contains_key("keep-alive"));
    assert_eq!(answer.target.model, Model { upstream: "one".into(), name: "m".into() });
    assert_eq!(text(answer).await.unwrap(), "hello");
    let (path, headers, body) = fake.last();
    assert_eq!(path, "/v1/chat/completions?trace=1");
    assert_eq!(headers["authorization"], "Bearer mine");
    assert_eq!(headers["accept-encoding"], "gzip");
    assert!(!headers.contains_key("te"));
    assert_eq!(body, request.body, "not a byte changes where the name is right");
}

#[tokio::test]
async fn the_key_and_the_model_s_name_are_the_target_s() {
    let fake = Fake::start("ok").await;
    let keyed = Settings { api_key: Some(Credential::new("theirs")), ..upstream("a", Kind::OpenAi, &fake.url) };
    let fleet = Fleet::new(&[keyed], &[route("local/*", &["a:gpt-4o"])]).unwrap();
    let mut request = chat("local/x");
    request.headers.insert("authorization", HeaderValue::from_static("Bearer mine"));
    send(&fleet, request).await.unwrap();
    let (_, headers, body) = fake.last();
    assert_eq!(headers["authorization"], "Bearer theirs");
    assert_eq!(headers["content-length"], body.len().to_string());
    assert_eq!(body, r#"{ "model":"gpt-4o","n" : 1}"#);
}

#[tokio::test]
async fn an_overloaded_or_failing_upstream_is_passed_over_while_another_remains() {
    let (first, second) = (Fake::start("first").await, Fake::start("second").await);
    let upstreams = [upstream("a", Kind::OpenAi, &first.url), upstream("b", Kind::OpenAi, &second.url)];
    let fleet = Fleet::new(&upstreams, &[route("*", &["a", "b:other"])]).unwrap();
    for status in [429, 500, 503, 529] {
        first.will([Reply::Say(StatusCode::from_u16(status).unwrap(), "no")]);
        let answer = send(&fleet, chat("m")).await.unwrap();
        assert_eq!(&*answer.target.model.name, "other", "{status}");
        assert_eq!(text(answer).await.unwrap(), "second");
    }
    first.will([Reply::Say(StatusCode::NOT_FOUND, "no such model")]);
    let answer = send(&fleet, chat("m")).await.unwrap();
    assert_eq!(answer.head.status, StatusCode::NOT_FOUND, "the client's own mistake is its answer");
    first.will([DOWN]);
    second.will([Reply::Say(StatusCode::INTERNAL_SERVER_ERROR, "both")]);
    let answer = send(&fleet, chat("m")).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "both", "the last one's error is the answer");
}

#[tokio::test]
async fn who_cannot_be_reached_is_passed_over_and_named_when_nobody_remains() {
    let second = Fake::start("second").await;
    let upstreams = [upstream("a", Kind::Ollama, NOWHERE), upstream("b", Kind::OpenAi, &second.url)];
    let fleet = Fleet::new(&upstreams, &[route("x", &["a"]), route("*", &["a", "b"])]).unwrap();
    assert_eq!(text(send(&fleet, chat("m")).await.unwrap()).await.unwrap(), "second");
    let Err(error @ UpstreamError::Unreachable { .. }) = send(&fleet, chat("x")).await else { panic!("reached") };
    assert!(error.to_string().starts_with("upstream \"a\" is unreachable: "), "{error}");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_failing_is_left_alone_and_tried_again_later() {
    let (first, second) = (Fake::start("first").await, Fake::start("second").await);
    let upstreams = [upstream("a", Kind::OpenAi, &first.url), upstream("b", Kind::OpenAi, &second.url)];
    let fleet = Fleet::new(&upstreams, &[route("*", &["a", "b"])]).unwrap();
    let answerer = async || send(&fleet, chat("m")).await.unwrap().target.model.upstream.to_string();
    first.will([DOWN, DOWN, DOWN, DOWN, DOWN]);
    for _ in 0..5 {
        assert_eq!(answerer().await, "b");
    }
    assert_eq!(first.calls(), 5);
    // Paused time runs on while sockets are waited for, so the clock of the breaker is read before it is moved.
    if fleet.health()[0].breaker == "open" {
        let plan = fleet.plan("/v1/chat/completions", Some("m"), false).unwrap();
        assert_eq!(&*plan.targets[0].model.upstream, "b", "down comes last");
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(answerer().await, "a");
    assert_eq!(fleet.health()[0].breaker, "closed");
    assert!(fleet.health().iter().all(|upstream| upstream.up));
}

#[tokio::test]
async fn errors_of_the_only_upstream_stay_the_client_s_to_see() {
    let fake = Fake::start("").await;
    let fleet = Fleet::new(&[upstream("a", Kind::OpenAi, &fake.url)], &[]).unwrap();
    fake.will((0..8).map(|_| DOWN));
    for _ in 0..8 {
        let answer = send(&fleet, chat("m")).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "down");
    }
    assert_eq!(fleet.health()[0].error.as_deref(), Some("answers 503"));
    assert!(!fleet.health()[0].up);
}

#[tokio::test]
async fn a_pool_spreads_by_load_and_does_without_its_dead_member() {
    let (first, second) = (Fake::start("1").await, Fake::start("2").await);
    let pool = |urls: [&str; 2]| Settings {
        url: None,
        urls: urls.map(str::to_owned).into(),
        ..upstream("pool", Kind::OpenAi, "")
    };
    let fleet = Fleet::new(&[pool([&first.url, &second.url])], &[]).unwrap();
    let mut under_way = Vec::new();
    for _ in 0..4 {
        under_way.push(send(&fleet, chat("m")).await.unwrap());
    }
    assert_eq!((first.calls(), second.calls()), (2, 2));
    assert_eq!(fleet.health()[0].in_flight, 4);
    drop(under_way);
    assert_eq!(fleet.health()[0].in_flight, 0);
    let fleet = Fleet::new(&[pool([NOWHERE, &second.url])], &[]).unwrap();
    for _ in 0..4 {
        assert_eq!(text(send(&fleet, chat("m")).await.unwrap()).await.unwrap(), "2");
    }
}

#[tokio::test]
async fn a_turn_lasts_as_long_as_the_body_and_a_full_queue_says_busy() {
    let fake = Fake::start("ok").await;
    let narrow = Settings { max_in_flight: 1, max_queue: 0, ..upstream("a", Kind::OpenAi, &fake.url) };
    let fleet = Fleet::new(&[narrow], &[]).unwrap();
    fake.will([Reply::Stall("…")]);
    let at_work = send(&fleet, chat("m")).await.unwrap();
    assert!(matches!(send(&fleet, chat("m")).await, Err(UpstreamError::Busy { .. })));
    drop(at_work);
    assert_eq!(text(send(&fleet, chat("m")).await.unwrap()).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_pile_up() {
    let fake = Fake::start("ok").await;
    let fleet = Fleet::new(&[upstream("a", Kind::OpenAi, &fake.url)], &[]).unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    fake.will([Reply::Flood(Arc::clone(&sent))]);
    let mut body = send(&fleet, chat("m")).await.unwrap().body;
    body.next().await.unwrap().unwrap();
    // Were it pulled without being asked for, each of these turns would bring more of it.
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    assert!(sent.load(Ordering::SeqCst) < 64, "what the sockets hold, and no more");
}

#[tokio::test]
async fn silence_and_a_broken_connection_cut_the_body() {
    let fake = Fake::start("ok").await;
    let hasty = Settings { idle_timeout: Lasting::millis(50), ..upstream("a", Kind::OpenAi, &fake.url) };
    let fleet = Fleet::new(&[hasty], &[]).unwrap();
    for reply in [Reply::Stall("half"), Reply::Break("half")] {
        fake.will([reply]);
        let mut body = send(&fleet, chat("m")).await.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "half");
        assert!(matches!(body.next().await, Some(Err(UpstreamError::Cut { .. }))));
        assert!(body.next().await.is_none(), "nothing follows a cut");
    }
}

#[tokio::test]
async fn residency_leaves_only_what_computes_here() {
    let fake = Fake::start(r#"{"models":[{"name":"proxied:latest","digest":"d","remote_host":"https://h"}]}"#).await;
    let upstreams = [upstream("cloud", Kind::OpenAi, NOWHERE), upstream("here", Kind::Ollama, &fake.url)];
    let fleet = Fleet::new(&upstreams, &[route("gpt-*", &["cloud"]), route("*", &["cloud", "here"])]).unwrap();
    let plan = |model| fleet.plan("/v1/chat/completions", Some(model), true);
    let [only] = &*plan("llama3").unwrap().targets else { panic!("more than one") };
    assert_eq!((&*only.model.upstream, only.location), ("here", Location::Local));
    assert!(matches!(plan("gpt-4o"), Err(UpstreamError::Residency(_))));
    assert!(matches!(plan("kimi:cloud"), Err(UpstreamError::Residency(_))), "by Ollama's naming");
    assert!(plan("proxied").is_ok(), "nobody has said so yet");
    fleet.probe(&Model { upstream: "here".into(), name: "proxied".into() }).await.unwrap();
    assert!(matches!(plan("proxied"), Err(UpstreamError::Residency(_))), "as the server says");
    let unrouted = Fleet::new(&upstreams, &[]).unwrap();
    assert_eq!(&*unrouted.plan("/v1/x", Some("m"), true).unwrap().targets[0].model.upstream, "here");
}

#[tokio::test]
async fn paths_lead_to_servers_that_know_them() {
    let kinds = [("o", Kind::OpenAi), ("l", Kind::Ollama), ("a", Kind::Anthropic)];
    let upstreams = kinds.map(|(name, kind)| upstream(name, kind, NOWHERE));
    let names = |fleet: &Fleet, path: &str, model: Option<&str>| -> Vec<String> {
        fleet.plan(path, model, false).unwrap().targets.iter().map(|t| t.model.upstream.to_string()).collect()
    };
    let fleet = Fleet::new(&upstreams, &[]).unwrap();
    assert_eq!(names(&fleet, "/v1/chat/completions", Some("m")), ["o"], "one alone: nobody named a stand-in");
    assert_eq!(names(&fleet, "/api/chat", Some("m")), ["l"]);
    assert_eq!(names(&fleet, "/v1/messages?beta=true", Some("m")), ["l"]);
    assert_eq!(names(&fleet, "/", None), ["l"]);
    let fleet = Fleet::new(&upstreams, &[route("m", &["o", "a", "l"]), route("*", &["o"])]).unwrap();
    assert_eq!(names(&fleet, "/v1/chat/completions", Some("m")), ["o", "l"]);
    assert_eq!(names(&fleet, "/v1/messages", Some("m")), ["a", "l"]);
    assert_eq!(names(&fleet, "/api/chat", Some("m")), ["l"]);
    assert_eq!(names(&fleet, "/api/chat", Some("other")), ["o"], "sent where the route says, for want of better");
    assert_eq!(names(&fleet, "/v1/files", None), ["o"]);
    assert_eq!(names(&fleet, "/api/version", None), ["l"]);
}

#[tokio::test]
async fn lists_come_from_everyone_who_has_one() {
    let (openai, ollama) = (Fake::start("openai's").await, Fake::start("ollama's").await);
    let upstreams = [
        upstream("a", Kind::OpenAi, &openai.url),
        upstream("b", Kind::Ollama, &ollama.url),
        upstream("c", Kind::Anthropic, NOWHERE),
    ];
    let fleet = Fleet::new(&upstreams, &[]).unwrap();
    let get =
        |path: &str| Outgoing { method: Method::GET, path: path.into(), body: Bytes::new(), model: None, ..chat("") };
    let lists = fleet.send_to_each(get("/v1/models"), false).await;
    let names: Vec<_> = lists.iter().map(|each| (&*each.name, each.answer.is_ok())).collect();
    assert_eq!(names, [("a", true), ("b", true), ("c", false)]);
    let lists = fleet.send_to_each(get("/api/tags"), false).await;
    assert_eq!(lists.len(), 1);
    assert_eq!(fleet.send_to_each(get("/v1/models"), true).await.len(), 1, "local ones only");
}
