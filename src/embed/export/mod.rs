//! A BERT model in safetensors, as sentence-transformers saves it, becomes an ONNX file.
//!
//! It is made anew at each start rather than kept: writing it takes a fraction of loading it, and there is no
//! second copy to check, to clean up or to mistake for another model's.

mod bert;
mod format;
mod graph;
mod quantise;
mod weights;

use super::Precision;

/// Why a model cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The file is not what it should be.
    #[error("the model's files cannot be read: {0}")]
    Unreadable(String),
    /// A tensor is not there.
    #[error("the model has no tensor {0}")]
    Missing(String),
    /// A tensor has another shape than `config.json` says.
    #[error("tensor {name} has shape {found:?}, {expected:?} was expected")]
    Shape {
        /// Its name.
        name: String,
        /// As `config.json` has it.
        expected: Vec<usize>,
        /// As the file has it.
        found: Vec<usize>,
    },
    /// The architecture differs from what the exporter can write.
    #[error("this model cannot be exported: {0}")]
    Unsupported(String),
}

/// Writes the ONNX file of a BERT encoder, from the bytes of its `config.json` and `model.safetensors`.
pub(super) fn bert(config: &[u8], safetensors: &[u8], precision: Precision) -> Result<Vec<u8>, ExportError> {
    let config: bert::Config =
        serde_json::from_slice(config).map_err(|why| ExportError::Unreadable(format!("config.json: {why}")))?;
    config.check()?;
    bert::encoder(&config, &weights::Weights::open(safetensors)?, precision)
}
