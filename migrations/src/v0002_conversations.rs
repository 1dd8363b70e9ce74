//! Format 2: an entry may say what of its conversation must be the same, and hold its earlier questions.
//!
//! Tables and records are those of format 1, but for the payload of entries: arrays have new fields at their end, so a
//! record of format 1 stands and is read as it is. New records have 2 in bytes 4..6. The step changes nothing; its number
//! keeps a program that knows only format 1 from taking the new records for damaged ones and dropping them.

use crate::{Database, Fault};

/// Nothing is to be done.
pub(crate) fn up(_: &mut dyn Database) -> Result<(), Fault> {
    Ok(())
}
