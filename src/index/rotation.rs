//! One random rotation of the space for every vector, so that nothing about a rotated one hangs on its axes.
//!
//! Made of random signs and fast Walsh-Hadamard transforms, in turns (Ailon and Chazelle 2009; as in the rotation of
//! `RaBitQ`'s authors): it takes the time of a few additions for each component, and keeps no matrix.

use fastrand::Rng;

/// Signs and transforms in turns. After as many, a vector of one component is spread out as random ones are.
const TURNS: usize = 4;
/// Any will do, but all must be rotated alike.
const SEED: u64 = 0x6465_6a61_7675;

/// The rotation of a space.
#[derive(Debug)]
pub(super) struct Rotation {
    /// The sign bits of those components that are turned around, for one transform after the other.
    signs: Vec<u32>,
    /// Components of a transform.
    few: usize,
}

impl Rotation {
    /// That of a space of so many dimensions: always the same.
    pub(super) fn new(dimension: usize) -> Self {
        let (mut random, few) = (Rng::with_seed(SEED), largest_power(dimension));
        Self { signs: (0..2 * TURNS * few).map(|_| random.u32(..) & 1 << 31).collect(), few }
    }

    /// The vector, rotated. Lengths and angles stay as they are, but for rounding.
    pub(super) fn of(&self, vector: &[f32]) -> Vec<f32> {
        let mut turned = vector.to_vec();
        let last = turned.len() - self.few;
        for signs in self.signs.chunks_exact(2 * self.few.max(1)) {
            // The first and the last of them reach all; what only one of them reached stands between both the next time.
            let (for_first, for_last) = signs.split_at(self.few);
            transform(&mut turned[..self.few], for_first);
            if last > 0 {
                transform(&mut turned[last..], for_last);
                turned.rotate_left(last / 2);
            }
        }
        turned
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.signs.capacity() * size_of::<u32>()
    }
}

/// The Walsh-Hadamard transform of a power of two of components, some turned around before, keeping their length.
fn transform(components: &mut [f32], signs: &[u32]) {
    #[expect(clippy::cast_precision_loss, reason = "a dimension is small")]
    let scale = (components.len() as f32).sqrt().recip();
    for (x, sign) in components.iter_mut().zip(signs) {
        *x = f32::from_bits(x.to_bits() ^ sign) * scale;
    }
    let mut apart = 1;
    while apart < components.len() {
        for both in components.chunks_exact_mut(2 * apart) {
            let (left, right) = both.split_at_mut(apart);
            for (left, right) in left.iter_mut().zip(right) {
                (*left, *right) = (*left + *right, *left - *right);
            }
        }
        apart *= 2;
    }
}

/// The largest power of two up to `number`, or nothing of nothing.
const fn largest_power(number: usize) -> usize {
    if number == 0 { 0 } else { 1 << number.ilog2() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::vector::dot;

    proptest! {
        #[test]
        fn angles_stay_as_they_are(
            one in prop::collection::vec(-1.0_f32..1.0, 384),
            other in prop::collection::vec(-1.0_f32..1.0, 384),
            dimension in prop::sample::select(vec![1_usize, 2, 41, 256, 384]),
        ) {
            let (one, other) = (&one[..dimension], &other[..dimension]);
            let rotation = Rotation::new(dimension);
            let (before, after) = (dot(one, other), dot(&rotation.of(one), &rotation.of(other)));
            prop_assert!((before - after).abs() < 1e-4, "{before} became {after}");
        }
    }

    /// As random directions are, which have 0.798 of their length along the corner of a cube nearest to them.
    #[test]
    fn every_axis_is_spread_over_all_components() {
        for dimension in [256, 300, 384, 768, 1000] {
            let rotation = Rotation::new(dimension);
            let along = |axis| {
                let mut vector = vec![0.0; dimension];
                vector[axis] = 1.0;
                rotation.of(&vector).iter().map(|x| x.abs()).sum::<f32>() / (dimension as f32).sqrt()
            };
            let found: Vec<f32> = (0..dimension).step_by(7).map(along).collect();
            let mean = found.iter().sum::<f32>() / found.len() as f32;
            assert!((0.78..0.82).contains(&mean), "{mean} in {dimension} dimensions");
            assert!(found.iter().all(|along| *along > 0.65), "{found:?} in {dimension} dimensions");
        }
    }
}
