//! Vectors in whole numbers of a few digits, and what that loses.

/// How a vector's codes are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    /// What a code of one stands for.
    pub(super) scale: f32,
    /// The length of what the codes leave out, rounded up.
    pub(super) lost: f32,
}

/// The codes of a vector, of which the largest is `most`, and how to read them.
#[expect(clippy::cast_possible_truncation, reason = "codes are within `most`, and lengths are near one")]
pub(super) fn codes(vector: &[f32], most: f32) -> (Vec<i16>, Mark) {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = if largest > 0.0 { largest / most } else { 1.0 };
    let codes: Vec<i16> = vector.iter().map(|x| (x / scale).round().clamp(-most, most) as i16).collect();
    let parts = vector.iter().zip(&codes).map(|(x, code)| f64::from(*x) - f64::from(scale) * f64::from(*code));
    let lost = parts.map(|part| part * part).sum::<f64>().sqrt();
    (codes, Mark { scale, lost: lost as f32 * (1.0 + 4.0 * f32::EPSILON) })
}
