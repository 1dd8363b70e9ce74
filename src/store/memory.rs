//! A store that forgets at the end of the process: for tests, and where no data folder is wanted.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{EntryStore, Ledger, StoreError};
use crate::domain::{Entry, EntryId};

/// Entries and records in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    entries: Mutex<BTreeMap<EntryId, Entry>>,
    records: Mutex<HashMap<String, Vec<u8>>>,
}

#[async_trait]
impl EntryStore for MemoryStore {
    async fn get(&self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        Ok(self.entries.lock().get(&id).cloned())
    }

    async fn put(&self, entry: &Entry) -> Result<(), StoreError> {
        self.entries.lock().insert(entry.id(), entry.clone());
        Ok(())
    }

    async fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        let mut entries = self.entries.lock();
        for id in ids {
            entries.remove(id);
        }
        Ok(())
    }

    async fn scan(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.lock();
        Ok(entries.range((from, Bound::Unbounded)).take(limit).map(|(_, entry)| entry.clone()).collect())
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.lock().get(name).cloned())
    }

    async fn write(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        self.records.lock().insert(name.to_owned(), record.to_vec());
        Ok(())
    }
}
