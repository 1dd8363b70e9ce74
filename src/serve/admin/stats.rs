//! Looking: counters, metrics, upstreams.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::super::{Parts, Shared};
use crate::telemetry::Gauge;
use crate::upstream::UpstreamHealth;

/// `GET /admin/v1/stats`.
pub(in crate::serve) async fn stats(State(shared): State<Shared>) -> Json<Value> {
    let parts = shared.load();
    let stats = parts.telemetry.stats(parts.clock.now());
    Json(json!(stats))
}

/// `GET /admin/v1/upstreams`.
pub(in crate::serve) async fn upstreams(State(shared): State<Shared>) -> Json<Vec<UpstreamHealth>> {
    Json(shared.load().upstreams.health())
}

/// `GET /metrics`.
pub(in crate::serve) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let parts = shared.load();
    let text = parts.telemetry.scrape(&gauges(&parts));
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

#[expect(clippy::cast_precision_loss, reason = "gauges are for people")]
fn gauges(parts: &Parts) -> Vec<Gauge> {
    let mut gauges = Vec::new();
    for upstream in parts.upstreams.health() {
        let mut add = |name, help, value| {
            gauges.push(Gauge { name, help, labels: vec![("upstream".to_owned(), upstream.name.clone())], value });
        };
        add("upstream_up", "Whether requests are sent to it", f64::from(u8::from(upstream.up)));
        add("upstream_in_flight", "Requests it is working on", upstream.in_flight as f64);
        add("upstream_queued", "Requests waiting for it", upstream.queued as f64);
    }
    gauges
}
