//! The light facts of one entry, held in memory for as long as it is kept.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::domain::{Entry, EntryId, Model, Namespace, Placement, Scope, SpaceId, Tag, TenantId, Timestamp};

/// The light facts of one entry.
#[derive(Debug)]
pub(super) struct Facts {
    /// Its public name.
    pub id: EntryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// In which cache of theirs.
    pub namespace: Namespace,
    /// Who answered.
    pub model: Model,
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
    /// The model name the answer reported.
    pub reported: Option<Arc<str>>,
    /// Its index partitions; none where it is not in the index.
    pub partitions: Box<[Scope]>,
    /// Whether it may be found by meaning.
    placed: bool,
    /// The space its prompt is embedded in.
    space: Option<SpaceId>,
    hits: AtomicU32,
    worth: AtomicU64,
    home: Arc<Home>,
    gone: AtomicBool,
    lapsed: AtomicBool,
}

/// What the entries of one namespace of one tenant have in common.
#[derive(Debug, Default)]
pub(super) struct Home {
    /// All of them left at once.
    pub flushed: AtomicBool,
    /// How many there are.
    pub entries: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
}

impl Facts {
    /// The facts of an entry that is kept, or about to be.
    pub(super) fn of(entry: &Entry, names: &Names, home: Arc<Home>) -> Self {
        let who = &entry.answerer;
        Self {
            id: entry.id(),
            tenant: TenantId(names.one(&entry.tenant.0)),
            namespace: Namespace(names.one(&entry.namespace.0)),
            model: Model { upstream: names.one(&who.model.upstream), name: names.one(&who.model.name) },
            tags: entry.tags.iter().map(|tag| Tag(names.one(&tag.0))).collect(),
            created: entry.created,
            expires: entry.expires,
            bytes: entry.weight(),
            cost: u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
            reported: who.reported.as_ref().map(|name| names.one(name)),
            partitions: entry.placement.as_ref().map(Placement::partitions).unwrap_or_default().into(),
            placed: entry.placement.is_some(),
            space: entry
                .placement
                .as_ref()
                .and_then(|placement| placement.embedded.as_ref())
                .map(|at| SpaceId(names.one(&at.space.0))),
            hits: AtomicU32::new(0),
            worth: AtomicU64::new(0),
            home,
            gone: AtomicBool::new(false),
            lapsed: AtomicBool::new(false),
        }
    }

    /// Times it was served from the cache since it was loaded or kept.
    pub(super) fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Whether `model` names who answered: as asked for, or as reported.
    pub(super) fn answers_to(&self, model: &str) -> bool {
        *self.model.name == *model || self.reported.as_deref() == Some(model)
    }

    /// Whether it may be found by meaning, but nobody embedded it yet.
    pub(super) fn lacks_embedding(&self) -> bool {
        self.placed && self.space.is_none()
    }

    /// Whether it may be found by meaning, but not in this space.
    pub(super) fn lacks(&self, space: &SpaceId) -> bool {
        self.placed && self.space.as_ref() != Some(space)
    }

    /// Whether it left the catalog: purged, evicted, expired or replaced.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire) || self.home.flushed.load(Ordering::Acquire)
    }

    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Whether it had expired before the clock was set back.
    pub(super) fn is_lapsed(&self) -> bool {
        self.lapsed.load(Ordering::Relaxed)
    }

    pub(super) fn lapse(&self) {
        self.lapsed.store(true, Ordering::Relaxed);
    }

    /// Takes over what the entry it replaces had earned.
    pub(super) fn inherit(&self, old: &Self) {
        self.hits.store(old.hits(), Ordering::Relaxed);
    }

    /// Takes up a count of before the start.
    pub(super) fn remember(&self, hits: u32) {
        self.hits.store(hits, Ordering::Relaxed);
    }

    /// What it shares with the other entries of its namespace.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// What keeping it is worth, as [`super::evict`] last reckoned.
    pub(super) fn worth(&self) -> f64 {
        f64::from_bits(self.worth.load(Ordering::Relaxed))
    }

    /// Counts a hit at the present `age` of the cache.
    pub(super) fn count_hit(&self, age: f64) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.reckon(age);
    }

    /// GreedyDual-Size-Frequency (Cherkasova, HPL-98-69): age + uses x cost / size.
    pub(super) fn reckon(&self, age: f64) {
        let hits = self.hits();
        #[expect(clippy::cast_precision_loss, reason = "a rank needs no more than 52 bits")]
        let value = f64::from(hits.saturating_add(1)) * (self.cost.max(1) as f64) / (self.bytes.max(1) as f64);
        self.worth.store((age + value).to_bits(), Ordering::Relaxed);
    }
}

/// Names that many entries share, each held once.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashSet<Arc<str>>>);

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
