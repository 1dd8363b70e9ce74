//! The admin API: one short handler for each call, errors as `{"error": {"message": ...}}`.

pub(super) mod backup;
pub(super) mod entries;
pub(super) mod explain;
mod lines;
pub(super) mod models;
pub(super) mod risk;
pub(super) mod stats;
pub(super) mod warm;

use async_trait::async_trait;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

pub use self::backup::Vault;
use super::Shared;
use crate::cache::PurgeError;
use crate::store::StoreError;

/// Applies the configuration file anew.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Reads the file and applies it whole, or keeps what is and says why.
    ///
    /// # Errors
    /// Every fault of the file, a line each.
    async fn reload(&self) -> Result<Reloaded, String>;
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Reloaded {
    /// The sections that changed.
    pub changed: Vec<String>,
    /// Changes that only a restart applies.
    pub needs_restart: Vec<String>,
}

/// What an admin call answers when it cannot do what was asked.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    message: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": { "message": self.message } }))).into_response()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an admin call failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<PurgeError> for Fault {
    fn from(error: PurgeError) -> Self {
        match error {
            PurgeError::Empty => Self::bad_request(error.to_string()),
            PurgeError::Embedding(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            PurgeError::Store(error) => error.into(),
        }
    }
}

/// A JSON body, whatever its `content-type` says: `curl -d` says it is a form.
#[derive(Debug)]
pub(super) struct Told<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Told<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let body = Bytes::from_request(request, state).await.map_err(|fault| Fault::bad_request(fault.body_text()))?;
        serde_json::from_slice(&body).map(Self).map_err(|fault| Fault::bad_request(fault.to_string()))
    }
}

/// `POST /admin/v1/reload`.
pub(super) async fn reload(State(shared): State<Shared>) -> Result<Json<Reloaded>, Fault> {
    let reload = shared.load().reload.clone();
    let reload = reload.ok_or_else(|| Fault::new(StatusCode::CONFLICT, "there is no configuration file to read"))?;
    reload.reload().await.map(Json).map_err(Fault::bad_request)
}

/// `GET /`: one page that reads `/admin/v1/stats`.
pub(super) async fn dashboard() -> Html<&'static str> {
    Html(include_str!("dashboard.html"))
}

/// `GET /admin/v1/openapi.json`.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

/// Any other path.
pub(super) async fn unknown() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "no such call; GET /admin/v1/openapi.json lists them")
}
