//! What became of a request, as the response headers and the metrics say it.

use serde::{Deserialize, Serialize};

/// `X-Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Served from the cache, fresh.
    Hit,
    /// Forwarded: nothing fit to serve was found.
    Miss,
    /// Forwarded without asking the cache.
    Bypass,
    /// Forwarded because the caller asked for a fresh answer; the entry is renewed.
    Refresh,
    /// Served from the cache past its expiry.
    Stale,
    /// Served from the upstream call of an identical request in flight.
    Collapsed,
}

impl Outcome {
    /// The header's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Bypass => "BYPASS",
            Self::Refresh => "REFRESH",
            Self::Stale => "STALE",
            Self::Collapsed => "COLLAPSED",
        }
    }
}

/// `X-Cache-Match`: what authorised a hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Match {
    /// The very same request.
    Exact,
    /// Another wording of the same question, at this cosine similarity.
    Semantic(f32),
}

impl Match {
    /// The header's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Semantic(_) => "semantic",
        }
    }
}
