//! Models that change without saying so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use super::house::{House, ask, said, settings};
use crate::cache::{CanarySettings, CanaryState, OnDrift};
use crate::domain::Head;
use crate::upstream::{Each, Incoming, Outgoing, Plan, UpstreamError, UpstreamHealth, Upstreams};

/// Gives the answers it is told to, one after another, and notes what it was asked.
#[derive(Debug, Default)]
struct Scripted {
    answers: Mutex<VecDeque<&'static str>>,
    asked: Mutex<Vec<serde_json::Value>>,
}

impl Scripted {
    fn will_say(&self, answers: &[&'static str]) {
        self.answers.lock().extend(answers);
    }
}

#[async_trait]
impl Upstreams for Scripted {
    fn plan(&self, _: &str, _: Option<&str>, _: bool) -> Result<Plan, UpstreamError> {
        panic!("canaries are asked where the operator says, by no route")
    }

    fn plan_unseen(&self, _: &str) -> Option<Plan> {
        None
    }

    async fn send(&self, plan: &Plan, request: Outgoing) -> Result<Incoming, UpstreamError> {
        self.asked.lock().push(serde_json::from_slice(&request.body).unwrap());
        let Some(text) = self.answers.lock().pop_front() else {
            return Err(UpstreamError::Unreachable { upstream: "ollama".into(), why: "told so".into() });
        };
        let body = serde_json::json!({ "model": "llama3", "choices": [{ "message": { "content": text } }] });
        let body = Bytes::from(body.to_string());
        let head = Head { status: StatusCode::OK, headers: HeaderMap::new() };
        Ok(Incoming { head, body: stream::iter([Ok(body)]).boxed(), target: plan.targets[0].clone() })
    }

    async fn send_to_each(&self, _: Outgoing, _: bool) -> Vec<Each> {
        Vec::new()
    }

    fn health(&self) -> Vec<UpstreamHealth> {
        vec![UpstreamHealth {
            name: "ollama".into(),
            kind: "ollama",
            location: "local",
            up: true,
            breaker: "closed",
            in_flight: 0,
            queued: 0,
            latency_ms: None,
            error: None,
        }]
    }
}

fn watched(on_drift: OnDrift) -> CanarySettings {
    let text = "upstream = \"ollama\"\nmodel = \"llama3\"\nprompts = [\"one\", \"two\", \"three\"]\nlearn = 1";
    CanarySettings { on_drift, ..toml::from_str(text).unwrap() }
}

#[tokio::test]
async fn drift_raises_the_alarm_and_is_a_new_version_where_the_operator_says_so() {
    for (on_drift, after) in [(OnDrift::Alert, "HIT"), (OnDrift::Bump, "MISS")] {
        let house = House::open().await;
        let (upstreams, settings) = (Scripted::default(), watched(on_drift));
        let question = ask("Who wrote Hamlet?");
        upstreams.will_say(&["a", "b", "c"]);
        house.engine.ask_canary(&upstreams, &settings).await;
        house.answer(&question, "Shakespeare").await;
        // One new answer, and one with other white space, are no drift.
        upstreams.will_say(&["a", "B", " c\n"]);
        house.engine.ask_canary(&upstreams, &settings).await;
        assert_eq!(house.engine.canaries()[0].state, CanaryState::Same);
        house.hit(&question).await;
        upstreams.will_say(&["A", "B", "c"]);
        house.engine.ask_canary(&upstreams, &settings).await;
        let canary = house.engine.canaries().remove(0);
        assert_eq!((canary.state, canary.differing), (CanaryState::Drifted, 2));
        assert_eq!(said(&house.lookup(&question).await).0, after, "{on_drift:?}");
        assert_eq!(house.engine.models()[0].bumps, u64::from(on_drift == OnDrift::Bump));
    }
}

#[tokio::test]
async fn questions_of_canaries_are_steady_and_nothing_of_them_is_kept() {
    let house = House::open().await;
    let (upstreams, settings) = (Scripted::default(), watched(OnDrift::Alert));
    upstreams.will_say(&["a", "b", "c"]);
    house.engine.ask_canary(&upstreams, &settings).await;
    let asked = upstreams.asked.lock().clone();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|body| body["temperature"] == 0 && body["stream"] == false), "{asked:?}");
    let census = house.engine.census();
    assert_eq!((census.entries, census.flights), (0, 0));
    assert_eq!(said(&house.lookup(&ask("one")).await).0, "MISS");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_has_not_drifted() {
    let house = House::open().await;
    let (upstreams, settings) = (Scripted::default(), watched(OnDrift::Bump));
    upstreams.will_say(&["a", "b", "c"]);
    house.engine.ask_canary(&upstreams, &settings).await;
    house.engine.ask_canary(&upstreams, &settings).await;
    let canary = house.engine.canaries().remove(0);
    assert_eq!((canary.state, canary.rounds.silent), (CanaryState::Silent, 1));
    assert_eq!(house.engine.models()[0].bumps, 0);
}

#[tokio::test]
async fn a_change_that_the_upstream_tells_is_no_drift() {
    let house = House::open().await;
    let (upstreams, settings) = (Scripted::default(), watched(OnDrift::Bump));
    let target = &ask("one").targets[0];
    house.versions.tell(target, "sha256:one");
    upstreams.will_say(&["a", "b", "c"]);
    house.engine.ask_canary(&upstreams, &settings).await;
    house.versions.tell(target, "sha256:two");
    upstreams.will_say(&["A", "B", "C"]);
    house.engine.ask_canary(&upstreams, &settings).await;
    assert_eq!(house.engine.canaries()[0].state, CanaryState::Same);
    assert_eq!(&*house.engine.models()[0].version().0, "sha256:two");
}

#[tokio::test]
async fn what_was_learned_outlives_a_restart() {
    let house = House::open().await;
    let (upstreams, settings_of_canary) = (Scripted::default(), watched(OnDrift::Alert));
    upstreams.will_say(&["a", "b", "c"]);
    house.engine.ask_canary(&upstreams, &settings_of_canary).await;
    let again = House::over(house.store.clone(), settings()).await;
    upstreams.will_say(&["A", "B", "C"]);
    again.engine.ask_canary(&upstreams, &settings_of_canary).await;
    assert_eq!(again.engine.canaries()[0].state, CanaryState::Drifted);
}

#[tokio::test(start_paused = true)]
async fn canaries_are_asked_on_their_schedule() {
    let house = House::open().await;
    let upstreams = Arc::new(Scripted::default());
    let shared: Arc<dyn Upstreams> = upstreams.clone();
    house.engine.watch_canaries(&shared, vec![watched(OnDrift::Alert)]);
    assert_eq!(house.engine.canaries()[0].state, CanaryState::Learning);
    for rounds in 1..=3 {
        upstreams.will_say(&["a", "b", "c"]);
        while upstreams.asked.lock().len() < rounds * 3 || house.engine.canaries()[0].rounds.same < rounds as u64 {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_secs(60)).await;
            house.clock.advance(Duration::from_secs(60));
        }
    }
    assert_eq!(house.engine.canaries()[0].rounds.silent, 0);
}
