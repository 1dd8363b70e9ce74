//! Model versions, asked of real servers on this machine.

use std::time::Duration;

use futures_util::FutureExt as _;
use http::StatusCode;
use parking_lot::Mutex;

use super::tests::{DOWN, Fake, Reply, upstream};
use super::*;
use crate::domain::Location;

fn local(name: &str, url: &str) -> Settings {
    Settings { location: Some(Location::Local), ..upstream(name, Kind::OpenAi, url) }
}

async fn version(fleet: &Fleet, upstream: &str, name: &str) -> Result<Option<String>, UpstreamError> {
    let version = fleet.probe(&Model { upstream: upstream.into(), name: name.into() }).await;
    version.map(|version| version.map(|version| version.0.to_string()))
}

const fn say(text: &'static str) -> Reply {
    Reply::Say(StatusCode::OK, text)
}

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(String, String)>>);

#[async_trait]
impl VersionSink for Seen {
    async fn seen(&self, model: &Model, version: &Version) {
        self.0.lock().push((model.name.to_string(), version.0.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_watcher_reports_first_sights_and_changes() {
    let old = r#"{"models":[{"name":"a:latest","digest":"1"},{"name":"b:8b","digest":"9"}]}"#;
    let new = r#"{"models":[{"name":"a:latest","digest":"2"},{"name":"b:8b","digest":"9"}]}"#;
    let fake = Fake::start(new).await;
    fake.will([Reply::Say(StatusCode::OK, old), Reply::Say(StatusCode::OK, old), DOWN]);
    let fleet = Fleet::new(&[upstream("l", Kind::Ollama, &fake.url)], &[]).unwrap();
    let seen = Seen::default();
    let mut watching = Box::pin(fleet.watch(Duration::from_secs(10), &seen));
    while fake.calls() < 6 {
        assert!(watching.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let seen: Vec<_> = seen.0.lock().iter().map(|(name, version)| format!("{name}={version}")).collect();
    assert_eq!(seen, ["a:latest=1", "a=1", "b:8b=9", "a:latest=2", "a=2"]);
    assert!(fleet.health()[0].up);
}

#[tokio::test]
async fn a_probe_sees_a_re_pull_at_once_and_others_have_no_signal() {
    let fake = Fake::start(r#"{"models":[{"name":"a:latest","digest":"2"}]}"#).await;
    fake.will([Reply::Say(StatusCode::OK, r#"{"models":[{"name":"a:latest","digest":"1"}]}"#)]);
    let upstreams = [upstream("l", Kind::Ollama, &fake.url), upstream("o", Kind::OpenAi, &fake.url)];
    let fleet = Fleet::new(&upstreams, &[]).unwrap();
    let probe = async |upstream: &str, name: &str| {
        let version = fleet.probe(&Model { upstream: upstream.into(), name: name.into() }).await;
        version.map(|version| version.map(|version| version.0.to_string()))
    };
    assert_eq!(probe("l", "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(probe("l", "a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(probe("l", "unknown").await.unwrap(), None);
    assert_eq!(probe("o", "a").await.unwrap(), None);
    assert_eq!(fake.calls(), 3);
    fake.will([Reply::Say(StatusCode::NOT_FOUND, "no such path"), DOWN]);
    assert_eq!(probe("l", "a").await.unwrap(), None, "a server without the list has no signal");
    assert!(probe("l", "a").await.is_err());
}

const ONE: &str = r#"{"models":[{"name":"a","digest":"1"}]}"#;
const TWO: &str = r#"{"models":[{"name":"a","digest":"2"}]}"#;

#[tokio::test]
async fn a_pool_that_disagrees_keeps_its_version_while_one_of_it_is_away() {
    let (first, second) = (Fake::start(ONE).await, Fake::start(TWO).await);
    let pool =
        Settings { url: None, urls: vec![first.url.clone(), second.url.clone()], ..upstream("pool", Kind::Ollama, "") };
    let fleet = Fleet::new(&[pool], &[]).unwrap();
    assert_eq!(version(&fleet, "pool", "a").await.unwrap().as_deref(), Some("1+2"));
    second.will([DOWN]);
    assert_eq!(version(&fleet, "pool", "a").await.unwrap().as_deref(), Some("1+2"), "one is away");
    assert_eq!(version(&fleet, "pool", "a").await.unwrap().as_deref(), Some("1+2"), "and comes back");
    second.will([say(ONE), DOWN]);
    assert_eq!(version(&fleet, "pool", "a").await.unwrap().as_deref(), Some("1"), "pulled there too");
    assert_eq!(version(&fleet, "pool", "a").await.unwrap().as_deref(), Some("1"));
    first.will([DOWN]);
    second.will([DOWN]);
    assert!(version(&fleet, "pool", "a").await.is_err(), "nobody says anything");
}

const VLLM: &str = r#"{"data":[{"id":"chat","created":1,"owned_by":"vllm","root":"org/one"}]}"#;
const VLLM_LATER: &str = r#"{"data":[{"id":"chat","created":2,"owned_by":"vllm","root":"org/one"}]}"#;
const VLLM_OTHER: &str = r#"{"data":[{"id":"chat","created":3,"owned_by":"vllm","root":"org/two"}]}"#;

#[tokio::test]
async fn a_local_vllm_is_known_by_the_model_it_serves() {
    let fake = Fake::start(VLLM_OTHER).await;
    fake.will([say(VLLM), say(VLLM_LATER), DOWN]);
    let fleet = Fleet::new(&[local("box", &fake.url)], &[]).unwrap();
    let first = version(&fleet, "box", "chat").await.unwrap();
    assert!(first.as_deref().is_some_and(|version| version.starts_with("vllm-")), "{first:?}");
    assert_eq!(version(&fleet, "box", "chat").await.unwrap(), first);
    assert!(version(&fleet, "box", "chat").await.is_err(), "it told before, so its silence says nothing");
    let other = version(&fleet, "box", "chat").await.unwrap();
    assert!(other.is_some() && other != first, "another model under the same name");
}

const LLAMA: &str = r#"{"data":[{"id":"m.gguf","created":1,"owned_by":"llamacpp","meta":{"size":5}}]}"#;

#[tokio::test(start_paused = true)]
async fn a_local_llama_cpp_is_known_by_its_props_under_every_name_asked_for() {
    let fake = Fake::start(LLAMA).await;
    let props = |build: &'static str| [say(LLAMA), say(build)];
    let (old, new) = (r#"{"build_info":"b1"}"#, r#"{"build_info":"b2"}"#);
    fake.will(props(old).into_iter().chain(props(new)));
    let fleet = Fleet::new(&[local("box", &fake.url)], &[]).unwrap();
    assert!(version(&fleet, "box", "gpt-4").await.unwrap().is_some_and(|version| version.starts_with("llamacpp-")));
    let seen = Seen::default();
    let mut watching = Box::pin(fleet.watch(Duration::from_secs(10), &seen));
    while seen.0.lock().len() < 2 {
        assert!(watching.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let names: Vec<_> = seen.0.lock().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["m.gguf", "gpt-4"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_of_versions_is_left_alone_for_a_while() {
    let fake = Fake::start(r#"{"data":[{"id":"gpt-4o","owned_by":"system"}]}"#).await;
    let other = Fake::start("<html>not an API</html>").await;
    let upstreams = [local("box", &fake.url), local("odd", &other.url), upstream("cloud", Kind::OpenAi, &fake.url)];
    let fleet = Fleet::new(&upstreams, &[]).unwrap();
    for _ in 0..3 {
        assert_eq!(version(&fleet, "box", "gpt-4o").await.unwrap(), None);
        assert_eq!(version(&fleet, "cloud", "gpt-4o").await.unwrap(), None);
        assert_eq!(version(&fleet, "odd", "gpt-4o").await.unwrap(), None);
    }
    assert_eq!(fake.calls(), 1, "and the cloud is never asked");
    tokio::time::advance(Duration::from_secs(61)).await;
    version(&fleet, "box", "gpt-4o").await.unwrap();
    assert_eq!(fake.calls(), 2);
}
