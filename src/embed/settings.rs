//! The options of this room. In the configuration file they stand under `[semantic]`, beside the judge's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::Lasting;

/// Which model turns prompts into vectors, and how it is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `all-MiniLM-L6-v2`, any fastembed model (`BAAI/bge-small-en-v1.5`, `BGESmallENV15`), or a folder with either
    /// an ONNX model or a sentence-transformers BERT model in safetensors.
    pub model: String,
    /// The arithmetic of the default model and of safetensors folders. ONNX files bring their own.
    pub precision: Precision,
    /// Cores one run of the model uses. `0` means every core of the machine, four at most.
    pub threads: usize,
    /// How many copies of the model work side by side, each on a thread of its own. One more embeds what no request waits
    /// for.
    pub sessions: usize,
    /// How many texts may wait for the model before further ones are forwarded unembedded.
    pub queue: usize,
    /// How long a request waits for its vector before it is forwarded without one.
    pub deadline: Lasting,
    /// How many of the latest texts' vectors are remembered (about 2 KiB each); `0` remembers none.
    pub recent: usize,
    /// The ONNX Runtime library, if it shall be another than the one in `home`. `ORT_DYLIB_PATH` says the same.
    pub runtime: Option<PathBuf>,
    /// Where the runtime and the models are kept, shared by all instances. Default: `DEJAVU_HOME`, else `dejavu` in
    /// the user's cache folder.
    pub home: Option<PathBuf>,
    /// Use only what is there; download nothing.
    pub offline: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "all-MiniLM-L6-v2".to_owned(),
            precision: Precision::Int8,
            threads: 0,
            sessions: 1,
            queue: 256,
            deadline: Lasting::millis(500),
            recent: 4096,
            runtime: None,
            home: None,
            offline: false,
        }
    }
}

impl Settings {
    /// The number of cores one run may use.
    pub(super) fn cores(&self) -> usize {
        cores(self.threads)
    }
}

/// How many cores `threads` stands for: all, four at most, where it is 0.
pub(super) fn cores(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(4),
        some => some,
    }
}

/// The arithmetic a model is exported for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point: the model as it was trained.
    Fp32,
    /// 8-bit integers for the weights and, within each layer, for what flows through them: smaller and faster.
    Int8,
}

impl Precision {
    /// The word for it in the configuration, in a [`super::Space`] and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        }
    }
}
