//! Model versions: what is known, and the operator's own word.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Shared;
use super::{Fault, Told};
use crate::cache::{Canary, Epoch};
use crate::domain::{Model, Timestamp};

/// `GET /admin/v1/models`.
pub(in crate::serve) async fn list(State(shared): State<Shared>) -> Json<Value> {
    let parts = shared.load();
    let canaries = parts.engine.canaries();
    let mut models: Vec<Value> = Vec::new();
    for epoch in parts.engine.models() {
        let mut model = view(&epoch);
        model["canary"] = json!(canaries.iter().find(|canary| canary.model == epoch.model).map(watched));
        models.push(model);
    }
    Json(json!({ "models": models }))
}

fn view(epoch: &Epoch) -> Value {
    let Epoch { model, signal, bumps, earlier, seen, changed, source } = epoch;
    json!({
        "upstream": model.upstream,
        "model": model.name,
        "version": epoch.version(),
        "signal": signal,
        "source": source,
        "bumps": bumps,
        "earlier": earlier,
        "seen": seen.map(Timestamp::rfc3339),
        "changed": changed.map(Timestamp::rfc3339),
    })
}

/// How a model stands to the answers it used to give.
fn watched(canary: &Canary) -> Value {
    let Canary { state, differing, learned, asked, drifted, rounds, .. } = canary;
    json!({
        "state": state,
        "differing": differing,
        "rounds_learned": learned,
        "asked": asked.map(Timestamp::rfc3339),
        "drifted": drifted.map(Timestamp::rfc3339),
        "rounds": rounds,
    })
}

/// The body of `POST /admin/v1/models/bump`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Bump {
    upstream: Arc<str>,
    model: Arc<str>,
}

/// `POST /admin/v1/models/bump`.
pub(in crate::serve) async fn bump(State(shared): State<Shared>, Told(bump): Told<Bump>) -> Result<Json<Value>, Fault> {
    let parts = shared.load_full();
    let Bump { upstream, model } = bump;
    if !parts.upstreams.health().iter().any(|known| *known.name == *upstream) {
        return Err(Fault::new(StatusCode::NOT_FOUND, format!("no upstream is named {upstream:?}")));
    }
    let model = Model { upstream, name: model };
    let version = parts.engine.bump(&model).await?;
    Ok(Json(json!({ "upstream": model.upstream, "model": model.name, "version": version })))
}
