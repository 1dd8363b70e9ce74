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

    /// Makes all entries of the namespaces for which `wanted` holds go at once, however many they are. Their facts
    /// stay until they are condemned.
    pub(super) fn flush(&self, wanted: impl Fn(&TenantId, &Namespace) -> bool) {
        self.shelves.write().homes.retain(|(tenant, namespace), home| {
            let wanted = wanted(tenant, namespace);
            if wanted {
                home.flushed.store(true, Ordering::Release);
            }
            !wanted
        });
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
        shelves.facts.range(from).map(|(_, facts)| facts).filter(|facts| wanted(facts)).take(limit).cloned().collect()
    }

    /// Whether an entry of this id stands.
    pub(super) fn contains(&self, id: EntryId) -> bool {
        self.shelves.read().facts.get(&id).is_some_and(|facts| !facts.is_gone())
    }

    /// How many entries there are, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let shelves = self.shelves.read();
        (shelves.facts.len() as u64, shelves.bytes)
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
        let facts = self.facts.get(&id)?;
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
        facts.reckon(age);
        let facts = Arc::new(facts);
        self.bytes += facts.bytes;
        self.facts.insert(facts.id, facts.clone());
        facts
    }

    fn remove(&mut self, id: EntryId) -> Option<Arc<Facts>> {
        let facts = self.facts.remove(&id)?;
        facts.leave();
        self.bytes -= facts.bytes;
        Some(facts)
    }
}
