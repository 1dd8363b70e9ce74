//! Keeping an answer.

use std::sync::Arc;
use std::time::Duration;

use super::ticket::{Due, Ticket};
use crate::domain::{Answerer, Cause, Embedded, Entry, Head, Model, Placement, Recording, Target, Version};
use crate::policy::retain::retain;

/// How an answer came out, for [`Ticket::fill`].
#[derive(Debug)]
pub struct Filling {
    /// Who answered.
    pub target: Target,
    /// The answer's head.
    pub head: Arc<Head>,
    /// The recording, or why there is none.
    pub recording: Result<Recording, Cause>,
    /// From the request's sending to the answer's end.
    pub took: Duration,
}

impl Ticket {
    /// Keeps the answer, if it may be kept, and ends the flight.
    ///
    /// # Errors
    /// Why it was not kept. Nothing that the client need know.
    pub async fn fill(self, filling: Filling) -> Result<Arc<Entry>, Cause> {
        let Self { lead, due, .. } = self;
        let Filling { target, head, recording, took } = filling;
        // First of all the clients: their answer has ended, whatever becomes of the entry.
        match recording {
            Err(Cause::Cut) => lead.cut(),
            _ => lead.end(),
        }
        let recording = recording?;
        let may = due.write.and_then(|()| retain(head.status, &recording, &due.settings.retain));
        let by_meaning = may.is_ok() && due.semantic && recording.finish == crate::domain::Finish::Complete;
        let (version, sure) = due.version(&target.model, &recording).await;
        let entry = Arc::new(due.entry(target, version, recording, took, by_meaning).await);
        // Followers of another shape take it even where it is not kept: it is an answer to their very request.
        lead.entry(head.status.is_success().then(|| entry.clone()));
        may.and(sure)?;
        due.keep(entry).await
        // The flight stays listed until here, so that no identical request finds neither flight nor entry.
    }
}

impl Due {
    /// The version the answer is kept under, and whether that version gave it.
    async fn version(&self, model: &Model, recording: &Recording) -> (Version, Result<(), Cause>) {
        let engine = &self.engine;
        let now = engine.now();
        let deadline = self.settings.versions.ask_deadline.0;
        let (first, before) = &self.under;
        match engine.epochs.verify(model, now, deadline).await {
            // Another target than the first was asked: only what was known before can vouch for the beginning.
            Ok(Some(after)) if model != first => {
                let sure = engine.epochs.unchanged_since(model, self.since);
                (after, if sure { Ok(()) } else { Err(Cause::ModelChanged) })
            }
            Ok(Some(after)) if after == *before => (after, Ok(())),
            Ok(Some(after)) => (after, Err(Cause::ModelChanged)),
            Ok(None) => match &recording.reported_model {
                Some(reported) => (engine.epochs.report(model, reported, now).await, Ok(())),
                None => (engine.epochs.current(model), Ok(())),
            },
            Err(()) => (engine.epochs.current(model), Err(Cause::VersionUnknown)),
        }
    }

    async fn entry(
        &self,
        target: Target,
        version: Version,
        recording: Recording,
        took: Duration,
        by_meaning: bool,
    ) -> Entry {
        let secret = &self.engine.secret;
        let query = &self.query;
        let prompt = query.asked.prompt.as_ref().map(|prompt| prompt.0.clone());
        let placement = match &prompt {
            Some(prompt) if by_meaning => {
                let scope = query.scope(secret, &target.model, &version);
                Some(Placement { scope, embedded: self.embedded(prompt).await })
            }
            _ => None,
        };
        let created = self.engine.now();
        Entry {
            key: query.key(secret, &target.model, &version),
            tenant: query.tenant.clone(),
            namespace: self.namespace.clone(),
            answerer: Answerer {
                model: target.model,
                reported: recording.reported_model.clone(),
                version,
                location: target.location,
            },
            prompt: prompt.unwrap_or_else(|| Arc::from("")),
            tags: self.tags.clone(),
            created,
            expires: created.plus(self.ttl),
            placement,
            took,
            recording,
        }
    }

    /// The embedding made at the lookup; else (the request did not read, or the embedder was busy) a new try.
    async fn embedded(&self, prompt: &Arc<str>) -> Option<Embedded> {
        match &self.embedded {
            Some(embedded) => Some(embedded.clone()),
            None => self.engine.embeddings.embed(prompt).await.ok(),
        }
    }

    async fn keep(&self, entry: Arc<Entry>) -> Result<Arc<Entry>, Cause> {
        let changing = self.engine.shelf.change().await;
        changing.keep(entry.clone()).await.map_err(|fault| {
            tracing::warn!(%fault, "an answer could not be kept");
            Cause::StoreFault
        })?;
        Ok(entry)
    }
}
