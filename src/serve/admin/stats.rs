//! Looking: counters, metrics, upstreams.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::super::{Parts, Shared};
use crate::cache::{CanaryState, Readings};
use crate::domain::Model;
use crate::policy::risk::{Level, Standing};
use crate::telemetry::Gauge;
use crate::upstream::UpstreamHealth;

/// `GET /admin/v1/stats`.
pub(in crate::serve) async fn stats(State(shared): State<Shared>) -> Json<Value> {
    let parts = shared.load();
    let mut stats = json!(parts.telemetry.stats(parts.clock.now(), &parts.prices));
    let census = parts.engine.census();
    stats["entries"] = json!(census.entries);
    stats["bytes"] = json!(census.bytes);
    stats["cache"] = json!(census);
    let (level, standing) = parts.engine.operating_level();
    stats["risk"] = json!({ "standing": standing, "least_score": level.map(Level::least) });
    Json(stats)
}

/// `GET /admin/v1/upstreams`.
pub(in crate::serve) async fn upstreams(State(shared): State<Shared>) -> Json<Vec<UpstreamHealth>> {
    Json(shared.load().upstreams.health())
}

/// `GET /metrics`.
pub(in crate::serve) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let parts = shared.load();
    let text = parts.telemetry.scrape(&gauges(&parts), &parts.prices);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

#[expect(clippy::cast_precision_loss, reason = "gauges are for people")]
fn gauges(parts: &Parts) -> Vec<Gauge> {
    let census = parts.engine.census();
    let plain = |name, help, value| Gauge { name, help, labels: Vec::new(), value };
    let mut gauges = vec![
        plain("entries", "Entries kept", census.entries as f64),
        plain("entry_bytes", "Their bytes, approximately", census.bytes as f64),
        plain("hot_bytes", "Bytes of entries held in memory whole", census.hot_bytes as f64),
        plain("flights", "Upstream calls that identical requests may join", census.flights as f64),
        plain("vectors", "Vectors that a search can find", census.index.vectors as f64),
        plain("embedder_up", "Whether there is an embedder", f64::from(u8::from(census.embedder))),
    ];
    for canary in parts.engine.canaries() {
        let Model { upstream, name } = &canary.model;
        let labels = || vec![("upstream".to_owned(), upstream.to_string()), ("model".to_owned(), name.to_string())];
        let mut add = |name, help, value| gauges.push(Gauge { name, help, labels: labels(), value });
        let drifted = canary.state == CanaryState::Drifted;
        add("canary_drifted", "Whether a watched model answers as never before", f64::from(u8::from(drifted)));
        add("canary_differing", "How many of the last answers were never given before", canary.differing as f64);
        add("canary_rounds_drifted", "Rounds that showed drift", canary.rounds.drifted as f64);
        add("canary_rounds_silent", "Rounds without an answer", canary.rounds.silent as f64);
    }
    let (level, standing) = parts.engine.operating_level();
    // Above every score there is: nothing is accepted by meaning.
    let least = level.map_or(2.0, |level| f64::from(level.least()));
    gauges.push(plain("risk_least_score", "Least score of a match by meaning; 2: none is accepted", least));
    let certified = f64::from(u8::from(standing == Standing::Certified));
    gauges.push(plain(
        "risk_certified",
        "Whether this installation's own checks show the budget to be kept",
        certified,
    ));
    let spending = parts.engine.risk().spending;
    gauges.push(plain(
        "risk_checks",
        "Checks of served hits since the start that told right from wrong",
        spending.told as f64,
    ));
    gauges.push(plain("risk_checks_undecided", "Checks that could not tell", spending.undecided as f64));
    if let Some(Readings { accepted, refused, late, failed }) = parts.engine.readings() {
        for (outcome, count) in [("accepted", accepted), ("refused", refused), ("late", late), ("failed", failed)] {
            let labels = vec![("outcome".to_owned(), outcome.to_owned())];
            let help = "Requests since the start whose candidates the reranker was asked about";
            gauges.push(Gauge { name: "reranked", help, labels, value: count as f64 });
        }
    }
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
