//! Format 1, the first.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format` | see [`FORMAT`](crate::FORMAT) |
//! | `entries` | entry id (16 bytes), part number (u16, big endian) | that part of the record, at most 4,000 bytes |
//! | `entries` | one zero byte | the tally: number of entries, their bytes (u64 each, big endian), checksum (8 bytes) |
//! | `ledger` | the record's name (UTF-8), a zero byte, part number (u16, big endian) | that part, at most 4,000 bytes |
//!
//! An entry's record, its parts joined, numbers big endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `DJV` and a zero byte |
//! | 4..6 | the record's format: 1 |
//! | 6 | 1 when the payload is compressed (LZ4 block), else 0 |
//! | 7 | 0 |
//! | 8..12 | length of the payload as it stands |
//! | 12..16 | length of the payload before compression |
//! | 16..32 | checksum: the first half of BLAKE3 over id, bytes 0..16 and payload |
//! | 32.. | payload: MessagePack, an array of fields |
//!
//! A ledger record, its parts joined: a checksum of 16 bytes (the first half of BLAKE3 over 16 zero bytes, the name
//! and the record), then the record.

use crate::{Database, Fault};

/// Nothing is to be done but to see that the database is new: without a format record nothing may be in it.
pub(crate) fn up(db: &mut dyn Database) -> Result<(), Fault> {
    for table in ["entries", "ledger"] {
        if db.next(table, None)?.is_some() {
            return Err(format!("table {table:?} holds records but there is no format record").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tables;

    #[test]
    fn records_without_a_format_are_refused() {
        let mut db = Tables::default();
        assert!(up(&mut db).is_ok());
        db.put("ledger", b"secret", b"x").unwrap();
        assert!(up(&mut db).is_err());
    }
}
