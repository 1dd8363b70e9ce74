//! One scope's vectors: a matrix, and a graph over it once scanning it would take too long.
//!
//! The matrix is the truth. A graph only proposes rows, which are then scored from the matrix, so what left the matrix
//! is found by no search, and what entered it is found by the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use super::Neighbour;
use super::cover::Cover;
use super::graph::Broken;
use super::matrix::Matrix;
use super::nearest::Nearest;
use super::rows::Row;
use crate::domain::{EntryId, Vector};

/// Searches for more neighbours than this scan: a graph is made for the nearest few.
const FEW: usize = 64;

/// Rows from which a thread of its own pays: on cores that are busy one may wait some milliseconds to run, and scanning as
/// many takes one.
const PART: usize = 65_536;

/// How many threads scan at most.
static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from).min(4));

/// The vector has not the dimension of its partition's others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForeignDimension {
    /// What the partition holds.
    pub(super) expected: usize,
}

/// The vectors of one scope, all of one dimension.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) state: RwLock<State>,
    /// It waits for the gardener already.
    pub(super) queued: AtomicBool,
}

/// What a partition's lock protects.
#[derive(Debug)]
pub(super) struct State {
    pub(super) matrix: Matrix,
    /// The graph that serves searches.
    pub(super) serving: Option<Cover>,
    /// The graph that is to replace it, being built.
    pub(super) growing: Option<Cover>,
    /// The graph engine failed on these vectors: they are scanned for good.
    pub(super) scan_only: bool,
}

impl Partition {
    /// An empty partition for vectors of `dimension` components.
    pub(super) fn new(dimension: usize) -> Self {
        let matrix = Matrix::new(dimension);
        let state = State { matrix, serving: None, growing: None, scan_only: false };
        Self { state: RwLock::new(state), queued: AtomicBool::new(false) }
    }

    /// Adds a vector, or replaces the one of the same id. Says whether a graph has to be tended, or built once there
    /// are more than `scan_up_to` vectors.
    pub(super) fn insert(&self, id: EntryId, vector: &Vector, scan_up_to: usize) -> Result<bool, ForeignDimension> {
        let mut state = self.state.write();
        if vector.dimension() != state.matrix.dimension() {
            return Err(ForeignDimension { expected: state.matrix.dimension() });
        }
        state.take(id);
        state.matrix.push(id, vector.as_slice());
        state.covers().for_each(Cover::added);
        Ok(!state.scan_only && (state.serving.is_some() || state.matrix.len() > scan_up_to))
    }

    /// Takes a vector out, and says how many are left. A graph may have to be tended: see [`Partition::is_worn`].
    pub(super) fn remove(&self, id: EntryId) -> usize {
        let mut state = self.state.write();
        state.take(id);
        state.matrix.len()
    }

    /// Whether there is a graph that should be built anew, or is not needed any more.
    pub(super) fn is_worn(&self, scan_up_to: usize) -> bool {
        let state = self.state.read();
        state.serving.as_ref().is_some_and(|serving| serving.is_worn() || state.matrix.len() <= scan_up_to / 2)
    }

    /// The `count` nearest that are at least `least` similar.
    pub(super) fn search(&self, query: &Vector, count: usize, least: f32) -> Vec<Neighbour> {
        let state = self.state.read();
        if query.dimension() != state.matrix.dimension() {
            return Vec::new();
        }
        let cover = state.serving.as_ref().filter(|cover| count <= FEW && cover.is_worth_using());
        match cover.map(|cover| state.search_graph(cover, query.as_slice(), count, least, cover.ef)) {
            Some(Ok(found)) => found,
            // A graph that just broke is taken away by the gardener at its next insert.
            Some(Err(Broken)) | None => state.scan(query.as_slice(), count, least),
        }
    }

    /// Marks the partition as waiting for the gardener, and says whether it was not yet.
    pub(super) fn enqueue(&self) -> bool {
        !self.queued.swap(true, Ordering::SeqCst)
    }
}

impl State {
    /// The nearest of all rows.
    pub(super) fn scan(&self, query: &[f32], count: usize, least: f32) -> Vec<Neighbour> {
        let parts = CORES.min(self.matrix.len() / PART);
        self.matrix.scan(query, count, least, parts).into_vec()
    }

    /// Scores the rows that a graph proposes, and those it does not lead to.
    pub(super) fn search_graph(
        &self,
        cover: &Cover,
        query: &[f32],
        count: usize,
        least: f32,
        ef: usize,
    ) -> Result<Vec<Neighbour>, Broken> {
        let mut nearest = Nearest::new(count, least);
        for found in cover.graph.search(query, ef.max(count))? {
            self.matrix.score(query, cover.members(found.node).iter().copied(), &mut nearest);
        }
        self.matrix.score(query, cover.loose(), &mut nearest);
        Ok(nearest.into_vec())
    }

    /// The row of an id, if its vector is still this one.
    pub(super) fn unchanged(&self, id: EntryId, vector: &[f32]) -> Option<Row> {
        self.matrix.place(id).filter(|row| self.matrix.row(*row) == vector)
    }

    /// The covers that follow the matrix.
    fn covers(&mut self) -> impl Iterator<Item = &mut Cover> {
        self.serving.iter_mut().chain(&mut self.growing)
    }

    fn take(&mut self, id: EntryId) {
        if let Some(removal) = self.matrix.take(id) {
            self.covers().for_each(|cover| cover.removed(removal));
        }
    }

    /// Approximate memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let covers = self.serving.iter().chain(&self.growing).map(Cover::bytes).sum::<usize>();
        size_of::<Arc<Partition>>() + size_of::<Partition>() + self.matrix.bytes() + covers
    }
}
