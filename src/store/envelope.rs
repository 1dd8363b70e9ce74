//! What stands around a record on the disk: a format number, lengths and a checksum, and compression where it pays.
//!
//! The byte layout is described in `migrations/src/v0001_first_format.rs`; format 2 differs in its payload alone.

use crate::domain::EntryId;

const MAGIC: [u8; 4] = *b"DJV\0";
/// The record format this program writes.
const FORMAT: u16 = 2;
/// The oldest it reads.
const OLDEST: u16 = 1;
/// Bytes before the payload.
const HEAD: usize = 32;
const CHECKED_HEAD: usize = 16;
/// Payloads below this are stored as they are.
const WORTH_COMPRESSING: usize = 256;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// It is shorter or longer than it says, or parts of it are missing.
    #[error("it is incomplete")]
    Length,
    /// It does not start as records do, or has another format.
    #[error("it is no record of this format")]
    Format,
    /// Its checksum is wrong.
    #[error("its checksum is wrong")]
    Checksum,
    /// The checksum is right, yet the content is not what was expected.
    #[error("its content is not understood")]
    Content,
}

/// Wraps a payload for the disk.
///
/// # Errors
/// [`Damage::Length`] when it is larger than a u32 counts.
pub(super) fn seal(id: EntryId, payload: &[u8]) -> Result<Vec<u8>, Damage> {
    let compressed = (payload.len() >= WORTH_COMPRESSING)
        .then(|| lz4_flex::block::compress(payload))
        .filter(|compressed| compressed.len() < payload.len() / 8 * 7);
    let (stored, is_compressed) = compressed.as_deref().map_or((payload, 0), |compressed| (compressed, 1));
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map(u32::to_be_bytes).map_err(|_| Damage::Length);

    let mut record = Vec::with_capacity(HEAD + stored.len());
    record.extend(MAGIC);
    record.extend(FORMAT.to_be_bytes());
    record.extend([is_compressed, 0]);
    record.extend(length(stored)?);
    record.extend(length(payload)?);
    record.extend(checksum(id, &record, stored));
    record.extend(stored);
    Ok(record)
}

/// Unwraps a payload, if every byte is as it was written, and for this id.
///
/// # Errors
/// What is wrong with it.
pub(super) fn unseal(id: EntryId, record: &[u8]) -> Result<Vec<u8>, Damage> {
    let (head, stored) = record.split_at_checked(HEAD).ok_or(Damage::Length)?;
    let (checked, sum) = head.split_at(CHECKED_HEAD);
    let format = number(&checked[4..6]);
    if checked[..4] != MAGIC || !(usize::from(OLDEST)..=usize::from(FORMAT)).contains(&format) {
        return Err(Damage::Format);
    }
    if number(&checked[8..12]) != stored.len() {
        return Err(Damage::Length);
    }
    if checksum(id, checked, stored) != sum {
        return Err(Damage::Checksum);
    }
    match checked[6] {
        0 => Ok(stored.to_vec()),
        _ => lz4_flex::block::decompress(stored, number(&checked[12..16])).map_err(|_| Damage::Content),
    }
}

/// The first half of BLAKE3: 128 bits are enough against accidents.
pub(super) fn checksum(id: EntryId, head: &[u8], content: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&id.0).update(head).update(content);
    let mut sum = [0; 16];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    sum
}

/// A big-endian number of at most eight bytes.
pub(super) fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: EntryId = EntryId([7; 16]);

    #[test]
    fn what_compresses_well_is_compressed() {
        let payload = vec![b'a'; 10_000];
        let record = seal(ID, &payload).unwrap();
        assert!(record.len() < 200);
        assert_eq!(unseal(ID, &record), Ok(payload));
    }

    #[test]
    fn a_record_under_another_id_is_damaged() {
        let record = seal(ID, b"x").unwrap();
        assert_eq!(unseal(EntryId([8; 16]), &record), Err(Damage::Checksum));
    }

    proptest! {
        #[test]
        fn any_payload_reads_back(payload in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(unseal(ID, &seal(ID, &payload).unwrap()), Ok(payload));
        }

        #[test]
        fn any_flipped_bit_and_any_cut_is_noticed(
            payload in prop::collection::vec(0..4_u8, 0..600),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let mut record = seal(ID, &payload).unwrap();
            let at = at.index(record.len());
            prop_assert!(unseal(ID, &record[..at]).is_err());
            record[at] ^= 1_u8 << bit;
            prop_assert!(unseal(ID, &record).is_err());
        }
    }
}
