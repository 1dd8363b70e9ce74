//! What one request asks of the cache, beyond its body.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Namespace, Tag};

/// How far the cache takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Neither reads nor writes.
    Off,
    /// Reads and writes by equality only.
    Exact,
    /// Reads by equality and by meaning.
    Semantic,
    /// Reads, never writes.
    ReadOnly,
    /// Writes, never reads.
    WriteOnly,
}

/// How stale an answer a caller accepts (RFC 9111, 5.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxStale {
    /// Any staleness.
    Any,
    /// At most this much past expiry.
    AtMost(Duration),
}

/// What a route says about how long its answers live; `None` leaves it to the cache's own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    /// Lifetime of a new answer.
    pub ttl: Option<Duration>,
    /// How long past expiry an answer may be served while it is refreshed in the background.
    pub stale_while_revalidate: Option<Duration>,
    /// How long past expiry an answer may be served when the upstream fails.
    pub stale_if_error: Option<Duration>,
}

/// The request controls of one request, as its headers give them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Directives {
    /// `Cache-Control: no-cache`: do not read; forward and refresh.
    pub no_cache: bool,
    /// `Cache-Control: no-store`: neither read nor write.
    pub no_store: bool,
    /// `Cache-Control: only-if-cached`: never forward.
    pub only_if_cached: bool,
    /// `Cache-Control: max-age`: the oldest acceptable answer.
    pub max_age: Option<Duration>,
    /// `Cache-Control: min-fresh`: how much lifetime an answer must have left.
    pub min_fresh: Option<Duration>,
    /// `Cache-Control: max-stale`.
    pub max_stale: Option<MaxStale>,
    /// `X-Cache-Mode`.
    pub mode: Option<Mode>,
    /// `X-Cache-TTL`, not yet clamped.
    pub ttl: Option<Duration>,
    /// `X-Cache-Namespace`.
    pub namespace: Namespace,
    /// `X-Cache-Tags`.
    pub tags: Vec<Tag>,
    /// `X-Cache-Min-Similarity`: may only tighten.
    pub min_similarity: Option<f32>,
    /// `X-Residency: local`.
    pub local_only: bool,
}
