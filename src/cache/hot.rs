//! The entries asked for most, in memory. Never the truth: moka may refuse a newcomer or drop anything at any time.
//! The only file that knows moka.

use std::sync::{Arc, OnceLock};

use moka::sync::Cache;

use super::facts::Facts;
use crate::domain::{Entry, EntryId, Size};
use crate::wire::Mould;

/// An entry with the facts that tell whether it still stands.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The entry.
    pub entry: Arc<Entry>,
    /// What the catalog says of it.
    pub facts: Arc<Facts>,
    /// What its replays have in common, once there was one.
    pub mould: Arc<OnceLock<Mould>>,
}

impl Kept {
    pub(super) fn new(entry: Arc<Entry>, facts: Arc<Facts>) -> Self {
        Self { entry, facts, mould: Arc::default() }
    }
}

/// The hot tier.
#[derive(Debug)]
pub(super) struct Hot(Cache<EntryId, Kept>);

impl Hot {
    /// A tier of at most `capacity` bytes of entries.
    pub(super) fn new(capacity: Size) -> Self {
        let weigh = |_: &EntryId, kept: &Kept| u32::try_from(kept.entry.weight()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(capacity.0).weigher(weigh).build())
    }

    /// The entry, if it is here and was not taken out of the catalog since.
    pub(super) fn get(&self, id: EntryId) -> Option<Kept> {
        self.0.get(&id).filter(|kept| !kept.facts.is_gone())
    }

    pub(super) fn insert(&self, kept: Kept) {
        self.0.insert(kept.facts.id, kept);
    }

    pub(super) fn remove(&self, id: EntryId) {
        self.0.invalidate(&id);
    }

    /// Approximate bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}
