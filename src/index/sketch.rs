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
//! far is none of the best. All others are scored exactly, so the result is the one of an exact scan.

use std::ops::Range;

use super::rows::{Row, Rows};

/// Codes of a stored component lie in -127..=127.
const STORED: f32 = 127.0;
/// Codes of a query's component lie in -2047..=2047: more digits cost nothing in 16 bits, and products with a stored
/// code can be summed in 32 bits over 8,256 components.
const ASKED: f32 = 2047.0;
const MOST_COMPONENTS: usize = 8_256;

/// The sketches of a matrix's rows.
#[derive(Debug)]
pub(super) struct Sketches {
    codes: Rows<i8>,
    marks: Vec<Mark>,
}

/// How a row's codes are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    /// What a code of one stands for.
    scale: f32,
    /// The length of what the codes leave out, rounded up.
    lost: f32,
}

/// A query, made ready for comparing with sketches.
#[derive(Debug)]
pub(super) struct Probe {
    codes: Vec<i16>,
    mark: Mark,
    /// More than rounding can do to an exact score or to its bound.
    rounding: f32,
}

impl Sketches {
    /// No rows yet.
    pub(super) const fn new(dimension: usize) -> Self {
        Self { codes: Rows::new(dimension), marks: Vec::new() }
    }

    /// Appends the sketch of a vector.
    pub(super) fn push(&mut self, vector: &[f32]) {
        let (codes, mark) = sketch(vector, STORED);
        #[expect(clippy::cast_possible_truncation, reason = "codes lie in -127..=127")]
        self.codes.push(&codes.iter().map(|code| *code as i8).collect::<Vec<_>>());
        self.marks.push(mark);
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        self.codes.swap_remove(row);
        self.marks.swap_remove(row as usize);
        if self.marks.capacity() > 4 * self.marks.len().max(1) {
            self.marks.shrink_to(2 * self.marks.len());
        }
    }

    /// Names every one of `rows` whose bound reaches `bar`, in order; what that finds may raise the bar.
    pub(super) fn scan(&self, probe: &Probe, rows: Range<usize>, mut bar: f32, mut reached: impl FnMut(Row) -> f32) {
        const BLOCK: usize = 256;
        let mut sums = [0; BLOCK];
        let mut row = Row::try_from(rows.start).expect("rows are counted in u32");
        let marks = self.marks[rows.clone()].chunks(BLOCK);
        for (codes, marks) in self.codes.blocks(rows, BLOCK).zip(marks) {
            products(codes, &probe.codes, &mut sums);
            for (sum, mark) in sums.iter().zip(marks) {
                if probe.bound(*sum, *mark) >= bar {
                    bar = reached(row);
                }
                row += 1;
            }
        }
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.codes.bytes() + self.marks.capacity() * size_of::<Mark>()
    }
}

impl Probe {
    /// Makes a unit vector ready.
    pub(super) fn new(query: &[f32]) -> Self {
        let (codes, mark) = sketch(query, ASKED);
        // Sums are made in 16 lanes, so no more than this many roundings follow one another.
        #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
        let rounding = f32::EPSILON * (query.len() as f32 / 16.0 + 32.0);
        Self { codes, mark, rounding }
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

/// The inner products of rows of codes with a query's, by the best instructions that the machine has.
fn products(rows: &[i8], query: &[i16], sums: &mut [i32]) {
    pulp::Arch::new().dispatch(Products { rows, query, sums });
}

struct Products<'a> {
    rows: &'a [i8],
    query: &'a [i16],
    sums: &'a mut [i32],
}

impl pulp::WithSimd for Products<'_> {
    type Output = ();

    /// Compiled once for each set of instructions, which the compiler puts to use by itself. Only what is inlined here
    /// is: so nothing is called.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (sum, row) in self.sums.iter_mut().zip(self.rows.chunks_exact(self.query.len())) {
            let mut total = 0_i32;
            for (a, b) in row.iter().zip(self.query) {
                total = total.wrapping_add(i32::from(*a) * i32::from(*b));
            }
            *sum = total;
        }
    }
}

