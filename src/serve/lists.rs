//! Model lists: what every upstream has, as one list.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::header::ACCEPT_ENCODING;
use serde_json::{Map, Value, json};

use super::call::path_and_query;
use super::directives::directives;
use super::{Parts, error, headers, pass};
use crate::upstream::{Each, Incoming, Outgoing, UpstreamError};
use crate::wire::Refusal;

/// A list of models: its path, and the members that hold it.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    /// `/v1/models` or `/api/tags`.
    pub(super) path: &'static str,
    /// The member with the models.
    models: &'static str,
    /// The member of a model that names it.
    name: &'static str,
}

/// Every list that is merged.
pub(super) const LISTS: [List; 2] = [
    List { path: "/v1/models", models: "data", name: "id" },
    List { path: "/api/tags", models: "models", name: "name" },
];

impl List {
    /// Asks every upstream, and merges what they say. Upstreams that cannot be asked are left out, as long as one can.
    pub(super) async fn answer(self, parts: Arc<Parts>, request: Request) -> Response {
        let protocol = error::protocol_of(request.uri().path(), request.headers());
        match self.ask(&parts, request).await {
            Ok(response) => response,
            Err(refusal) => error::refuse(protocol, &refusal),
        }
    }

    async fn ask(self, parts: &Parts, request: Request) -> Result<Response, Refusal> {
        let (head, _) = request.into_parts();
        let local_only = directives(&head.headers, &parts.settings.controls)?.local_only;
        let mut headers = headers::to_send_on(&head.headers);
        // Only plain answers can be merged.
        headers.remove(ACCEPT_ENCODING);
        let outgoing = Outgoing {
            path: path_and_query(&head),
            method: head.method,
            headers,
            body: Bytes::new(),
            upload: None,
            model: None,
        };
        let mut answers = parts.upstreams.send_to_each(outgoing, local_only).await;
        if answers.len() == 1 {
            return Ok(pass::response(answers.remove(0).answer?));
        }
        self.merge(answers).await
    }

    async fn merge(self, answers: Vec<Each>) -> Result<Response, Refusal> {
        let mut lists = Vec::new();
        let mut refused = None;
        for Each { answer, .. } in answers {
            match answer {
                Ok(incoming) if incoming.head.status.is_success() => match whole(incoming).await {
                    Ok(list) => lists.push(list),
                    Err(error) => refused = refused.or(Some(Err(error))),
                },
                Ok(incoming) => refused = refused.or(Some(Ok(incoming))),
                Err(error) => refused = refused.or(Some(Err(error))),
            }
        }
        match (lists.is_empty(), refused) {
            (false, _) => Ok(Json(self.merged(lists)).into_response()),
            (true, Some(Ok(incoming))) => Ok(pass::response(incoming)),
            (true, Some(Err(error))) => Err(error.into()),
            (true, None) => Err(Refusal::NoRoute(String::new())),
        }
    }

    /// One list: the models of all, the first of a name wins; everything else as the first list has it.
    fn merged(self, lists: Vec<Map<String, Value>>) -> Value {
        let mut names = HashSet::new();
        let mut models = Vec::new();
        for list in &lists {
            for model in list.get(self.models).and_then(Value::as_array).into_iter().flatten() {
                if model[self.name].as_str().is_none_or(|name| names.insert(name.to_owned())) {
                    models.push(model.clone());
                }
            }
        }
        let mut merged = lists.into_iter().next().unwrap_or_default();
        merged.insert(self.models.to_owned(), models.into());
        // Anthropic's list is paged; this one is whole.
        for (member, value) in [("has_more", json!(false)), ("first_id", Value::Null), ("last_id", Value::Null)] {
            if let Some(paging) = merged.get_mut(member) {
                *paging = value;
            }
        }
        Value::Object(merged)
    }
}

/// A list's JSON object; an empty one when it is none.
async fn whole(incoming: Incoming) -> Result<Map<String, Value>, UpstreamError> {
    let body = incoming
        .body
        .try_fold(BytesMut::new(), |mut body, piece| async move {
            body.extend_from_slice(&piece);
            Ok(body)
        })
        .await?;
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_first_of_a_name_wins_and_the_rest_is_the_first_lists() {
        let lists = vec![
            object(json!({ "object": "list", "data": [{ "id": "a", "owned_by": "x" }, { "id": "b" }] })),
            object(json!({ "data": [{ "id": "a", "owned_by": "y" }, { "id": "c" }], "has_more": true })),
        ];
        let expected =
            json!({ "object": "list", "data": [{ "id": "a", "owned_by": "x" }, { "id": "b" }, { "id": "c" }] });
        assert_eq!(LISTS[0].merged(lists), expected);
    }

    #[test]
    fn a_merged_list_has_no_more_pages() {
        let lists = vec![object(json!({ "data": [{ "id": "a" }], "has_more": true, "first_id": "a", "last_id": "a" }))];
        let expected = json!({ "data": [{ "id": "a" }], "has_more": false, "first_id": null, "last_id": null });
        assert_eq!(LISTS[0].merged(lists), expected);
    }
}
