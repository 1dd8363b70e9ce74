//! The data folder: one process at a time, a damaged database set aside, a bloated one written afresh.
//!
//! ```text
//! <path>/lock            held while a process has the folder open
//! <path>/db/             the database
//! <path>/db.fresh/       a compacted copy being written; worthless until it is renamed
//! <path>/db.old/         the database it replaces, for the moment between two renames
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use migrations::MigrationError;

use super::sled::{Changes, Engine, Table, await_release, guarded, is_full};
use super::tally::Tally;
use crate::domain::Timestamp;
use crate::store::{Compaction, Opening, StoreError};

/// A database is compacted when it takes more than this many times the bytes it holds ...
const BLOAT: u64 = 4;
/// ... and at least this much: below it there is nothing to gain.
const WORTH_COMPACTING: u64 = 8 << 20;
/// Records copied in one batch.
const BATCH: usize = 512;

/// An open data folder. Dropping it lets another process open it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Opens the folder's database, whatever state it is in.
///
/// # Errors
/// [`StoreError::Locked`], [`StoreError::Full`], [`StoreError::Newer`], or the engine's own: a folder is set aside
/// only when its content is damaged.
pub(super) fn open(path: &Path, now: Timestamp) -> Result<(Folder, Engine, Tally, Opening), StoreError> {
    let folder = Folder::lock(path)?;
    match folder.attempt() {
        Err(StoreError::Damaged(why)) => {
            let aside = folder.set_aside(now)?;
            tracing::error!(%why, set_aside = %aside.display(), "the data folder is damaged: starting a new one");
            let folder = Folder::lock(path)?;
            let (engine, tally, opening) = folder.attempt()?;
            Ok((folder, engine, tally, Opening { set_aside: Some(aside), ..opening }))
        }
        attempt => attempt.map(|(engine, tally, opening)| (folder, engine, tally, opening)),
    }
}

impl Folder {
    fn lock(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|error| io_fault(path, &error))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(|error| io_fault(path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io_fault(path, &error)),
        }
    }

    /// The database's folder.
    pub(super) fn db(&self) -> PathBuf {
        self.path.join("db")
    }

    fn attempt(&self) -> Result<(Engine, Tally, Opening), StoreError> {
        self.finish_swap().map_err(|error| io_fault(&self.path, &error))?;
        let engine = Engine::open(&self.db())?;
        guarded(|| {
            let report = migrations::migrate(&mut &engine).map_err(migration_fault)?;
            let tally = Tally::load(&engine)?;
            let opening = Opening { format_found: report.found, ..Opening::default() };
            match self.bloat(tally) {
                None => Ok((engine, tally, opening)),
                Some(before) => {
                    let engine = self.compact(engine)?;
                    let after = size(&self.db());
                    tracing::info!(before, after, "compacted the data folder");
                    Ok((engine, tally, Opening { compacted: Some(Compaction { before, after }), ..opening }))
                }
            }
        })
    }

    /// The database's size, if it is worth compacting.
    fn bloat(&self, tally: Tally) -> Option<u64> {
        let disk = size(&self.db());
        (disk > WORTH_COMPACTING && disk > tally.bytes.saturating_mul(BLOAT)).then_some(disk)
    }

    /// Copies everything into a fresh database and puts that in the old one's place.
    fn compact(&self, engine: Engine) -> Result<Engine, StoreError> {
        let fresh = Engine::open(&self.fresh())?;
        for table in Table::ALL {
            let mut records = engine.above(table, None).peekable();
            while records.peek().is_some() {
                let mut changes = Changes::default();
                for record in records.by_ref().take(BATCH) {
                    let (key, value) = record?;
                    changes.put(&key, &value);
                }
                fresh.apply(table, changes)?;
            }
        }
        fresh.flush()?;
        engine.close(&self.db())?;
        fresh.close(&self.fresh())?;
        let swap = || {
            fs::rename(self.db(), self.old())?;
            self.finish_swap()
        };
        swap().map_err(|error: io::Error| io_fault(&self.path, &error))?;
        Engine::open(&self.db())
    }

    /// Ends a compaction that a crash may have interrupted. Only between the two renames is the fresh copy the whole
    /// truth: then the old database has its other name already, and the database's own is missing.
    fn finish_swap(&self) -> io::Result<()> {
        if self.old().exists() && !self.db().exists() {
            fs::rename(self.fresh(), self.db())?;
            File::open(&self.path)?.sync_all()?;
        }
        for leftover in [self.fresh(), self.old()] {
            if leftover.exists() {
                fs::remove_dir_all(leftover)?;
            }
        }
        Ok(())
    }

    /// Moves the folder to `<path>.corrupt-<time>`; where it cannot be moved, as a mount point, moves the database
    /// within it.
    fn set_aside(self, now: Timestamp) -> Result<PathBuf, StoreError> {
        await_release(&self.db())?;
        let suffix = format!(".corrupt-{}", now.rfc3339().replace([':', '.'], "-"));
        let beside = |of: &Path| {
            let mut name = of.as_os_str().to_owned();
            name.push(&suffix);
            PathBuf::from(name)
        };
        let (whole, database) = (beside(&self.path), beside(&self.db()));
        match fs::rename(&self.path, &whole) {
            Ok(()) => Ok(whole),
            Err(_) => match fs::rename(self.db(), &database) {
                Ok(()) => Ok(database),
                Err(error) => Err(io_fault(&self.path, &error)),
            },
        }
    }

    fn fresh(&self) -> PathBuf {
        self.path.join("db.fresh")
    }

    fn old(&self) -> PathBuf {
        self.path.join("db.old")
    }
}

/// Bytes of the files in a folder; zero where it cannot be read.
pub(super) fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn io_fault(path: &Path, error: &io::Error) -> StoreError {
    if is_full(error.kind()) {
        return StoreError::Full;
    }
    StoreError::Engine(format!("{}: {error}", path.display()))
}

fn migration_fault(error: MigrationError) -> StoreError {
    match error {
        MigrationError::Newer { found, known } => StoreError::Newer { found, known },
        MigrationError::Unreadable => StoreError::Damaged(error.to_string()),
        MigrationError::Step { fault, number } => match fault.downcast::<StoreError>() {
            Ok(error) => *error,
            Err(fault) => StoreError::Damaged(format!("migration step {number}: {fault}")),
        },
        MigrationError::Engine(fault) => match fault.downcast::<StoreError>() {
            Ok(error) => *error,
            Err(fault) => StoreError::Engine(fault.to_string()),
        },
    }
}
