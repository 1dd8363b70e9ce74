//! How many entries the database holds and how many bytes they are, kept in the same batch as each change.

use super::sled::{Changes, Engine, Table};
use crate::domain::EntryId;
use crate::store::StoreError;
use crate::store::envelope::{checksum, number};

/// Shorter than every entry's key, so that it stands apart from them.
const KEY: &[u8] = &[0];
/// The checksum covers an id; the tally has none.
const NOBODY: EntryId = EntryId([0; 16]);

/// Number of entries and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Entries.
    pub(super) entries: u64,
    /// Bytes of keys and values.
    pub(super) bytes: u64,
}

impl Tally {
    /// The tally that stands in the database, or a count of everything where it is missing or damaged.
    pub(super) fn load(engine: &Engine) -> Result<Self, StoreError> {
        let standing = engine.get(Table::Entries, KEY)?;
        match standing.as_deref().and_then(Self::read) {
            Some(tally) => Ok(tally),
            None => Self::count(engine),
        }
    }

    /// Adds the tally to changes.
    pub(super) fn save(self, changes: &mut Changes) {
        let numbers = [self.entries.to_be_bytes(), self.bytes.to_be_bytes()].concat();
        changes.put(KEY, &[numbers.as_slice(), &checksum(NOBODY, KEY, &numbers)[..8]].concat());
    }

    fn read(record: &[u8]) -> Option<Self> {
        let (numbers, sum) = record.split_at_checked(16)?;
        (checksum(NOBODY, KEY, numbers)[..8] == *sum)
            .then(|| Self { entries: number(&numbers[..8]) as u64, bytes: number(&numbers[8..]) as u64 })
    }

    fn count(engine: &Engine) -> Result<Self, StoreError> {
        let mut tally = Self::default();
        for record in engine.above(Table::Entries, Some(KEY)) {
            let (key, value) = record?;
            tally.entries += u64::from(key.ends_with(&[0, 0]));
            tally.bytes += (key.len() + value.len()) as u64;
        }
        Ok(tally)
    }
}
