//! The store on disk.
//!
//! Reads run on the blocking pool, changes on one thread of the store's own ([`writer`]). Every record carries a
//! checksum that is verified on each read; what fails it is absent, logged once and dropped.

mod folder;
mod ledger;
mod parts;
mod sled;
mod tally;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use self::folder::Folder;
use self::sled::{Engine, Table, guarded};
use self::tally::Tally;
use self::writer::Job;
use super::{EntryStore, Ledger, Opening, StoreError, Volume, record};
use crate::domain::{Entry, EntryId, Timestamp};

/// Entries and records in a data folder.
#[derive(Debug)]
pub struct DiskStore {
    engine: Arc<Engine>,
    tally: Arc<Mutex<Tally>>,
    /// Taken when the store is dropped, which ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    opening: Opening,
    folder: Folder,
}

impl DiskStore {
    /// Opens the data folder at `path`, and makes it if there is none. `now` names a folder set aside.
    ///
    /// # Errors
    /// When another process has it open, the disk is full, or a newer program wrote it. A damaged folder is no error:
    /// it is set aside ([`Opening::set_aside`]) and a new one started.
    pub fn open(path: &std::path::Path, now: Timestamp) -> Result<Self, StoreError> {
        let (folder, engine, tally, opening) = folder::open(path, now)?;
        let (engine, tally) = (Arc::new(engine), Arc::new(Mutex::new(tally)));
        let (jobs, queue) = mpsc::channel(writer::QUEUE);
        let work = {
            let (engine, tally) = (Arc::clone(&engine), Arc::clone(&tally));
            move || writer::run(engine, tally, queue)
        };
        let thread = std::thread::Builder::new().name("dejavu-store".to_owned()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Engine(format!("no thread to write with: {error}")))?;
        Ok(Self { engine, tally, jobs: Some(jobs), thread: Some(thread), opening, folder })
    }

    /// What opening it took.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// How much it holds. Asks the file system: not for every request.
    #[must_use]
    pub fn volume(&self) -> Volume {
        let Tally { entries, bytes } = *self.tally.lock();
        Volume { entries, bytes, disk_bytes: folder::size(&self.folder.db()) }
    }

    /// Returns when everything acknowledged so far is on the disk. Dropping the store does the same, unheard.
    ///
    /// # Errors
    /// When the disk is full or the engine underneath fails.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.ask(Job::Flush).await
    }

    /// Hands a job to the writer and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job) -> Result<T, StoreError> {
        let gone = || StoreError::Engine("the store's writer is gone".to_owned());
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Reads on the blocking pool.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let engine = Arc::clone(&self.engine);
        let task = tokio::task::spawn_blocking(move || guarded(|| read(&engine)));
        task.await.map_err(|_| StoreError::Engine("a read was abandoned".to_owned()))?
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches the engine's panics; one of its own was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl EntryStore for DiskStore {
    async fn get(&self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        let read = move |engine: &Engine| match parts::load(engine, Table::Entries, &id.0)? {
            None => Ok(None),
            Some(found) => Ok(Some(record::decode(id, &found))),
        };
        match self.reading(read).await? {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry)),
            // Damaged, or written anew between the reads of two parts: the writer can tell.
            Some(Err(_)) => self.ask(|reply| Job::Recheck(id, reply)).await,
        }
    }

    async fn put(&self, entry: &Entry) -> Result<(), StoreError> {
        self.ask(|reply| Job::Put(Box::new(entry.clone()), reply)).await
    }

    async fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        self.ask(|reply| Job::Remove(ids.to_vec(), reply)).await
    }

    async fn scan(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut after = after;
        loop {
            let mut page = self.reading(move |engine| parts::page(engine, after, limit)).await?;
            for id in page.doubtful {
                page.entries.extend(self.ask(|reply| Job::Recheck(id, reply)).await?);
            }
            page.entries.sort_unstable_by_key(Entry::id);
            if !page.entries.is_empty() || page.next.is_none() {
                return Ok(page.entries);
            }
            // Every record of the page was damaged: an empty page would say that this is the end.
            after = page.next;
        }
    }
}

#[async_trait]
impl Ledger for DiskStore {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = ledger::key(name);
        let found = self.reading(move |engine| parts::load(engine, Table::Ledger, &key)).await?;
        match found {
            None => Ok(None),
            Some(sealed) => match ledger::unseal(name, &sealed) {
                Some(record) => Ok(Some(record)),
                None => Err(StoreError::Damaged(format!("the record {name:?}"))),
            },
        }
    }

    async fn write(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        self.ask(|reply| Job::Write(name.to_owned(), record.to_vec(), reply)).await
    }
}
