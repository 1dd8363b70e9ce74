//! May this request use the cache, and which tiers of it?

use serde::{Deserialize, Serialize};

use crate::domain::{Asked, Cause, Directives, Mode};

/// What the operator admits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Requests that name a sampling temperature above this are forwarded: they ask for variety.
    pub max_temperature: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_temperature: 1.0 }
    }
}

/// How a request may use the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Not at all: forward it as it is.
    Bypass(Cause),
    /// In these ways.
    Use {
        /// Answers may be read; otherwise, why not (`no-cache`, `write-only`).
        read: Result<(), Cause>,
        /// The answer may be kept; otherwise, why not.
        write: Result<(), Cause>,
        /// The semantic tier may take part; otherwise, why not.
        semantic: Result<(), Cause>,
    },
}

/// Decides from the request, its directives and the configured mode (the stricter of the two modes wins).
#[must_use]
pub fn admit(asked: &Asked, directives: &Directives, mode: Mode, settings: &Settings) -> Admission {
    let _ = (asked, directives, mode, settings);
    Admission::Bypass(Cause::Off)
}
