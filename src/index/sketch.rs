//! Vectors in one byte a component: a quarter of the memory to read, and a proven bound on what that loses.
//!
//! A scan of many vectors waits for memory, not for arithmetic. So each vector x is also kept as x' = scale * codes,
//! with the length of what that leaves out, |x - x'|. For a query q, likewise q', Cauchy and Schwarz give
//!
//! ```text
//! qx = q'x' + q(x - x') + (q - q')x'  <=  q'x' + |q| |x - x'| + |q - q'| |x'|
//! ```
//!
//! and q'x' is arithmetic on small whole numbers. A vector whose bound does not reach the worst of the best found so
//! far is none of the best. All others are scored exactly, so the result is the one of an exact scan. Nor is a sketch
//! read where its [outline](super::outline) dismisses the vector.

use std::ops::Range;

use super::codes::{Mark, codes};
use super::outline::{Asked, BLOCK, Outlines, Seen};
use super::rows::{Row, Rows};

/// Codes of a stored component lie in -127..=127.
const STORED: f32 = 127.0;
/// Codes of a query's component lie in -2047..=2047: more digits cost nothing in 16 bits, and products with a stored
/// code can be summed in 32 bits over 8,256 components.
const ASKED: f32 = 2047.0;
const MOST_COMPONENTS: usize = 8_256;
/// Rows that are read before others of which the outlines are further.
const FIRST: usize = 16;

/// The sketches of a matrix's rows, and their outlines.
#[derive(Debug)]
pub(super) struct Sketches {
    outlines: Outlines,
    codes: Rows<i8>,
    marks: Vec<Mark>,
}

/// A query, made ready for comparing with sketches.
#[derive(Debug)]
pub(super) struct Probe {
    codes: Vec<i16>,
    mark: Mark,
    outline: Asked,
    /// More than rounding can do to an exact score or to its bound.
    rounding: f32,
}

impl Sketches {
    /// No rows yet.
    pub(super) const fn new(dimension: usize) -> Self {
        Self { outlines: Outlines::new(dimension), codes: Rows::new(dimension), marks: Vec::new() }
    }

    /// Appends the sketch of a vector.
    pub(super) fn push(&mut self, vector: &[f32]) {
        self.outlines.push(vector);
        let (codes, mark) = codes(vector, STORED);
        #[expect(clippy::cast_possible_truncation, reason = "codes lie in -127..=127")]
        let codes: Vec<i8> = codes.iter().map(|code| *code as i8).collect();
        self.codes.push(&codes);
        self.marks.push(mark);
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        self.outlines.swap_remove(row);
        self.codes.swap_remove(row);
        self.marks.swap_remove(row as usize);
        if self.marks.capacity() > 4 * self.marks.len().max(1) {
            self.marks.shrink_to(2 * self.marks.len());
        }
    }

    /// Names every one of `rows` whose bound reaches `bar`; what that finds may raise the bar.
    ///
    /// Of many that may reach it, those whose outlines are nearest come first: by what these find, the others are held
    /// against a bar that is nearly at its height.
    pub(super) fn scan(&self, probe: &Probe, rows: Range<usize>, mut bar: f32, mut reached: impl FnMut(Row) -> f32) {
        /// Rows that may reach the bar, before the nearest of them are read.
        const MANY: usize = 512;
        let mut seen: Vec<Seen> = Vec::new();
        let mut enough = MANY;
        for start in rows.clone().step_by(BLOCK) {
            let block = start..rows.end.min(start + BLOCK);
            self.outlines.meeting(&probe.outline, block, probe.outline.demand(bar), &mut seen);
            if seen.len() >= enough {
                bring_forward(&mut seen);
                bar = self.read(probe, seen.drain(..FIRST), bar, &mut reached);
                let demand = probe.outline.demand(bar);
                seen.retain(|seen| demand.is_met(*seen));
                enough = seen.len() + MANY;
            }
        }
        bring_forward(&mut seen);
        self.read(probe, seen.into_iter(), bar, &mut reached);
    }

    /// Names those of some rows whose bound reaches `bar`, and says how high that raised it.
    fn read(
        &self,
        probe: &Probe,
        rows: impl Iterator<Item = Seen>,
        mut bar: f32,
        reached: &mut impl FnMut(Row) -> f32,
    ) -> f32 {
        let mut demand = probe.outline.demand(bar);
        for seen in rows {
            if demand.is_met(seen) {
                let sum = pulp::Arch::new().dispatch(Product { row: self.codes.row(seen.row), query: &probe.codes });
                if probe.bound(sum, self.marks[seen.row as usize]) >= bar {
                    bar = reached(seen.row);
                    demand = probe.outline.demand(bar);
                }
            }
        }
        bar
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.outlines.bytes() + self.codes.bytes() + self.marks.capacity() * size_of::<Mark>()
    }
}

impl Probe {
    /// Makes a unit vector ready.
    pub(super) fn new(query: &[f32]) -> Self {
        let (codes, mark) = codes(query, ASKED);
        // Sums are made in 16 lanes, so no more than this many roundings follow one another.
        #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
        let rounding = f32::EPSILON * (query.len() as f32 / 16.0 + 32.0);
        Self { codes, mark, outline: Asked::new(query, rounding), rounding }
    }

