//! Passing through: requests that are no surface go to their upstream untouched, and the answers come back so.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::Method;

use super::body::{Taken, take};
use super::call::path_and_query;
use super::directives::directives;
use super::{Parts, ReplaySettings, error, headers, pace};
use crate::upstream::{Incoming, Outgoing};
use crate::wire::{self, Refusal};

/// Passes one request on.
pub(super) async fn pass(parts: Arc<Parts>, request: Request) -> Response {
    let protocol = error::protocol_of(request.uri().path(), request.headers());
    match send(&parts, request).await {
        Ok(incoming) => response(incoming),
        Err(refusal) => error::refuse(protocol, &refusal),
    }
}

async fn send(parts: &Parts, request: Request) -> Result<Incoming, Refusal> {
    let (head, body) = request.into_parts();
    let local_only = directives(&head.headers, &parts.settings.controls)?.local_only;
    let Taken { body, rest, text, unread } = take(&parts.settings, &head.headers, body).await?;
    let model = unread.map_or_else(|| wire::model_of(&text), |unread| unread.model);
    let model = model.or_else(|| model_in_path(&head.method, head.uri.path()).map(str::to_owned));
    let plan = parts.upstreams.plan(head.uri.path(), model.as_deref(), local_only)?;
    let outgoing = Outgoing {
        path: path_and_query(&head),
        headers: headers::to_send_on(&head.headers),
        method: head.method,
        body,
        upload: rest,
        model: model.map(Arc::from),
    };
    Ok(parts.upstreams.send(&plan, outgoing).await?)
}

/// `GET /v1/models/{model}` asks about a model by its path.
fn model_in_path<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    path.strip_prefix("/v1/models/").filter(|_| *method == Method::GET || *method == Method::HEAD)
}

/// An upstream's answer as it is, its bytes as they come.
pub(super) fn response(incoming: Incoming) -> Response {
    smoothed(incoming, ReplaySettings::default())
}

/// An upstream's answer as it is, its bytes at the pace of live streams.
pub(super) fn smoothed(incoming: Incoming, settings: ReplaySettings) -> Response {
    let Incoming { head, body, target: _ } = incoming;
    let mut response = Response::new(pace::body(&head.headers, body, settings));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_asked_about_by_path_is_found() {
        assert_eq!(model_in_path(&Method::GET, "/v1/models/org/model-1"), Some("org/model-1"));
        assert_eq!(model_in_path(&Method::GET, "/v1/models"), None);
        assert_eq!(model_in_path(&Method::POST, "/v1/models/x"), None);
    }
}
