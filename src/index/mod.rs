//! Finding the nearest vectors, one partition per [`Scope`].
//!
//! The door: [`VectorIndex`]. In memory only and derived from the store; it can be rebuilt at any time.

mod codes;
mod cover;
mod fast_scan;
mod gardener;
mod graph;
#[cfg(test)]
mod laws;
mod matrix;
mod nearest;
mod outline;
mod partition;
mod partitions;
mod rotation;
mod rows;
mod sketch;

pub use partitions::{Partitions, Settings};

use crate::domain::{EntryId, Scope, Vector};

/// A vector found near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Whose vector.
    pub id: EntryId,
    /// Exact cosine similarity, computed in f32 from the stored vectors.
    pub similarity: f32,
}

/// Nearest-neighbour search over partitions that never see each other.
pub trait VectorIndex: Send + Sync + std::fmt::Debug {
    /// Adds a vector, or replaces the one of the same id in this scope; one id may be in several scopes.
    fn insert(&self, scope: Scope, id: EntryId, vector: Vector);

    /// Takes a vector out of a scope; nothing happens if it is not there. When this returns, no search there finds it.
    fn remove(&self, scope: Scope, id: EntryId);

    /// The `count` nearest that are at least `least` similar, most similar first, exactly re-scored; ties by id.
    fn search(&self, scope: Scope, vector: &Vector, count: usize, least: f32) -> Vec<Neighbour>;

    /// Whether there is any vector in a scope.
    fn holds_any(&self, scope: Scope) -> bool;

    /// How many vectors there are, in how many partitions, and in which form.
    fn census(&self) -> Census;
}

/// What an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Census {
    /// Vectors that a search can find.
    pub vectors: usize,
    /// Partitions with at least one vector.
    pub partitions: usize,
    /// Partitions searched through a graph rather than by a scan.
    pub graphs: usize,
    /// Approximate memory, in bytes.
    pub bytes: usize,
}
