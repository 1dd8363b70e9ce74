//! All partitions, each made with its first vector and gone with its last.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::gardener::Gardener;
use super::partition::{ForeignDimension, Partition};
use super::{Census, Neighbour, VectorIndex};
use crate::domain::{EntryId, Scope, Vector};

/// How searches are done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A partition with more vectors than this is searched through a graph (HNSW), which is built in the background;
    /// below it, scanning every vector is both exact and faster.
    pub scan_up_to: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scan_up_to: 100_000 }
    }
}

/// The index: one partition per scope.
#[derive(Debug)]
pub struct Partitions {
    partitions: RwLock<HashMap<Scope, Arc<Partition>>>,
    /// Holding this lock is the right to change anything: changes happen one at a time.
    changing: Mutex<()>,
    settings: Settings,
    /// Started for the first partition that outgrows scanning; `None` inside when it could not be.
    gardener: OnceLock<Option<Gardener>>,
}

impl Partitions {
    /// An empty index.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { partitions: RwLock::default(), changing: Mutex::default(), settings, gardener: OnceLock::new() }
    }

    /// Returns when no graph is being built or checked: for benches and tests.
    pub fn settle(&self) {
        if let Some(Some(gardener)) = self.gardener.get() {
            gardener.wait();
        }
    }

    fn tend(&self, partition: &Arc<Partition>) {
        let start = || match Gardener::start(self.settings.scan_up_to) {
            Ok(gardener) => Some(gardener),
            Err(error) => {
                tracing::error!(%error, "no thread to build graphs with: every partition is scanned");
                None
            }
        };
        if let Some(gardener) = self.gardener.get_or_init(start) {
            gardener.tend(partition);
        }
    }

    fn find(&self, scope: Scope) -> Option<Arc<Partition>> {
        self.partitions.read().get(&scope).map(Arc::clone)
    }

    fn find_or_make(&self, scope: Scope, dimension: usize) -> Arc<Partition> {
        let make = || Arc::new(Partition::new(dimension));
        self.find(scope).unwrap_or_else(|| Arc::clone(self.partitions.write().entry(scope).or_insert_with(make)))
    }

    /// Takes a vector out of a scope, and the scope away with its last vector. For the holder of `changing`.
    fn evict(&self, scope: Scope, id: EntryId) {
        let Some(partition) = self.find(scope) else { return };
        if partition.remove(id) == 0 {
            self.partitions.write().remove(&scope);
        } else if partition.is_worn(self.settings.scan_up_to) {
            self.tend(&partition);
        }
    }
}

impl VectorIndex for Partitions {
    fn insert(&self, scope: Scope, id: EntryId, vector: Vector) {
        let _changing = self.changing.lock();
        let partition = self.find_or_make(scope, vector.dimension());
        match partition.insert(id, &vector, self.settings.scan_up_to) {
            Ok(true) => self.tend(&partition),
            Ok(false) => {}
            Err(ForeignDimension { expected }) => {
                let found = vector.dimension();
                tracing::warn!(entry = %id, expected, found, "vector not indexed: its scope holds another dimension");
            }
        }
    }

    fn remove(&self, scope: Scope, id: EntryId) {
        let _changing = self.changing.lock();
        self.evict(scope, id);
    }

    fn search(&self, scope: Scope, vector: &Vector, count: usize, least: f32) -> Vec<Neighbour> {
        self.find(scope).map(|partition| partition.search(vector, count, least)).unwrap_or_default()
    }

    fn holds_any(&self, scope: Scope) -> bool {
        // A scope goes with its last vector.
        self.partitions.read().contains_key(&scope)
    }

    fn census(&self) -> Census {
        let partitions: Vec<_> = self.partitions.read().values().map(Arc::clone).collect();
        let mut census = Census { partitions: partitions.len(), ..Census::default() };
        for partition in partitions {
            let state = partition.state.read();
            census.vectors += state.matrix.len();
            census.graphs += usize::from(state.serving.is_some());
            census.bytes += state.bytes() + size_of::<(Scope, Arc<Partition>)>();
        }
        census
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Digest;

    fn scope(name: &str) -> Scope {
        Scope(Digest::of(name.as_bytes()))
    }

    fn vector(raw: &[f32]) -> Vector {
        Vector::normalised(raw.to_vec()).unwrap()
    }

    const A: EntryId = EntryId([1; 16]);
    const B: EntryId = EntryId([2; 16]);

    fn found(index: &Partitions, scope: Scope, raw: &[f32]) -> Vec<EntryId> {
        index.search(scope, &vector(raw), 8, -1.0).into_iter().map(|neighbour| neighbour.id).collect()
    }

    #[test]
    fn scopes_never_see_each_other() {
        let index = Partitions::new(Settings::default());
        index.insert(scope("a"), A, vector(&[1.0, 0.0]));
        index.insert(scope("b"), B, vector(&[1.0, 0.0]));
        assert_eq!(found(&index, scope("a"), &[1.0, 0.0]), [A]);
        assert_eq!(found(&index, scope("c"), &[1.0, 0.0]), []);
    }

    #[test]
    fn a_vector_is_replaced_within_a_scope_and_may_be_in_several() {
        let index = Partitions::new(Settings::default());
        index.insert(scope("a"), A, vector(&[1.0, 0.0]));
        index.insert(scope("a"), A, vector(&[0.0, 1.0]));
        let hits = index.search(scope("a"), &vector(&[0.0, 1.0]), 8, -1.0);
        assert_eq!(hits, [Neighbour { id: A, similarity: 1.0 }]);
        index.insert(scope("b"), A, vector(&[0.0, 1.0]));
        assert_eq!(
            (found(&index, scope("a"), &[0.0, 1.0]), found(&index, scope("b"), &[0.0, 1.0])),
            (vec![A], vec![A])
        );
        index.remove(scope("a"), A);
        assert_eq!((found(&index, scope("a"), &[0.0, 1.0]), found(&index, scope("b"), &[0.0, 1.0])), (vec![], vec![A]));
        assert_eq!((index.census().vectors, index.census().partitions), (1, 1));
    }

    #[test]
    fn removing_from_another_scope_does_nothing_and_from_its_own_takes_the_empty_scope_away() {
        let index = Partitions::new(Settings::default());
        index.insert(scope("a"), A, vector(&[1.0, 0.0]));
        index.remove(scope("b"), A);
        assert_eq!(found(&index, scope("a"), &[1.0, 0.0]), [A]);
        index.remove(scope("a"), A);
        assert_eq!(found(&index, scope("a"), &[1.0, 0.0]), []);
        assert_eq!(index.census().partitions, 0);
    }

    #[test]
    fn a_vector_of_another_dimension_is_not_indexed_and_finds_nothing() {
        let index = Partitions::new(Settings::default());
        index.insert(scope("a"), A, vector(&[1.0, 0.0]));
        index.insert(scope("a"), B, vector(&[1.0, 0.0, 0.0]));
        assert_eq!(index.census().vectors, 1);
        assert_eq!(found(&index, scope("a"), &[1.0, 0.0, 0.0]), []);
        index.remove(scope("a"), A);
        index.insert(scope("a"), B, vector(&[1.0, 0.0, 0.0]));
        assert_eq!(found(&index, scope("a"), &[1.0, 0.0, 0.0]), [B]);
    }
}
