//! What is known of every entry without reading it, derived from the store.
//!
//! The catalog decides whether an entry stands: facts that left it are marked gone, so that a copy of the entry
//! elsewhere in memory is not served either. An entry being removed from the store is condemned meanwhile: whoever
//! still reads it there does not get it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLock;

use super::facts::{Facts, Home, Names};
use super::flush::Flush;
use crate::domain::{Entry, EntryId, Namespace, TenantId, Timestamp};

/// The facts of all entries, in order of id.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    shelves: RwLock<Shelves>,
    names: Names,
}

#[derive(Debug, Default)]
struct Shelves {
    facts: BTreeMap<EntryId, Arc<Facts>>,
    bytes: u64,
    /// Entries being removed from the store.
    condemned: HashSet<EntryId>,
    /// Removals begun and ended.
    removals: u64,
    homes: HashMap<(TenantId, Namespace), Arc<Home>>,
    /// Of the facts above, those of namespaces that were emptied, and their bytes.
    leaving: (usize, u64),
    /// Namespaces that were emptied, and stand on disk yet.
    pending: Vec<Flush>,
    /// How often entries were served before the start, until they are noted.
    remembered: HashMap<EntryId, u32>,
    /// Every entry that the store held at the start is noted.
    whole: bool,
    /// What had expired by then and is not noted yet has lapsed.
    lapsed: Option<Timestamp>,
}

/// What noting an entry read from the store came to.
#[derive(Debug)]
pub(super) enum Adopted {
    /// It stands.
    Stands(Arc<Facts>),
    /// Something changed while it was read: read again.
    Changed,
    /// It is being removed.
    Condemned,
}

impl Catalog {
    /// The facts an entry would have.
    pub(super) fn facts_of(&self, entry: &Entry) -> Facts {
        Facts::of(entry, &self.names, Arc::default())
    }

    /// Counts removals: what was read from the store may be noted only if this did not change meanwhile.
    pub(super) fn removals(&self) -> u64 {
        self.shelves.read().removals
    }

    /// Notes an entry just read from the store, if it is not yet. `removals` is what they were before the reading.
    pub(super) fn adopt(&self, entry: &Entry, removals: u64, age: f64) -> Adopted {
        let id = entry.id();
        if let Some(adopted) = self.shelves.read().known(entry, removals) {
            return adopted;
        }
        let mut shelves = self.shelves.write();
        if let Some(adopted) = shelves.known(entry, removals) {
            return adopted;
        }
        let home = shelves.home(entry);
        let facts = Facts::of(entry, &self.names, home);
        if shelves.lapsed.is_some_and(|then| facts.expires <= then) {
            facts.lapse();
        }
        debug_assert_eq!(facts.id, id, "facts are of the entry");
        Adopted::Stands(shelves.insert(facts, age))
    }

    /// Notes an entry just kept in place of any with its id. The replaced one's facts come back.
    pub(super) fn replace(&self, entry: &Entry, age: f64) -> (Arc<Facts>, Option<Arc<Facts>>) {
        let mut shelves = self.shelves.write();
        let home = shelves.home(entry);
        let facts = Facts::of(entry, &self.names, home);
        let old = shelves.remove(facts.id);
        if let Some(old) = &old {
            facts.inherit(old);
        }
        shelves.condemned.remove(&facts.id);
        (shelves.insert(facts, age), old)
    }

    /// Takes entries out and condemns them. From now on no copy of them is served, and none read from the store.
    pub(super) fn condemn(&self, ids: &[EntryId]) -> Vec<Arc<Facts>> {
        let mut shelves = self.shelves.write();
        shelves.removals += 1;
        shelves.condemned.extend(ids);
        ids.iter().filter_map(|id| shelves.remove(*id)).collect()
    }

    /// Those that are still condemned: not kept anew meanwhile.
    pub(super) fn still_condemned(&self, ids: &[EntryId]) -> Vec<EntryId> {
        let shelves = self.shelves.read();
        ids.iter().filter(|id| shelves.condemned.contains(id)).copied().collect()
    }

