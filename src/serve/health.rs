//! `/healthz` and `/readyz`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::Shared;
use crate::cache::{Canary, CanaryState};

/// How one part is doing. A part that is not ready never stops requests from being forwarded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartState {
    /// Whether it does its work.
    pub state: Readiness,
    /// For people: what it is, or what is wrong with it.
    pub detail: String,
}

/// Whether a part does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// It does.
    Ready,
    /// Not yet: whoever can wait, should.
    Starting,
    /// The configuration wants none.
    Off,
    /// It cannot, and waiting will not help.
    Failed,
}

/// Tells how the parts behind the engine are doing.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// The store: whether answers can be kept and read.
    fn store(&self) -> PartState;
    /// The embedder: without it, only equal requests are found.
    fn embedder(&self) -> PartState;
    /// The index: whether it holds everything the store does yet.
    fn index(&self) -> PartState;
}

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: each part's state. 503 while stopping, while the embedder is still being brought (a load balancer
/// should send traffic once both tiers answer), or when neither the store nor any upstream works.
pub(super) async fn ready(State(shared): State<Shared>) -> Response {
    let parts = shared.load();
    let upstreams = parts.upstreams.health();
    let (store, embedder, index) = (parts.probe.store(), parts.probe.embedder(), parts.probe.index());
    let stopping = parts.stop.is_cancelled();
    let up = upstreams.iter().filter(|upstream| upstream.up).count();
    let able = store.state == Readiness::Ready || up > 0;
    let ready = able && !stopping && embedder.state != Readiness::Starting;
    let mode = if embedder.state == Readiness::Ready { "semantic" } else { "exact-only" };
    let body = json!({
        "ready": ready,
        "stopping": stopping,
        "mode": mode,
        "parts": {
            "store": store,
            "embedder": embedder,
            "index": index,
            "canaries": canaries(&parts.engine.canaries()),
            "upstreams": { "state": if up > 0 { Readiness::Ready } else { Readiness::Failed }, "detail": format!("{up} of {} up", upstreams.len()), "each": upstreams },
        },
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// A drifted model is news for the operator, and no reason to send requests elsewhere.
fn canaries(watched: &[Canary]) -> PartState {
    let drifted = watched.iter().filter(|canary| canary.state == CanaryState::Drifted);
    let names: Vec<_> = drifted.map(|canary| format!("{}:{}", canary.model.upstream, canary.model.name)).collect();
    match (watched.len(), names.is_empty()) {
        (0, _) => PartState { state: Readiness::Off, detail: "no model is watched".to_owned() },
        (count, true) => PartState { state: Readiness::Ready, detail: format!("{count} watched, none has drifted") },
        (_, false) => {
            PartState { state: Readiness::Ready, detail: format!("answers as never before: {}", names.join(", ")) }
        }
    }
}

/// What is under neither `/v1/` nor `/api/` on the app listener.
pub(super) async fn nothing_here() -> Response {
    let body = json!({ "error": { "message": "dejavu serves /v1/ and /api/ here", "type": "not_found" } });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
