//! Vectors in one bit a component: a thirty-second of the memory to read, enough to dismiss most of them.
//!
//! The outline of a vector x is the direction u of the corner of a cube that is nearest to it after a random
//! [rotation](super::rotation). The angle between x and u is known, so that for a query q
//!
//! ```text
//! qu  =  qx xu + sqrt(1 - (qx)^2) sqrt(1 - (xu)^2) z
//! ```
//!
//! where z, the cosine between what q and u have beside x, is all that is not known. It hangs on the rotation alone, as one
//! component of a random direction in a space of d - 1 dimensions does: z < -t / sqrt(d - 1) in less than exp(-t^2 / 2) of
//! all cases (`RaBitQ`, Gao and Long, SIGMOD 2024). With [`SURE`] for t, a row that reaches a bar also has
//!
//! ```text
//! qu  >=  bar xu - sqrt(1 - bar^2) sqrt(1 - (xu)^2) min(1, t / sqrt(d - 1))
//! ```
//!
//! but for one in forty billion; in up to 50 dimensions always, as the triangle inequality of angles says. How qu is found for
//! many rows at once is the business of [`super::fast_scan`].

use std::ops::Range;

use super::codes::codes;
use super::fast_scan::{Bits, Spot, Sums, TOGETHER, Tables, most};
use super::rotation::Rotation;
use super::rows::{Row, Rows};

/// How many standard deviations a row is given. exp(-7^2 / 2) is 2.3e-11.
const SURE: f32 = 7.0;
/// More than rounding does to a rotated vector's inner product with another, and to what is made of it.
const ROUNDING: f32 = 2e-5;

/// The outlines of a matrix's rows.
#[derive(Debug)]
pub(super) struct Outlines {
    rotation: Rotation,
    /// On which side of zero each component is, after the rotation.
    bits: Bits,
    /// The angles of the rows whose bits stand together: those of rows that are not there meet no demand.
    alongs: Rows<f32>,
    asides: Rows<f32>,
}

/// How far a row is off its outline.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Angle {
    /// The cosine between the row and its outline, rounded down.
    along: f32,
    /// Its sine, rounded up.
    aside: f32,
}

/// A row that may reach a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) row: Row,
    /// The cosine between the query and the row's outline, rounded up; zero where it is less.
    pub(super) near: f32,
    angle: Angle,
}

/// A query, made ready for comparing with outlines.
#[derive(Debug)]
pub(super) struct Asked {
    tables: Tables,
    /// The cosine of an outline with which no code agrees, and more than rounding and what the codes leave out can do.
    none: f32,
    /// What a code of one that agrees adds to the cosine.
    each: f32,
    /// What z is never below the negative of: [`SURE`] deviations, or one.
    sure: f32,
    rounding: f32,
}

/// What a row needs to reach a bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    along: f32,
    aside: f32,
}

impl Outlines {
    /// No rows yet.
    pub(super) fn new(dimension: usize) -> Self {
        let (alongs, asides) = (Rows::new(TOGETHER), Rows::new(TOGETHER));
        Self { rotation: Rotation::new(dimension), bits: Bits::new(dimension), alongs, asides }
    }

    /// Appends the outline of a vector.
    #[expect(clippy::cast_possible_truncation, reason = "lengths are near one")]
    pub(super) fn push(&mut self, vector: &[f32]) {
        let vector = self.rotation.of(vector);
        let row = self.bits.push(&vector);
        if self.bits.len() > self.alongs.len() * TOGETHER {
            self.alongs.push(&[f32::INFINITY; TOGETHER]);
            self.asides.push(&[0.0; TOGETHER]);
        }
        let (sum, square) = vector.iter().map(|x| f64::from(*x)).fold((0.0, 0.0), |(a, b), x| (a + x.abs(), b + x * x));
        #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
        let along = (sum / (square * vector.len() as f64).sqrt()).min(1.0);
        let aside = (1.0 - along * along).sqrt();
        let along = along as f32 * (1.0 - 4.0 * f32::EPSILON);
        self.lean(row, Angle { along, aside: aside as f32 * (1.0 + 4.0 * f32::EPSILON) });
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        let last = self.bits.swap_remove(row);
        self.lean(row, self.angle(last));
        self.lean(last, Angle { along: f32::INFINITY, aside: 0.0 });
        let Spot { block, at: 0 } = Spot::of(last) else { return };
        self.alongs.swap_remove(block);
        self.asides.swap_remove(block);
    }

