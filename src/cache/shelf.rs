//! The entries: the store, which is the truth, and what is derived from it, kept in step.
//!
//! Whatever changes the truth does so under one lock, so that catalog and index always say what the store holds.
//! Reading takes no lock: an entry read while something is being removed is checked against the catalog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use super::catalog::{Adopted, Catalog};
use super::facts::Facts;
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
        if self.catalog.lacks(id) {
            return Ok(None);
        }
        for _ in 0..TRIES {
            let removals = self.catalog.removals();
            let Some(entry) = self.store.get(id).await? else { return Ok(None) };
            match self.catalog.adopt(&entry, removals, self.age()) {
                Adopted::Stands(facts) => {
                    let kept = Kept::new(Arc::new(entry), facts);
                    self.hot.insert(kept.clone());
                    return Ok(Some(kept));
                }
                Adopted::Condemned => return Ok(None),
                Adopted::Changed => {}
            }
        }
        // Changes come faster than it can be read: as good as removed.
        Ok(None)
    }

    /// The entry, if it stands, without making room for it in memory.
    pub(super) async fn read(&self, id: EntryId) -> Result<Option<Arc<Entry>>, StoreError> {
        match self.hot.get(id) {
            Some(kept) => Ok(Some(kept.entry)),
            None => Ok(self.store.get(id).await?.map(Arc::new)),
        }
    }

    /// Up to `limit` entries after `after`, straight from the store.
    pub(super) async fn scan(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.scan(after, limit).await
    }

    /// The facts of an entry that is not kept yet.
    pub(super) fn facts_of(&self, entry: &Entry) -> Facts {
        self.catalog.facts_of(entry)
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
        for partition in &facts.partitions {
            self.index.remove(*partition, facts.id);
        }
    }

    fn add_to_index(&self, entry: &Entry) {
        let Some(placement) = &entry.placement else { return };
        let Some(at) = &placement.embedded else { return };
        for partition in placement.partitions() {
            self.index.insert(partition, entry.id(), at.vector.clone());
        }
    }
}

impl Changing<'_> {
    /// Keeps an entry in place of any with its id.
    ///
    /// # Errors
    /// When the store fails; what stood before still stands.
    pub(super) async fn keep(&self, entry: Arc<Entry>) -> Result<Arc<Facts>, StoreError> {
        let Self(shelf, _) = self;
        shelf.store.put(&entry).await?;
        let (facts, old) = shelf.catalog.replace(&entry, shelf.age());
        if let Some(old) = old.filter(|old| old.partitions != facts.partitions) {
            shelf.take_from_index(&old);
        }
        shelf.add_to_index(&entry);
        shelf.hot.insert(Kept::new(entry, facts.clone()));
        Ok(facts)
    }

    /// Takes entries out. When this returns they are gone from memory, index and disk.
    ///
    /// # Errors
    /// When the store fails: they are no longer served by this process, but may stand on disk.
    pub(super) async fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        self.condemn(ids);
        self.execute(ids).await
    }

    /// The first half of a removal: from memory and index. They are served no longer.
    pub(super) fn condemn(&self, ids: &[EntryId]) {
        let Self(shelf, _) = self;
        for facts in shelf.catalog.condemn(ids) {
            shelf.take_from_index(&facts);
            shelf.hot.remove(facts.id);
        }
    }

    /// The second half: from the disk, but for those kept anew in between.
    ///
    /// # Errors
    /// When the store fails: they stay condemned.
    pub(super) async fn execute(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        let Self(shelf, _) = self;
        let ids = shelf.catalog.still_condemned(ids);
        shelf.store.remove(&ids).await?;
        shelf.catalog.release(&ids);
        Ok(())
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
            if let Adopted::Stands(_) = shelf.catalog.adopt(entry, removals, shelf.age()) {
                shelf.add_to_index(entry);
            }
        }
        Ok(page)
    }
}
