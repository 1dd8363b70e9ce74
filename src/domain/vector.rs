//! Embedding vectors, valid by construction.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names the space a vector lives in (model file, tokenizer, pooling, precision, dimension). Vectors of two
/// spaces are never compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpaceId(pub Arc<str>);

/// A unit-length vector of finite numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Arc<[f32]>);

/// Why some numbers are no vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVector {
    /// It has no components.
    #[error("the vector is empty")]
    Empty,
    /// A component is NaN or infinite.
    #[error("a component is not a finite number")]
    NotFinite,
    /// Its length is zero, so it has no direction.
    #[error("the vector has no length")]
    Zero,
}

impl Vector {
    /// Takes raw components and scales them to unit length. Components whose length is one but for rounding are
    /// taken as they are, so that a stored vector reads back bit for bit.
    ///
    /// # Errors
    /// When there are none, when one is not finite, or when all are (nearly) zero.
    pub fn normalised(mut raw: Vec<f32>) -> Result<Self, InvalidVector> {
        if raw.is_empty() {
            return Err(InvalidVector::Empty);
        }
        if raw.iter().any(|x| !x.is_finite()) {
            return Err(InvalidVector::NotFinite);
        }
        let length = raw.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if length < 1e-12 {
            return Err(InvalidVector::Zero);
        }
        if (length - 1.0).abs() > 1e-6 {
            #[expect(clippy::cast_possible_truncation, reason = "a unit vector's components fit f32")]
            for x in &mut raw {
                *x = (f64::from(*x) / length) as f32;
            }
        }
        Ok(Self(raw.into()))
    }

    /// The components; their squares sum to one.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Number of components.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.0.len()
    }

    /// Cosine similarity, in [-1, 1]. Vectors of different dimension are unrelated: 0.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.dimension() != other.dimension() {
            return 0.0;
        }
        dot(&self.0, &other.0).clamp(-1.0, 1.0)
    }
}

/// The inner product of two slices of equal length, in sixteen lanes that the compiler turns into SIMD.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0_f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_components_are_refused_by_name() {
        assert_eq!(Vector::normalised(vec![]), Err(InvalidVector::Empty));
        assert_eq!(Vector::normalised(vec![0.0, 0.0]), Err(InvalidVector::Zero));
        assert_eq!(Vector::normalised(vec![1.0, f32::NAN]), Err(InvalidVector::NotFinite));
    }

    #[test]
    fn normalising_twice_changes_no_bit() {
        let raw = (1..=384).map(|i| (i as f32 * 0.37).sin()).collect();
        let once = Vector::normalised(raw).unwrap();
        let twice = Vector::normalised(once.as_slice().to_vec()).unwrap();
        assert_eq!(once, twice);
    }

    #[test]
    fn cosine_ignores_length_and_refuses_other_dimensions() {
        let v = |raw: &[f32]| Vector::normalised(raw.to_vec()).unwrap();
        assert!((v(&[3.0, 4.0]).cosine(&v(&[6.0, 8.0])) - 1.0).abs() < 1e-6);
        assert!(v(&[1.0, 0.0]).cosine(&v(&[0.0, 2.0])).abs() < 1e-6);
        assert_eq!(v(&[1.0]).cosine(&v(&[1.0, 0.0])), 0.0);
    }

    #[test]
    fn dot_counts_the_components_beyond_the_last_whole_chunk() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &a), (0..19).map(|i| (i * i) as f32).sum::<f32>());
    }
}
