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
//! but for one in forty billion; in up to 50 dimensions always, as the triangle inequality of angles says.
//!
//! Bits of four components choose one of sixteen sums, looked up for 32 rows at once (fast scan, André, Kermarrec and Le
//! Scouarnec, VLDB 2015). So the bits of 32 rows stand together.

use std::ops::Range;

use super::codes::codes;
use super::rotation::Rotation;
use super::rows::{Row, Rows};

/// How many standard deviations a row is given. exp(-7^2 / 2) is 2.3e-11.
const SURE: f32 = 7.0;
/// More than rounding does to a rotated vector's inner product with another, and to what is made of it.
const ROUNDING: f32 = 2e-5;

/// Rows whose bits stand together.
const TOGETHER: usize = 32;
/// Those of them that have the lower halves of their bytes; the others have the upper ones.
const LANES: usize = TOGETHER / 2;
/// Components that a row has half a byte for.
const HALF: usize = 4;
/// Codes of a query's component: four are added up in a byte.
const MOST_IN_FOUR: f32 = 63.0;
/// What all codes of a query add up to, at most.
const MOST_IN_ALL: f32 = 65_535.0;

/// The outlines of a matrix's rows.
#[derive(Debug)]
pub(super) struct Outlines {
    rotation: Rotation,
    len: usize,
    /// The bits of [`TOGETHER`] rows: for every four components, a byte for each two rows.
    bits: Rows<u8>,
    /// The angles of as many: those of rows that are not there meet no demand.
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

/// What every four components of a query add to the codes that agree in sign with a row, by the row's four bits. In twos,
/// as they are looked up.
type Tables = Vec<[[u8; LANES]; 2]>;
/// The sums of the codes that agree in sign, of rows that stand together.
type Sums = [u16; TOGETHER];

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
        let bits = Rows::new(dimension.div_ceil(HALF).next_multiple_of(2) * LANES);
        let (alongs, asides) = (Rows::new(TOGETHER), Rows::new(TOGETHER));
        Self { rotation: Rotation::new(dimension), len: 0, bits, alongs, asides }
    }

    /// Appends the outline of a vector.
    #[expect(clippy::cast_possible_truncation, reason = "lengths are near one")]
    pub(super) fn push(&mut self, vector: &[f32]) {
        let row = Row::try_from(self.len).expect("rows are counted in u32");
        if self.len.is_multiple_of(TOGETHER) {
            self.bits.push(&vec![0; self.bits.width()]);
            self.alongs.push(&[f32::INFINITY; TOGETHER]);
            self.asides.push(&[0.0; TOGETHER]);
        }
        let vector = self.rotation.of(vector);
        for (place, four) in vector.chunks(HALF).enumerate() {
            let bits = four.iter().rev().fold(0, |bits, x| bits << 1 | u8::from(*x >= 0.0));
            self.put(row, place, bits);
        }
        let (sum, square) = vector.iter().map(|x| f64::from(*x)).fold((0.0, 0.0), |(a, b), x| (a + x.abs(), b + x * x));
        #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
        let along = (sum / (square * vector.len() as f64).sqrt()).min(1.0);
        let aside = (1.0 - along * along).sqrt();
        let along = along as f32 * (1.0 - 4.0 * f32::EPSILON);
        self.lean(row, Angle { along, aside: aside as f32 * (1.0 + 4.0 * f32::EPSILON) });
        self.len += 1;
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        self.len -= 1;
        let last = Row::try_from(self.len).expect("rows are counted in u32");
        for place in 0..self.bits.width() / LANES {
            self.put(row, place, self.of(last, place));
        }
        self.lean(row, self.angle(last));
        self.lean(last, Angle { along: f32::INFINITY, aside: 0.0 });
        if self.len.is_multiple_of(TOGETHER) {
            let Spot { block, .. } = Spot::of(last);
            self.bits.swap_remove(block);
            self.alongs.swap_remove(block);
            self.asides.swap_remove(block);
        }
    }

    fn angle(&self, row: Row) -> Angle {
        let (block, at) = (Spot::of(row).block, row as usize % TOGETHER);
        Angle { along: self.alongs.row(block)[at], aside: self.asides.row(block)[at] }
    }

    fn lean(&mut self, row: Row, angle: Angle) {
        let (block, at) = (Spot::of(row).block, row as usize % TOGETHER);
        self.alongs.row_mut(block)[at] = angle.along;
        self.asides.row_mut(block)[at] = angle.aside;
    }

    /// The bits of a row for the four components at this place.
    fn of(&self, row: Row, place: usize) -> u8 {
        let Spot { block, lane, shift } = Spot::of(row);
        self.bits.row(block)[place * LANES + lane] >> shift & 15
    }

    fn put(&mut self, row: Row, place: usize, bits: u8) {
        let Spot { block, lane, shift } = Spot::of(row);
        let byte = &mut self.bits.row_mut(block)[place * LANES + lane];
        *byte = *byte & !(15 << shift) | bits << shift;
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
                        |bits| sums_avx2(simd, bits, &asked.tables),
                    )
                },
            );
            return;
        }
        self.meeting_by(asked, rows, demand, seen, |bits| bits.map(|bits| sums(bits, &asked.tables)))
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
            let sums = sums(pair.map(|block| self.bits.range(block..block + 1)));
            for (block, sums) in pair.into_iter().zip(&sums) {
                self.meet(asked, block, sums, &rows, demand, seen);
            }
        }
        if blocks.len() % 2 == 1 {
            let block = blocks.end - 1;
            let [sums, _] = sums([self.bits.range(block..block + 1); 2]);
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
        let most = (MOST_IN_ALL / dimension).floor().clamp(1.0, MOST_IN_FOUR);
        let (codes, mark) = codes(&self.rotation.of(query), most);
        let all: i32 = codes.iter().map(|code| i32::from(code.abs())).sum();
        let code = mark.scale / dimension.sqrt();
        let mut tables: Tables = vec![[[0; LANES]; 2]; self.bits.width() / LANES / 2];
        for (table, four) in tables.as_flattened_mut().iter_mut().zip(codes.chunks(HALF)) {
            *table = agreeing(four);
        }
        Asked {
            tables,
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

/// What the sizes of those of four codes add up to that agree in sign with a row, by its four bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "four codes of up to 63, or none")]
fn agreeing(codes: &[i16]) -> [u8; LANES] {
    let below_zero: i16 = codes.iter().map(|code| code.min(&0).abs()).sum();
    std::array::from_fn(|bits| {
        let above = codes.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        (below_zero + above.map(|(_, code)| code).sum::<i16>()) as u8
    })
}

/// Where a row's bits stand.
struct Spot {
    block: Row,
    lane: usize,
    /// Whether in the lower or in the upper half of a byte.
    shift: usize,
}

impl Spot {
    const fn of(row: Row) -> Self {
        let row = row as usize;
        let (lane, upper) = (row % LANES, row % TOGETHER >= LANES);
        #[expect(clippy::cast_possible_truncation, reason = "less than the row")]
        let block = (row / TOGETHER) as Row;
        Self { block, lane, shift: if upper { 4 } else { 0 } }
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

/// The sums of rows that stand together. By arithmetic instead of tables, which compilers find vector instructions for.
fn sums(bits: &[u8], tables: &Tables) -> Sums {
    let mut sums = [0; TOGETHER];
    for (bytes, table) in bits.as_chunks::<LANES>().0.iter().zip(tables.as_flattened()) {
        let each: [u8; HALF] = std::array::from_fn(|at| table[1 << at].wrapping_sub(table[0]));
        let add =
            |sum: u8, (at, each): (usize, &u8), bits: u8| sum.wrapping_add(if bits >> at & 1 == 1 { *each } else { 0 });
        let looked_up = |bits: u8| u16::from(each.iter().enumerate().fold(table[0], |sum, each| add(sum, each, bits)));
        let (low, high) = sums.split_at_mut(LANES);
        for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
            *low += looked_up(*byte);
            *high += looked_up(byte >> 4);
        }
    }
    sums
}

/// The same in two places, 32 rows at a time: the compiler does not find that instruction by itself.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sums_avx2(simd: pulp::x86::V3, bits: [&[u8]; 2], tables: &Tables) -> [Sums; 2] {
    use std::arch::x86_64::__m256i;

    let (sse2, avx, avx2) = (simd.sse2, simd.avx, simd.avx2);
    let low = avx._mm256_set1_epi8(15);
    // Of the rows with the lower and with the upper halves: sums of 16 bits in which those of every second row stand
    // above the ones before, and the former alone.
    let mut totals = [[[avx._mm256_setzero_si256(); 2]; 2]; 2];
    let [one, other] = bits.map(|bits| bits.as_chunks::<{ 2 * LANES }>().0);
    for (table, (one, other)) in tables.iter().zip(one.iter().zip(other)) {
        let table: __m256i = pulp::cast(*table);
        for (totals, bytes) in totals.iter_mut().zip([one, other]) {
            let bytes: __m256i = pulp::cast(*bytes);
            let halves = [bytes, avx2._mm256_srli_epi16::<4>(bytes)];
            for ([both, second], half) in totals.iter_mut().zip(halves) {
                let found = avx2._mm256_shuffle_epi8(table, avx2._mm256_and_si256(half, low));
                *both = avx2._mm256_add_epi16(*both, found);
                *second = avx2._mm256_add_epi16(*second, avx2._mm256_srli_epi16::<8>(found));
            }
        }
    }
    // Loops, since closures would not be compiled for these instructions.
    let mut sums = [[0; TOGETHER]; 2];
    for (sums, totals) in sums.iter_mut().zip(totals) {
        for (sums, [both, second]) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(totals) {
            let first = avx2._mm256_sub_epi16(both, avx2._mm256_slli_epi16::<8>(second));
            // Each half of a register has the sums of every second column.
            let [upper, above] =
                [avx2._mm256_extracti128_si256::<1>(first), avx2._mm256_extracti128_si256::<1>(second)];
            let first = sse2._mm_add_epi16(avx._mm256_castsi256_si128(first), upper);
            let second = sse2._mm_add_epi16(avx._mm256_castsi256_si128(second), above);
            *sums = pulp::cast([sse2._mm_unpacklo_epi16(first, second), sse2._mm_unpackhi_epi16(first, second)]);
        }
    }
    sums
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
                let bits = |row| (0..50_usize.div_ceil(HALF)).map(move |place| outlines.of(row, place)).collect::<Vec<_>>();
                (0..Row::try_from(outlines.len).unwrap()).map(|row| (bits(row), outlines.angle(row))).collect::<Vec<_>>()
            };
            prop_assert_eq!(kept(&outlines), kept(&alike));
        }

        #[test]
        fn any_instructions_give_the_same_sums(
            bits in prop::collection::vec(any::<u8>(), 2 * 12 * LANES),
            query in prop::collection::vec(-1.0_f32..1.0, 48),
        ) {
            let outlines = Outlines::new(48);
            let asked = outlines.asked(&query, 0.0);
            let (codes, _) = codes(&outlines.rotation.of(&query), MOST_IN_FOUR);
            let sum = |bits: &[u8], row| {
                let Spot { lane, shift, .. } = Spot::of(row);
                let above = |at: usize| bits[at / HALF * LANES + lane] >> shift >> (at % HALF) & 1 == 1;
                let agree = codes.iter().enumerate().filter(|(at, code)| above(*at) == (**code >= 0));
                agree.map(|(_, code)| code.unsigned_abs()).sum()
            };
            let (one, other) = bits.split_at(12 * LANES);
            let expected: [Sums; 2] = [one, other].map(|bits| std::array::from_fn(|row| sum(bits, Row::try_from(row).unwrap())));
            prop_assert_eq!([one, other].map(|bits| sums(bits, &asked.tables)), expected);
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = pulp::x86::V3::try_new() {
                prop_assert_eq!(simd.vectorize(|| sums_avx2(simd, [one, other], &asked.tables)), expected);
            }
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
