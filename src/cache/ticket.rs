//! The right to fill one entry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Hit;
use super::engine::Engine;
use super::facts::Facts;
use super::flight::Lead;
use super::follower::Follower;
use super::lookup::Asking;
use super::risk::Matched;
use super::settings::Settings;
use crate::domain::{
    Cause, Directives, Embedded, Entry, EntryId, Head, Key, Model, Outcome, Query, Reason, Tag, Target, Timestamp,
    Version,
};
use crate::policy::freshness::{is_shortened, lifetime};

/// The right to fill one entry, held by the request that leads. Dropping it frees the followers.
#[derive(Debug)]
pub struct Ticket {
    /// [`Outcome::Miss`] or [`Outcome::Refresh`].
    pub outcome: Outcome,
    /// Why it is not a plain miss, for instance the veto against the nearest candidate.
    pub reason: Option<Reason>,
    /// The entry the answer will become if the first target gives it, and if it may be kept.
    pub entry: Option<EntryId>,
    fallback: Option<Fallback>,
    pub(super) lead: Lead,
    pub(super) due: Due,
}

/// A stale answer, and what tells whether it still stands.
pub(super) type Fallback = (Box<Hit>, Arc<Facts>);

/// What a filling needs to know of the request it answers.
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
    /// What was refused for the risk budget alone, to be compared with the answer.
    pub doubted: Option<(Arc<Entry>, Matched)>,
}

/// Says nothing of what is inside: prompts have no place in a log.
impl fmt::Debug for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Due(..)")
    }
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
        fallback: Option<Fallback>,
    ) -> Self {
        let (since, id) = (asking.now(), asking.id());
        let (ttl, reason) = (asking.ttl(), asking.short_lived(reason));
        let Asking { engine, settings, query, directives, target, version, write, purges, .. } = asking;
        let due = Due {
            engine: engine.clone(),
            ttl,
            settings,
            query,
            tags: directives.tags.clone(),
            write,
            embedding,
            under: (target.model, version),
            since,
            purges,
            doubted: None,
        };
        Self { outcome, reason, entry: write.is_ok().then_some(id), fallback, lead, due }
    }

    /// Whether a stale answer may be served if the upstream fails (`stale-if-error`).
    #[must_use]
    pub fn has_fallback(&self) -> bool {
        self.fallback.as_ref().is_some_and(|(_, facts)| !facts.is_gone())
    }

    /// That stale answer, unless it was purged meanwhile.
    pub fn take_fallback(&mut self) -> Option<Box<Hit>> {
        self.fallback.take().filter(|(_, facts)| !facts.is_gone()).map(|(hit, _)| hit)
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

impl Asking<'_> {
    /// How long a new answer lives.
    pub(super) fn ttl(&self) -> Duration {
        let rules = &self.settings.freshness;
        let ttl = lifetime(self.directives, self.lifetimes.ttl, self.timeliness, rules);
        spread(self.directives, ttl, self.key, self.settings.jitter)
    }

    /// The reason of a miss; where it is an ordinary one, that its answer is kept for less time than others.
    pub(super) fn short_lived(&self, reason: Option<Reason>) -> Option<Reason> {
        let rules = &self.settings.freshness;
        match reason {
            None | Some(Reason::Cause(Cause::ExactOnly | Cause::BelowThreshold))
                if is_shortened(self.directives, self.lifetimes.ttl, self.timeliness, rules) =>
            {
                Some(Cause::ShortLived.into())
            }
            reason => reason,
        }
    }
}

/// Shortens a lifetime by up to `jitter` of it, by the same share each time the same request is answered.
fn spread(directives: &Directives, ttl: Duration, key: Key, jitter: f32) -> Duration {
    const LEAST: Duration = Duration::from_secs(600);
    if directives.ttl.is_some() || ttl < LEAST {
        return ttl;
    }
    let [low, high, ..] = key.0.0;
    let share = f32::from(u16::from_le_bytes([low, high])) / f32::from(u16::MAX);
    ttl.mul_f32(1.0 - jitter.clamp(0.0, 1.0) * share)
}
