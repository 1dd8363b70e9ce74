//! Keeping an answer.

use std::sync::Arc;
use std::time::Duration;

use super::conversation::{history, wider};
use super::evict::make_room;
use super::settings::Fingerprint;
use super::ticket::{Due, Embedding, Ticket};
use crate::domain::{Answerer, Cause, Entry, Finish, Head, Model, Placement, Recording, Scope, Target, Version, Wider};
use crate::policy::retain::retain;
use crate::wire;

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
        let Self { lead, mut due, .. } = self;
        let Filling { target, head, recording, took } = filling;
        // First of all the clients: their answer has ended, whatever becomes of the entry.
        match recording {
            Err(Cause::Cut) => lead.cut(),
            _ => lead.end(),
        }
        let recording = recording?;
        let may = due.write.and_then(|()| retain(head.status, &recording, &due.settings.retain));
        let by_meaning = may.is_ok() && recording.finish == Finish::Complete;
        let Given { version, sure, reported } = due.version(&target.model, &recording).await;
        let entry = Arc::new(due.entry(target, version, recording, took, by_meaning).await);
        // Followers of another shape take it even where it is not kept: it is an answer to their very request.
        lead.entry(head.status.is_success().then(|| entry.clone()));
        let may = may.and(sure);
        if may.is_ok() {
            due.settle_doubt(&entry);
        }
        // Whoever fills may leave; what has begun is brought to its end, so that store and catalog stay in step.
        let tasks = due.engine.tasks.clone();
        let keeping = async move {
            let model = entry.answerer.model.clone();
            let kept = match may {
                Ok(()) => due.keep(entry).await,
                Err(cause) => Err(cause),
            };
            // Only now: an identical request of this moment finds the flight under the old version, and the entry
            // under the new one, but never neither.
            if let Some(reported) = reported {
                due.engine.epochs.report(&model, &reported, due.engine.now()).await;
            }
            kept
        };
        tasks.spawn(keeping).await.unwrap_or(Err(Cause::StoreFault))
        // The flight stays listed until here, so that no identical request finds neither flight nor entry.
    }
}

/// Which version gave an answer.
struct Given {
    /// The version the answer is kept under.
    version: Version,
    /// Whether it surely gave it all.
    sure: Result<(), Cause>,
    /// The model name the answer reports, where that is what tells versions.
    reported: Option<Arc<str>>,
}

impl Due {
    async fn version(&self, model: &Model, recording: &Recording) -> Given {
        let engine = &self.engine;
        let now = engine.now();
        let deadline = self.settings.versions.ask_deadline.0;
        let (first, before) = &self.under;
        let by_upstream = |version, sure| Given { version, sure, reported: None };
        match engine.epochs.verify(model, now, deadline).await {
            // Another target than the first was asked: only what was known before can vouch for the beginning.
            Ok(Some(after)) if model != first => {
                let sure = engine.epochs.unchanged_since(model, self.since);
                by_upstream(after, if sure { Ok(()) } else { Err(Cause::ModelChanged) })
            }
            Ok(Some(after)) if after == *before => by_upstream(after, Ok(())),
            Ok(Some(after)) => by_upstream(after, Err(Cause::ModelChanged)),
            Ok(None) => match self.reported(model, recording) {
                Some(reported) => Given {
                    version: engine.epochs.as_reported(model, &reported),
                    sure: Ok(()),
                    reported: Some(reported),
                },
                None => by_upstream(engine.epochs.current(model), Ok(())),
            },
            Err(_) => by_upstream(engine.epochs.current(model), Err(Cause::VersionUnknown)),
        }
    }

    /// What an answer says of the model that gave it: its name, and its fingerprint where the operator goes by that.
    fn reported(&self, model: &Model, recording: &Recording) -> Option<Arc<str>> {
        let name = recording.reported_model.clone()?;
        match self.settings.versions.fingerprint {
            Fingerprint::Ignore => Some(name),
            Fingerprint::Version => {
                let print = wire::fingerprint(recording);
                Some(self.engine.epochs.with_fingerprint(model, &name, print.as_deref()))
            }
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
                let history = history(query, self.settings.context);
                let wider = wider(query, history, secret, &target.model, &version);
                self.placement(query.scope(secret, &target.model, &version), wider, prompt).await
            }
            _ => None,
        };
        let created = self.engine.now();
        Entry {
            key: query.key(secret, &target.model, &version),
            tenant: query.tenant.clone(),
            namespace: query.namespace.clone(),
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

    async fn placement(&self, scope: Scope, wider: Option<Wider>, prompt: &Arc<str>) -> Option<Placement> {
        let embedded = match &self.embedding {
            Embedding::Never => return None,
            Embedding::Done(embedded) => Some(embedded.clone()),
            Embedding::Failed => None,
            Embedding::Due => {
                let earlier = wider.as_ref().map_or(&[][..], |wider| &wider.questions);
                self.engine.embeddings.embed_all(prompt, earlier).await.ok()
            }
        };
        Some(Placement { scope, wider, embedded })
    }

    async fn keep(&self, entry: Arc<Entry>) -> Result<Arc<Entry>, Cause> {
        let engine = &self.engine;
        let changing = engine.shelf.change().await;
        if engine.purges.hits(self.purges, &entry, &engine.shelf.facts_of(&entry)) {
            return Err(Cause::Purged);
        }
        let kept = changing.keep(entry.clone()).await.map_err(|fault| {
            tracing::warn!(%fault, "an answer could not be kept");
            Cause::StoreFault
        })?;
        if let Err(fault) = make_room(engine, &changing, entry.id(), &self.settings).await {
            tracing::warn!(%fault, "no room could be made");
        }
        drop(changing);
        engine.wrongs.renewed(entry.id()).await;
        if kept.lacks_embedding() {
            engine.embed_later(kept);
        }
        Ok(entry)
    }
}
