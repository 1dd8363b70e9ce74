//! All that is needed to load one model, read from a folder; and the [`Space`] its vectors live in.
//!
//! A folder holds either an ONNX model (`model.onnx`, or in `onnx/`) or a BERT model in safetensors
//! (`model.safetensors`, `config.json`), with the tokenizer's files beside it, as the model hub and
//! sentence-transformers lay them out.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::export::Kind;
use super::exported;
use super::onnx::Listed;
use super::{OpenError, Precision, Space};
use crate::domain::SpaceId;

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean, padding left out.
    Mean,
    /// The first token's.
    Cls,
}

/// A model's window where its folder does not say: what BERT was trained with.
const DEFAULT_WINDOW: usize = 512;

/// A model, ready to load.
#[derive(Debug)]
pub(super) struct Recipe {
    /// For people.
    pub(super) name: String,
    /// The ONNX file.
    pub(super) graph: Bytes,
    /// Weights that the ONNX file refers to by file name.
    pub(super) external: Vec<(String, Vec<u8>)>,
    /// The tokenizer's files.
    pub(super) tokens: TokenFiles,
    /// How token vectors become one.
    pub(super) pooling: Pooling,
    /// The output meant, where it is not plain.
    pub(super) output: Option<&'static str>,
    /// Tokens the model sees, special ones included.
    pub(super) window: usize,
    /// Whether texts may share a batch.
    pub(super) batches: bool,
    /// Identity of the weights and of their arithmetic.
    weights: String,
}

impl Recipe {
    /// Reads a folder. `exports` is where models made from safetensors are kept; `listed` tells what fastembed
    /// knows about the model, where it knows it; `weights` is the SHA-256 of `model.safetensors`, where somebody has
    /// just found it.
    ///
    /// # Errors
    /// When the folder is no model, or one that cannot be exported.
    pub(super) fn read(
        name: &str,
        folder: &Path,
        precision: Precision,
        exports: &Path,
        listed: Option<&Listed>,
        weights: Option<&str>,
    ) -> Result<Self, OpenError> {
        let folder = Folder { name, path: folder };
        let tokens = TokenFiles::read(&folder)?;
        let pooling = match listed {
            Some(listed) => listed.pooling,
            None => folder.pooling()?,
        };
        let window = folder.window(&tokens.config)?;

        let found = folder.onnx(precision, listed);
        let (graph, external, weights, batches) = match found {
            Some(file) => {
                let graph = folder.required(&file)?;
                let external = folder.external(&file, listed)?;
                let mut parts = vec![graph.as_slice()];
                parts.extend(external.iter().map(|(_, data)| data.as_slice()));
                // A quantised file of unknown making may be dynamic: only what is surely not is batched.
                let batches = listed.map_or(!file.contains("int8") && !file.contains("quant"), |known| known.batches);
                let weights = format!("onnx:{}", exported::sha256_of(&parts));
                (Bytes::from(graph), external, weights, batches)
            }
            None => {
                let source = folder.path.join("model.safetensors");
                let export = exported::bert(Kind::Encoder, &tokens.config, &source, weights, precision, exports)
                    .map_err(|why| folder.unusable(&why.to_string()))?;
                let weights = format!("bert:{}:{}", export.source, precision.as_str());
                (export.graph, Vec::new(), weights, precision == Precision::Fp32)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            graph,
            external,
            tokens,
            pooling,
            output: listed.and_then(|known| known.output),
            window,
            batches,
            weights,
        })
    }

