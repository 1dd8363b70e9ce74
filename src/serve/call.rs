//! One request, received: its controls, its tenant and its body.

use std::sync::Arc;

use axum::extract::Request;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::request::Parts as RequestHead;

use super::body::{Taken, Unread, take};
use super::directives::{Malformed, directives, reported};
use super::reading::Reading;
use super::{Parts, headers};
use crate::domain::{Asked, Cause, Directives, EntryId, Query, Surface, TenantId};
use crate::upstream::{Outgoing, Plan, Upload};
use crate::wire::Refusal;

/// A request to a cacheable surface, received as far as it may be held.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) surface: Surface,
    pub(super) head: RequestHead,
    pub(super) directives: Directives,
    pub(super) tenant: TenantId,
    /// The body as it came; its beginning, where there is a `rest`.
    pub(super) body: Bytes,
    /// The rest of a body too large to hold, which can be sent on once.
    pub(super) rest: Option<Upload>,
    /// The body to read: without the client's content coding. As it came where the coding is not understood.
    pub(super) text: Bytes,
    /// Why the body is not read.
    pub(super) unread: Option<Cause>,
    /// The request in it, where it is read and understood.
    pub(super) asked: Option<Arc<Asked>>,
    /// The model name in the body, if one can be found.
    pub(super) model: Option<Arc<str>>,
    /// Who may answer.
    pub(super) plan: Plan,
}

impl Call {
    /// Receives the request of `tenant`.
    ///
    /// # Errors
    /// When a control of dejavu's own is malformed, the body stops coming, larger ones are refused, or no route leads
    /// anywhere.
    pub(super) async fn receive(
        parts: &Parts,
        surface: Surface,
        tenant: TenantId,
        request: Request,
    ) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let directives = directives(&head.headers, &parts.settings.controls)?;
        if let Some(entry) = reported(&head.headers, &parts.settings.controls)? {
            Box::pin(report(parts, &tenant, entry)).await;
        }
        let Taken { body, rest, text, unread } = take(&parts.settings, &head.headers, body).await?;
        let (unread, Reading { model, asked }) = match unread {
            Some(Unread { cause, model }) => (Some(cause), Reading { model: model.map(Arc::from), asked: None }),
            None => (None, parts.readings.read(surface, &text)),
        };
        let plan = if unread.is_some() && model.is_none() {
            // A guess could send the request where its model's route never would.
            let unseen = parts.upstreams.plan_unseen(surface.path()).filter(|_| !directives.local_only);
            unseen.ok_or(Refusal::ModelUnseen)?
        } else {
            parts.upstreams.plan(surface.path(), model.as_deref(), directives.local_only)?
        };
        Ok(Self { surface, head, directives, tenant, body, rest, text, unread, asked, model, plan })
    }

    /// What the engine looks up.
    pub(super) fn query(&self, parts: &Parts, asked: &Arc<Asked>) -> Query {
        Query {
            asked: Arc::clone(asked),
            tenant: self.tenant.clone(),
            namespace: self.directives.namespace.clone(),
            headers: headers::identity(&self.head.headers, &parts.key_headers, self.head.uri.query()),
            targets: self.plan.targets.clone(),
            route: Arc::clone(&self.plan.route),
        }
    }

    /// The request to send on: as it came, unless a model name must be replaced inside a coded body.
    pub(super) fn outgoing(&self) -> Outgoing {
        let coded = self.text != self.body;
        let renamed = self.plan.targets.iter().any(|target| self.model.as_ref() != Some(&target.model.name));
        let body = if coded && renamed { self.text.clone() } else { self.body.clone() };
        self.sending(body)
    }

    /// The same request with another body; one that is not as it came is not coded.
    pub(super) fn sending(&self, body: Bytes) -> Outgoing {
        let mut headers = headers::to_send_on(&self.head.headers);
        if body != self.body {
            headers.remove(CONTENT_ENCODING);
        }
        let method = self.head.method.clone();
        let (path, upload) = (path_and_query(&self.head), self.rest.clone());
        Outgoing { method, path, headers, body, upload, model: self.model.clone() }
    }
}

/// Takes an app's word that an entry of its own cache was a wrong answer; others' entries it cannot know.
async fn report(parts: &Parts, tenant: &TenantId, entry: EntryId) {
    let reported = match parts.engine.entry(entry).await {
        Ok(Some(listed)) if listed.entry.tenant == *tenant => parts.engine.wrong(entry, None).await.map(|_| ()),
        Ok(_) => Ok(()),
        Err(fault) => Err(fault),
    };
    if let Err(fault) = reported {
        tracing::warn!(%fault, "a report of a wrong answer was not kept");
    }
}

/// Path and query as the client wrote them.
pub(super) fn path_and_query(head: &RequestHead) -> String {
    head.uri.path_and_query().map_or_else(|| head.uri.path().to_owned(), ToString::to_string)
}

impl From<Malformed> for Refusal {
    fn from(fault: Malformed) -> Self {
        Self::BadRequest(fault.to_string())
    }
}