    /// The bound, from the inner product of the codes.
    fn bound(&self, sum: i32, mark: Mark) -> f32 {
        if self.codes.len() > MOST_COMPONENTS {
            return f32::INFINITY;
        }
        #[expect(clippy::cast_precision_loss, reason = "that rounding is in `rounding`")]
        let near = sum as f32 * (mark.scale * self.mark.scale);
        near + mark.lost + self.mark.lost * (1.0 + mark.lost) + self.rounding
    }
}

/// Puts the [`FIRST`] whose outlines are nearest before the others.
fn bring_forward(seen: &mut [Seen]) {
    let nearer = |a: &Seen, b: &Seen| b.near.total_cmp(&a.near);
    if seen.len() > FIRST {
        seen.select_nth_unstable_by(FIRST, nearer);
    }
    let first = seen.len().min(FIRST);
    seen[..first].sort_unstable_by(nearer);
}

struct Product<'a> {
    row: &'a [i8],
    query: &'a [i16],
}

impl pulp::WithSimd for Product<'_> {
    type Output = i32;

    /// Compiled once for each set of instructions, which the compiler puts to use by itself. Only what is inlined here
    /// is: so nothing is called.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> i32 {
        let pairs = self.row.iter().zip(self.query);
        pairs.fold(0, |total: i32, (a, b)| total.wrapping_add(i32::from(*a) * i32::from(*b)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Vector, vector};

    /// The bounds of all rows, in order.
    fn bounds(sketches: &Sketches, query: &[f32]) -> Vec<f32> {
        let probe = Probe::new(query);
        let sum = |row| pulp::Arch::new().dispatch(Product { row: sketches.codes.row(row), query: &probe.codes });
        (0..).zip(&sketches.marks).map(|(row, mark)| probe.bound(sum(row), *mark)).collect()
    }

    /// The rows that reach a bar which stays where it is, in order.
    fn reaching(sketches: &Sketches, query: &[f32], rows: Range<usize>, bar: f32) -> Vec<usize> {
        let mut reached = Vec::new();
        sketches.scan(&Probe::new(query), rows, bar, |row| {
            reached.push(row as usize);
            bar
        });
        reached.sort_unstable();
        reached
    }

    fn of(vectors: &[impl AsRef<[f32]>], dimension: usize) -> Sketches {
        let mut sketches = Sketches::new(dimension);
        vectors.iter().for_each(|vector| sketches.push(vector.as_ref()));
        sketches
    }

    fn unit(raw: Vec<f32>) -> Option<Vector> {
        Vector::normalised(raw).ok()
    }

    proptest! {
        /// Components of very different sizes, so that small ones are lost altogether, and a number of them that no
        /// quarter is of.
        #[test]
        fn no_score_exceeds_its_bound_and_none_is_far_below(
            rows in prop::collection::vec(prop::collection::vec((-1.0_f32..1.0).prop_map(|x| x * x * x), 41), 1..6),
            query in prop::collection::vec(-1.0_f32..1.0, 41),
        ) {
            let Some(query) = unit(query) else { return Ok(()) };
            let mut rows: Vec<_> = rows.into_iter().filter_map(unit).map(|row| row.as_slice().to_vec()).collect();
            rows.push(query.as_slice().to_vec());
            let sketches = of(&rows, 41);
            for (place, (row, bound)) in rows.iter().zip(bounds(&sketches, query.as_slice())).enumerate() {
                let score = vector::dot(query.as_slice(), row);
                prop_assert!(score <= bound, "{score} exceeds {bound}");
                prop_assert!(bound - score < 0.06, "{bound} tells nothing of {score}");
                let reached = reaching(&sketches, query.as_slice(), 0..rows.len(), score);
                prop_assert!(reached.contains(&place), "{score} does not reach itself");
            }
        }
    }

    #[test]
    fn rows_follow_the_matrix() {
        let mut sketches = of(&[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], 2);
        let third = bounds(&sketches, &[0.6, 0.8])[2];
        sketches.swap_remove(0);
        assert_eq!(bounds(&sketches, &[0.6, 0.8])[0], third);
        assert_eq!(reaching(&sketches, &[0.6, 0.8], 0..2, third), [0]);
    }

    #[test]
    fn every_row_of_several_blocks_is_named_once() {
        let sketches = of(&vec![[0.6, 0.8]; 9000], 2);
        for rows in [0..9000, 0..4096, 100..5001, 8999..9000, 7..7] {
            let all: Vec<usize> = rows.clone().collect();
            assert_eq!(reaching(&sketches, &[0.6, 0.8], rows, f32::NEG_INFINITY), all);
        }
    }

    #[test]
    fn more_components_than_can_be_summed_are_left_to_the_exact_score() {
        let vector = vec![1.0 / (MOST_COMPONENTS as f32 + 1.0).sqrt(); MOST_COMPONENTS + 1];
        let sketches = of(&[&vector], vector.len());
        assert_eq!(bounds(&sketches, &vector), [f32::INFINITY]);
        assert_eq!(reaching(&sketches, &vector, 0..1, 0.99), [0]);
    }
}
