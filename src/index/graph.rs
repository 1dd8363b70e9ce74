//! The graph engine: the only file that names hnsw_rs.
//!
//! What that crate does badly is kept away from it here and in [`cover`](super::cover): it has one writer at a time
//! (concurrent inserts deadlock), no near-duplicates (they cut others off), no deletions, no dump or reload (both end
//! the process on bad data), and its distance is one that no rounding makes panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hnsw_rs::prelude::{DistL2, Hnsw};

/// A point's number in its graph: points are numbered as they come.
pub(super) type Node = u32;

/// Links per point and layer; twice as many on the lowest layer.
const LINKS: usize = 16;
/// Candidates weighed when a point is linked.
const EF_CONSTRUCTION: usize = 128;
/// Layers at most; 16 links make a 17th layer a matter of 16^16 points.
const LAYERS: usize = 16;

/// The crate panicked. Its graph is not to be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// A point near a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Which point.
    pub(super) node: Node,
    /// Its cosine similarity, from the graph's distance.
    pub(super) similarity: f32,
}

/// A navigable graph over unit vectors (Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
/// search using Hierarchical Navigable Small World graphs", 2016).
///
/// Any number may search while one inserts.
pub(super) struct Graph {
    engine: Hnsw<'static, f32, DistL2>,
    dimension: usize,
}

impl Graph {
    /// An empty graph, with room for `expected` points.
    pub(super) fn new(dimension: usize, expected: usize) -> Self {
        Self { engine: Hnsw::new(LINKS, expected, LAYERS, EF_CONSTRUCTION, DistL2), dimension }
    }

    /// Adds a point, and says which it is. One caller at a time.
    pub(super) fn insert(&self, vector: &[f32]) -> Result<Node, Broken> {
        // A wrong dimension would leave a half-inserted point behind.
        assert_eq!(vector.len(), self.dimension, "a graph holds vectors of one dimension");
        let node = self.len();
        guarded(|| self.engine.insert_slice((vector, node)))?;
        Node::try_from(node).map_err(|_| Broken)
    }

    /// About the `ef` nearest points, nearest first.
    pub(super) fn search(&self, query: &[f32], ef: usize) -> Result<Vec<Found>, Broken> {
        assert_eq!(query.len(), self.dimension, "a graph holds vectors of one dimension");
        let found = guarded(|| self.engine.search(query, ef, ef))?;
        let found = found.into_iter().filter_map(|near| {
            // For unit vectors |a - b|^2 = 2 - 2ab.
            let similarity = 1.0 - near.distance * near.distance / 2.0;
            Node::try_from(near.d_id).ok().map(|node| Found { node, similarity })
        });
        Ok(found.collect())
    }

    /// Points in the graph.
    pub(super) fn len(&self) -> usize {
        self.engine.get_nb_point()
    }

    /// Approximate memory, in bytes: a copy of each vector, and about 2,600 bytes of links a point, as measured.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (self.dimension * size_of::<f32>() + 2_600)
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("points", &self.len()).finish_non_exhaustive()
    }
}

fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| Broken)
}
