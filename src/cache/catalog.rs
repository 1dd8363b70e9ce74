//! What is known of every entry without reading it: small facts in memory, derived from the store.
//!
//! The catalog decides whether an entry stands: facts that left it are marked gone, so that a copy of the entry
//! elsewhere in memory is not served either.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::domain::{Entry, EntryId, Location, Model, Namespace, Scope, Surface, Tag, TenantId, Timestamp, Version};

/// The light facts of one entry.
#[derive(Debug)]
pub struct Facts {
    /// Its public name.
    pub id: EntryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// In which cache of theirs.
    pub namespace: Namespace,
    /// On which surface.
    pub surface: Surface,
    /// Who answered.
    pub model: Model,
    /// Under which version.
    pub version: Version,
    /// Where.
    pub location: Location,
    /// Labels for purging.
    pub tags: Box<[Tag]>,
    /// When the answer was generated.
    pub created: Timestamp,
    /// From when on it is stale.
    pub expires: Timestamp,
    /// Approximate size.
    pub bytes: u64,
    /// What generating it took, in milliseconds.
    pub cost: u64,
    /// Its index partition, if it is in the index.
    pub partition: Option<Scope>,
    hits: AtomicU32,
    worth: AtomicU64,
    gone: AtomicBool,
}

impl Facts {
    fn of(entry: &Entry, names: &Names) -> Self {
        let who = &entry.answerer;
        Self {
            id: entry.id(),
            tenant: TenantId(names.one(&entry.tenant.0)),
            namespace: Namespace(names.one(&entry.namespace.0)),
            surface: entry.surface(),
            model: Model { upstream: names.one(&who.model.upstream), name: names.one(&who.model.name) },
            version: Version(names.one(&who.version.0)),
            location: who.location,
            tags: entry.tags.iter().map(|tag| Tag(names.one(&tag.0))).collect(),
            created: entry.created,
            expires: entry.expires,
            bytes: entry.weight(),
            cost: u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
            partition: entry.placement.as_ref().and_then(crate::domain::Placement::partition),
            hits: AtomicU32::new(0),
            worth: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        }
    }

    /// Times it was served from the cache since it was loaded or kept.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Whether it left the catalog: purged, evicted, expired or replaced.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// What keeping it is worth, as [`super::evict`] last reckoned.
    pub(super) fn worth(&self) -> f64 {
        f64::from_bits(self.worth.load(Ordering::Relaxed))
    }

    /// Counts a hit at the present `age` of the cache.
    pub(super) fn count_hit(&self, age: f64) {
        let hits = self.hits.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.reckon(age, hits);
    }

    /// GreedyDual-Size-Frequency (Cherkasova, HPL-98-69): age + uses x cost / size.
    fn reckon(&self, age: f64, hits: u32) {
        #[expect(clippy::cast_precision_loss, reason = "a rank needs no more than 52 bits")]
        let value = f64::from(hits.saturating_add(1)) * (self.cost.max(1) as f64) / (self.bytes.max(1) as f64);
        self.worth.store((age + value).to_bits(), Ordering::Relaxed);
    }
}

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
    removals: u64,
}

impl Catalog {
    pub(super) fn get(&self, id: EntryId) -> Option<Arc<Facts>> {
        self.shelves.read().facts.get(&id).cloned()
    }

    /// Counts removals: an entry read from the store stands only if this did not change meanwhile.
    pub(super) fn removals(&self) -> u64 {
        self.shelves.read().removals
    }

    /// The facts of an entry just read from the store, noted if they were not yet; `None` if anything was removed
    /// since `removals` was read, or if the entry was replaced meanwhile: then read it again.
    pub(super) fn adopt(&self, entry: &Entry, removals: u64, age: f64) -> Option<Arc<Facts>> {
        let mut shelves = self.shelves.write();
        if shelves.removals != removals {
            return None;
        }
        if let Some(facts) = shelves.facts.get(&entry.id()) {
            return (facts.created == entry.created && facts.expires == entry.expires).then(|| facts.clone());
        }
        Some(shelves.insert(Facts::of(entry, &self.names), age))
    }

    /// Notes an entry just kept in place of any with its id. The replaced one's facts come back.
    pub(super) fn replace(&self, entry: &Entry, age: f64) -> (Arc<Facts>, Option<Arc<Facts>>) {
        let facts = Facts::of(entry, &self.names);
        let mut shelves = self.shelves.write();
        let old = shelves.remove(facts.id);
        if let Some(old) = &old {
            facts.hits.store(old.hits(), Ordering::Relaxed);
        }
        (shelves.insert(facts, age), old)
    }

    /// Takes entries out. From now on no copy of them is served, and none read before is adopted.
    pub(super) fn remove(&self, ids: &[EntryId]) -> Vec<Arc<Facts>> {
        let mut shelves = self.shelves.write();
        shelves.removals += 1;
        ids.iter().filter_map(|id| shelves.remove(*id)).collect()
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

    pub(super) fn contains(&self, id: EntryId) -> bool {
        self.shelves.read().facts.contains_key(&id)
    }

    /// How many entries there are, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let shelves = self.shelves.read();
        (shelves.facts.len() as u64, shelves.bytes)
    }
}

impl Shelves {
    fn insert(&mut self, facts: Facts, age: f64) -> Arc<Facts> {
        facts.reckon(age, facts.hits());
        let facts = Arc::new(facts);
        self.bytes += facts.bytes;
        self.facts.insert(facts.id, facts.clone());
        facts
    }

    fn remove(&mut self, id: EntryId) -> Option<Arc<Facts>> {
        let facts = self.facts.remove(&id)?;
        facts.gone.store(true, Ordering::Release);
        self.bytes -= facts.bytes;
        Some(facts)
    }
}

/// Names that many entries share, each held once.
#[derive(Debug, Default)]
struct Names(Mutex<HashSet<Arc<str>>>);

impl Names {
    /// More distinct names than this are not worth sharing.
    const MOST: usize = 65_536;

    fn one(&self, name: &Arc<str>) -> Arc<str> {
        let mut names = self.0.lock();
        if let Some(known) = names.get(name) {
            return known.clone();
        }
        if names.len() < Self::MOST {
            names.insert(name.clone());
        }
        name.clone()
    }
}
