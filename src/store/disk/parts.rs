//! How an entry's record lies in the table: cut into parts, since the engine handles small values best.
//!
//! The byte layout is format 1, described in `migrations/src/v0001_first_format.rs`.

use super::sled::{Engine, Record, Table};
use crate::domain::{Entry, EntryId};
use crate::store::StoreError;
use crate::store::record;

/// Bytes in a part, at most.
const PART: usize = 4000;
/// Bytes in the key of an entry's part: the id, and the part's number.
const KEY: usize = 18;
/// The most bytes of records read for one page of a scan, so that a page of large answers does not fill the memory.
const PAGE_BYTES: usize = 16 << 20;

/// A record's parts, each after its key.
pub(super) type Parts<'a> = Vec<(Vec<u8>, &'a [u8])>;

/// A record's parts with their keys: `name`, and the part's number as two bytes.
///
/// # Errors
/// [`StoreError::Engine`] when there would be more parts than a u16 counts: 262 MB.
pub(super) fn split<'a>(name: &[u8], record: &'a [u8]) -> Result<Parts<'a>, StoreError> {
    if record.len() > PART * usize::from(u16::MAX) {
        return Err(StoreError::Engine(format!("a record of {} bytes is too large to keep", record.len())));
    }
    let key = |number: u16| [name, &number.to_be_bytes()].concat();
    Ok(record.chunks(PART).zip(0..).map(|(part, number)| (key(number), part)).collect())
}

/// The parts of a record joined; `None` where there are none.
pub(super) fn load(engine: &Engine, table: Table, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut joined = None;
    for record in engine.under(table, name) {
        joined.get_or_insert_with(Vec::new).extend_from_slice(&record?.1);
    }
    Ok(joined)
}

/// The parts of a record as they stand, with their keys.
pub(super) fn standing(engine: &Engine, table: Table, name: &[u8]) -> Result<Vec<Record>, StoreError> {
    engine.under(table, name).collect()
}

/// One page of a scan.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Whole entries, in order of id.
    pub(super) entries: Vec<Entry>,
    /// Those whose records were damaged, or changed while they were read.
    pub(super) doubtful: Vec<EntryId>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<EntryId>,
}

/// Reads up to `limit` entries with ids above `after`.
pub(super) fn page(engine: &Engine, after: Option<EntryId>, limit: usize) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let mut reading: Option<(EntryId, Vec<u8>)> = None;
    let mut bytes = 0;
    let after = after.map(|id| [id.0.as_slice(), &[u8::MAX; 2]].concat());
    for record in engine.above(Table::Entries, after.as_deref()) {
        let (key, part) = record?;
        let Some(id) = id_of(&key) else { continue };
        if reading.as_ref().is_some_and(|(current, _)| *current != id) {
            let next = reading.take().map(|record| page.add(record));
            if page.entries.len() >= limit || bytes >= PAGE_BYTES {
                page.next = next;
                return Ok(page);
            }
        }
        bytes += part.len();
        reading.get_or_insert_with(|| (id, Vec::new())).1.extend_from_slice(&part);
    }
    if let Some(record) = reading {
        page.add(record);
    }
    Ok(page)
}

impl Page {
    fn add(&mut self, (id, record): (EntryId, Vec<u8>)) -> EntryId {
        match record::decode(id, &record) {
            Ok(entry) => self.entries.push(entry),
            Err(_) => self.doubtful.push(id),
        }
        id
    }
}

fn id_of(key: &[u8]) -> Option<EntryId> {
    (key.len() == KEY).then(|| key.first_chunk().copied().map(EntryId)).flatten()
}