    /// The store does not hold them any more.
    pub(super) fn release(&self, ids: &[EntryId]) {
        let mut shelves = self.shelves.write();
        shelves.removals += 1;
        for id in ids {
            shelves.condemned.remove(id);
        }
    }

    /// Makes all entries of the namespaces for which `wanted` holds go at once, however many they are, and counts them
    /// and their bytes. Their facts stay until they are condemned.
    pub(super) fn empty(&self, wanted: impl Fn(&TenantId, &Namespace) -> bool) -> (usize, u64) {
        self.shelves.write().empty(wanted)
    }

    /// Empties a namespace, and lets nothing of it be noted that is read from the store, until that is settled.
    pub(super) fn flush(&self, flush: &Flush) -> (usize, u64) {
        let mut shelves = self.shelves.write();
        shelves.removals += 1;
        shelves.pending.push(flush.clone());
        shelves.empty(|tenant, namespace| flush.is_of(tenant, namespace))
    }

    /// The store holds nothing any more of a namespace that was emptied.
    pub(super) fn settle(&self, flush: &Flush) {
        self.shelves.write().pending.retain(|pending| pending != flush);
    }

    /// Entries of a namespace that was emptied, to be taken out.
    pub(super) fn flushed(&self, flush: &Flush) -> Vec<EntryId> {
        let shelves = self.shelves.read();
        let of_it = |facts: &&Arc<Facts>| {
            facts.home().flushed.load(Ordering::Acquire) && flush.is_of(&facts.tenant, &facts.namespace)
        };
        shelves.facts.values().filter(of_it).map(|facts| facts.id).collect()
    }

    /// Entries that are being removed from the store.
    pub(super) fn condemned(&self) -> Vec<EntryId> {
        self.shelves.read().condemned.iter().copied().collect()
    }

    /// Whether an entry read from the store may be shown: it is not on its way out.
    pub(super) fn stands(&self, entry: &Entry) -> bool {
        let shelves = self.shelves.read();
        let id = entry.id();
        match shelves.facts.get(&id) {
            Some(facts) => !facts.is_gone(),
            None => !shelves.condemned.contains(&id) && !shelves.pending.iter().any(|flush| flush.covers(entry)),
        }
    }

    /// How often entries were served before the start.
    pub(super) fn remember(&self, hits: HashMap<EntryId, u32>) {
        self.shelves.write().remembered = hits;
    }

    /// How often entries were served, those of before the start that are not noted yet included.
    pub(super) fn popularity(&self) -> Vec<(EntryId, u32)> {
        let shelves = self.shelves.read();
        let noted = shelves.facts.values().map(|facts| (facts.id, facts.hits())).filter(|(_, hits)| *hits > 0);
        noted.chain(shelves.remembered.iter().map(|(id, hits)| (*id, *hits))).collect()
    }

    /// Everything the store holds is noted: what is remembered of other entries is of no use.
    pub(super) fn complete(&self) {
        let mut shelves = self.shelves.write();
        shelves.whole = true;
        shelves.remembered = HashMap::new();
    }

    /// Whether it is certain, without asking the store, that it holds no entry of this id that stands.
    pub(super) fn lacks(&self, id: EntryId) -> bool {
        let shelves = self.shelves.read();
        shelves.whole && !shelves.facts.contains_key(&id)
    }

    /// Forgets namespaces that have no entries any more.
    pub(super) fn prune(&self) {
        self.shelves.write().homes.retain(|_, home| Arc::strong_count(home) > 1);
    }

    /// The clock was set back from `then`: what had expired by then stays expired.
    pub(super) fn lapse(&self, then: Timestamp) {
        let mut shelves = self.shelves.write();
        shelves.lapsed = shelves.lapsed.max(Some(then));
        shelves.facts.values().filter(|facts| facts.expires <= then).for_each(|facts| facts.lapse());
    }

