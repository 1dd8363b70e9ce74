//! The one thread that changes the database.
//!
//! Changes come one after another, so that what a change depends on cannot move under it; those that must be on the
//! disk before they are acknowledged share one flush with everything that waits with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::sled::{Changes, Engine, Table, guarded};
use super::tally::Tally;
use super::{ledger, parts};
use crate::domain::{Entry, EntryId};
use crate::store::StoreError;
use crate::store::record;

/// Jobs that may wait before a caller has to.
pub(super) const QUEUE: usize = 256;
/// Jobs that share a flush, at most.
const GROUP: usize = 128;
/// Removals in one batch.
const BATCH: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Keep an entry.
    Put(Box<Entry>, Reply<()>),
    /// Take entries out, durably.
    Remove(Vec<EntryId>, Reply<()>),
    /// Write a named record, durably.
    Write(String, Vec<u8>, Reply<()>),
    /// Look again at an entry that could not be read, now that nobody writes, and take it out if it is damaged.
    Recheck(EntryId, Reply<Option<Entry>>),
    /// Put everything so far on the disk.
    Flush(Reply<()>),
}

/// Works until every sender is gone, then flushes.
pub(super) fn run(engine: Arc<Engine>, tally: Arc<Mutex<Tally>>, mut jobs: mpsc::Receiver<Job>) {
    let writer = Writer { engine, tally };
    while let Some(first) = jobs.blocking_recv() {
        let mut waiting = Vec::new();
        waiting.extend(writer.perform(first));
        while waiting.len() < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            waiting.extend(writer.perform(job));
        }
        if !waiting.is_empty() {
            writer.flush(waiting);
        }
    }
    if let Err(error) = guarded(|| writer.engine.flush()) {
        tracing::error!(%error, "the store could not be flushed at its end");
    }
}

struct Writer {
    engine: Arc<Engine>,
    tally: Arc<Mutex<Tally>>,
}

impl Writer {
    /// Does a job. Those that are to be acknowledged only after a flush are handed back.
    fn perform(&self, job: Job) -> Option<Reply<()>> {
        match job {
            Job::Put(entry, done) => {
                let _ = done.send(guarded(|| self.put(&entry)));
                None
            }
            Job::Recheck(id, done) => {
                let _ = done.send(guarded(|| self.recheck(id)));
                None
            }
            Job::Remove(ids, done) => answer_or_wait(guarded(|| self.remove(&ids)), done),
            Job::Write(name, record, done) => answer_or_wait(guarded(|| self.write(&name, &record)), done),
            Job::Flush(done) => Some(done),
        }
    }

    fn put(&self, entry: &Entry) -> Result<(), StoreError> {
        let id = entry.id();
        let record = record::encode(entry).map_err(|damage| StoreError::Engine(damage.to_string()))?;
        let mut changes = Changes::default();
        let mut tally = *self.tally.lock();
        self.clear(id, &mut changes, &mut tally)?;
        for (key, part) in parts::split(&id.0, &record)? {
            changes.put(&key, part);
            tally.bytes += (key.len() + part.len()) as u64;
        }
        tally.entries += 1;
        self.apply(changes, tally)
    }

    fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        for ids in ids.chunks(BATCH) {
            let mut changes = Changes::default();
            let mut tally = *self.tally.lock();
            // Each id once: clearing it twice would count it twice.
            for id in BTreeSet::from_iter(ids) {
                self.clear(*id, &mut changes, &mut tally)?;
            }
            self.apply(changes, tally)?;
        }
        Ok(())
    }

    /// Notes the removal of every part of an entry.
    fn clear(&self, id: EntryId, changes: &mut Changes, tally: &mut Tally) -> Result<(), StoreError> {
        let standing = parts::standing(&self.engine, Table::Entries, &id.0)?;
        tally.entries = tally.entries.saturating_sub(u64::from(!standing.is_empty()));
        for (key, part) in standing {
            tally.bytes = tally.bytes.saturating_sub((key.len() + part.len()) as u64);
            changes.remove(&key);
        }
        Ok(())
    }

    fn apply(&self, mut changes: Changes, tally: Tally) -> Result<(), StoreError> {
        tally.save(&mut changes);
        self.engine.apply(Table::Entries, changes)?;
        *self.tally.lock() = tally;
        Ok(())
    }

    fn write(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        let key = ledger::key(name);
        let mut changes = Changes::default();
        for (key, _) in parts::standing(&self.engine, Table::Ledger, &key)? {
            changes.remove(&key);
        }
        for (key, part) in parts::split(&key, &ledger::seal(name, record))? {
            changes.put(&key, part);
        }
        self.engine.apply(Table::Ledger, changes)
    }

    fn recheck(&self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        let Some(record) = parts::load(&self.engine, Table::Entries, &id.0)? else { return Ok(None) };
        match record::decode(id, &record) {
            Ok(entry) => Ok(Some(entry)),
            Err(damage) => {
                tracing::warn!(entry = %id, %damage, "a stored entry is damaged and was dropped");
                self.remove(&[id])?;
                Ok(None)
            }
        }
    }

    fn flush(&self, waiting: Vec<Reply<()>>) {
        let result = guarded(|| self.engine.flush());
        for done in waiting {
            let _ = done.send(result.clone());
        }
    }
}

fn answer_or_wait(result: Result<(), StoreError>, done: Reply<()>) -> Option<Reply<()>> {
    match result {
        Ok(()) => Some(done),
        Err(error) => {
            let _ = done.send(Err(error));
            None
        }
    }
}
