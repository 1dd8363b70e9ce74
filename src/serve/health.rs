//! `/healthz` and `/readyz`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::Shared;

/// How one part is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartState {
    /// It does its work. A part that is not fine never stops requests from being forwarded.
    pub ok: bool,
    /// For people: what it is, or what is wrong with it.
    pub detail: String,
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

/// `GET /readyz`: each part's state. 503 only when nothing could be served: when stopping, or when neither the store
/// nor any upstream works.
pub(super) async fn ready(State(shared): State<Shared>) -> Response {
    let parts = shared.load();
    let upstreams = parts.upstreams.health();
    let (store, embedder, index) = (parts.probe.store(), parts.probe.embedder(), parts.probe.index());
    let stopping = parts.stop.is_cancelled();
    let up = upstreams.iter().filter(|upstream| upstream.up).count();
    let able = !stopping && (store.ok || up > 0);
    let mode = if embedder.ok { "semantic" } else { "exact-only" };
    let body = json!({
        "ready": able,
        "stopping": stopping,
        "mode": mode,
        "parts": {
            "store": store,
            "embedder": embedder,
            "index": index,
            "upstreams": { "ok": up > 0, "detail": format!("{up} of {} up", upstreams.len()), "each": upstreams },
        },
    });
    let status = if able { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// What is under neither `/v1/` nor `/api/` on the app listener.
pub(super) async fn nothing_here() -> Response {
    let body = json!({ "error": { "message": "dejavu serves /v1/ and /api/ here", "type": "not_found" } });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
