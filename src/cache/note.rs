//! What outlives the process beside the entries: one record of the ledger, read at the start and written whole.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::{Ledger, StoreError};

/// One record of the ledger.
#[derive(Debug)]
pub(super) struct Note {
    name: &'static str,
    ledger: Arc<dyn Ledger>,
    /// Writings follow one another, each of what is known when its turn comes: the last one written is the latest.
    writing: tokio::sync::Mutex<()>,
    /// The last writing failed.
    behind: AtomicBool,
}

impl Note {
    pub(super) fn new(ledger: Arc<dyn Ledger>, name: &'static str) -> Self {
        Self { name, ledger, writing: tokio::sync::Mutex::default(), behind: AtomicBool::new(false) }
    }

    /// What it says. Nothing, where the ledger fails or `decode` makes no sense of it; the log then says what is `lost`.
    pub(super) async fn read<T>(&self, decode: impl FnOnce(&[u8]) -> Option<T>, lost: &str) -> Option<T> {
        let fault = match self.ledger.read(self.name).await {
            Ok(record) => match decode(&record?) {
                Some(known) => return Some(known),
                None => "it makes no sense".to_owned(),
            },
            Err(fault) => fault.to_string(),
        };
        tracing::error!(record = self.name, fault, "{lost}");
        None
    }

    /// Writes what `encode` gives once it is its turn.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn write<E: Display>(
        &self,
        encode: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<(), StoreError> {
        let _order = self.writing.lock().await;
        let record = encode().map_err(|fault| StoreError::Engine(fault.to_string()))?;
        let written = self.ledger.write(self.name, &record).await;
        self.behind.store(written.is_err(), Ordering::Relaxed);
        written
    }

    /// Whether the last writing failed, so that the record says less than is known.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }
}
