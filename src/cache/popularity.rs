//! How often entries were served, over restarts: it says which of them are worth keeping.
//!
//! Counted in memory, and written to the ledger every few minutes and at the end, for those served most. A crash loses
//! the counts of the last minutes, and nothing else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use super::engine::Engine;
use super::note::Note;
use crate::domain::EntryId;
use crate::store::{Ledger, StoreError};

/// Entries whose counts are kept.
const MOST: usize = 65_536;

/// Bytes of an id and of a count.
const WIDTH: usize = 16 + 4;

/// Where counts are written down.
pub(super) fn popularity(ledger: Arc<dyn Ledger>) -> Note {
    Note::new(ledger, "hits")
}

/// The counts written down; none where they cannot be read.
pub(super) async fn remembered(note: &Note) -> HashMap<EntryId, u32> {
    let known = note.read(|record| Some(read(record)), "how often entries were served could not be read").await;
    known.unwrap_or_default()
}

fn read(record: &[u8]) -> HashMap<EntryId, u32> {
    let one = |row: &[u8]| {
        let (id, hits) = row.split_at_checked(16)?;
        Some((EntryId(id.try_into().ok()?), u32::from_le_bytes(hits.try_into().ok()?)))
    };
    record.chunks_exact(WIDTH).filter_map(one).collect()
}

fn write(hits: &[(EntryId, u32)]) -> Vec<u8> {
    hits.iter().flat_map(|(id, hits)| id.0.into_iter().chain(hits.to_le_bytes())).collect()
}

impl Engine {
    /// Writes down how often entries were served.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn keep_popularity(&self) -> Result<(), StoreError> {
        let encode = || {
            let mut hits = self.shelf.catalog().popularity();
            hits.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            hits.truncate(MOST);
            Ok::<_, Infallible>(write(&hits))
        };
        self.popularity.write(encode).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_back() {
        let hits = vec![(EntryId([1; 16]), 7), (EntryId([2; 16]), u32::MAX)];
        assert_eq!(read(&write(&hits)), hits.into_iter().collect());
        assert!(read(b"too short").is_empty());
    }
}
