//! What is counted about one request, and about one upstream call.

use std::time::Duration;

use http::StatusCode;

use crate::domain::{Cause, Match, Outcome, Reason, Surface, TenantId, Usage};

/// One request of a cacheable surface, when the head of its answer is known.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The call.
    pub surface: Surface,
    /// What the cache did; `None` when dejavu refused the request before asking it.
    pub outcome: Option<Outcome>,
    /// What authorised a hit.
    pub how: Option<Match>,
    /// Why it was not a plain hit or miss.
    pub reason: Option<Reason>,
    /// The status the client got.
    pub status: StatusCode,
    /// The model name as the client wrote it; empty when unknown.
    pub model: &'a str,
    /// The route that decided where it goes; empty when unknown.
    pub route: &'a str,
    /// The upstream that answered, now or when the cached answer was made.
    pub upstream: Option<&'a str>,
    /// Whose request.
    pub tenant: &'a TenantId,
    /// From the request's head read to the answer's head known.
    pub took: Duration,
    /// What serving from the cache saved.
    pub saved: Option<Saved>,
}

/// What one hit saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The tokens that were not generated again.
    pub usage: Option<Usage>,
    /// How long the upstream took when it was asked.
    pub time: Duration,
}

/// One finished upstream call whose answer was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Who was asked.
    pub upstream: &'a str,
    /// The model asked.
    pub model: &'a str,
    /// From the request's sending to the answer's end.
    pub took: Duration,
    /// Tokens, when the answer says.
    pub usage: Option<Usage>,
    /// Whether the answer was kept; if not, why.
    pub kept: Result<(), Cause>,
}

/// The classes of `requests` in `/admin/v1/stats`. Each request is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Served by equality, fresh.
    HitExact,
    /// Served by meaning, fresh.
    HitSemantic,
    /// Forwarded: nothing fit to serve.
    Miss,
    /// Forwarded without asking the cache.
    Bypass,
    /// Served past its expiry.
    Stale,
    /// Forwarded to renew the entry.
    Refresh,
    /// Served from an identical request in flight.
    Collapsed,
    /// Answered with an error status, whoever gave it.
    Error,
}

impl Class {
    /// Every class, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::HitExact,
        Self::HitSemantic,
        Self::Miss,
        Self::Bypass,
        Self::Stale,
        Self::Refresh,
        Self::Collapsed,
        Self::Error,
    ];

    /// Its name in stats and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HitExact => "hit_exact",
            Self::HitSemantic => "hit_semantic",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Stale => "stale",
            Self::Refresh => "refresh",
            Self::Collapsed => "collapsed",
            Self::Error => "error",
        }
    }

    /// Whether the answer came out of the cache.
    #[must_use]
    pub const fn is_cached(self) -> bool {
        matches!(self, Self::HitExact | Self::HitSemantic | Self::Stale)
    }
}

impl Exchange<'_> {
    /// The one class this request counts in.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.status.is_client_error() || self.status.is_server_error() {
            return Class::Error;
        }
        match self.outcome {
            None => Class::Error,
            Some(Outcome::Hit) if matches!(self.how, Some(Match::Semantic(_))) => Class::HitSemantic,
            Some(Outcome::Hit) => Class::HitExact,
            Some(Outcome::Miss) => Class::Miss,
            Some(Outcome::Bypass) => Class::Bypass,
            Some(Outcome::Stale) => Class::Stale,
            Some(Outcome::Refresh) => Class::Refresh,
            Some(Outcome::Collapsed) => Class::Collapsed,
        }
    }
}