    /// All facts for which `wanted` holds.
    pub(super) fn select(&self, wanted: impl Fn(&Facts) -> bool) -> Vec<Arc<Facts>> {
        self.shelves.read().facts.values().filter(|facts| wanted(facts)).cloned().collect()
    }

    /// Up to `limit` facts with ids above `after` for which `wanted` holds, in order of id.
    pub(super) fn page(
        &self,
        after: Option<EntryId>,
        limit: usize,
        wanted: impl Fn(&Facts) -> bool,
    ) -> Vec<Arc<Facts>> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let shelves = self.shelves.read();
        let standing = shelves.facts.range(from).map(|(_, facts)| facts).filter(|facts| !facts.is_gone());
        standing.filter(|facts| wanted(facts)).take(limit).cloned().collect()
    }

    /// Whether an entry of this id stands.
    pub(super) fn contains(&self, id: EntryId) -> bool {
        self.shelves.read().facts.get(&id).is_some_and(|facts| !facts.is_gone())
    }

    /// How many entries there are, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let shelves = self.shelves.read();
        let (leaving, bytes) = shelves.leaving;
        ((shelves.facts.len() - leaving) as u64, shelves.bytes - bytes)
    }
}

impl Shelves {
    fn known(&self, entry: &Entry, removals: u64) -> Option<Adopted> {
        let id = entry.id();
        if self.condemned.contains(&id) {
            return Some(Adopted::Condemned);
        }
        if self.removals != removals {
            return Some(Adopted::Changed);
        }
        let Some(facts) = self.facts.get(&id) else {
            return self.pending.iter().any(|flush| flush.covers(entry)).then_some(Adopted::Condemned);
        };
        if facts.is_gone() {
            return Some(Adopted::Condemned);
        }
        let same = facts.created == entry.created && facts.expires == entry.expires;
        Some(if same { Adopted::Stands(facts.clone()) } else { Adopted::Changed })
    }

    fn home(&mut self, entry: &Entry) -> Arc<Home> {
        self.homes.entry((entry.tenant.clone(), entry.namespace.clone())).or_default().clone()
    }

    fn insert(&mut self, facts: Facts, age: f64) -> Arc<Facts> {
        if let Some(hits) = self.remembered.remove(&facts.id) {
            facts.remember(hits.max(facts.hits()));
        }
        facts.reckon(age);
        let facts = Arc::new(facts);
        self.bytes += facts.bytes;
        facts.home().entries.fetch_add(1, Ordering::Relaxed);
        facts.home().bytes.fetch_add(facts.bytes, Ordering::Relaxed);
        self.facts.insert(facts.id, facts.clone());
        facts
    }

    fn remove(&mut self, id: EntryId) -> Option<Arc<Facts>> {
        let facts = self.facts.remove(&id)?;
        facts.leave();
        self.bytes -= facts.bytes;
        facts.home().entries.fetch_sub(1, Ordering::Relaxed);
        facts.home().bytes.fetch_sub(facts.bytes, Ordering::Relaxed);
        if facts.home().flushed.load(Ordering::Acquire) {
            self.leaving = (self.leaving.0 - 1, self.leaving.1 - facts.bytes);
        }
        Some(facts)
    }

    fn empty(&mut self, wanted: impl Fn(&TenantId, &Namespace) -> bool) -> (usize, u64) {
        let mut left = (0, 0);
        self.homes.retain(|(tenant, namespace), home| {
            let wanted = wanted(tenant, namespace);
            if wanted {
                home.flushed.store(true, Ordering::Release);
                let entries = usize::try_from(home.entries.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
                left = (left.0 + entries, left.1 + home.bytes.load(Ordering::Relaxed));
            }
            !wanted
        });
        self.leaving = (self.leaving.0 + left.0, self.leaving.1 + left.1);
        left
    }
}
