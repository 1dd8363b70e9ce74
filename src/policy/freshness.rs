//! Is a kept answer fresh enough for this caller (RFC 9111, RFC 5861), and how long does a new one live?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{Cause, Directives, Lasting, Timestamp};

/// How long answers live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Lifetime where neither route nor header says otherwise.
    pub ttl: Lasting,
    /// The longest lifetime a header may ask for.
    pub max_ttl: Lasting,
    /// How long past expiry an answer may be served while it is refreshed in the background.
    pub stale_while_revalidate: Lasting,
    /// How long past expiry an answer may be served when the upstream fails.
    pub stale_if_error: Lasting,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl: Lasting::seconds(86_400),
            max_ttl: Lasting::seconds(30 * 86_400),
            stale_while_revalidate: Lasting::default(),
            stale_if_error: Lasting::default(),
        }
    }
}

/// What may be done with a kept answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Serve it; `remaining` is its lifetime left.
    Fresh {
        /// Until it expires.
        remaining: Duration,
    },
    /// Serve it, marked stale. `refresh` says whether to refresh it in the background meanwhile.
    Stale {
        /// Refresh in the background (`stale-while-revalidate`).
        refresh: bool,
    },
    /// Do not serve it, unless the upstream fails and `if_error` holds.
    Unfit {
        /// Why not.
        cause: Cause,
        /// It may be served if the upstream fails (`stale-if-error`).
        if_error: bool,
    },
}

/// Judges an answer generated at `created` that expires at `expires`.
#[must_use]
pub fn freshness(
    created: Timestamp,
    expires: Timestamp,
    directives: &Directives,
    now: Timestamp,
    settings: &Settings,
) -> Freshness {
    let _ = (created, directives, settings);
    if now < expires {
        Freshness::Fresh { remaining: expires.since(now) }
    } else {
        Freshness::Unfit { cause: Cause::Expired, if_error: false }
    }
}

/// The lifetime of a new answer: the header's (clamped), else the route's, else the configured one.
#[must_use]
pub fn lifetime(directives: &Directives, route_ttl: Option<Duration>, settings: &Settings) -> Duration {
    let asked = directives.ttl.map(|ttl| ttl.min(settings.max_ttl.0));
    asked.or(route_ttl).unwrap_or(settings.ttl.0)
}
