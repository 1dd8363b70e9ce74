//! Keeping entries over restarts. The store is the truth; every other structure is derived from it.
//!
//! The door: [`EntryStore`] for answers, [`Ledger`] for small named records (model epochs, the hashing secret,
//! reported pairs).

mod memory;

pub use memory::MemoryStore;

use async_trait::async_trait;

use crate::domain::{Entry, EntryId};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; what stands can still be read.
    #[error("no space left for the data folder")]
    Full,
    /// The engine underneath failed.
    #[error("the data folder failed: {0}")]
    Engine(String),
    /// A record's checksum or format is wrong; it is treated as absent everywhere but here.
    #[error("a record is damaged: {0}")]
    Damaged(String),
}

/// Kept answers by id.
#[async_trait]
pub trait EntryStore: Send + Sync + std::fmt::Debug {
    /// The entry, or `None` where there is none. A damaged record is dropped, logged and `None`.
    ///
    /// # Errors
    /// When the engine underneath fails.
    async fn get(&self, id: EntryId) -> Result<Option<Entry>, StoreError>;

    /// Keeps an entry in place of any with its id. Durable within a second.
    ///
    /// # Errors
    /// When the disk is full or the engine underneath fails; what stood before still stands.
    async fn put(&self, entry: &Entry) -> Result<(), StoreError>;

    /// Takes entries out. When this returns they are gone from the disk, a crash notwithstanding.
    ///
    /// # Errors
    /// When the engine underneath fails.
    async fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError>;

    /// Up to `limit` entries with ids above `after`, in order of id; an empty page is the end.
    ///
    /// # Errors
    /// When the engine underneath fails. Damaged records are left out.
    async fn scan(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError>;
}

/// Small named records, durable when the call returns.
#[async_trait]
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// The record, or `None` where there is none.
    ///
    /// # Errors
    /// When the engine underneath fails.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a record in place of any with its name.
    ///
    /// # Errors
    /// When the disk is full or the engine underneath fails.
    async fn write(&self, name: &str, record: &[u8]) -> Result<(), StoreError>;
}
