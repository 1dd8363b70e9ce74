//! One scope's vectors.

use parking_lot::RwLock;

use super::Neighbour;
use super::matrix::Matrix;
use super::nearest::Nearest;
use crate::domain::{EntryId, Vector};

/// The vector has not the dimension of its partition's others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForeignDimension {
    /// What the partition holds.
    pub(super) expected: usize,
}

/// The vectors of one scope, all of one dimension.
#[derive(Debug)]
pub(super) struct Partition {
    inner: RwLock<Matrix>,
}

impl Partition {
    /// An empty partition for vectors of `dimension` components.
    pub(super) fn new(dimension: usize) -> Self {
        Self { inner: RwLock::new(Matrix::new(dimension)) }
    }

    /// Adds a vector, or replaces the one of the same id.
    pub(super) fn insert(&self, id: EntryId, vector: &Vector) -> Result<(), ForeignDimension> {
        let mut matrix = self.inner.write();
        if vector.dimension() != matrix.dimension() {
            return Err(ForeignDimension { expected: matrix.dimension() });
        }
        matrix.take(id);
        matrix.push(id, vector.as_slice());
        Ok(())
    }

    /// Takes a vector out, and says how many are left.
    pub(super) fn remove(&self, id: EntryId) -> usize {
        let mut matrix = self.inner.write();
        matrix.take(id);
        matrix.len()
    }

    /// The `count` nearest.
    pub(super) fn search(&self, query: &Vector, count: usize) -> Vec<Neighbour> {
        let mut nearest = Nearest::new(count);
        let matrix = self.inner.read();
        if query.dimension() == matrix.dimension() {
            matrix.scan(query.as_slice(), &mut nearest);
        }
        nearest.into_vec()
    }

    /// How many vectors there are.
    pub(super) fn len(&self) -> usize {
        self.inner.read().len()
    }

    /// Approximate memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.inner.read().bytes()
    }
}
