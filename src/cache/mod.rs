//! The engine: look up, coalesce, hand out the right to fill, fill.
//!
//! [`Engine::lookup`] never fails: a fault of the store, the index or the embedder is a reason to forward, never an
//! error to the client. A miss hands out a [`Ticket`], the right to fill: it carries the embedding already
//! computed, publishes the upstream's answer to every identical request that waits (a [`Follower`] each, the leader's
//! own client included), is consumed by [`Ticket::fill`], and frees the waiting when dropped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{Cause, Directives, Entry, EntryId, Head, Match, Outcome, Query, Reason, Recording, Target};

/// The cache itself. Shared by all requests.
#[derive(Debug)]
pub struct Engine {}

/// What the cache says about a request.
#[derive(Debug)]
pub enum Lookup {
    /// Serve this.
    Hit(Box<Hit>),
    /// Forward, and fill.
    Miss(Box<Ticket>),
    /// The same request is in flight: take its answer as it comes.
    Join(Follower),
    /// Forward without the cache taking part.
    Bypass(Reason),
    /// The caller takes a cached answer only (`only-if-cached`), and there is none fit to serve.
    NotCached(Option<Reason>),
}

/// An answer from the cache.
#[derive(Debug)]
pub struct Hit {
    /// The answer and all that is known about it.
    pub entry: Arc<Entry>,
    /// By equality or by meaning.
    pub how: Match,
    /// [`Outcome::Hit`], [`Outcome::Stale`] or [`Outcome::Collapsed`].
    pub outcome: Outcome,
    /// Why it is not a plain hit.
    pub reason: Option<Reason>,
    /// Time since the answer was generated.
    pub age: Duration,
    /// Lifetime left; zero when stale.
    pub remaining: Duration,
    /// The right to refresh it in the background, handed to at most one request at a time.
    pub refresh: Option<Box<Ticket>>,
}

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
}

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
    /// A view of this flight's answer, for the leader's own client.
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower {}
    }

    /// Publishes the answer's head to all followers.
    pub fn head(&mut self, head: Arc<Head>, target: Target) {
        let _ = (head, target);
    }

    /// Publishes the next bytes of the body, exactly as they came. Waits while the slowest live follower is too
    /// far behind, so that an answer never piles up in memory without bound.
    pub async fn chunk(&mut self, bytes: Bytes) {
        let _ = bytes;
    }

    /// Publishes that the upstream broke off: followers see their streams cut.
    pub fn cut(&mut self) {}

    /// Keeps the answer, if it may be kept, and ends the flight.
    ///
    /// # Errors
    /// Why it was not kept. Nothing that the client need know.
    pub async fn fill(self, filling: Filling) -> Result<Arc<Entry>, Cause> {
        let _ = filling;
        Err(Cause::Off)
    }
}

/// A request that receives the answer of another, identical one in flight.
#[derive(Debug)]
pub struct Follower {}

/// What a follower receives.
#[derive(Debug)]
pub enum Followed {
    /// The same wire shape: the upstream's head, then its bytes from the first on.
    Live(Arc<Head>, Target),
    /// Another wire shape: the finished entry, to be replayed in this caller's shape.
    Whole(Arc<Entry>),
    /// The leader came to nothing (no upstream, an answer that cannot be reshaped): look up once more, which may
    /// make this request the leader.
    Failed,
}

impl Follower {
    /// Waits for the head, or for the whole entry when this caller's shape differs from the leader's.
    pub async fn begin(&mut self) -> Followed {
        Followed::Failed
    }

    /// The next bytes of a live answer; `None` at its end.
    ///
    /// # Errors
    /// The upstream cut the answer, or the leader was dropped in the middle of it.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        None
    }
}

/// The answer being followed broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off upstream")]
pub struct Broken;

impl Engine {
    /// Looks a request up. `route_ttl` is the route's own lifetime for answers.
    pub async fn lookup(
        self: &Arc<Self>,
        query: Query,
        directives: &Directives,
        route_ttl: Option<Duration>,
    ) -> Lookup {
        let _ = (query, directives, route_ttl);
        Lookup::Bypass(Cause::Off.into())
    }
}
