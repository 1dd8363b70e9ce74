//! ONNX Runtime through fastembed: the one file that names either.
//!
//! Tokenising, padding, running and pooling are fastembed's; what is added here is knowing where a text was cut.

use std::path::Path;
use std::sync::Arc;

use fastembed::{
    EmbeddingModel, InitOptionsUserDefined, OnnxSource, OutputKey, QuantizationMode, RerankInitOptionsUserDefined,
    TextEmbedding, TextRerank, TokenizerFiles, UserDefinedEmbeddingModel, UserDefinedRerankingModel,
};

use super::recipe::{PairGraph, Pooling, Recipe, RerankRecipe, TokenFiles};
use super::rerank::PairModel;
use super::worker::TextModel;
use super::{Embedding, OpenError};
use crate::domain::{Digest, Vector};

/// How much of a long text is tokenised at all, in bytes for each token of the window. Tokens average four to five
/// bytes; a text whose tokens are longer than this is cut earlier than its window demands, which is safe, since
/// what is cut off still decides ([`Embedding::unseen`]).
const BYTES_A_TOKEN: usize = 32;

/// Threads that wait by spinning would take the cores that the proxy needs.
const NO_SPINNING: (&str, &str) = ("session.intra_op.allow_spinning", "0");

fn files(tokens: &TokenFiles) -> TokenizerFiles {
    TokenizerFiles {
        tokenizer_file: tokens.tokenizer.clone(),
        config_file: tokens.config.clone(),
        special_tokens_map_file: tokens.special_tokens.clone(),
        tokenizer_config_file: tokens.tokenizer_config.clone(),
    }
}

/// A loaded model on one session of the runtime.
pub(super) struct OnnxModel {
    inner: TextEmbedding,
    window: usize,
    batches: bool,
}

impl std::fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxModel")
            .field("window", &self.window)
            .field("batches", &self.batches)
            .finish_non_exhaustive()
    }
}

/// Loads the runtime library into this process. The first one loaded stays; later calls change nothing.
///
/// # Errors
/// When the file is no ONNX Runtime, or one that is too old.
pub(super) fn load_runtime(library: &Path) -> Result<(), OpenError> {
    // The builder that comes back is dropped unbuilt: fastembed makes its own environment, and there can be one.
    let _ = ort::init_from(library)
        .map_err(|why| OpenError::Runtime { path: library.to_path_buf(), why: why.to_string() })?;
    Ok(())
}

impl OnnxModel {
    /// Makes a session that uses up to `cores` cores.
    ///
    /// # Errors
    /// When the runtime or the tokenizer refuses the model's files.
    pub(super) fn load(recipe: &Recipe, cores: usize) -> Result<Self, OpenError> {
        let mut model = UserDefinedEmbeddingModel::new(recipe.graph.to_vec(), files(&recipe.tokens))
            .with_pooling(match recipe.pooling {
                Pooling::Mean => fastembed::Pooling::Mean,
                Pooling::Cls => fastembed::Pooling::Cls,
            })
            .with_quantization(if recipe.batches { QuantizationMode::None } else { QuantizationMode::Dynamic });
        model.output_key = recipe.output.map(OutputKey::ByName);
        for (name, data) in &recipe.external {
            model = model.with_external_initializer(name.clone(), data.clone());
        }
        let options = InitOptionsUserDefined::new()
            .with_max_length(recipe.window)
            .with_intra_threads(cores)
            .with_session_config(NO_SPINNING.0, NO_SPINNING.1);
        let inner = TextEmbedding::try_new_from_user_defined(model, options)
            .map_err(|why| OpenError::Model { model: recipe.name.clone(), why: why.to_string() })?;
        let window = inner.tokenizer.get_truncation().map_or(recipe.window, |limit| limit.max_length);
        Ok(Self { inner, window, batches: recipe.batches })
    }

    /// The model's window in tokens, special tokens included: the recipe's, or the tokenizer's where that is less.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// The digest of what lies beyond the model's window: everything after the last byte of the last token that
    /// it sees, as it was written. `None` when it sees all.
    fn unseen(&self, text: &str, head: &str) -> Result<Option<Digest>, String> {
        let encoding = self.inner.tokenizer.encode(head, true).map_err(|why| why.to_string())?;
        if encoding.get_overflowing().is_empty() && head.len() == text.len() {
            return Ok(None);
        }
        let last = encoding.get_offsets().iter().map(|(_, end)| *end).max().unwrap_or(0);
        // Offsets are byte positions in the original, at character boundaries; if one ever were not, the rest
        // begins at the boundary before it.
        let cut = head.floor_char_boundary(if encoding.get_overflowing().is_empty() { head.len() } else { last });
        Ok(Some(Digest::of(&text.as_bytes()[cut..])))
    }
}

