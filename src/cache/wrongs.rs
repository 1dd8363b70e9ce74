//! Matches that somebody reported as wrong: a reported pair never matches again, and an entry reported repeatedly is
//! served to nobody until it is answered anew. Kept in the ledger.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::note::Note;
use super::risk::Matched;
use crate::domain::EntryId;
use crate::store::{Ledger, StoreError};

/// What a report came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// How many matches are now blocked on its account.
    pub pairs: usize,
    /// How often the entry was reported.
    pub reports: u32,
    /// Whether it is served to nobody.
    pub quarantined: bool,
}

/// Reported matches, and the matches of late that may yet be reported.
#[derive(Debug)]
pub(super) struct Wrongs {
    record: RwLock<Record>,
    /// Who was given which entry by meaning. Oldest first.
    late: Mutex<VecDeque<Late>>,
    note: Note,
}

/// A match of late.
#[derive(Debug)]
struct Late {
    asker: EntryId,
    entry: EntryId,
    /// What it counts as, until it was reported: one hit is wrong once, however often that is said.
    matched: Option<Matched>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    pairs: HashSet<(EntryId, EntryId)>,
    reports: HashMap<EntryId, u32>,
}

impl Wrongs {
    /// Matches remembered for reports that name the entry alone.
    const LATE: usize = 4096;
    /// Pairs beyond which no more are noted; by then the operator should have tightened the policy.
    const MOST: usize = 100_000;
    /// Reports after which an entry is served to nobody.
    const QUARANTINE: u32 = 2;

    pub(super) async fn open(ledger: Arc<dyn Ledger>) -> Self {
        let note = Note::new(ledger, "wrongs");
        let record = note.read(|record| rmp_serde::from_slice(record).ok(), "reported matches could not be read").await;
        Self { record: RwLock::new(record.unwrap_or_default()), late: Mutex::default(), note }
    }

    /// Notes that `asker` was given `entry` by meaning.
    pub(super) fn matched(&self, asker: EntryId, entry: EntryId, matched: Option<Matched>) {
        let mut late = self.late.lock();
        if late.len() >= Self::LATE {
            late.pop_front();
        }
        late.push_back(Late { asker, entry, matched });
    }

    /// Blocks one pair that a check found wrong. It counts as no report: those are of people.
    pub(super) async fn block(&self, asker: EntryId, entry: EntryId) {
        {
            let mut record = self.record.write();
            if record.pairs.len() >= Self::MOST || !record.pairs.insert((asker, entry)) {
                return;
            }
        }
        if let Err(fault) = self.write().await {
            tracing::warn!(%fault, "a match found wrong could not be written down");
        }
    }

    /// The match that a report is about, the latest of those it may be; each is handed out once.
    fn reported_match(&self, entry: EntryId, asker: Option<EntryId>) -> Option<Matched> {
        let mut late = self.late.lock();
        let meant = |given: &&mut Late| {
            given.entry == entry && given.matched.is_some() && asker.is_none_or(|asker| asker == given.asker)
        };
        late.iter_mut().rev().find(meant)?.matched.take()
    }

    /// Whether `asker` must not be given `entry`.
    pub(super) fn forbid(&self, asker: EntryId, entry: EntryId) -> bool {
        let record = self.record.read();
        record.pairs.contains(&(asker, entry)) || record.is_quarantined(entry)
    }

    /// Whether nobody is to be given `entry`.
    pub(super) fn quarantined(&self, entry: EntryId) -> bool {
        self.record.read().is_quarantined(entry)
    }

    /// Forgets the reports about an entry that is answered anew.
    pub(super) async fn renewed(&self, entry: EntryId) {
        if !self.record.read().reports.contains_key(&entry) {
            return;
        }
        self.record.write().reports.remove(&entry);
        if let Err(fault) = self.write().await {
            tracing::warn!(%fault, "reported matches could not be written");
        }
    }

    async fn report(&self, entry: EntryId, asker: Option<EntryId>) -> Result<Reported, StoreError> {
        let reported = {
            let late = self.late.lock();
            let mut record = self.record.write();
            // A report that names no asker is meant of everyone who was given the entry of late: better a few
            // misses too many than the same wrong answer again.
            let askers = late.iter().filter(|given| given.entry == entry).map(|given| given.asker);
            let pairs: HashSet<_> = asker.into_iter().chain(askers.filter(|_| asker.is_none())).collect();
            let pairs: Vec<_> = pairs.into_iter().map(|asker| (asker, entry)).collect();
            if record.pairs.len() < Self::MOST {
                record.pairs.extend(&pairs);
            }
            let reports = record.reports.entry(entry).or_default();
            *reports = reports.saturating_add(1);
            Reported { pairs: pairs.len(), reports: *reports, quarantined: *reports >= Self::QUARANTINE }
        };
        self.write().await?;
        Ok(reported)
    }

    async fn write(&self) -> Result<(), StoreError> {
        self.note.write(|| rmp_serde::to_vec(&*self.record.read())).await
    }
}

impl Record {
    fn is_quarantined(&self, entry: EntryId) -> bool {
        self.reports.get(&entry).is_some_and(|reports| *reports >= Wrongs::QUARANTINE)
    }
}

impl Engine {
    /// Takes a report that `entry` was the wrong answer: for `asker` (the id its own entry would have), or, where
    /// nobody is named, for everyone who was given it by meaning of late.
    ///
    /// # Errors
    /// When the ledger fails; the report holds until the next start.
    pub async fn wrong(&self, entry: EntryId, asker: Option<EntryId>) -> Result<Reported, StoreError> {
        let reported = self.wrongs.report(entry, asker).await;
        if let Some(matched) = self.wrongs.reported_match(entry, asker) {
            self.risk.reported(&matched, self.now());
            self.risk.keep().await?;
        }
        reported
    }
}
