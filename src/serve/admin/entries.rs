//! Looking at entries, and dropping them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Shared;
use super::{Fault, Told};
use crate::cache::{Filter, Listed, Purged};
use crate::domain::{Entry, EntryId, Namespace, Tag, TenantId, Usage};

/// The query of `GET /admin/v1/entries`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve) struct Page {
    model: Option<String>,
    upstream: Option<String>,
    namespace: Option<Namespace>,
    tag: Option<Tag>,
    tenant: Option<TenantId>,
    limit: Option<usize>,
    cursor: Option<EntryId>,
}

/// Entries on one page, unless asked otherwise; and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// `GET /admin/v1/entries`.
pub(in crate::serve) async fn list(
    State(shared): State<Shared>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, Fault> {
    let Query(page) = page.map_err(|fault| Fault::bad_request(fault.body_text()))?;
    let Page { model, upstream, namespace, tag, tenant, limit, cursor } = page;
    let filter = Filter { model, upstream, namespace, tag, tenant, ..Filter::default() };
    let limit = limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let page = shared.load().engine.entries(&filter, limit, cursor).await?;
    let entries: Vec<View> = page.entries.iter().map(View::from).collect();
    Ok(Json(json!({ "entries": entries, "cursor": page.next })))
}

/// `GET /admin/v1/entries/{id}`: the entry, its answer too.
pub(in crate::serve) async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    let listed = shared.load().engine.entry(id_of(&id)?).await?.ok_or_else(no_such_entry)?;
    let mut view = json!(View::from(&listed));
    let answer = &listed.entry.recording.answer;
    let text = || Value::from(String::from_utf8_lossy(answer).into_owned());
    view["answer"] = serde_json::from_slice(answer).unwrap_or_else(|_| text());
    Ok(Json(view))
}

/// `DELETE /admin/v1/entries/{id}`.
pub(in crate::serve) async fn drop_one(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let id = id_of(&id)?;
    let parts = shared.load_full();
    let gone = parts.engine.remove(id).await?;
    parts.readings.forget();
    if gone { Ok(Json(json!({ "dropped": id }))) } else { Err(no_such_entry()) }
}

/// `POST /admin/v1/purge`.
pub(in crate::serve) async fn purge(
    State(shared): State<Shared>,
    Told(mut body): Told<Value>,
) -> Result<Json<Value>, Fault> {
    let dry_run = match body.as_object_mut().and_then(|body| body.remove("dry_run")) {
        None => true,
        Some(Value::Bool(dry_run)) => dry_run,
        Some(_) => return Err(Fault::bad_request("dry_run is true or false")),
    };
    let filter: Filter = serde_json::from_value(body).map_err(|fault| Fault::bad_request(fault.to_string()))?;
    let parts = shared.load_full();
    let Purged { entries, bytes, examples } = parts.engine.purge(&filter, dry_run).await?;
    if !dry_run {
        parts.readings.forget();
    }
    Ok(Json(json!({ "dry_run": dry_run, "entries": entries, "bytes": bytes, "examples": examples })))
}

/// The body of `POST /admin/v1/feedback`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Feedback {
    entry: EntryId,
    verdict: Verdict,
    /// The id that the asking request's own entry would have, where it is known (`explain` tells it).
    asker: Option<EntryId>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Wrong,
}

/// `POST /admin/v1/feedback`.
pub(in crate::serve) async fn feedback(
    State(shared): State<Shared>,
    Told(feedback): Told<Feedback>,
) -> Result<Json<Value>, Fault> {
    let Feedback { entry, verdict: Verdict::Wrong, asker } = feedback;
    let engine = &shared.load_full().engine;
    if engine.entry(entry).await?.is_none() {
        return Err(no_such_entry());
    }
    let reported = engine.wrong(entry, asker).await?;
    Ok(Json(json!({ "entry": entry, "reported": reported })))
}

/// An entry as operators see it.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    id: EntryId,
    tenant: &'a str,
    namespace: &'a str,
    surface: &'static str,
    upstream: &'a str,
    model: &'a str,
    reported_model: Option<&'a str>,
    version: &'a str,
    prompt: &'a str,
    tags: &'a [Tag],
    created: String,
    expires: String,
    hits: u32,
    bytes: u64,
    tokens: u64,
    usage: Usage,
    semantic: bool,
    quarantined: bool,
}

impl<'a> From<&'a Listed> for View<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self { hits: listed.hits, quarantined: listed.quarantined, ..Self::from(&*listed.entry) }
    }
}

impl<'a> From<&'a Entry> for View<'a> {
    fn from(entry: &'a Entry) -> Self {
        let usage = entry.recording.usage.unwrap_or_default();
        Self {
            id: entry.id(),
            tenant: &entry.tenant.0,
            namespace: &entry.namespace.0,
            surface: entry.surface().as_str(),
            upstream: &entry.answerer.model.upstream,
            model: &entry.answerer.model.name,
            reported_model: entry.answerer.reported.as_deref(),
            version: &entry.answerer.version.0,
            prompt: &entry.prompt,
            tags: &entry.tags,
            created: entry.created.rfc3339(),
            expires: entry.expires.rfc3339(),
            hits: 0,
            bytes: entry.weight(),
            tokens: usage.prompt + usage.completion,
            usage,
            semantic: entry.placement.is_some(),
            quarantined: false,
        }
    }
}

fn id_of(text: &str) -> Result<EntryId, Fault> {
    text.parse().map_err(|fault: crate::domain::InvalidEntryId| Fault::bad_request(fault.to_string()))
}

fn no_such_entry() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "no such entry")
}