impl TextModel for OnnxModel {
    fn embed(&mut self, texts: &[Arc<str>]) -> Result<Vec<Embedding>, String> {
        let most = self.window * BYTES_A_TOKEN;
        let heads: Vec<&str> = texts.iter().map(|text| &text[..text.floor_char_boundary(most)]).collect();
        let unseen =
            texts.iter().zip(&heads).map(|(text, head)| self.unseen(text, head)).collect::<Result<Vec<_>, _>>()?;
        let raw = if self.batches {
            self.inner.embed(&heads, None).map_err(|why| why.to_string())?
        } else {
            // A dynamically quantised model scales over its whole batch, so each text is a batch of its own.
            let mut raw = Vec::with_capacity(heads.len());
            for head in &heads {
                raw.extend(self.inner.embed([head], None).map_err(|why| why.to_string())?);
            }
            raw
        };
        raw.into_iter()
            .zip(unseen)
            .map(|(raw, unseen)| {
                let vector = Vector::normalised(raw).map_err(|why| why.to_string())?;
                Ok(Embedding { vector, unseen })
            })
            .collect()
    }

    fn batches(&self) -> bool {
        self.batches
    }
}

/// A loaded cross-encoder on one session of the runtime.
pub(super) struct OnnxReranker {
    inner: TextRerank,
    symmetric: bool,
}

impl OnnxReranker {
    /// Makes a session that uses up to `cores` cores.
    ///
    /// # Errors
    /// When the runtime or the tokenizer refuses the model's files.
    pub(super) fn load(recipe: &RerankRecipe, cores: usize) -> Result<Self, OpenError> {
        let (graph, symmetric) = match &recipe.graph {
            PairGraph::File(path) => (OnnxSource::File(path.clone()), false),
            PairGraph::Verifier(graph) => (OnnxSource::Memory(graph.to_vec()), true),
        };
        let model = UserDefinedRerankingModel::new(graph, files(&recipe.tokens));
        let options = RerankInitOptionsUserDefined::new()
            .with_max_length(recipe.window)
            .with_intra_threads(cores)
            .with_session_config(NO_SPINNING.0, NO_SPINNING.1);
        let inner = TextRerank::try_new_from_user_defined(model, options)
            .map_err(|why| OpenError::Model { model: recipe.name.clone(), why: why.to_string() })?;
        Ok(Self { inner, symmetric })
    }
}

impl PairModel for OnnxReranker {
    fn logit(&mut self, text: &str, other: &str) -> Result<f32, String> {
        let found = self.inner.rerank(text, [other], false, None).map_err(|why| why.to_string())?;
        found.first().map(|result| result.score).ok_or_else(|| "it lost a pair".to_owned())
    }

    fn sees(&self, text: &str, other: &str) -> Result<bool, String> {
        let encoding = self.inner.tokenizer.encode((text, other), true).map_err(|why| why.to_string())?;
        Ok(encoding.get_overflowing().is_empty())
    }

    fn is_symmetric(&self) -> bool {
        self.symmetric
    }
}

/// One of fastembed's models, as its catalogue describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The repository on the model hub, such as `BAAI/bge-small-en-v1.5`.
    pub(super) repository: String,
    /// The ONNX file in it.
    pub(super) file: String,
    /// Further files that belong to it.
    pub(super) additional: Vec<String>,
    /// How token vectors become one.
    pub(super) pooling: Pooling,
    /// Which of the graph's outputs is meant, where it is not plain.
    pub(super) output: Option<&'static str>,
    /// Whether texts may share a batch without changing each other's vectors.
    pub(super) batches: bool,
}

/// Finds a model in fastembed's catalogue by its hub name (`BAAI/bge-small-en-v1.5`), the last part of it, or
/// fastembed's own name for it (`BGESmallENV15`), whatever the case. Where several files of one repository are
/// listed, its hub name means the unquantised one.
pub(super) fn listed(name: &str) -> Option<Listed> {
    let models = TextEmbedding::list_supported_models();
    let own = |model: &EmbeddingModel| format!("{model:?}").eq_ignore_ascii_case(name);
    let hub = |code: &str| {
        code.eq_ignore_ascii_case(name) || code.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name))
    };
    let info =
        models.iter().find(|info| own(&info.model)).or_else(|| models.iter().find(|info| hub(&info.model_code)))?;
    let pooling = match TextEmbedding::get_default_pooling_method(&info.model) {
        Some(fastembed::Pooling::Mean) => Pooling::Mean,
        Some(fastembed::Pooling::Cls) | None => Pooling::Cls,
    };
    Some(Listed {
        repository: info.model_code.clone(),
        file: info.model_file.clone(),
        additional: info.additional_files.clone(),
        pooling,
        output: match info.output_key {
            Some(OutputKey::ByName(name)) => Some(name),
            _ => None,
        },
        batches: TextEmbedding::get_quantization_mode(&info.model) != QuantizationMode::Dynamic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_model_is_found_by_any_of_its_names() {
        let by_hub = listed("BAAI/bge-m3").unwrap();
        assert_eq!(by_hub.pooling, Pooling::Cls);
        assert!(by_hub.additional.contains(&"onnx/model.onnx_data".to_owned()));
        assert_eq!(listed("bge-m3"), Some(by_hub.clone()));
        assert_eq!(listed("bgem3"), Some(by_hub));
        assert_eq!(listed("no-such-model"), None);
    }

    #[test]
    fn dynamically_quantised_models_are_never_batched() {
        assert!(!listed("AllMiniLML12V2Q").unwrap().batches);
        assert!(listed("AllMiniLML12V2").unwrap().batches);
    }
}
