//! Whole namespaces go in constant time, however many entries they hold: marked gone in memory at once, noted in the
//! ledger with one durable write, and brought off the disk behind that. The note outlives a crash: what it covers is not
//! taken from the disk again.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::note::Note;
use super::purge::Purged;
use crate::domain::{Entry, Namespace, TenantId, Timestamp};
use crate::store::{Ledger, StoreError};

/// A namespace that was emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flush {
    /// Of this tenant only, if one is named.
    pub tenant: Option<TenantId>,
    /// The namespace.
    pub namespace: Namespace,
    /// What was generated later is not meant.
    pub until: Timestamp,
}

impl Flush {
    /// Whether it is of this home.
    pub(super) fn is_of(&self, tenant: &TenantId, namespace: &Namespace) -> bool {
        self.namespace == *namespace && self.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
    }

    /// Whether it emptied the namespace of an entry that stands on disk.
    pub(super) fn covers(&self, entry: &Entry) -> bool {
        entry.created <= self.until && self.is_of(&entry.tenant, &entry.namespace)
    }
}

/// The flushes that the disk has not followed yet. Kept in the ledger.
#[derive(Debug)]
pub(super) struct Flushes {
    pending: Mutex<Vec<Flush>>,
    note: Note,
}

impl Flushes {
    pub(super) async fn open(ledger: Arc<dyn Ledger>) -> Self {
        let note = Note::new(ledger, "flushes");
        let lost = "which namespaces were emptied could not be read; purge them again";
        let pending = note.read(|record| serde_json::from_slice(record).ok(), lost).await;
        Self { pending: Mutex::new(pending.unwrap_or_default()), note }
    }

    fn pending(&self) -> Vec<Flush> {
        self.pending.lock().clone()
    }

    async fn add(&self, flush: Flush) -> Result<(), StoreError> {
        self.pending.lock().push(flush);
        self.write().await
    }

    async fn done(&self, flush: &Flush) -> Result<(), StoreError> {
        self.pending.lock().retain(|pending| pending != flush);
        self.write().await
    }

    async fn write(&self) -> Result<(), StoreError> {
        self.note.write(|| serde_json::to_vec(&self.pending())).await
    }
}

impl Engine {
    /// Empties a namespace. When this returns nothing of it is served any more, a crash notwithstanding; its bytes leave
    /// the disk behind that.
    ///
    /// # Errors
    /// When the ledger fails: nothing of it is served by this process, but a restart may bring it back.
    pub(super) async fn flush(
        self: &Arc<Self>,
        tenant: Option<TenantId>,
        namespace: Namespace,
    ) -> Result<Purged, StoreError> {
        // A filling that did not see the purge coming is through, and its answer goes with the others; one that comes
        // after this sees it.
        let changing = self.shelf.change().await;
        let flush = Flush { tenant, namespace, until: self.now() };
        // What is not loaded yet is known to the disk alone.
        let unloaded = !self.warmth.is_done();
        let (entries, bytes) = self.shelf.catalog().flush(&flush);
        drop(changing);
        self.flushes.add(flush.clone()).await?;
        self.follow(flush, unloaded);
        Ok(Purged { entries, bytes, examples: Vec::new() })
    }

    /// Goes on with the flushes that a crash or a stop left to be followed. Before anything is read from the store.
    pub(super) fn resume_flushes(self: &Arc<Self>) {
        for flush in self.flushes.pending() {
            self.shelf.catalog().flush(&flush);
            self.follow(flush, true);
        }
    }

    fn follow(self: &Arc<Self>, flush: Flush, unloaded: bool) {
        let (engine, stop) = (self.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = engine.clear(&flush, unloaded) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn clear(&self, flush: &Flush, unloaded: bool) {
        const PAUSE: Duration = Duration::from_secs(5);
        if unloaded {
            self.warmth.done().await;
        }
        while let Err(fault) = self.clear_now(flush, unloaded).await {
            tracing::warn!(%fault, "an emptied namespace is still on disk; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        self.shelf.catalog().settle(flush);
        if let Err(fault) = self.flushes.done(flush).await {
            tracing::warn!(%fault, "an emptied namespace is gone from the disk, but its note is not");
        }
    }

    async fn clear_now(&self, flush: &Flush, unloaded: bool) -> Result<(), StoreError> {
        // Few at a time, so that fillings do not wait for long.
        const BATCH: usize = 256;
        let flushed = self.shelf.catalog().flushed(flush);
        for batch in flushed.chunks(BATCH) {
            self.shelf.change().await.remove(batch).await?;
        }
        if !unloaded {
            return Ok(());
        }
        let mut after = None;
        loop {
            let changing = self.shelf.change().await;
            let page = self.shelf.scan(after, BATCH).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id());
            let standing = |entry: &Entry| self.shelf.catalog().contains(entry.id());
            let covered = page.iter().filter(|entry| flush.covers(entry) && !standing(entry));
            let ids: Vec<_> = covered.map(Entry::id).collect();
            if !ids.is_empty() {
                changing.remove(&ids).await?;
            }
        }
    }
}
