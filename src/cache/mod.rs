//! The engine: look up, coalesce, hand out the right to fill, fill.
//!
//! [`Engine::lookup`] never fails: a fault of the store, the index or the embedder is a reason to forward, never an
//! error to the client. A miss hands out a [`Ticket`], the right to fill: it carries the embedding already
//! computed, publishes the upstream's answer to every identical request that waits (a [`Follower`] each, the leader's
//! own client included), is consumed by [`Ticket::fill`], and frees the waiting when dropped.

mod admin;
mod canaries;
mod canary;
mod catalog;
mod conversation;
mod embedding;
mod engine;
mod epochs;
mod evict;
mod explain;
mod facts;
mod fill;
mod flight;
mod flush;
mod follower;
mod hot;
mod lately;
mod lookup;
mod note;
mod popularity;
mod present;
mod purge;
mod reembed;
mod reranking;
mod risk;
mod search;
mod settings;
mod shadow;
mod shelf;
mod sweep;
mod ticket;
mod warm;
mod wrongs;

pub use admin::{Census, Listed, Page};
pub use canary::{Canary, CanarySettings, CanaryState, OnDrift};
pub use engine::{Engine, Parts};
pub use epochs::{Epoch, Source};
pub use explain::{Considered, Explanation};
pub use fill::Filling;
pub use follower::{Broken, Followed, Follower};
pub use lately::Lately;
pub use purge::{Filter, PurgeError, Purged};
pub use reranking::Readings;
pub use risk::{Group, RiskReport};
pub use settings::{Fingerprint, Settings, Versions, WhenUnsure};
pub use shadow::{Checking, Compared, Spending};
pub use ticket::Ticket;
pub use wrongs::Reported;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::domain::{Entry, Match, Outcome, Reason};
use crate::wire::Mould;

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
    mould: Arc<OnceLock<Mould>>,
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
    /// The duty to check it in the background, where it was picked for that.
    pub check: Option<Box<Checking>>,
}

impl Hit {
    /// What the replays of its answer have in common: found once, for as long as the entry stays in memory.
    #[must_use]
    pub fn mould(&self) -> &Mould {
        self.mould.get_or_init(|| Mould::of(&self.entry.recording))
    }
}

#[cfg(test)]
mod tests;