    fn angle(&self, row: Row) -> Angle {
        let Spot { block, at } = Spot::of(row);
        Angle { along: self.alongs.row(block)[at], aside: self.asides.row(block)[at] }
    }

    fn lean(&mut self, row: Row, angle: Angle) {
        let Spot { block, at } = Spot::of(row);
        self.alongs.row_mut(block)[at] = angle.along;
        self.asides.row_mut(block)[at] = angle.aside;
    }

    /// Appends those of `rows` that may reach the bar.
    pub(super) fn meeting(&self, asked: &Asked, rows: Range<usize>, demand: Demand, seen: &mut Vec<Seen>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            // Only what is inlined is compiled for these instructions.
            simd.vectorize(
                #[inline(always)]
                || {
                    self.meeting_by(
                        asked,
                        rows,
                        demand,
                        seen,
                        #[inline(always)]
                        |bits| asked.tables.sums_avx2(simd, bits),
                    )
                },
            );
            return;
        }
        self.meeting_by(asked, rows, demand, seen, |bits| bits.map(|bits| asked.tables.sums(bits)))
    }

    /// The same, with `sums` of the rows that stand together in two places. Two that lie apart are added up side by side: the
    /// processor then fetches what follows each of them.
    #[inline(always)]
    fn meeting_by(
        &self,
        asked: &Asked,
        rows: Range<usize>,
        demand: Demand,
        seen: &mut Vec<Seen>,
        sums: impl Fn([&[u8]; 2]) -> [Sums; 2],
    ) {
        let blocks = rows.start / TOGETHER..rows.end.div_ceil(TOGETHER);
        let half = blocks.len() / 2;
        for one in blocks.start..blocks.start + half {
            let pair = [one, one + half];
            let sums = sums(pair.map(|block| self.bits.block(block)));
            for (block, sums) in pair.into_iter().zip(&sums) {
                self.meet(asked, block, sums, &rows, demand, seen);
            }
        }
        if blocks.len() % 2 == 1 {
            let block = blocks.end - 1;
            let [sums, _] = sums([self.bits.block(block); 2]);
            self.meet(asked, block, &sums, &rows, demand, seen);
        }
    }

    /// Appends those of the rows in this block that may reach the bar, which are few.
    #[inline(always)]
    fn meet(
        &self,
        asked: &Asked,
        block: usize,
        sums: &Sums,
        rows: &Range<usize>,
        demand: Demand,
        seen: &mut Vec<Seen>,
    ) {
        let (alongs, asides) = (self.alongs.range(block..block + 1), self.asides.range(block..block + 1));
        let angles = alongs.iter().zip(asides).map(|(along, aside)| Angle { along: *along, aside: *aside });
        let mut near = [0.0; TOGETHER];
        let mut any = false;
        for ((near, sum), angle) in near.iter_mut().zip(sums).zip(angles.clone()) {
            *near = (f32::from(*sum) * asked.each + asked.none).max(0.0);
            any |= demand.allows(*near, angle);
        }
        if any {
            for ((row, near), angle) in (block * TOGETHER..).zip(near).zip(angles) {
                if demand.allows(near, angle) && rows.contains(&row) {
                    let row = Row::try_from(row).expect("rows are counted in u32");
                    seen.push(Seen { row, near, angle });
                }
            }
        }
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.rotation.bytes() + self.bits.bytes() + self.alongs.bytes() + self.asides.bytes()
    }

    /// Makes a unit vector ready. `rounding` is more than that can do to a score or to a bound.
    #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
    pub(super) fn asked(&self, query: &[f32], rounding: f32) -> Asked {
        let dimension = query.len() as f32;
        let (codes, mark) = codes(&self.rotation.of(query), most(query.len()));
        let all: i32 = codes.iter().map(|code| i32::from(code.abs())).sum();
        let code = mark.scale / dimension.sqrt();
        Asked {
            tables: Tables::of(&codes),
            none: mark.lost + rounding + ROUNDING - all as f32 * code,
            each: 2.0 * code,
            sure: (SURE / (dimension - 1.0).sqrt()).min(1.0),
            rounding: rounding + ROUNDING,
        }
    }
}

