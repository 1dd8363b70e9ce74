//! The entries: the store, which is the truth, and what is derived from it, kept in step.
//!
//! Whatever changes the truth does so under one lock, so that catalog and index always say what the store holds.
//! Reading takes no lock: an entry read while something is being removed is checked against the catalog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use super::catalog::{Catalog, Facts};
use super::hot::{Hot, Kept};
use crate::domain::{Entry, EntryId, Size};
use crate::index::VectorIndex;
use crate::store::{EntryStore, StoreError};

/// Truth and derivations.
#[derive(Debug)]
pub(super) struct Shelf {
    store: Arc<dyn EntryStore>,
    index: Arc<dyn VectorIndex>,
    catalog: Catalog,
    hot: Hot,
    changing: Mutex<()>,
    /// The worth at which the last entry was evicted: GreedyDual's age, as the bits of an `f64`.
    age: AtomicU64,
}

/// The right to change the truth.
#[derive(Debug)]
pub(super) struct Changing<'a>(&'a Shelf, #[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>);

impl Shelf {
    pub(super) fn new(store: Arc<dyn EntryStore>, index: Arc<dyn VectorIndex>, hot: Size) -> Self {
        Self {
            store,
            index,
            catalog: Catalog::default(),
            hot: Hot::new(hot),
            changing: Mutex::default(),
            age: AtomicU64::new(0),
        }
    }

    pub(super) fn index(&self) -> &dyn VectorIndex {
        &*self.index
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) fn hot(&self) -> &Hot {
        &self.hot
    }

    /// The entry, from memory without waiting.
    pub(super) fn peek(&self, id: EntryId) -> Option<Kept> {
        self.hot.get(id)
    }

    /// The entry, from memory or else from the store.
    pub(super) async fn find(&self, id: EntryId) -> Result<Option<Kept>, StoreError> {
        const TRIES: usize = 4;
        if let Some(kept) = self.hot.get(id) {
            return Ok(Some(kept));
        }
        for _ in 0..TRIES {
            let removals = self.catalog.removals();
            let Some(entry) = self.store.get(id).await? else { return Ok(None) };
            if let Some(facts) = self.catalog.adopt(&entry, removals, self.age()) {
                let kept = Kept { entry: Arc::new(entry), facts };
                self.hot.insert(kept.clone());
                return Ok(Some(kept));
            }
        }
        // Removals come faster than it can be read: as good as removed.
        Ok(None)
    }

    /// Counts a hit.
    pub(super) fn served(&self, facts: &Facts) {
        facts.count_hit(self.age());
    }

    /// Waits for the right to change the truth.
    pub(super) async fn change(&self) -> Changing<'_> {
        Changing(self, self.changing.lock().await)
    }

    pub(super) fn age(&self) -> f64 {
        f64::from_bits(self.age.load(Ordering::Relaxed))
    }

    /// Moves the cache's age forward to the worth of what was evicted.
    pub(super) fn grow_old(&self, worth: f64) {
        if worth > self.age() {
            self.age.store(worth.to_bits(), Ordering::Relaxed);
        }
    }

    fn take_from_index(&self, facts: &Facts) {
        if let Some(partition) = facts.partition {
            self.index.remove(partition, facts.id);
        }
    }

    fn add_to_index(&self, entry: &Entry) {
        let Some(placement) = &entry.placement else { return };
        if let (Some(partition), Some(at)) = (placement.partition(), &placement.embedded) {
            self.index.insert(partition, entry.id(), at.vector.clone());
        }
    }
}

impl Changing<'_> {
    /// Keeps an entry in place of any with its id.
    ///
    /// # Errors
    /// When the store fails; what stood before still stands.
    pub(super) async fn keep(&self, entry: Arc<Entry>) -> Result<(), StoreError> {
        let Self(shelf, _) = self;
        shelf.store.put(&entry).await?;
        let (facts, old) = shelf.catalog.replace(&entry, shelf.age());
        if let Some(old) = old.filter(|old| old.partition != facts.partition) {
            shelf.take_from_index(&old);
        }
        shelf.add_to_index(&entry);
        shelf.hot.insert(Kept { entry, facts });
        Ok(())
    }

    /// Takes entries out. When this returns they are gone from memory, index and disk.
    ///
    /// # Errors
    /// When the store fails: they are no longer served by this process, but may stand on disk.
    pub(super) async fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        let Self(shelf, _) = self;
        self.forget(ids);
        let removed = shelf.store.remove(ids).await;
        // Again: a lookup may have read one of them from the store before it was gone from there.
        self.forget(ids);
        removed
    }

    /// A page of the store, noted in catalog and index. Empty at the end.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn load(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let Self(shelf, _) = self;
        let page = shelf.store.scan(after, limit).await?;
        let removals = shelf.catalog.removals();
        for entry in &page {
            if shelf.catalog.adopt(entry, removals, shelf.age()).is_some() {
                shelf.add_to_index(entry);
            }
        }
        Ok(page)
    }

    fn forget(&self, ids: &[EntryId]) {
        let Self(shelf, _) = self;
        for facts in shelf.catalog.remove(ids) {
            shelf.take_from_index(&facts);
            shelf.hot.remove(facts.id);
        }
    }
}
