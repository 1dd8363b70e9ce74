//! Model versions: what is known, and the operator's own word.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Shared;
use super::{Fault, Told};
use crate::cache::Epoch;
use crate::domain::{Model, Timestamp};

/// `GET /admin/v1/models`.
pub(in crate::serve) async fn list(State(shared): State<Shared>) -> Json<Value> {
    let models: Vec<Value> = shared.load().engine.models().iter().map(view).collect();
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
