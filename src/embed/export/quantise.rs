//! Eight-bit weights.
//!
//! Each column of a weight matrix (each output of a layer) and each row of an embedding table has a scale of its
//! own, so that one large number costs the others no precision. Weights are symmetric: zero is zero.

/// A matrix in eight bits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quantised {
    /// The numbers, in the order of the original.
    pub(super) data: Vec<i8>,
    /// What one step is worth, one a column or one a row.
    pub(super) scales: Vec<f32>,
}

/// The largest magnitude a layer's weight takes.
///
/// One bit is left unused: processors without VNNI multiply unsigned by signed bytes in pairs and saturate the sum
/// at 16 bits. 255 x 64 x 2 stays below that, so every processor computes the same sums.
const WEIGHT_LIMIT: f32 = 64.0;
/// The largest magnitude in an embedding table, which is looked up and never multiplied in eight bits.
const TABLE_LIMIT: f32 = 127.0;

/// Quantises the weights of a layer, `[inputs, outputs]` row by row, with one scale an output.
pub(super) fn by_column(weights: &[f32], outputs: usize) -> Quantised {
    let mut peaks = vec![0.0_f32; outputs];
    for row in weights.chunks_exact(outputs) {
        for (peak, weight) in peaks.iter_mut().zip(row) {
            *peak = peak.max(weight.abs());
        }
    }
    let scales: Vec<f32> = peaks.into_iter().map(|peak| scale(peak, WEIGHT_LIMIT)).collect();
    let data = weights
        .chunks_exact(outputs)
        .flat_map(|row| row.iter().zip(&scales).map(|(weight, scale)| step(*weight, *scale)))
        .collect();
    Quantised { data, scales }
}

/// Quantises a table with rows of `width` numbers, with one scale a row.
pub(super) fn by_row(table: &[f32], width: usize) -> Quantised {
    let peak = |row: &[f32]| row.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    let scales: Vec<f32> = table.chunks_exact(width).map(|row| scale(peak(row), TABLE_LIMIT)).collect();
    let data =
        table.chunks_exact(width).zip(&scales).flat_map(|(row, scale)| row.iter().map(|x| step(*x, *scale))).collect();
    Quantised { data, scales }
}

/// How much smaller each input of a layer is made, and its weights larger, so that inputs and weights are about
/// equally hard to write in eight bits: SmoothQuant (Xiao et al., 2022, <https://arxiv.org/abs/2211.10438>, equation
/// 4), with the inputs' expected magnitude in place of a calibration run. `weights` is `[inputs, outputs]` row by row.
pub(super) fn balance(spread: &[f32], weights: &[f32]) -> Vec<f32> {
    const SHARE: f32 = 0.7;
    const TINY: f32 = 1e-5;
    let outputs = weights.len() / spread.len().max(1);
    let peak = |row: &[f32]| row.iter().fold(TINY, |peak, x| peak.max(x.abs()));
    let peaks = weights.chunks_exact(outputs.max(1)).map(peak);
    spread.iter().zip(peaks).map(|(spread, peak)| spread.max(TINY).powf(SHARE) / peak.powf(1.0 - SHARE)).collect()
}

/// What one step is worth when `peak` takes `limit` steps; any step will do where everything is zero.
fn scale(peak: f32, limit: f32) -> f32 {
    if peak > 0.0 { peak / limit } else { 1.0 }
}

#[expect(clippy::cast_possible_truncation, reason = "no weight is larger than its scale times 127")]
fn step(weight: f32, scale: f32) -> i8 {
    (weight / scale).round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_within_half_a_step() {
        let weights = [0.5, -0.01, 0.25, 0.02, -1.0, 0.0];
        let columns = by_column(&weights, 2);
        let rows = by_row(&weights, 2);
        for (i, weight) in weights.iter().enumerate() {
            let column = columns.scales[i % 2];
            assert!((f32::from(columns.data[i]) * column - weight).abs() <= column / 2.0);
            let row = rows.scales[i / 2];
            assert!((f32::from(rows.data[i]) * row - weight).abs() <= row / 2.0);
        }
    }

    #[test]
    fn a_layers_weights_leave_a_bit_unused() {
        let quantised = by_column(&[3.0, -3.0, 1.5, 0.1], 1);
        assert!(quantised.data.iter().all(|step| step.unsigned_abs() <= 64));
    }
}
