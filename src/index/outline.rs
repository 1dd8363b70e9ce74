//! Vectors in two bits a component: a sixteenth of the memory to read, enough to dismiss most of them.
//!
//! The outline of a vector x is a direction u, of which the angle to x is known. Angles obey the triangle inequality, so
//! a query q that is as near to x as the cosine `bar` demands lies within both angles of u,
//!
//! ```text
//! qu  >=  cos(angle of bar + angle between x and u)  =  bar xu - sqrt(1 - bar^2) sqrt(1 - (xu)^2)
//! ```

use std::ops::Range;

use super::codes::codes;
use super::rows::{Row, Rows};

/// Bytes of outlines that are worked on together.
const LANES: usize = 32;
/// Codes of a query's component lie in -127..=127.
const ASKED: f32 = 127.0;
/// Rows that are compared with a query side by side, so that it is read once for all of them.
const ABREAST: usize = 4;

/// Rows that are best compared with a query at a time: few enough that what is between stays in the fastest cache, and so
/// many that the processor reads ahead at [`ABREAST`] places.
pub(super) const BLOCK: usize = 4032;
/// In place of the cosine of a row that may not.
const NOT: f32 = -1.0;

/// The outlines of a matrix's rows.
#[derive(Debug)]
pub(super) struct Outlines {
    /// Four components a byte: those one, two and three quarters of a row on stand above the first.
    codes: Rows<u8>,
    /// One by the length of what the codes of each stand for.
    scales: Vec<f32>,
    angles: Vec<Angle>,
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
    /// Codes of the components that stand in each byte.
    codes: Vec<[[i8; LANES]; 4]>,
    /// Three times their sum: twice the inner product with an outline whose codes are all in the middle, at 1.5.
    middle: f32,
    /// Half of what a code of one stands for.
    half: f32,
    /// What the codes leave out, and more than rounding can do.
    more: f32,
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
    pub(super) const fn new(dimension: usize) -> Self {
        Self { codes: Rows::new(width(dimension)), scales: Vec::new(), angles: Vec::new() }
    }

    /// Appends the outline of a vector: each component as the nearest of -1.5, -0.5, 0.5 and 1.5 times the root of
    /// their mean square.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "codes are 0..=3, and lengths near one"
    )]
    pub(super) fn push(&mut self, vector: &[f32]) {
        let square = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
        let step = (square / vector.len() as f64).sqrt();
        let mut packed = vec![0; self.codes.width()];
        let (mut own, mut product) = (0.0, 0.0);
        for (place, x) in vector.iter().enumerate() {
            let code = (f64::from(*x) / step).floor().clamp(-2.0, 1.0);
            packed[place % self.codes.width()] |= ((code + 2.0) as u8) << (2 * (place / self.codes.width()));
            own += (code + 0.5).powi(2);
            product += (code + 0.5) * f64::from(*x);
        }
        let along = product / (own * square).sqrt();
        let aside = (1.0 - along * along).max(0.0).sqrt();
        self.codes.push(&packed);
        self.scales.push(own.sqrt().recip() as f32);
        self.angles.push(Angle {
            along: along as f32 * (1.0 - 4.0 * f32::EPSILON),
            aside: aside as f32 * (1.0 + 4.0 * f32::EPSILON),
        });
    }

    /// Takes a row out by putting the last row in its place.
    pub(super) fn swap_remove(&mut self, row: Row) {
        self.codes.swap_remove(row);
        self.scales.swap_remove(row as usize);
        self.angles.swap_remove(row as usize);
        if self.angles.capacity() > 4 * self.angles.len().max(1) {
            self.scales.shrink_to(2 * self.scales.len());
            self.angles.shrink_to(2 * self.angles.len());
        }
    }

    /// Appends those of `rows`, a [`BLOCK`] at most, that may reach the bar, in order.
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
                        |rows| products_avx2(simd, rows, &asked.codes),
                    )
                },
            );
            return;
        }
        self.meeting_by(asked, rows, demand, seen, |rows| rows.map(|row| products(row, &asked.codes)))
    }

    /// The same. `products` gives the inner products of codes, which stand above zero.
    #[inline(always)]
    fn meeting_by(
        &self,
        asked: &Asked,
        rows: Range<usize>,
        demand: Demand,
        seen: &mut Vec<Seen>,
        products: impl Fn([&[u8]; ABREAST]) -> [i32; ABREAST],
    ) {
        let mut near = [0.0; BLOCK];
        let near = &mut near[..rows.len()];
        self.compare(rows.clone(), near, products);
        let (first, scales, angles) = (rows.start, &self.scales[rows.clone()], &self.angles[rows]);
        for (near, (scale, angle)) in near.iter_mut().zip(scales.iter().zip(angles)) {
            let twice = 2.0 * *near - asked.middle;
            let cosine = (twice * (asked.half * scale) + asked.more).max(0.0);
            *near = if demand.allows(cosine, *angle) { cosine } else { NOT };
        }
        for (at, near) in near.iter().enumerate() {
            if *near > NOT {
                let row = Row::try_from(first + at).expect("rows are counted in u32");
                seen.push(Seen { row, near: *near, angle: angles[at] });
            }
        }
    }

    /// Writes the inner products of codes of each of `rows`. Rows that lie apart are compared side by side: the processor
    /// then fetches what follows each of them, which from memory takes three quarters of the time.
    #[inline(always)]
    fn compare(&self, rows: Range<usize>, found: &mut [f32], products: impl Fn([&[u8]; ABREAST]) -> [i32; ABREAST]) {
        let (codes, width) = (self.codes.range(rows), self.codes.width().max(1));
        let each = found.len() / ABREAST;
        let (abreast, last) = found.split_at_mut(each * ABREAST);
        let (a, b) = abreast.split_at_mut(2 * each);
        let ((a, b), (c, d)) = (a.split_at_mut(each), b.split_at_mut(each));
        let found = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        let part = |nth: usize| codes[nth * each * width..][..each * width].chunks_exact(width);
        let rows = part(0).zip(part(1)).zip(part(2).zip(part(3)));
        for (((a, b), (c, d)), ((e, f), (g, h))) in found.zip(rows) {
            [*a, *b, *c, *d] = products([e, f, g, h]).map(exact);
        }
        for (found, row) in last.iter_mut().zip(codes[each * ABREAST * width..].chunks_exact(width)) {
            [*found, ..] = products([row; ABREAST]).map(exact);
        }
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.codes.bytes() + self.scales.capacity() * size_of::<f32>() + self.angles.capacity() * size_of::<Angle>()
    }
}

