//! The vectors of one partition, and whose row is whose.

use std::collections::HashMap;

use super::Neighbour;
use super::nearest::Nearest;
use super::rows::{Row, Rows};
use super::sketch::Sketches;
use crate::domain::{EntryId, vector};

/// What taking a row out did to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Removal {
    /// The number that became free, and was given to the last row unless it was the last.
    pub(super) row: Row,
    /// The number that exists no more.
    pub(super) last: Row,
}

/// The vectors of one partition, exact and in outline.
#[derive(Debug)]
pub(super) struct Matrix {
    vectors: Rows<f32>,
    sketches: Sketches,
    ids: Vec<EntryId>,
    places: HashMap<EntryId, Row>,
}

impl Matrix {
    /// An empty matrix for vectors of `dimension` components.
    pub(super) fn new(dimension: usize) -> Self {
        Self {
            vectors: Rows::new(dimension),
            sketches: Sketches::new(dimension),
            ids: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Components of each row.
    pub(super) fn dimension(&self) -> usize {
        self.vectors.width()
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The components of a row.
    pub(super) fn row(&self, row: Row) -> &[f32] {
        self.vectors.row(row)
    }

    /// Whose row it is.
    pub(super) fn id(&self, row: Row) -> EntryId {
        self.ids[row as usize]
    }

    /// The row of an id.
    pub(super) fn place(&self, id: EntryId) -> Option<Row> {
        self.places.get(&id).copied()
    }

    /// Appends a row. The id must not be there yet, and the vector must have the matrix's dimension.
    pub(super) fn push(&mut self, id: EntryId, vector: &[f32]) -> Row {
        let row = Row::try_from(self.ids.len()).expect("a partition holds fewer vectors than u32 counts");
        self.vectors.push(vector);
        self.sketches.push(&self.vectors);
        self.ids.push(id);
        let before = self.places.insert(id, row);
        debug_assert!(before.is_none(), "an id has one row");
        row
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn take(&mut self, id: EntryId) -> Option<Removal> {
        let row = self.places.remove(&id)?;
        let last = Row::try_from(self.ids.len() - 1).expect("rows are counted in u32");
        self.vectors.swap_remove(row);
        self.sketches.swap_remove(row);
        self.ids.swap_remove(row as usize);
        if row != last {
            self.places.insert(self.ids[row as usize], row);
        }
        if self.ids.capacity() > 4 * self.ids.len().max(1) {
            self.ids.shrink_to(2 * self.ids.len());
            self.places.shrink_to(2 * self.places.len());
        }
        Some(Removal { row, last })
    }

    /// The `count` nearest of all rows that are at least `least` similar. Many rows are scanned in `parts`, each by a thread
    /// of its own.
    pub(super) fn scan(&self, query: &[f32], count: usize, least: f32, parts: usize) -> Nearest {
        let probe = self.sketches.probe(query);
        let each = self.len().div_ceil(parts.max(1)).max(1);
        let part = |first: usize| {
            let mut nearest = Nearest::new(count, least);
            self.sketches.scan(&probe, first..self.len().min(first + each), nearest.bar(), |row| {
                self.score(query, [row], &mut nearest);
                nearest.bar()
            });
            nearest
        };
        let part = &part;
        std::thread::scope(|threads| {
            // A thread that cannot be had, or is lost, leaves its part to this one.
            let spawn = |first| std::thread::Builder::new().spawn_scoped(threads, move || part(first)).ok();
            let others: Vec<_> = (each..self.len()).step_by(each).map(|first| (first, spawn(first))).collect();
            let mut nearest = part(0);
            for (first, other) in others {
                let found = other.and_then(|thread| thread.join().ok()).unwrap_or_else(|| part(first));
                found.into_vec().into_iter().for_each(|neighbour| nearest.offer(neighbour));
            }
            nearest
        })
    }

    /// Scores some rows.
    pub(super) fn score(&self, query: &[f32], rows: impl IntoIterator<Item = Row>, nearest: &mut Nearest) {
        for row in rows {
            nearest.offer(Neighbour { id: self.id(row), similarity: similarity(query, self.row(row)) });
        }
    }

    /// Approximate memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.vectors.bytes()
            + self.sketches.bytes()
            + self.ids.capacity() * size_of::<EntryId>()
            + self.places.capacity() * (size_of::<(EntryId, Row)>() + 1)
    }
}

/// Cosine of two unit vectors of one dimension.
pub(super) fn similarity(a: &[f32], b: &[f32]) -> f32 {
    vector::dot(a, b).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Vector;

    fn id(n: u8) -> EntryId {
        EntryId([n; 16])
    }

    #[test]
    fn taking_a_row_out_gives_its_number_to_the_last() {
        let mut matrix = Matrix::new(2);
        for n in 0..4 {
            matrix.push(id(n), &[f32::from(n), 1.0]);
        }
        assert_eq!(matrix.take(id(1)), Some(Removal { row: 1, last: 3 }));
        assert_eq!((matrix.id(1), matrix.row(1)), (id(3), [3.0, 1.0].as_slice()));
        assert_eq!(matrix.take(id(1)), None);
        assert_eq!(matrix.take(id(2)), Some(Removal { row: 2, last: 2 }));
        assert_eq!(matrix.len(), 2);
    }

    #[test]
    fn any_number_of_parts_finds_the_same() {
        let mut matrix = Matrix::new(3);
        for n in 0..100 {
            let angle = f32::from(n) * 0.7;
            matrix.push(id(n), &[angle.sin(), angle.cos(), 0.0]);
        }
        let query = [0.6, 0.8, 0.0];
        let whole = matrix.scan(&query, 8, -1.0, 1).into_vec();
        assert_eq!(whole.len(), 8);
        for parts in [0, 2, 3, 7, 100, 1000] {
            assert_eq!(matrix.scan(&query, 8, -1.0, parts).into_vec(), whole, "{parts} parts");
        }
        assert!(Matrix::new(3).scan(&query, 8, -1.0, 4).into_vec().is_empty());
    }

    /// With outlines and, once few are left, without.
    #[test]
    fn a_scan_finds_what_scoring_every_row_finds() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut near = |middle: &[f32], spread: f32| {
            let raw = middle.iter().map(|x| x + spread * (random.f32() - 0.5)).collect();
            Vector::normalised(raw).unwrap().as_slice().to_vec()
        };
        let topics: Vec<_> = (0..30).map(|_| near(&[0.0; 384], 1.0)).collect();
        let mut matrix = Matrix::new(384);
        for n in 0..1200_u32 {
            matrix.push(EntryId(u128::from(n).to_be_bytes()), &near(&topics[n as usize % 30], 0.25));
        }
        for left in [1200, 700, 200] {
            while matrix.len() > left {
                matrix.take(matrix.id(Row::try_from(matrix.len() / 3).unwrap()));
            }
            for (topic, spread) in topics.iter().zip([0.05, 0.15, 0.3].into_iter().cycle()) {
                let query = near(topic, spread);
                for least in [-1.0, 0.5, 0.8] {
                    let mut all = Nearest::new(8, least);
                    matrix.score(&query, 0..Row::try_from(left).unwrap(), &mut all);
                    assert_eq!(matrix.scan(&query, 8, least, 1).into_vec(), all.into_vec());
                }
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut matrix = Matrix::new(8);
        let ids: Vec<_> = (0..200_u32).map(|n| EntryId(u128::from(n).to_be_bytes())).collect();
        for id in &ids {
            matrix.push(*id, &[0.5; 8]);
        }
        let full = matrix.bytes();
        for id in &ids {
            matrix.take(*id);
        }
        assert!(matrix.bytes() < full / 10, "{} of {full}", matrix.bytes());
    }
}
