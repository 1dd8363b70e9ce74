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
//! far is none of the best. All others are scored exactly, so the result is the one of an exact scan. Of many rows, most
//! sketches are not even read, since their [outlines](super::outline) dismiss the vector; these err once in forty billion.

use std::ops::Range;

use super::codes::{Mark, codes};
use super::outline::{Asked, Outlines, Seen};
use super::rows::{Row, Rows};

/// Codes of a stored component lie in -127..=127.
const STORED: f32 = 127.0;
/// Codes of a query's component lie in -2047..=2047: more digits cost nothing in 16 bits, and products with a stored
/// code can be summed in 32 bits over 8,256 components.
const ASKED: f32 = 2047.0;
const MOST_COMPONENTS: usize = 8_256;
/// Rows from which on outlines are kept: to read fewer takes no longer than to make a query ready for outlines.
const MANY_ROWS: usize = 512;
/// Rows that are read before others of which the outlines are further.
const FIRST: usize = 16;

/// The sketches of a matrix's rows, and their outlines.
#[derive(Debug)]
pub(super) struct Sketches {
    outlines: Option<Outlines>,
    codes: Rows<i8>,
    marks: Vec<Mark>,
}

/// A query, made ready for comparing with sketches.
#[derive(Debug)]
pub(super) struct Probe {
    codes: Vec<i16>,
    mark: Mark,
    outline: Option<Asked>,
    /// More than rounding can do to an exact score or to its bound.
    rounding: f32,
}

impl Sketches {
    /// No rows yet.
    pub(super) const fn new(dimension: usize) -> Self {
        Self { outlines: None, codes: Rows::new(dimension), marks: Vec::new() }
    }

    /// Appends the sketch of the last of these vectors, of which there are no others.
    pub(super) fn push(&mut self, vectors: &Rows<f32>) {
        let row = Row::try_from(self.marks.len()).expect("rows are counted in u32");
        let (codes, mark) = codes(vectors.row(row), STORED);
        #[expect(clippy::cast_possible_truncation, reason = "codes lie in -127..=127")]
        let codes: Vec<i8> = codes.iter().map(|code| *code as i8).collect();
        self.codes.push(&codes);
        self.marks.push(mark);
        match &mut self.outlines {
            Some(outlines) => outlines.push(vectors.row(row)),
            None if self.marks.len() >= MANY_ROWS && vectors.width() <= MOST_COMPONENTS => {
                let outlines = self.outlines.insert(Outlines::new(vectors.width()));
                (0..=row).for_each(|row| outlines.push(vectors.row(row)));
            }
            None => {}
        }
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        self.codes.swap_remove(row);
        self.marks.swap_remove(row as usize);
        if self.marks.capacity() > 4 * self.marks.len().max(1) {
            self.marks.shrink_to(2 * self.marks.len());
        }
        if let Some(outlines) = &mut self.outlines {
            outlines.swap_remove(row);
            self.outlines.take_if(|_| self.marks.len() < MANY_ROWS / 2);
        }
    }

    /// Makes a unit vector ready.
    pub(super) fn probe(&self, query: &[f32]) -> Probe {
        let (codes, mark) = codes(query, ASKED);
        // Sums are made in 16 lanes, so no more than this many roundings follow one another.
        #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
        let rounding = f32::EPSILON * (query.len() as f32 / 16.0 + 32.0);
        let outline = self.outlines.as_ref().map(|outlines| outlines.asked(query, rounding));
        Probe { codes, mark, outline, rounding }
    }

    /// Names every one of `rows` whose bound reaches `bar`; what that finds may raise the bar.
    ///
    /// Of many that may reach it, those whose outlines are nearest come first: by what these find, the others are held
    /// against a bar that is nearly at its height.
    pub(super) fn scan(&self, probe: &Probe, rows: Range<usize>, mut bar: f32, mut reached: impl FnMut(Row) -> f32) {
        /// Rows that are held against one bar.
        const BLOCK: usize = 4096;
        /// Rows that may reach the bar, before the nearest of them are read.
        const MANY: usize = 512;
        let Some((outlines, asked)) = self.outlines.as_ref().zip(probe.outline.as_ref()) else {
            for row in rows.map(|row| Row::try_from(row).expect("rows are counted in u32")) {
                if self.may_reach(probe, row, bar) {
                    bar = reached(row);
                }
            }
            return;
        };
        let mut seen: Vec<Seen> = Vec::new();
        let mut enough = MANY;
        for start in rows.clone().step_by(BLOCK) {
            let block = start..rows.end.min(start + BLOCK);
            outlines.meeting(asked, block, asked.demand(bar), &mut seen);
            if seen.len() >= enough {
                bring_forward(&mut seen);
                bar = self.read(probe, asked, seen.drain(..FIRST), bar, &mut reached);
                let demand = asked.demand(bar);
                seen.retain(|seen| demand.is_met(*seen));
                enough = seen.len() + MANY;
            }
        }
        bring_forward(&mut seen);
        self.read(probe, asked, seen.into_iter(), bar, &mut reached);
    }

    /// Names those of some rows whose bound reaches `bar`, and says how high that raised it.
    fn read(
        &self,
        probe: &Probe,
        asked: &Asked,
        rows: impl Iterator<Item = Seen>,
        mut bar: f32,
        reached: &mut impl FnMut(Row) -> f32,
    ) -> f32 {
        let mut demand = asked.demand(bar);
        for seen in rows {
            if demand.is_met(seen) && self.may_reach(probe, seen.row, bar) {
                bar = reached(seen.row);
                demand = asked.demand(bar);
            }
        }
        bar
    }

    fn may_reach(&self, probe: &Probe, row: Row, bar: f32) -> bool {
        let sum = pulp::Arch::new().dispatch(Product { row: self.codes.row(row), query: &probe.codes });
        probe.bound(sum, self.marks[row as usize]) >= bar
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let outlines = self.outlines.as_ref().map_or(0, Outlines::bytes);
        outlines + self.codes.bytes() + self.marks.capacity() * size_of::<Mark>()
    }
}

impl Probe {
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
        let probe = sketches.probe(query);
        let sum = |row| pulp::Arch::new().dispatch(Product { row: sketches.codes.row(row), query: &probe.codes });
        (0..).zip(&sketches.marks).map(|(row, mark)| probe.bound(sum(row), *mark)).collect()
    }

    /// The rows that reach a bar which stays where it is, in order.
    fn reaching(sketches: &Sketches, query: &[f32], rows: Range<usize>, bar: f32) -> Vec<usize> {
        let mut reached = Vec::new();
        sketches.scan(&sketches.probe(query), rows, bar, |row| {
            reached.push(row as usize);
            bar
        });
        reached.sort_unstable();
        reached
    }

    fn of(vectors: &[impl AsRef<[f32]>], dimension: usize) -> Sketches {
        let (mut sketches, mut rows) = (Sketches::new(dimension), Rows::new(dimension));
        for vector in vectors {
            rows.push(vector.as_ref());
            sketches.push(&rows);
        }
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