impl Asked {
    /// Makes a unit vector ready. `rounding` is more than that can do to a score or to a bound.
    pub(super) fn new(query: &[f32], rounding: f32) -> Self {
        let (few, mark) = codes(query, ASKED);
        let (width, middle) = (width(few.len()), exact(3 * few.iter().map(|code| i32::from(*code)).sum::<i32>()));
        #[expect(clippy::cast_possible_truncation, reason = "codes lie in -127..=127")]
        let code = |place: usize| few.get(place).map_or(0, |code| *code as i8);
        let quarter = |start: usize, above: usize| std::array::from_fn(|lane| code(above * width + start + lane));
        let codes = (0..width).step_by(LANES).map(|start| std::array::from_fn(|above| quarter(start, above))).collect();
        Self { codes, middle, half: mark.scale / 2.0, more: mark.lost + rounding, rounding }
    }

    /// What a row must meet to reach the bar.
    pub(super) fn demand(&self, bar: f32) -> Demand {
        if bar <= 0.0 {
            return Demand { along: 0.0, aside: 0.0 };
        }
        let bar = (bar - self.rounding).min(1.0);
        Demand { along: bar, aside: (1.0 - bar * bar).sqrt() }
    }
}

/// A sum of products as a float: below 2^24, so nothing is lost up to 44,000 components, and what is lost beyond is
/// in the `rounding` of a query.
#[expect(clippy::cast_precision_loss, reason = "as the comment says")]
const fn exact(products: i32) -> f32 {
    products as f32
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

/// The inner product of an outline's codes, from 0 to 3, with a query's.
fn products(row: &[u8], query: &[[[i8; LANES]; 4]]) -> i32 {
    let bytes = row.as_chunks::<LANES>().0.iter().zip(query);
    let of_byte = |byte: u8, [a, b, c, d]: [i8; 4]| {
        let [first, second, third, fourth] = [byte & 3, byte >> 2 & 3, byte >> 4 & 3, byte >> 6].map(i32::from);
        first * i32::from(a) + second * i32::from(b) + third * i32::from(c) + fourth * i32::from(d)
    };
    bytes.flat_map(|(bytes, asked)| (0..LANES).map(|lane| of_byte(bytes[lane], asked.map(|codes| codes[lane])))).sum()
}

/// The same of several rows, four bytes in about the time of one: the compiler does not find that instruction by itself.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn products_avx2(simd: pulp::x86::V3, rows: [&[u8]; ABREAST], query: &[[[i8; LANES]; 4]]) -> [i32; ABREAST] {
    use std::arch::x86_64::__m256i;

    /// Steps whose sums fit 16 bits: each adds up eight products of at most 127 * 3.
    const STEPS: usize = 10;
    let (avx, avx2) = (simd.avx, simd.avx2);
    let (three, ones) = (avx._mm256_set1_epi8(3), avx._mm256_set1_epi16(1));
    let rows = rows.map(|row| row.as_chunks::<LANES>().0);
    let mut totals = [avx._mm256_setzero_si256(); ABREAST];
    for (run, asked) in query.chunks(STEPS).enumerate() {
        let mut sums = [avx._mm256_setzero_si256(); ABREAST];
        for (step, asked) in asked.iter().enumerate() {
            let [a, b, c, d]: [__m256i; 4] = asked.map(pulp::cast);
            for (sum, row) in sums.iter_mut().zip(rows) {
                let bytes: __m256i = pulp::cast(row[run * STEPS + step]);
                let first = avx2._mm256_maddubs_epi16(avx2._mm256_and_si256(bytes, three), a);
                let second = avx2._mm256_and_si256(avx2._mm256_srli_epi16::<2>(bytes), three);
                let third = avx2._mm256_and_si256(avx2._mm256_srli_epi16::<4>(bytes), three);
                let fourth = avx2._mm256_and_si256(avx2._mm256_srli_epi16::<6>(bytes), three);
                let lower = avx2._mm256_add_epi16(first, avx2._mm256_maddubs_epi16(second, b));
                let upper =
                    avx2._mm256_add_epi16(avx2._mm256_maddubs_epi16(third, c), avx2._mm256_maddubs_epi16(fourth, d));
                *sum = avx2._mm256_add_epi16(*sum, avx2._mm256_add_epi16(lower, upper));
            }
        }
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = avx2._mm256_add_epi32(*total, avx2._mm256_madd_epi16(sum, ones));
        }
    }
    // Two rounds of adding neighbours leave, in each half, one sum of each row.
    let [a, b, c, d] = totals;
    let (ab, cd) = (avx2._mm256_hadd_epi32(a, b), avx2._mm256_hadd_epi32(c, d));
    let halves: [[i32; ABREAST]; 2] = pulp::cast(avx2._mm256_hadd_epi32(ab, cd));
    std::array::from_fn(|row| halves[0][row] + halves[1][row])
}

