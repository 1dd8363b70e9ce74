//! The engine underneath: the only file that names sled.
//!
//! sled 0.34 loses nothing it acknowledged over kill -9, but panics on some damaged files, reports a full disk as any
//! IO error, and lets values over 4 KB leave orphans behind. This file turns its errors and panics into
//! [`StoreError`]; the others keep values small.

use std::any::Any;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use migrations::{Database, Fault};

use crate::store::StoreError;

/// Memory for pages. Small, since the hot tier stands in front.
const PAGE_CACHE: u64 = 64 << 20;
/// The longest time between an acknowledged put and its place on the disk.
const FLUSH_EVERY_MS: u64 = 200;
/// How often, and how long apart, a database in use is tried before it is given up: 5 s.
const RELEASE_TRIES: u32 = 500;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);

/// The tables of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Answers.
    Entries,
    /// Small named records.
    Ledger,
    /// The format record.
    Meta,
}

impl Table {
    pub(super) const ALL: [Self; 3] = [Self::Entries, Self::Ledger, Self::Meta];

    fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Ledger => "ledger",
            Self::Meta => migrations::META,
        }
    }
}

/// Changes to one table that happen together or not at all.
#[derive(Debug, Default)]
pub(super) struct Changes(sled::Batch);

impl Changes {
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

/// A key with its value.
pub(super) type Record = (sled::IVec, sled::IVec);

/// An open database.
#[derive(Debug)]
pub(super) struct Engine {
    db: sled::Db,
    tables: [sled::Tree; 3],
}

impl Engine {
    /// Opens the database in `folder`, or makes one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its files make no sense; otherwise the machine's fault, not the files'.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let open = || {
            let config = sled::Config::new().path(folder).cache_capacity(PAGE_CACHE);
            let db = config.flush_every_ms(Some(FLUSH_EVERY_MS)).open()?;
            let tree = |table: Table| db.open_tree(table.name());
            let tables = [tree(Table::Entries)?, tree(Table::Ledger)?, tree(Table::Meta)?];
            Ok(Self { db, tables })
        };
        await_release(folder)?;
        guarded(|| open().map_err(|error| opening_fault(error, folder)))
    }

    /// Closes the database, and returns when nothing of the engine touches its files any more.
    pub(super) fn close(self, folder: &Path) -> Result<(), StoreError> {
        drop(self);
        await_release(folder)
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        Ok(self.tree(table).get(key)?)
    }

    /// Everything above `after`, in order of key.
    pub(super) fn above(
        &self,
        table: Table,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Record, StoreError>> + use<> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.tree(table).range::<&[u8], _>((from, Bound::Unbounded));
        range.map(|record| record.map_err(StoreError::from))
    }

    /// Everything whose key starts with `prefix`, in order of key.
    pub(super) fn under(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<Record, StoreError>> + use<> {
        self.tree(table).scan_prefix(prefix).map(|record| record.map_err(StoreError::from))
    }

    /// Makes changes; they are on the disk after [`FLUSH_EVERY_MS`] or the next [`Engine::flush`].
    pub(super) fn apply(&self, table: Table, changes: Changes) -> Result<(), StoreError> {
        Ok(self.tree(table).apply_batch(changes.0)?)
    }

    /// Returns when every change so far is on the disk.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }

    fn tree(&self, table: Table) -> &sled::Tree {
        &self.tables[table as usize]
    }
}

/// Waits until no engine has `folder` open. sled's own threads outlive its handle for a moment, in which they may still
/// write; they hold its lock as long.
pub(super) fn await_release(folder: &Path) -> Result<(), StoreError> {
    let Ok(file) = File::open(folder.join("db")) else { return Ok(()) };
    for _ in 0..RELEASE_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(RELEASE_PAUSE),
            // Unlocked again with the handle, at the return. A file system without locks has nothing to wait for.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(StoreError::Locked(folder.to_owned()))
}

/// Runs something that may panic inside the engine, and makes an error of the panic.
///
/// # Errors
/// [`StoreError::Damaged`] for a panic: sled panics where its files make no sense.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| Err(StoreError::Damaged(panic_message(&*panic))))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the engine panicked").to_owned()
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(io) if is_full(io.kind()) => Self::Full,
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => Self::Damaged(error.to_string()),
            other => Self::Engine(other.to_string()),
        }
    }
}

/// What an error while opening says about the folder.
fn opening_fault(error: sled::Error, folder: &Path) -> StoreError {
    match error {
        // sled reports its lock as an error of kind Other with this text, and nothing else to know it by.
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
            StoreError::Locked(folder.to_owned())
        }
        // What the operating system refused says nothing about the files; what sled made up itself does.
        sled::Error::Io(ref io)
            if matches!(io.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput)
                || (io.kind() == ErrorKind::Other && io.raw_os_error().is_none()) =>
        {
            StoreError::Damaged(error.to_string())
        }
        // A configuration that does not fit the files: theirs was damaged, for ours never changes.
        sled::Error::Unsupported(why) => StoreError::Damaged(why),
        other => other.into(),
    }
}

/// Whether an IO error means that there is no space left.
pub(super) fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// The database as migration steps see it.
impl Database for &Engine {
    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(Engine::get(self, named(table)?, key)?.map(|value| value.to_vec()))
    }

    fn put(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let mut changes = Changes::default();
        changes.put(key, value);
        Ok(self.apply(named(table)?, changes)?)
    }

    fn remove(&mut self, table: &str, key: &[u8]) -> Result<(), Fault> {
        let mut changes = Changes::default();
        changes.remove(key);
        Ok(self.apply(named(table)?, changes)?)
    }

    fn next(&self, table: &str, after: Option<&[u8]>) -> Result<Option<migrations::Record>, Fault> {
        let record = self.above(named(table)?, after).next().transpose()?;
        Ok(record.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(Engine::flush(self)?)
    }
}

fn named(name: &str) -> Result<Table, Fault> {
    Table::ALL.into_iter().find(|table| table.name() == name).ok_or_else(|| format!("no table {name:?}").into())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_damage() {
        let io = |kind| sled::Error::Io(io::Error::new(kind, "x"));
        assert!(matches!(StoreError::from(io(ErrorKind::StorageFull)), StoreError::Full));
        assert!(matches!(opening_fault(io(ErrorKind::StorageFull), Path::new("x")), StoreError::Full));
        assert!(matches!(opening_fault(io(ErrorKind::PermissionDenied), Path::new("x")), StoreError::Engine(_)));
        assert!(matches!(opening_fault(io(ErrorKind::UnexpectedEof), Path::new("x")), StoreError::Damaged(_)));
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let result: Result<(), _> = guarded(|| panic!("bad page {}", 7));
        assert!(matches!(result, Err(StoreError::Damaged(why)) if why == "bad page 7"));
    }
}