    /// The space of this model's vectors. Its id is a hash over whatever decides a vector: weights, arithmetic,
    /// tokenizer, pooling, window and dimension.
    pub(super) fn space(&self, dimension: usize, window: usize) -> Space {
        let Self { name, tokens, pooling, output, weights, .. } = self;
        let TokenFiles { tokenizer, special_tokens, tokenizer_config, config: _ } = tokens;
        let pooling = match pooling {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
        };
        let output = output.unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        let sizes = format!("{dimension}:{window}");
        let fields =
            [weights.as_bytes(), tokenizer, special_tokens, tokenizer_config, pooling.as_bytes(), output.as_bytes()];
        for field in fields.into_iter().chain([sizes.as_bytes()]) {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        let id = format!("{pooling}-{dimension}-{}", &hasher.finalize().to_hex()[..16]);
        Space { id: SpaceId(id.into()), model: name.clone(), dimension, max_tokens: window }
    }
}

/// A reranker, ready to load.
#[derive(Debug)]
pub(super) struct RerankRecipe {
    /// For people.
    pub(super) name: String,
    /// The model.
    pub(super) graph: PairGraph,
    /// The tokenizer's files.
    pub(super) tokens: TokenFiles,
    /// Tokens the model sees, of both texts together, special ones included.
    pub(super) window: usize,
}

/// The ONNX form of a model that reads pairs.
#[derive(Debug)]
pub(super) enum PairGraph {
    /// A file; weights it refers to lie beside it. Which text comes first may make a difference.
    File(PathBuf),
    /// The verifier, to which it makes none.
    Verifier(Bytes),
}

impl RerankRecipe {
    /// The verifier, upon the default model in this folder, of which `weights` is the SHA-256. Always in eight bits, which
    /// its head has learned to read.
    ///
    /// # Errors
    /// When the folder is not what it should be.
    pub(super) fn verifier(folder: &Path, exports: &Path, weights: &str) -> Result<Self, OpenError> {
        let name = "the built-in verifier".to_owned();
        let folder = Folder { name: &name, path: folder };
        let tokens = TokenFiles::read(&folder)?;
        let source = folder.path.join("model.safetensors");
        let export = exported::bert(Kind::Verifier, &tokens.config, &source, Some(weights), Precision::Int8, exports)
            .map_err(|why| folder.unusable(&why.to_string()))?;
        let window = folder.window(&tokens.config)?;
        Ok(Self { graph: PairGraph::Verifier(export.graph), window, tokens, name })
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// When the folder holds no ONNX model with a tokenizer.
    pub(super) fn read(folder: &Path) -> Result<Self, OpenError> {
        let name = folder.display().to_string();
        let folder = Folder { name: &name, path: folder };
        let tokens = TokenFiles::read(&folder)?;
        let Some(file) = folder.onnx(Precision::Fp32, None).or_else(|| folder.onnx(Precision::Int8, None)) else {
            return Err(folder.unusable("a reranker is an ONNX file: model.onnx, or onnx/model.onnx"));
        };
        let window = folder.window(&tokens.config)?;
        Ok(Self { graph: PairGraph::File(folder.path.join(file)), window, tokens, name })
    }
}

/// The files that say how text becomes tokens.
#[derive(Debug, Clone)]
pub(super) struct TokenFiles {
    /// `tokenizer.json`.
    pub(super) tokenizer: Vec<u8>,
    /// `config.json`.
    pub(super) config: Vec<u8>,
    /// `special_tokens_map.json`.
    pub(super) special_tokens: Vec<u8>,
    /// `tokenizer_config.json`.
    pub(super) tokenizer_config: Vec<u8>,
}

impl TokenFiles {
    fn read(folder: &Folder<'_>) -> Result<Self, OpenError> {
        let config = folder.required("config.json")?;
        let tokenizer = folder.required("tokenizer.json")?;
        let tokenizer_config = folder.tokenizer_config(&tokenizer)?;
        let special_tokens = folder.optional("special_tokens_map.json")?.unwrap_or_else(|| b"{}".to_vec());
        Ok(Self { tokenizer, config, special_tokens, tokenizer_config })
    }
}

/// A folder with a model in it.
struct Folder<'a> {
    name: &'a str,
    path: &'a Path,
}

impl Folder<'_> {
    fn unusable(&self, why: &str) -> OpenError {
        OpenError::Model { model: self.name.to_owned(), why: why.to_owned() }
    }

    fn required(&self, file: &str) -> Result<Vec<u8>, OpenError> {
        let path = self.path.join(file);
        fs::read(&path).map_err(|why| self.unusable(&format!("{}: {why}", path.display())))
    }

    fn optional(&self, file: &str) -> Result<Option<Vec<u8>>, OpenError> {
        if self.path.join(file).is_file() { self.required(file).map(Some) } else { Ok(None) }
    }

    fn json(&self, file: &str) -> Result<Option<Value>, OpenError> {
        let parse = |raw: Vec<u8>| {
            serde_json::from_slice(&raw).map_err(|why| self.unusable(&format!("{file} is no JSON: {why}")))
        };
        self.optional(file)?.map(parse).transpose()
    }

