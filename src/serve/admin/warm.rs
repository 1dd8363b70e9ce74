//! Loading answers before anybody asks: requests with their answers, as lines of JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::directives::directives;
use super::super::{Parts, Shared, headers};
use super::Fault;
use super::lines::Lines;
use crate::cache::{Filling, Lookup};
use crate::domain::{Cause, Directives, Head, Mode, Query, Surface};
use crate::wire::{self, Recorder};

/// A request and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// Where an app would send it; a chat of OpenAI's unless said.
    path: Option<String>,
    /// Its headers: the credential whose tenant it is for, and request controls.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Its body.
    request: Box<RawValue>,
    /// The body of the answer, not streamed.
    answer: Box<RawValue>,
}

/// `POST /admin/v1/warm`.
pub(in crate::serve) async fn warm(State(shared): State<Shared>, request: Request) -> Result<Json<Value>, Fault> {
    let parts = shared.load_full();
    let mut lines = Lines::of(request.into_body());
    let mut kept = 0;
    let mut left_out: BTreeMap<&'static str, u64> = BTreeMap::new();
    while let Some(pair) = lines.next::<Pair>().await? {
        match load(&parts, &pair).await {
            Ok(Ok(())) => kept += 1,
            Ok(Err(cause)) => *left_out.entry(cause.as_str()).or_default() += 1,
            Err(why) => return Err(lines.fault(&why)),
        }
    }
    Ok(Json(json!({ "kept": kept, "left_out": left_out })))
}

/// Keeps one answer as if its upstream had just given it; the inner error is why it may not be kept.
async fn load(parts: &Arc<Parts>, pair: &Pair) -> Result<Result<(), Cause>, String> {
    let path = pair.path.as_deref().unwrap_or(Surface::OpenaiChat.path());
    let surface = Surface::ALL.into_iter().find(|surface| surface.path() == path);
    let surface = surface.ok_or_else(|| format!("{path} is no cacheable path"))?;
    let sent = header_map(&pair.headers)?;
    let asked_for = directives(&sent, &parts.settings.controls).map_err(|fault| fault.to_string())?;
    let directives = Directives { mode: Some(Mode::WriteOnly), no_cache: false, only_if_cached: false, ..asked_for };
    let body = pair.request.get().as_bytes();
    let model = wire::model_of(body);
    let plan = parts.upstreams.plan(path, model.as_deref(), directives.local_only);
    let plan = plan.map_err(|error| error.to_string())?;
    let Some(asked) = wire::read(surface, body) else { return Ok(Err(Cause::Unreadable)) };
    let mut recorder = Recorder::new(surface, false).asked(asked.traits.characters);
    recorder.push(pair.answer.get().as_bytes());
    let recording = match recorder.finish() {
        Ok(recording) => recording,
        Err(cause) => return Ok(Err(cause)),
    };
    let target = plan.targets[0].clone();
    let query = Query {
        asked: Arc::new(asked),
        tenant: parts.tenants.identify(&sent),
        namespace: directives.namespace.clone(),
        headers: headers::identity(&sent, &parts.key_headers, None),
        targets: plan.targets,
        route: plan.route,
    };
    Ok(match parts.engine.lookup(query, &directives, plan.lifetimes).await {
        Lookup::Miss(ticket) => {
            let head = Head { status: StatusCode::OK, headers: json_headers() };
            let filling = Filling { target, head: Arc::new(head), recording: Ok(recording), took: Duration::ZERO };
            ticket.fill(filling).await.map(|_| ())
        }
        Lookup::Bypass(crate::domain::Reason::Cause(cause)) => Err(cause),
        _ => Err(Cause::Off),
    })
}

fn header_map(headers: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let each = headers.iter().map(|(name, value)| {
        let name = name.parse::<HeaderName>().map_err(|_| format!("{name:?} is no header name"))?;
        Ok((name, HeaderValue::from_str(value).map_err(|_| "a header's value is malformed".to_owned())?))
    });
    each.collect()
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}
