//! Reading a model's tensors out of a safetensors file.

use safetensors::{Dtype, SafeTensors};

use super::ExportError;

/// The tensors of one file, by name.
#[derive(Debug)]
pub(super) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    /// What stands before every name: nothing, or `bert.` in files saved from a model with a task's head.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// Opens a file's bytes (<https://github.com/huggingface/safetensors#format>).
    pub(super) fn open(file: &'a [u8]) -> Result<Self, ExportError> {
        let tensors = SafeTensors::deserialize(file).map_err(|why| ExportError::Unreadable(why.to_string()))?;
        let has = |prefix: &str| tensors.tensor(&format!("{prefix}embeddings.word_embeddings.weight")).is_ok();
        let prefix = ["", "bert.", "model."]
            .into_iter()
            .find(|prefix| has(prefix))
            .ok_or_else(|| ExportError::Missing("embeddings.word_embeddings.weight".to_owned()))?;
        Ok(Self { tensors, prefix })
    }

    /// Opens a file of no model of its own: its names are taken as they are.
    pub(super) fn plain(file: &'a [u8]) -> Result<Self, ExportError> {
        let tensors = SafeTensors::deserialize(file).map_err(|why| ExportError::Unreadable(why.to_string()))?;
        Ok(Self { tensors, prefix: "" })
    }

    /// A vector of `length` numbers.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, ExportError> {
        self.read(name, &[length])
    }

    /// A matrix of `rows` by `columns`, row by row.
    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Vec<f32>, ExportError> {
        self.read(name, &[rows, columns])
    }

    /// A matrix with `columns` columns and as many rows as it has.
    pub(super) fn table(&self, name: &str, columns: usize) -> Result<Table, ExportError> {
        let full = format!("{}{name}", self.prefix);
        let found = self.tensors.tensor(&full).map_err(|_| ExportError::Missing(full))?;
        let rows = found.shape().first().copied().unwrap_or(0);
        Ok(Table { rows, data: self.read(name, &[rows, columns])? })
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ExportError> {
        let name = format!("{}{name}", self.prefix);
        let found = self.tensors.tensor(&name).map_err(|_| ExportError::Missing(name.clone()))?;
        if found.shape() != shape {
            return Err(ExportError::Shape { name, expected: shape.to_vec(), found: found.shape().to_vec() });
        }
        let data = found.data();
        match found.dtype() {
            Dtype::F32 => Ok(data.as_chunks().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()),
            Dtype::BF16 => Ok(data.as_chunks().0.iter().map(|&raw| from_bf16(u16::from_le_bytes(raw))).collect()),
            Dtype::F16 => Ok(data.as_chunks().0.iter().map(|&raw| from_f16(u16::from_le_bytes(raw))).collect()),
            other => Err(ExportError::Unsupported(format!("tensor {name} holds {other:?} numbers"))),
        }
    }
}

/// A table with one row a token, position or type.
#[derive(Debug)]
pub(super) struct Table {
    /// How many rows.
    pub(super) rows: usize,
    /// The numbers, row by row.
    pub(super) data: Vec<f32>,
}

/// A bfloat16 is the upper half of a 32-bit float.
fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// IEEE 754 binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits.
fn from_f16(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = (bits >> 10) & 0x1f;
    let fraction = f32::from(bits & 0x3ff) / 1024.0;
    let magnitude = match exponent {
        0 => fraction * 2_f32.powi(-14),
        0x1f if bits & 0x3ff == 0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1.0 + fraction) * 2_f32.powi(i32::from(exponent) - 15),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_reads_as_ieee_754_says() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
        ] {
            assert_eq!(from_f16(bits), value, "{bits:#06x}");
        }
        assert_eq!(from_f16(0xfc00), f32::NEG_INFINITY);
        assert!(from_f16(0x7e00).is_nan());
        assert_eq!(from_bf16(0x3fc0), 1.5);
    }
}
