//! Whose cache it is: tenants, namespaces inside them, and labels on entries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A tenant, named by a keyed hash of its credential (32 hex digits), never by the credential itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Arc<str>);

/// A separate cache inside a tenant; the empty string is the default one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Namespace(pub Arc<str>);

impl Default for Namespace {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

/// A label on an entry, for purging.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(pub Arc<str>);