impl Asked {
    /// What a row must meet to reach the bar.
    pub(super) fn demand(&self, bar: f32) -> Demand {
        if bar <= 0.0 {
            return Demand { along: 0.0, aside: 0.0 };
        }
        let bar = (bar - self.rounding).min(1.0);
        Demand { along: bar, aside: self.sure * (1.0 - bar * bar).sqrt() }
    }
}

impl Demand {
    /// Whether a row may reach the bar.
    pub(super) fn is_met(self, seen: Seen) -> bool {
        self.allows(seen.near, seen.angle)
    }

    #[inline(always)]
    fn allows(self, near: f32, angle: Angle) -> bool {
        near >= self.along * angle.along - self.aside * angle.aside
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Vector, vector};

    /// The rows that may reach the bar.
    fn meeting(outlines: &Outlines, rows: usize, query: &[f32], bar: f32) -> Vec<usize> {
        let asked = outlines.asked(query, 1e-5);
        let mut seen = Vec::new();
        outlines.meeting(&asked, 0..rows, asked.demand(bar), &mut seen);
        seen.into_iter().map(|seen| seen.row as usize).collect()
    }

    proptest! {
        /// Of several lengths, none of which fills the lanes, and with components of very different sizes.
        #[test]
        fn whatever_reaches_a_bar_may_reach_it(
            rows in prop::collection::vec(prop::collection::vec((-1.0_f32..1.0).prop_map(|x| x * x * x), 1500), 1..14),
            query in prop::collection::vec(-1.0_f32..1.0, 1500),
            dimension in prop::sample::select(vec![1_usize, 2, 41, 383, 1500]),
        ) {
            let unit = |raw: &Vec<f32>| Vector::normalised(raw[..dimension].to_vec()).ok();
            let Some(query) = unit(&query) else { return Ok(()) };
            let mut rows: Vec<Vector> = rows.iter().filter_map(unit).collect();
            rows.push(query.clone());
            let mut outlines = Outlines::new(dimension);
            rows.iter().for_each(|row| outlines.push(row.as_slice()));
            for (place, row) in rows.iter().enumerate() {
                let score = vector::dot(query.as_slice(), row.as_slice());
                prop_assert!(meeting(&outlines, rows.len(), query.as_slice(), score).contains(&place), "{score}");
            }
        }

        /// In any place of any block, whichever rows were there before.
        #[test]
        fn rows_follow_the_matrix(removed in prop::collection::vec(any::<prop::sample::Index>(), 0..70)) {
            let (mut outlines, mut rows, mut random) = (Outlines::new(50), Vec::new(), fastrand::Rng::with_seed(5));
            for _ in 0..70 {
                let row = Vector::normalised((0..50).map(|_| random.f32() - 0.5).collect()).unwrap();
                outlines.push(row.as_slice());
                rows.push(row);
            }
            for (nth, index) in removed.iter().enumerate() {
                let row = index.index(rows.len());
                rows.swap_remove(row);
                outlines.swap_remove(Row::try_from(row).unwrap());
                if nth % 3 == 0 {
                    outlines.push(rows[0].as_slice());
                    rows.push(rows[0].clone());
                }
            }
            let mut alike = Outlines::new(50);
            rows.iter().for_each(|row| alike.push(row.as_slice()));
            let kept = |outlines: &Outlines| {
                let rows = 0..Row::try_from(outlines.bits.len()).unwrap();
                rows.map(|row| (outlines.bits.row(row), outlines.angle(row))).collect::<Vec<_>>()
            };
            prop_assert_eq!(kept(&outlines), kept(&alike));
        }

    }

    #[test]
    fn most_of_what_is_far_is_dismissed() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut next = || Vector::normalised((0..384).map(|_| random.f32() - 0.5).collect()).unwrap();
        let (mut outlines, query) = (Outlines::new(384), next());
        (0..500).for_each(|_| outlines.push(next().as_slice()));
        outlines.push(query.as_slice());
        assert_eq!(meeting(&outlines, 501, query.as_slice(), 0.75), [500]);
    }
}
