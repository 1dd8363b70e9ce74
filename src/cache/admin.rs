//! Looking at what is kept, for operators.

use std::sync::Arc;

use serde::Serialize;

use super::engine::Engine;
use super::epochs::Epoch;
use super::evict::make_room;
use super::purge::Filter;
use crate::domain::{Entry, EntryId, Model, Version};
use crate::store::StoreError;

/// One entry with how often it served.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The entry.
    pub entry: Arc<Entry>,
    /// Times it was served since it was kept or loaded.
    pub hits: u32,
    /// Whether it was reported as wrong so often that nobody is given it.
    pub quarantined: bool,
}

/// A page of entries.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Entries in order of id.
    pub entries: Vec<Listed>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<EntryId>,
}

/// What the engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Census {
    /// Entries.
    pub entries: u64,
    /// Their bytes, approximately.
    pub bytes: u64,
    /// Bytes of those held in memory whole.
    pub hot_bytes: u64,
    /// Requests now leading an upstream call that others may join.
    pub flights: usize,
    /// Vectors and partitions.
    pub index: crate::index::Census,
    /// Whether catalog and index are rebuilt after the start.
    pub warm: bool,
    /// Entries loaded by the rebuilding so far.
    pub loaded: u64,
    /// Whether there is an embedder.
    pub embedder: bool,
    /// Entries still to be embedded by the present embedder.
    pub to_embed: u64,
}

impl Engine {
    /// Up to `limit` entries that match, after the one named `cursor`. `similar_to` is not looked at.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn entries(&self, filter: &Filter, limit: usize, cursor: Option<EntryId>) -> Result<Page, StoreError> {
        let mut facts = self.shelf.catalog().page(cursor, limit.saturating_add(1), self.listed(filter));
        let more = facts.len() > limit;
        facts.truncate(limit);
        let next = facts.last().filter(|_| more).map(|last| last.id);
        let mut entries = Vec::with_capacity(facts.len());
        for facts in facts {
            if let Some(entry) = self.shelf.read(facts.id).await? {
                let quarantined = self.wrongs.quarantined(facts.id);
                entries.push(Listed { entry, hits: facts.hits(), quarantined });
            }
        }
        Ok(Page { entries, next })
    }

    /// One entry, fresh or not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn entry(&self, id: EntryId) -> Result<Option<Listed>, StoreError> {
        let Some(kept) = self.shelf.find(id).await? else { return Ok(None) };
        let quarantined = self.wrongs.quarantined(id);
        Ok(Some(Listed { hits: kept.facts.hits(), entry: kept.entry, quarantined }))
    }

    /// Up to `limit` entries after the one named `after`, straight from the store, for a backup. Empty at the end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn export(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut after = after;
        loop {
            let page = self.shelf.scan(after, limit).await?;
            let Some(last) = page.last() else { return Ok(page) };
            after = Some(last.id());
            // A page of entries on their way out is no end.
            let standing: Vec<_> = page.into_iter().filter(|entry| self.shelf.catalog().stands(entry)).collect();
            if !standing.is_empty() {
                return Ok(standing);
            }
        }
    }

    /// Keeps an entry from a backup, unless it has expired; whether it was kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn import(self: &Arc<Self>, entry: Entry) -> Result<bool, StoreError> {
        if entry.expires <= self.now() {
            return Ok(false);
        }
        let engine = self.clone();
        // Whoever imports may leave; what has begun is brought to its end.
        let work = self.tasks.spawn(async move { engine.take_in(entry).await });
        work.await.unwrap_or_else(|fault| Err(StoreError::Engine(fault.to_string())))?;
        Ok(true)
    }

    async fn take_in(self: Arc<Self>, entry: Entry) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let id = entry.id();
        let changing = self.shelf.change().await;
        let facts = changing.keep(Arc::new(entry)).await?;
        make_room(&self, &changing, id, &settings).await?;
        drop(changing);
        if self.embeddings.embedder().is_some_and(|embedder| facts.lacks(&embedder.space().id)) {
            self.embed_later(facts);
        }
        Ok(())
    }

    /// Takes what a backup knows of a model's version, where nobody knows anything of it yet: entries are found only
    /// under the version that gave them.
    ///
    /// # Errors
    /// When the ledger fails; what was taken holds until the next start.
    pub async fn import_model(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.epochs.restore(epoch).await
    }

    /// What the engine holds now.
    #[must_use]
    pub fn census(&self) -> Census {
        let (entries, bytes) = self.shelf.catalog().size();
        Census {
            entries,
            bytes,
            hot_bytes: self.shelf.hot().bytes(),
            flights: self.flights.len(),
            index: self.shelf.index().census(),
            warm: self.warmth.is_done(),
            loaded: self.warmth.loaded(),
            embedder: self.embeddings.embedder().is_some(),
            to_embed: self.to_embed(),
        }
    }

    /// Waits until catalog and index are rebuilt after the start.
    pub async fn warm(&self) {
        self.warmth.done().await;
    }

    /// The models' known versions, in order of model.
    #[must_use]
    pub fn models(&self) -> Vec<Epoch> {
        self.epochs.all()
    }

    /// Declares by hand that a model has a new version: nothing it answered before is served any more.
    ///
    /// # Errors
    /// When the ledger fails; the bump holds until the next start.
    pub async fn bump(&self, model: &Model) -> Result<Version, StoreError> {
        self.epochs.bump(model, self.now()).await
    }
}
