//! The right to fill one entry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Hit;
use super::engine::Engine;
use super::flight::{Follower, Lead};
use super::lookup::Asking;
use super::settings::Settings;
use crate::domain::{
    Cause, Embedded, EntryId, Head, Model, Namespace, Outcome, Query, Reason, Tag, Target, Timestamp, Version,
};

/// The right to fill one entry, held by the request that leads. Dropping it frees the followers.
#[derive(Debug)]
pub struct Ticket {
    /// [`Outcome::Miss`] or [`Outcome::Refresh`].
    pub outcome: Outcome,
    /// Why it is not a plain miss, for instance the veto against the nearest candidate.
    pub reason: Option<Reason>,
    /// The entry the answer will become if the first target gives it, and if it may be kept.
    pub entry: Option<EntryId>,
    /// A stale answer that may be served if the upstream fails (`stale-if-error`).
    pub fallback: Option<Box<Hit>>,
    pub(super) lead: Lead,
    pub(super) due: Due,
}

/// What a filling needs to know of the request it answers.
#[derive(Debug)]
pub(super) struct Due {
    pub engine: Arc<Engine>,
    pub settings: Arc<Settings>,
    pub query: Query,
    pub tags: Vec<Tag>,
    pub namespace: Namespace,
    /// How long the answer will live.
    pub ttl: Duration,
    /// Whether the answer may be kept at all.
    pub write: Result<(), Cause>,
    /// Whether it may be found by meaning.
    pub semantic: bool,
    /// The prompt's embedding, if it was made already.
    pub embedded: Option<Embedded>,
    /// The first target's model and its version when the request was looked up.
    pub under: (Model, Version),
    /// When that was.
    pub since: Timestamp,
}

impl Ticket {
    pub(super) fn new(
        asking: Asking<'_>,
        lead: Lead,
        outcome: Outcome,
        reason: Option<Reason>,
        semantic: bool,
        embedded: Option<Embedded>,
        fallback: Option<Box<Hit>>,
    ) -> Self {
        let since = asking.now();
        let Asking { engine, settings, query, directives, route_ttl, target, version, unsure: _, key, write } = asking;
        let due = Due {
            engine: engine.clone(),
            ttl: crate::policy::freshness::lifetime(directives, route_ttl, &settings.freshness),
            settings,
            tags: directives.tags.clone(),
            namespace: query.namespace.clone(),
            query,
            write,
            semantic,
            embedded,
            under: (target.model, version),
            since,
        };
        Self { outcome, reason, entry: write.is_ok().then_some(key.into()), fallback, lead, due }
    }

    /// A view of this flight's answer, for the leader's own client. Take it before the first [`Ticket::chunk`].
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.lead.follow()
    }

    /// Publishes the answer's head to all followers.
    pub fn head(&mut self, head: Arc<Head>, target: Target) {
        self.lead.head(head, target);
    }

    /// Publishes the next bytes of the body, exactly as they came. Waits while the slowest live follower is too
    /// far behind, so that an answer never piles up in memory without bound.
    pub async fn chunk(&mut self, bytes: Bytes) {
        self.lead.chunk(bytes).await;
    }

    /// Publishes that the upstream broke off: followers see their streams cut.
    pub fn cut(&mut self) {
        self.lead.cut();
    }
}
