//! Keeping entries over restarts. The store is the truth; every other structure is derived from it.
//!
//! The door: [`EntryStore`] for answers, [`Ledger`] for small named records (model epochs, the hashing secret,
//! reported pairs).

mod disk;
mod envelope;
#[cfg(test)]
mod laws;
mod memory;
mod record;

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use disk::DiskStore;
pub use memory::MemoryStore;

use crate::domain::{Clock, Entry, EntryId, Size};

/// Where entries are kept, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The data folder. One process at a time uses it.
    pub path: PathBuf,
    /// The most bytes of entries kept; beyond it the least valuable are dropped. The engine sees to it.
    pub max_bytes: Size,
    /// The most entries kept.
    pub max_entries: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::from("data"), max_bytes: Size::mib(4096), max_entries: 1_000_000 }
    }
}

/// Opens the data folder that the settings name.
///
/// # Errors
/// As for [`DiskStore::open`].
pub fn open(settings: &Settings, clock: &dyn Clock) -> Result<DiskStore, StoreError> {
    DiskStore::open(&settings.path, clock.now())
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Volume {
    /// Entries.
    pub entries: u64,
    /// Bytes of their records, compressed as they stand.
    pub bytes: u64,
    /// Bytes of the files that hold them.
    pub disk_bytes: u64,
}

/// What opening a data folder took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opening {
    /// The format found on the disk; `None` for a new folder.
    pub format_found: Option<u32>,
    /// Where a damaged folder was moved to, before a new one was started.
    pub set_aside: Option<PathBuf>,
    /// The database was written afresh, since it took far more space than it held.
    pub compacted: Option<Compaction>,
}

/// A compaction's gain, in bytes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Before it.
    pub before: u64,
    /// After it.
    pub after: u64,
}

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; what stands can still be read.
    #[error("no space left for the data folder")]
    Full,
    /// The engine underneath failed.
    #[error("the data folder failed: {0}")]
    Engine(String),
    /// What stands on the disk makes no sense: a checksum or the engine's own structure is wrong.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Another process has the data folder open.
    #[error("the data folder {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// A newer program wrote the data folder; nothing was touched.
    #[error("the data folder has format {found}, written by a newer dejavu; this one knows up to {known}")]
    Newer {
        /// The folder's format.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
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

    /// Up to `limit` entries with ids above `after`, in order of id; fewer when they are large. An empty page is the
    /// end.
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
    /// When the engine underneath fails; [`StoreError::Damaged`] when the record's checksum is wrong.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a record in place of any with its name.
    ///
    /// # Errors
    /// When the disk is full or the engine underneath fails.
    async fn write(&self, name: &str, record: &[u8]) -> Result<(), StoreError>;
}