    /// The ONNX file: the one fastembed lists, or the one of the usual names that suits the precision.
    fn onnx(&self, precision: Precision, listed: Option<&Listed>) -> Option<String> {
        let usual: &[&str] = match precision {
            Precision::Fp32 => &["model.onnx", "onnx/model.onnx"],
            Precision::Int8 => &[
                "model_quantized.onnx",
                "onnx/model_quantized.onnx",
                "model_int8.onnx",
                "onnx/model_int8.onnx",
                "model_qint8.onnx",
            ],
        };
        let names = listed.map(|known| known.file.as_str()).into_iter().chain(usual.iter().copied());
        let exact = names.into_iter().find(|name| self.path.join(name).is_file());
        // A folder with one ONNX model and no safetensors has one way to be used, whatever precision was asked for.
        let any = || {
            let rest = ["model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx"];
            let exportable = self.path.join("model.safetensors").is_file();
            rest.into_iter().find(|name| !exportable && self.path.join(name).is_file())
        };
        exact.or_else(any).map(str::to_owned)
    }

    /// Weights outside the ONNX file: those fastembed lists, or `<file>_data` and `<file>.data`.
    fn external(&self, file: &str, listed: Option<&Listed>) -> Result<Vec<(String, Vec<u8>)>, OpenError> {
        let usual = [format!("{file}_data"), format!("{file}.data")];
        let names: Vec<&str> = match listed {
            Some(known) => known.additional.iter().map(String::as_str).collect(),
            None => usual.iter().map(String::as_str).filter(|name| self.path.join(name).is_file()).collect(),
        };
        let own = |name: &str| Path::new(name).file_name().map_or_else(PathBuf::new, PathBuf::from);
        names.into_iter().map(|name| Ok((own(name).to_string_lossy().into_owned(), self.required(name)?))).collect()
    }

    /// `tokenizer_config.json`, or what fastembed wants to know of it: the name of the padding token.
    fn tokenizer_config(&self, tokenizer: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut config = self.json("tokenizer_config.json")?.unwrap_or_else(|| serde_json::json!({}));
        let has_pad = config["pad_token"].is_string() || config["pad_token"]["content"].is_string();
        if has_pad && config["model_max_length"].is_number() {
            return self.required("tokenizer_config.json");
        }
        if !has_pad {
            let tokenizer: Value =
                serde_json::from_slice(tokenizer).map_err(|why| self.unusable(&format!("tokenizer.json: {why}")))?;
            let pad = tokenizer["padding"]["pad_token"].as_str().unwrap_or("[PAD]");
            config["pad_token"] = pad.into();
        }
        if !config["model_max_length"].is_number() {
            config["model_max_length"] = DEFAULT_WINDOW.into();
        }
        Ok(config.to_string().into_bytes())
    }

    /// What sentence-transformers says about pooling; the mean where it says nothing.
    fn pooling(&self) -> Result<Pooling, OpenError> {
        if let Some(modules) = self.json("modules.json")? {
            let kinds = modules.as_array().into_iter().flatten().filter_map(|module| module["type"].as_str());
            let known = ["Transformer", "Pooling", "Normalize"];
            if let Some(other) = kinds.filter_map(|kind| kind.rsplit('.').next()).find(|kind| !known.contains(kind)) {
                return Err(self.unusable(&format!("modules.json adds a {other} layer, which dejavu cannot apply")));
            }
        }
        let Some(config) = self.json("1_Pooling/config.json")? else { return Ok(Pooling::Mean) };
        let on = |mode: &str| config[format!("pooling_mode_{mode}")].as_bool().unwrap_or(false);
        match (on("mean_tokens"), on("cls_token"), on("max_tokens") || on("mean_sqrt_len_tokens")) {
            (true, false, false) => Ok(Pooling::Mean),
            (false, true, false) => Ok(Pooling::Cls),
            _ => Err(self.unusable("1_Pooling/config.json asks for a pooling other than mean or cls")),
        }
    }

    /// The tokens a model sees: what sentence-transformers says, no more than there are positions.
    fn window(&self, config: &[u8]) -> Result<usize, OpenError> {
        let config: Value =
            serde_json::from_slice(config).map_err(|why| self.unusable(&format!("config.json: {why}")))?;
        let positions = config["max_position_embeddings"].as_u64();
        let said = self.json("sentence_bert_config.json")?.and_then(|said| said["max_seq_length"].as_u64());
        let window = said.into_iter().chain(positions).min().map_or(DEFAULT_WINDOW, |tokens| tokens as usize);
        Ok(window.max(8))
    }
}
