//! Rows of bits, and, of a query's codes, what those add up to that agree in sign with each row.
//!
//! Four bits of a row choose one of sixteen sums of the query's codes, looked up for 32 rows at once (fast scan: André,
//! Kermarrec and Le Scouarnec, VLDB 2015). So the bits of 32 rows stand together, in blocks. What the bits and the codes
//! stand for is not known here.

use super::rows::{Row, Rows};

/// Rows whose bits stand together.
pub(super) const TOGETHER: usize = 32;
/// Those of them that have the lower halves of their bytes; the others have the upper ones.
const LANES: usize = TOGETHER / 2;
/// Components that a row has half a byte for.
const HALF: usize = 4;
/// Codes of a query's component: four are added up in a byte.
const MOST_IN_FOUR: f32 = 63.0;
/// What all codes of a query add up to, at most.
const MOST_IN_ALL: f32 = 65_535.0;

/// The sums of a block's rows.
pub(super) type Sums = [u16; TOGETHER];

/// The bits of rows.
#[derive(Debug)]
pub(super) struct Bits {
    len: usize,
    /// For every four components, a byte for each two rows of the block.
    blocks: Rows<u8>,
}

/// What every four components of a query add to the sums, by the row's four bits. In twos, as they are looked up.
#[derive(Debug)]
pub(super) struct Tables(Vec<[[u8; LANES]; 2]>);

/// The largest code that a query of so many components may have.
#[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
pub(super) fn most(dimension: usize) -> f32 {
    (MOST_IN_ALL / dimension as f32).floor().clamp(1.0, MOST_IN_FOUR)
}

impl Bits {
    /// No rows yet.
    pub(super) const fn new(dimension: usize) -> Self {
        Self { len: 0, blocks: Rows::new(dimension.div_ceil(2 * HALF) * 2 * LANES) }
    }

    /// Number of rows.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The bytes of a block.
    pub(super) fn block(&self, block: usize) -> &[u8] {
        self.blocks.range(block..block + 1)
    }

    /// Appends the row of a vector: a bit is set where a component is not negative.
    pub(super) fn push(&mut self, vector: &[f32]) -> Row {
        let row = Row::try_from(self.len).expect("rows are counted in u32");
        if self.len.is_multiple_of(TOGETHER) {
            self.blocks.push(&vec![0; self.blocks.width()]);
        }
        for (place, four) in vector.chunks(HALF).enumerate() {
            self.put(row, place, four.iter().rev().fold(0, |bits, x| bits << 1 | u8::from(*x >= 0.0)));
        }
        self.len += 1;
        row
    }

    /// Takes a row out by putting the last row in its place; says which that was.
    pub(super) fn swap_remove(&mut self, row: Row) -> Row {
        self.len -= 1;
        let last = Row::try_from(self.len).expect("rows are counted in u32");
        for (place, bits) in self.row(last).into_iter().enumerate() {
            self.put(row, place, bits);
        }
        if let Spot { block, at: 0 } = Spot::of(last) {
            self.blocks.swap_remove(block);
        }
        last
    }

    /// The bits of a row, for four components each.
    pub(super) fn row(&self, row: Row) -> Vec<u8> {
        let (spot, (lane, shift)) = (Spot::of(row), Spot::of(row).half());
        self.blocks.row(spot.block).iter().skip(lane).step_by(LANES).map(|byte| byte >> shift & 15).collect()
    }

    fn put(&mut self, row: Row, place: usize, bits: u8) {
        let (spot, (lane, shift)) = (Spot::of(row), Spot::of(row).half());
        let byte = &mut self.blocks.row_mut(spot.block)[place * LANES + lane];
        *byte = *byte & !(15 << shift) | bits << shift;
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.blocks.bytes()
    }
}

impl Tables {
    /// Of a query's codes, of which none is larger than [`most`].
    pub(super) fn of(codes: &[i16]) -> Self {
        let mut tables = vec![[[0; LANES]; 2]; codes.len().div_ceil(2 * HALF)];
        for (table, four) in tables.as_flattened_mut().iter_mut().zip(codes.chunks(HALF)) {
            *table = agreeing(four);
        }
        Self(tables)
    }

    /// The sums of a block's rows. By arithmetic instead of look-ups, which compilers find vector instructions for.
    pub(super) fn sums(&self, bits: &[u8]) -> Sums {
        let mut sums = [0; TOGETHER];
        for (bytes, table) in bits.as_chunks::<LANES>().0.iter().zip(self.0.as_flattened()) {
            let each: [u8; HALF] = std::array::from_fn(|at| table[1 << at].wrapping_sub(table[0]));
            let add = |sum: u8, (at, each): (usize, &u8), bits: u8| {
                sum.wrapping_add(if bits >> at & 1 == 1 { *each } else { 0 })
            };
            let looked_up =
                |bits: u8| u16::from(each.iter().enumerate().fold(table[0], |sum, each| add(sum, each, bits)));
            let (low, high) = sums.split_at_mut(LANES);
            for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
                *low += looked_up(*byte);
                *high += looked_up(byte >> 4);
            }
        }
        sums
    }

    /// The same of two blocks: the compiler does not find the instruction that looks up 32 bytes by itself.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn sums_avx2(&self, simd: pulp::x86::V3, bits: [&[u8]; 2]) -> [Sums; 2] {
        use std::arch::x86_64::__m256i;

        let (sse2, avx, avx2) = (simd.sse2, simd.avx, simd.avx2);
        let low = avx._mm256_set1_epi8(15);
        // Of the rows with the lower and with the upper halves: sums of 16 bits in which those of every second row stand
        // above the ones before, and the former alone.
        let mut totals = [[[avx._mm256_setzero_si256(); 2]; 2]; 2];
        let [one, other] = bits.map(|bits| bits.as_chunks::<{ 2 * LANES }>().0);
        for (table, (one, other)) in self.0.iter().zip(one.iter().zip(other)) {
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

/// Where a row stands.
pub(super) struct Spot {
    pub(super) block: Row,
    /// In its block.
    pub(super) at: usize,
}

impl Spot {
    pub(super) const fn of(row: Row) -> Self {
        const EACH: Row = TOGETHER as Row;
        Self { block: row / EACH, at: (row % EACH) as usize }
    }

    /// Which byte of a place has its bits, and from which bit on.
    const fn half(&self) -> (usize, usize) {
        (self.at % LANES, self.at / LANES * HALF)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_instructions_give_the_same_sums(
            bits in prop::collection::vec(any::<u8>(), 2 * 24 * LANES),
            codes in prop::collection::vec(-63..=63_i16, 96),
        ) {
            let tables = Tables::of(&codes);
            let sum = |bits: &[u8], row| {
                let (lane, shift) = Spot::of(row).half();
                let above = |at: usize| bits[at / HALF * LANES + lane] >> shift >> (at % HALF) & 1 == 1;
                let agree = codes.iter().enumerate().filter(|(at, code)| above(*at) == (**code >= 0));
                agree.map(|(_, code)| code.unsigned_abs()).sum()
            };
            let (one, other) = bits.split_at(24 * LANES);
            let expected: [Sums; 2] = [one, other].map(|bits| std::array::from_fn(|row| sum(bits, Row::try_from(row).unwrap())));
            prop_assert_eq!([one, other].map(|bits| tables.sums(bits)), expected);
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = pulp::x86::V3::try_new() {
                prop_assert_eq!(simd.vectorize(|| tables.sums_avx2(simd, [one, other])), expected);
            }
        }
    }
}
