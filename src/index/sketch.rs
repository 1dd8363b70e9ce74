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
//!
//! Most vectors need not even be read whole. The first half of each stands apart from the second, of which the length
//! is known, and by Cauchy and Schwarz again
//!
//! ```text
//! q'x' <= (first halves) + |second half of q'| |second half of x'|
//! ```
//!
//! where that does not reach either, the second half stays where it is.

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
    first: Rows<i8>,
    second: Rows<i8>,
    marks: Vec<Mark>,
}

/// How a row's codes are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    /// What a code of one stands for.
    scale: f32,
    /// The length of what the codes leave out, rounded up.
    lost: f32,
    /// The length of what the second half of the codes stands for, rounded up.
    second: f32,
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
        let first = half(dimension);
        Self { first: Rows::new(first), second: Rows::new(dimension - first), marks: Vec::new() }
    }

    /// Appends the sketch of a vector.
    pub(super) fn push(&mut self, vector: &[f32]) {
        let (codes, mark) = sketch(vector, STORED);
        #[expect(clippy::cast_possible_truncation, reason = "codes lie in -127..=127")]
        let codes: Vec<i8> = codes.iter().map(|code| *code as i8).collect();
        let (first, second) = codes.split_at(half(codes.len()));
        self.first.push(first);
        self.second.push(second);
        self.marks.push(mark);
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        self.first.swap_remove(row);
        self.second.swap_remove(row);
        self.marks.swap_remove(row as usize);
        if self.marks.capacity() > 4 * self.marks.len().max(1) {
            self.marks.shrink_to(2 * self.marks.len());
        }
    }

    /// Names every one of `rows` whose bound reaches `bar`, in order; what that finds may raise the bar.
    pub(super) fn scan(&self, probe: &Probe, rows: Range<usize>, mut bar: f32, mut reached: impl FnMut(Row) -> f32) {
        const BLOCK: usize = 256;
        let mut sums = [0; BLOCK];
        let mut left: Vec<(Row, i32)> = Vec::with_capacity(BLOCK);
        let mut block = Row::try_from(rows.start).expect("rows are counted in u32");
        let (asked_first, asked_second) = probe.codes.split_at(half(probe.codes.len()));
        let marks = self.marks[rows.clone()].chunks(BLOCK);
        for (codes, marks) in self.first.blocks(rows, BLOCK).zip(marks) {
            products(codes, asked_first, &mut sums);
            let reaching =
                sums.iter().zip(marks).zip(block..).filter(|((sum, mark), _)| probe.first(**sum, **mark) >= bar);
            left.clear();
            left.extend(reaching.map(|((sum, _), row)| (row, *sum)));
            add_products(&self.second, asked_second, &mut left);
            for (row, sum) in &left {
                if probe.bound(*sum, self.marks[*row as usize]) >= bar {
                    bar = reached(*row);
                }
            }
            block += Row::try_from(marks.len()).expect("a block is small");
        }
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.first.bytes() + self.second.bytes() + self.marks.capacity() * size_of::<Mark>()
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

    /// The bound, from the inner product of the first halves of the codes.
    fn first(&self, sum: i32, mark: Mark) -> f32 {
        self.bound(sum, mark) + self.mark.second * mark.second
    }
}

/// The inner products of rows of codes with a query's, by the best instructions that the machine has.
fn products(rows: &[i8], query: &[i16], sums: &mut [i32]) {
    pulp::Arch::new().dispatch(Products { rows, query, sums });
}

/// Adds the inner products of second halves of rows with a query's to those of their first halves.
fn add_products(second: &Rows<i8>, query: &[i16], rows: &mut [(Row, i32)]) {
    pulp::Arch::new().dispatch(FurtherProducts { second, query, rows });
}

struct FurtherProducts<'a> {
    second: &'a Rows<i8>,
    query: &'a [i16],
    rows: &'a mut [(Row, i32)],
}

impl pulp::WithSimd for FurtherProducts<'_> {
    type Output = ();

    /// As of [`Products`].
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (row, sum) in self.rows {
            *sum = sum.wrapping_add(product(self.second.row(*row), self.query));
        }
    }
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
            *sum = product(row, self.query);
        }
    }
}

#[inline(always)]
fn product(row: &[i8], query: &[i16]) -> i32 {
    row.iter().zip(query).fold(0, |total: i32, (a, b)| total.wrapping_add(i32::from(*a) * i32::from(*b)))
}

/// How many of so many components are in the first half.
const fn half(dimension: usize) -> usize {
    dimension.div_ceil(2)
}

/// The codes of a vector, of which the largest is `most`, and how to read them.
#[expect(clippy::cast_possible_truncation, reason = "codes are within `most`, and lengths are near one")]
fn sketch(vector: &[f32], most: f32) -> (Vec<i16>, Mark) {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = if largest > 0.0 { largest / most } else { 1.0 };
    let codes: Vec<i16> = vector.iter().map(|x| (x / scale).round().clamp(-most, most) as i16).collect();
    let parts = vector.iter().zip(&codes).map(|(x, code)| f64::from(*x) - f64::from(scale) * f64::from(*code));
    let lost = parts.map(|part| part * part).sum::<f64>().sqrt();
    let second = codes[half(codes.len())..].iter().map(|code| f64::from(scale) * f64::from(*code));
    let second = second.map(|part| part * part).sum::<f64>().sqrt();
    let up = |length: f64| length as f32 * (1.0 + 4.0 * f32::EPSILON);
    (codes, Mark { scale, lost: up(lost), second: up(second) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Vector, vector};

    /// The bounds of all rows, in order.
    fn bounds(sketches: &Sketches, query: &[f32]) -> Vec<f32> {
        let probe = Probe::new(query);
        let (first, second) = probe.codes.split_at(half(query.len()));
        let bound = |(row, mark): (Row, &Mark)| {
            let sum = product(sketches.first.row(row), first);
            let whole = probe.bound(sum + product(sketches.second.row(row), second), *mark);
            assert!(probe.first(sum, *mark) >= whole - probe.rounding, "half a vector promises no less than all of it");
            whole
        };
        (0..).zip(&sketches.marks).map(bound).collect()
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