/// Bytes of an outline: a quarter of the components, and some to fill the lanes.
const fn width(dimension: usize) -> usize {
    dimension.div_ceil(4).next_multiple_of(LANES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Vector, vector};

    /// The rows that may reach the bar.
    fn meeting(outlines: &Outlines, rows: usize, query: &[f32], bar: f32) -> Vec<usize> {
        let asked = Asked::new(query, 1e-5);
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

        #[test]
        fn any_instructions_give_the_same_products(
            row in prop::collection::vec(any::<u8>(), 13 * LANES),
            query in prop::collection::vec(-127..=127_i8, 4 * 13 * LANES),
        ) {
            let query: Vec<[[i8; LANES]; 4]> = query.as_chunks::<LANES>().0.as_chunks::<4>().0.to_vec();
            let sum = (0..row.len()).map(|at| {
                let codes = query[at / LANES].map(|codes| i32::from(codes[at % LANES]));
                (0..4).map(|above| i32::from(row[at] >> (2 * above) & 3) * codes[above]).sum::<i32>()
            });
            let sum = sum.sum::<i32>();
            prop_assert_eq!(products(&row, &query), sum);
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = pulp::x86::V3::try_new() {
                let other = row.iter().map(|byte| byte.rotate_left(3)).collect::<Vec<_>>();
                let rows = [&*row, &*other, &*row, &*other];
                let found = simd.vectorize(|| products_avx2(simd, rows, &query));
                prop_assert_eq!(found, rows.map(|row| products(row, &query)));
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
