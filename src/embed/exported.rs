//! Exported models, kept in `DEJAVU_HOME/exports` so that the next start need not export again.
//!
//! A kept file is named after the weights it was made from, and its SHA-256 stands in a file beside it. One that does
//! not match is made anew.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::Precision;
use super::export::{self, ExportError, Kind};
use super::provision::files;

/// The edition of the exporter. It stands in the names of kept files: raise it with any change to what is written.
const EDITION: u32 = 2;

/// A model in ONNX.
#[derive(Debug)]
pub(super) struct Exported {
    /// The file.
    pub(super) graph: Bytes,
    /// SHA-256 of the weights it was made from, in hex.
    pub(super) source: String,
}

/// The ONNX form of a safetensors BERT model: the kept one, or a new one, which is then kept. That it cannot be
/// kept is logged and no error. `known` is the SHA-256 of the weights, where somebody has just found it.
///
/// # Errors
/// When the model's files cannot be read or exported.
pub(super) fn bert(
    kind: Kind,
    config: &[u8],
    safetensors: &Path,
    known: Option<&str>,
    precision: Precision,
    exports: &Path,
) -> Result<Exported, ExportError> {
    let read =
        || fs::read(safetensors).map_err(|why| ExportError::Unreadable(format!("{}: {why}", safetensors.display())));
    let source = match known {
        Some(sum) => sum.to_owned(),
        None => sha256_of(&[&read()?]),
    };
    let identity = match kind {
        Kind::Encoder => sha256_of(&[source.as_bytes(), config]),
        Kind::Verifier => sha256_of(&[source.as_bytes(), config, export::HEAD]),
    };
    let kept = exports.join(format!("{}-{}-{EDITION}.onnx", &identity[..32], precision.as_str()));
    let seal = kept.with_extension("onnx.sha256");
    if let (Ok(graph), Ok(seal)) = (fs::read(&kept), fs::read_to_string(&seal)) {
        if sha256_of(&[&graph]) == seal.trim() {
            return Ok(Exported { graph: graph.into(), source });
        }
        tracing::warn!(file = %kept.display(), "an exported model is damaged; it is made anew");
    }
    let graph = export::bert(kind, config, &read()?, precision)?;
    let keep = || {
        files::write_whole(&kept, &graph)?;
        files::write_whole(&seal, sha256_of(&[&graph]).as_bytes())
    };
    if let Err(why) = keep() {
        tracing::warn!(error = %why, "the exported model could not be kept; the next start exports it again");
    }
    Ok(Exported { graph: graph.into(), source })
}

/// SHA-256 over parts, in hex.
pub(super) fn sha256_of(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    files::hex(&hasher.finalize())
}
