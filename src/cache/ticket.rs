//! The right to fill one entry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Hit;
use super::engine::Engine;
use super::flight::{Follower, Lead};
use super::lookup::Asking;
use super::settings::Settings;
use crate::domain::{Cause, Embedded, EntryId, Head, Model, Outcome, Query, Reason, Tag, Target, Timestamp, Version};
use crate::policy::freshness::lifetime;

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
    /// How long the answer will live.
    pub ttl: Duration,
    /// Whether the answer may be kept at all.
    pub write: Result<(), Cause>,
    pub embedding: Embedding,
    /// The first target's model and its version when the request was looked up.
    pub under: (Model, Version),
    /// When that was.
    pub since: Timestamp,
    /// Purges before that.
    pub purges: u64,
}

/// How far the embedding of a request's prompt is.
#[derive(Debug)]
pub(super) enum Embedding {
    /// The answer is not to be found by meaning.
    Never,
    /// Not made yet.
    Due,
    /// Made at the lookup.
    Done(Embedded),
    /// Tried at the lookup, in vain: not again while a client waits.
    Failed,
}

impl Ticket {
    pub(super) fn new(
        asking: Asking<'_>,
        lead: Lead,
        outcome: Outcome,
        reason: Option<Reason>,
        embedding: Embedding,
        fallback: Option<Box<Hit>>,
    ) -> Self {
        let (since, id) = (asking.now(), asking.id());
        let Asking { engine, settings, query, directives, route_ttl, target, version, write, purges, .. } = asking;
        let due = Due {
            engine: engine.clone(),
            ttl: lifetime(directives, route_ttl, &settings.freshness),
            settings,
            query,
            tags: directives.tags.clone(),
            write,
            embedding,
            under: (target.model, version),
            since,
            purges,
        };
        Self { outcome, reason, entry: write.is_ok().then_some(id), fallback, lead, due }
    }

    /// A view of this flight's answer, for the leader's own client. Take it before 16 MiB have come.
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
