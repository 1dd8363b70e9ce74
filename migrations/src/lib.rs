//! dejavu's on-disk format, step by step.
//!
//! Each step is a module `v0001_...`, `v0002_...` that brings a database from the format before it to its own, and
//! is frozen once released: it works on bytes and on types of its own, and this crate depends on nothing of the
//! program, so that a later change there cannot change history. [`migrate`] runs the steps a database lacks.
//!
//! # Adding step 2
//! 1. Write `v0002_what_changes.rs` with `pub(crate) fn up(db: &mut dyn Database) -> Result<(), Fault>`. A crash may
//!    interrupt it anywhere and it is then run again from the start, so it must recognise what it already changed.
//! 2. Append it to [`STEPS`]. The program's record format goes up with it.
//! 3. Keep `fixtures/v0001.dump` as it is, and record `fixtures/v0002.dump` (the program's store tests do that when
//!    the file is missing). A test opens every fixture with the current program.

mod dump;
mod v0001_first_format;
mod v0002_conversations;

use std::fmt;

pub use dump::{InvalidDump, Tables};

/// Whatever the engine underneath reports, or a step's own complaint.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A key with its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The database as the steps see it: named tables of bytes by bytes, ordered by key.
pub trait Database {
    /// The value of a key.
    ///
    /// # Errors
    /// When the engine underneath fails, here and below.
    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Sets the value of a key.
    ///
    /// # Errors
    /// As for [`Database::get`].
    fn put(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), Fault>;

    /// Takes a key out.
    ///
    /// # Errors
    /// As for [`Database::get`].
    fn remove(&mut self, table: &str, key: &[u8]) -> Result<(), Fault>;

    /// The first key above `after` with its value.
    ///
    /// # Errors
    /// As for [`Database::get`].
    fn next(&self, table: &str, after: Option<&[u8]>) -> Result<Option<Record>, Fault>;

    /// Returns when everything written so far is on the disk.
    ///
    /// # Errors
    /// As for [`Database::get`].
    fn flush(&mut self) -> Result<(), Fault>;
}

/// One step of the format's history.
pub struct Step {
    /// The format it leads to; steps are numbered from 1 without gaps.
    pub number: u32,
    /// What it changes, for the log.
    pub title: &'static str,
    up: fn(&mut dyn Database) -> Result<(), Fault>,
}

/// All steps, oldest first.
pub const STEPS: &[Step] = &[
    Step { number: 1, title: "the first format", up: v0001_first_format::up },
    Step { number: 2, title: "what of a conversation must be the same", up: v0002_conversations::up },
];

/// The format that the last step leads to.
pub const NEWEST: u32 = STEPS[STEPS.len() - 1].number;

/// The table that holds the format record.
pub const META: &str = "meta";
/// The format record's key. Its value is the number and the number's complement, both as big-endian u32.
pub const FORMAT: &[u8] = b"format";

/// What [`migrate`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The format found; `None` for a new database.
    pub found: Option<u32>,
    /// The format now.
    pub now: u32,
}

