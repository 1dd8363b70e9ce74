//! The entries asked for most, in memory. Never the truth: any may be gone at any time.

use std::sync::{Arc, OnceLock};

use super::facts::Facts;
use super::lately::Lately;
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
pub(super) struct Hot(Lately<EntryId, Kept>);

impl Hot {
    /// A tier of at most `capacity` bytes of entries.
    pub(super) fn new(capacity: Size) -> Self {
        Self(Lately::new(capacity.0))
    }

    /// The entry, if it is here and was not taken out of the catalog since.
    pub(super) fn get(&self, id: EntryId) -> Option<Kept> {
        self.0.get(&id).filter(|kept| !kept.facts.is_gone())
    }

    pub(super) fn insert(&self, kept: Kept) {
        let weight = kept.entry.weight();
        self.0.put(kept.facts.id, kept, weight);
    }

    pub(super) fn remove(&self, id: EntryId) {
        self.0.remove(&id);
    }

    /// Approximate bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}