/// The codes of a vector, of which the largest is `most`, and how to read them.
#[expect(clippy::cast_possible_truncation, reason = "codes are within `most`, and lengths are near one")]
fn sketch(vector: &[f32], most: f32) -> (Vec<i16>, Mark) {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = if largest > 0.0 { largest / most } else { 1.0 };
    let codes: Vec<i16> = vector.iter().map(|x| (x / scale).round().clamp(-most, most) as i16).collect();
    let parts = vector.iter().zip(&codes).map(|(x, code)| f64::from(*x) - f64::from(scale) * f64::from(*code));
    let lost = parts.map(|part| part * part).sum::<f64>().sqrt() as f32;
    (codes, Mark { scale, lost: lost * (1.0 + 4.0 * f32::EPSILON) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Vector, vector};

    /// The bounds of all rows, in order.
    fn bounds(sketches: &Sketches, query: &[f32]) -> Vec<f32> {
        let probe = Probe::new(query);
        let mut sums = vec![0; sketches.marks.len()];
        let count = sums.len();
        products(&sketches.codes.blocks(0..count, count).collect::<Vec<_>>().concat(), &probe.codes, &mut sums);
        sums.iter().zip(&sketches.marks).map(|(sum, mark)| probe.bound(*sum, *mark)).collect()
    }

    fn unit(raw: Vec<f32>) -> Option<Vector> {
        Vector::normalised(raw).ok()
    }

    proptest! {
        /// Components of very different sizes, so that small ones are lost altogether.
        #[test]
        fn no_score_exceeds_its_bound_and_none_is_far_below(
            rows in prop::collection::vec(prop::collection::vec((-1.0_f32..1.0).prop_map(|x| x * x * x), 40), 1..6),
            query in prop::collection::vec(-1.0_f32..1.0, 40),
        ) {
            let Some(query) = unit(query) else { return Ok(()) };
            let rows: Vec<Vector> = rows.into_iter().filter_map(unit).collect();
            let mut sketches = Sketches::new(40);
            rows.iter().for_each(|row| sketches.push(row.as_slice()));
            for (row, bound) in rows.iter().zip(bounds(&sketches, query.as_slice())) {
                let score = vector::dot(query.as_slice(), row.as_slice());
                prop_assert!(score <= bound, "{score} exceeds {bound}");
                prop_assert!(bound - score < 0.06, "{bound} tells nothing of {score}");
            }
        }
    }

    #[test]
    fn rows_follow_the_matrix() {
        let vectors = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]];
        let mut sketches = Sketches::new(2);
        vectors.iter().for_each(|vector| sketches.push(vector));
        let third = bounds(&sketches, &[0.6, 0.8])[2];
        sketches.swap_remove(0);
        assert_eq!(bounds(&sketches, &[0.6, 0.8])[0], third);
        let mut reached = Vec::new();
        sketches.scan(&Probe::new(&[0.6, 0.8]), 0..2, third, |row| {
            reached.push(row);
            third
        });
        assert_eq!(reached, [0]);
    }

    #[test]
    fn every_row_of_several_blocks_is_named_once() {
        let mut sketches = Sketches::new(2);
        (0..600).for_each(|_| sketches.push(&[0.6, 0.8]));
        for rows in [0..600, 0..256, 100..500, 599..600, 7..7] {
            let mut reached = Vec::new();
            sketches.scan(&Probe::new(&[0.6, 0.8]), rows.clone(), f32::NEG_INFINITY, |row| {
                reached.push(row as usize);
                f32::NEG_INFINITY
            });
            assert_eq!(reached, rows.collect::<Vec<_>>());
        }
    }

    #[test]
    fn more_components_than_can_be_summed_are_left_to_the_exact_score() {
        let vector = vec![1.0 / (MOST_COMPONENTS as f32 + 1.0).sqrt(); MOST_COMPONENTS + 1];
        let mut sketches = Sketches::new(vector.len());
        sketches.push(&vector);
        assert_eq!(bounds(&sketches, &vector), [f32::INFINITY]);
    }
}
