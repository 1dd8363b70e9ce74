//! Backup and restore: every entry as a line of JSON, after a line about the installation and one for each model.
//!
//! A backup holds the hashing secret: without it no entry would be found again, since keys and the names of tenants are
//! digests under it. So it is to be kept as carefully as the answers in it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Parts, Shared};
use super::Fault;
use super::lines::Lines;
use crate::cache::Epoch;
use crate::domain::{
    Answerer, Digest, Entry, EntryId, Finish, Key, Location, Model, Namespace, Placement, Recording, Scope, Surface,
    Tag, TenantId, Timestamp, Usage, Version, Wider,
};
use crate::store::StoreError;

/// The version of the lines' form.
const FORM: u32 = 1;
/// Entries read from the store at once.
const PAGE: usize = 100;

/// Holds the installation's hashing secret.
#[async_trait]
pub trait Vault: Send + Sync + std::fmt::Debug {
    /// The secret.
    fn secret(&self) -> [u8; 32];

    /// Puts the secret of a backup in its place, here and in the store. Everything kept before is lost to it.
    ///
    /// # Errors
    /// When the store fails.
    async fn adopt(&self, secret: [u8; 32]) -> Result<(), StoreError>;
}

/// A line of a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// The first.
    Dejavu(About),
    /// A model's version.
    Model(Epoch),
    /// An entry.
    Entry(Box<Kept>),
}

#[derive(Debug, Serialize, Deserialize)]
struct About {
    form: u32,
    /// In hex, as digests are written.
    secret: Digest,
    created: String,
}

/// An entry, without its vector: whoever restores it may have another embedder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: Key,
    tenant: TenantId,
    namespace: Namespace,
    upstream: Arc<str>,
    model: Arc<str>,
    reported: Option<Arc<str>>,
    version: Version,
    location: Location,
    prompt: Arc<str>,
    tags: Vec<Tag>,
    created: Timestamp,
    expires: Timestamp,
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wider: Option<Wider>,
    took_ms: u64,
    surface: Surface,
    finish: Finish,
    usage: Option<Usage>,
    answer: String,
}

/// `GET /admin/v1/export`.
pub(in crate::serve) async fn export(State(shared): State<Shared>) -> Response {
    let parts = shared.load_full();
    let about = About { form: FORM, secret: Digest(parts.vault.secret()), created: parts.clock.now().rfc3339() };
    let models = parts.engine.models().into_iter().map(Line::Model);
    let first = written(std::iter::once(Line::Dejavu(about)).chain(models));
    let pages = stream::unfold(Some((parts, None, Some(first))), |state| async move {
        let (parts, after, first) = state?;
        if let Some(first) = first {
            return Some((Ok(first), Some((parts, after, None))));
        }
        page(&parts, after).await.map(|(page, after)| match page {
            Ok(lines) => (Ok(lines), Some((parts, after, None))),
            Err(error) => (Err(error), None),
        })
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response()
}

/// The lines of the entries after one, and the last of them; `None` when there are no more.
async fn page(parts: &Parts, after: Option<EntryId>) -> Option<(Result<Bytes, StoreError>, Option<EntryId>)> {
    let entries = match parts.engine.export(after, PAGE).await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(%error, "a backup broke off");
            return Some((Err(error), None));
        }
    };
    let last = entries.last()?.id();
    let lines = entries.into_iter().filter_map(|entry| Kept::try_from(entry).ok());
    Some((Ok(written(lines.map(|kept| Line::Entry(Box::new(kept))))), Some(last)))
}

fn written(lines: impl Iterator<Item = Line>) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        // Nothing in a line can fail to be written as JSON.
        text.extend(serde_json::to_vec(&line).unwrap_or_default());
        text.push(b'\n');
    }
    text.into()
}

/// `POST /admin/v1/import`.
pub(in crate::serve) async fn import(State(shared): State<Shared>, request: Request) -> Result<Json<Value>, Fault> {
    let parts = shared.load_full();
    let mut lines = Lines::of(request.into_body());
    let (mut kept, mut expired) = (0, 0);
    match lines.next().await? {
        Some(Line::Dejavu(about)) => accept(&parts, &about).await?,
        _ => return Err(lines.fault("a backup begins with a line about itself")),
    }
    while let Some(line) = lines.next().await? {
        match line {
            Line::Dejavu(_) => return Err(lines.fault("another backup begins here")),
            Line::Model(epoch) => parts.engine.import_model(epoch).await?,
            Line::Entry(entry) => match parts.engine.import((*entry).into()).await? {
                true => kept += 1,
                false => expired += 1,
            },
        }
    }
    tracing::info!(kept, expired, "a backup was restored");
    Ok(Json(json!({ "kept": kept, "expired": expired })))
}

async fn accept(parts: &Parts, about: &About) -> Result<(), Fault> {
    let About { form, secret, created: _ } = about;
    if *form != FORM {
        return Err(Fault::bad_request(format!("this is form {form} of a backup; this dejavu reads form {FORM}")));
    }
    if secret.0 == parts.vault.secret() {
        return Ok(());
    }
    if parts.engine.census().entries > 0 {
        let why = "the backup is of another installation, and this one has entries of its own, which could not be \
                   found any more: restore it into an empty one, or purge this one first";
        return Err(Fault::new(StatusCode::CONFLICT, why));
    }
    Ok(parts.vault.adopt(secret.0).await?)
}

impl TryFrom<Entry> for Kept {
    type Error = std::string::FromUtf8Error;

    fn try_from(entry: Entry) -> Result<Self, Self::Error> {
        let Entry { key, tenant, namespace, answerer, prompt, tags, created, expires, placement, took, recording } =
            entry;
        let Answerer { model, reported, version, location } = answerer;
        let Recording { surface, answer, finish, reported_model: _, usage } = recording;
        Ok(Self {
            key,
            tenant,
            namespace,
            upstream: model.upstream,
            model: model.name,
            reported,
            version,
            location,
            prompt,
            tags,
            created,
            expires,
            scope: placement.as_ref().map(|placement| placement.scope),
            wider: placement.and_then(|placement| placement.wider),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            surface,
            finish,
            usage,
            answer: String::from_utf8(answer.into())?,
        })
    }
}

impl From<Kept> for Entry {
    fn from(kept: Kept) -> Self {
        Self {
            key: kept.key,
            tenant: kept.tenant,
            namespace: kept.namespace,
            answerer: Answerer {
                model: Model { upstream: kept.upstream, name: kept.model },
                reported: kept.reported.clone(),
                version: kept.version,
                location: kept.location,
            },
            prompt: kept.prompt,
            tags: kept.tags,
            created: kept.created,
            expires: kept.expires,
            placement: kept.scope.map(|scope| Placement { scope, wider: kept.wider, embedded: None }),
            took: std::time::Duration::from_millis(kept.took_ms),
            recording: Recording {
                surface: kept.surface,
                answer: kept.answer.into(),
                finish: kept.finish,
                reported_model: kept.reported,
                usage: kept.usage,
            },
        }
    }
}
