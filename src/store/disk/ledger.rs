//! Small named records on the disk: their keys and their checksums.
//!
//! The byte layout is format 1, described in `migrations/src/v0001_first_format.rs`.

use crate::domain::EntryId;
use crate::store::envelope::checksum;

/// The checksum covers an id; a named record has none.
const NOBODY: EntryId = EntryId([0; 16]);
const CHECKSUM: usize = 16;

/// What the keys of a record's parts start with. The zero byte keeps names apart of which one starts with another.
pub(super) fn key(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// The record with its checksum before it.
pub(super) fn seal(name: &str, record: &[u8]) -> Vec<u8> {
    [checksum(NOBODY, name.as_bytes(), record).as_slice(), record].concat()
}

/// The record without its checksum; `None` if that is wrong.
pub(super) fn unseal(name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (sum, record) = sealed.split_at_checked(CHECKSUM)?;
    (checksum(NOBODY, name.as_bytes(), record) == sum).then(|| record.to_vec())
}