/// Why a database could not be brought to the newest format.
#[derive(Debug)]
pub enum MigrationError {
    /// A newer program wrote it.
    Newer {
        /// Its format.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The format record makes no sense.
    Unreadable,
    /// A step failed; the database still has the format before it.
    Step {
        /// The step's number.
        number: u32,
        /// What happened.
        fault: Fault,
    },
    /// The format record could not be read or written.
    Engine(Fault),
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => {
                write!(f, "the database has format {found}, written by a newer dejavu; this one knows up to {known}")
            }
            Self::Unreadable => write!(f, "the database's format record is unreadable"),
            Self::Step { number, fault } => write!(f, "migration step {number} failed: {fault}"),
            Self::Engine(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for MigrationError {}

/// Runs the steps that `db` lacks, oldest first, noting each in the format record once it is on the disk.
///
/// # Errors
/// When the database is newer than this program, its format record is unreadable, or a step fails.
pub fn migrate(db: &mut dyn Database) -> Result<Report, MigrationError> {
    migrate_through(db, STEPS)
}

fn migrate_through(db: &mut dyn Database, steps: &[Step]) -> Result<Report, MigrationError> {
    let found = read_format(db)?;
    let known = steps.last().map_or(0, |step| step.number);
    let start = found.unwrap_or(0);
    if start > known {
        return Err(MigrationError::Newer { found: start, known });
    }
    for step in steps.iter().filter(|step| step.number > start) {
        (step.up)(db)
            .and_then(|()| db.flush())
            .and_then(|()| db.put(META, FORMAT, &format_record(step.number)))
            .and_then(|()| db.flush())
            .map_err(|fault| MigrationError::Step { number: step.number, fault })?;
    }
    Ok(Report { found, now: known })
}

fn read_format(db: &dyn Database) -> Result<Option<u32>, MigrationError> {
    let Some(record) = db.get(META, FORMAT).map_err(MigrationError::Engine)? else { return Ok(None) };
    let record: [u8; 8] = record.try_into().map_err(|_| MigrationError::Unreadable)?;
    let (number, complement) = record.split_at(4);
    if number.iter().zip(complement).any(|(a, b)| *a != !*b) {
        return Err(MigrationError::Unreadable);
    }
    Ok(Some(number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))))
}

fn format_record(number: u32) -> Vec<u8> {
    [number.to_be_bytes(), (!number).to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_format(record: &[u8]) -> Tables {
        let mut db = Tables::default();
        db.put(META, FORMAT, record).unwrap();
        db
    }

    #[test]
    fn steps_are_numbered_from_one_without_gaps() {
        assert!(STEPS.iter().map(|step| step.number).eq(1..=NEWEST));
    }

    #[test]
    fn a_new_database_gets_the_newest_format_and_a_current_one_is_left_alone() {
        let mut db = Tables::default();
        assert_eq!(migrate(&mut db).unwrap(), Report { found: None, now: NEWEST });
        let before = db.clone();
        assert_eq!(migrate(&mut db).unwrap(), Report { found: Some(NEWEST), now: NEWEST });
        assert_eq!(db, before);
    }

    #[test]
    fn a_newer_database_is_refused_untouched() {
        let mut db = with_format(&format_record(NEWEST + 1));
        let before = db.clone();
        assert!(matches!(migrate(&mut db), Err(MigrationError::Newer { found, known: NEWEST }) if found == NEWEST + 1));
        assert_eq!(db, before);
    }

    #[test]
    fn a_damaged_format_record_is_not_believed() {
        for record in [vec![], vec![0; 8], vec![0, 0, 0, 1, 255, 255, 255, 255]] {
            assert!(matches!(migrate(&mut with_format(&record)), Err(MigrationError::Unreadable)), "{record:?}");
        }
    }

    #[test]
    fn only_missing_steps_run_in_order_and_a_failed_one_is_tried_again() {
        fn mark(db: &mut dyn Database, name: &str) -> Result<(), Fault> {
            let value = db.get("log", b"steps")?.unwrap_or_default();
            db.put("log", b"steps", &[&value, name.as_bytes()].concat())
        }
        let one = Step { number: 1, title: "", up: |db| mark(db, "1") };
        let two = Step { number: 2, title: "", up: |db| mark(db, "2") };
        let bad = Step { number: 3, title: "", up: |_| Err("no".into()) };
        let three = Step { number: 3, title: "", up: |db| mark(db, "3") };
        let mut db = with_format(&format_record(1));
        let result = migrate_through(&mut db, &[one, two, bad]);
        assert!(matches!(result, Err(MigrationError::Step { number: 3, .. })));
        let result = migrate_through(&mut db, &[three]);
        assert_eq!(result.unwrap(), Report { found: Some(2), now: 3 });
        assert_eq!(db.get("log", b"steps").unwrap().unwrap(), b"23");
    }
}
