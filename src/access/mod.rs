//! Who is asking: credentials to tenants.
//!
//! A tenant is named by a keyed hash of the credential a request carries, so that a cache never learns, keeps or
//! shows the credential itself, and so that nobody can reach another's cache by claiming its name.

mod credential;
mod tenant;

use serde::{Deserialize, Serialize};

pub use credential::presented;
pub use tenant::Tenants;

/// Who shares a cache: `[cache] share`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// One cache for each credential.
    #[default]
    Credential,
    /// One cache for all.
    Everyone,
}
