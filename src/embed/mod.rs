//! Turning text into vectors.
//!
//! The door: [`Embedder`], what every embedder is, [`Space`], which says whose vectors may be compared, and
//! [`open()`], which brings the runtime and the model here and starts them. [`Reranker`] is the other kind of model:
//! it reads two texts together.

mod export;
mod exported;
mod onnx;
mod open;
mod provision;
mod recent;
mod recipe;
pub mod rerank;
mod settings;
mod worker;

use async_trait::async_trait;

use crate::domain::{Digest, SpaceId, Vector};

pub use open::{OpenError, Provisioned, open, open_reranker, provision};
pub use provision::Progress;
pub use rerank::Reranker;
pub use settings::{Precision, Settings};

/// A text's place in a [`Space`].
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Unit length, of the space's dimension.
    pub vector: Vector,
    /// Digest of the text beyond the model's window, which the vector knows nothing of; `None` when all was seen.
    pub unseen: Option<Digest>,
}

/// What makes vectors comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Model file hash, tokenizer hash, pooling, precision and dimension, in one printable word.
    pub id: SpaceId,
    /// The model's name, for people.
    pub model: String,
    /// Number of components of each vector.
    pub dimension: usize,
    /// The model's window, in tokens, special tokens included.
    pub max_tokens: usize,
}

/// Why there is no vector. Each means: forward the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The queue is full.
    #[error("the embedder's queue is full")]
    Busy,
    /// The deadline passed first.
    #[error("the embedder did not answer in time")]
    Timeout,
    /// The model failed on this text, or its thread is gone.
    #[error("the embedder failed: {0}")]
    Fault(String),
}

/// Turns texts into vectors of one space.
#[async_trait]
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// Embeds one text, within the embedder's own deadline.
    ///
    /// # Errors
    /// When the queue is full, the deadline passes, or the model fails.
    async fn embed(&self, text: &str) -> Result<Embedding, EmbedError>;

    /// Embeds a text that no request waits for, with what the machine has left. By default as any other.
    ///
    /// # Errors
    /// As [`Embedder::embed`], after a longer wait.
    async fn embed_aside(&self, text: &str) -> Result<Embedding, EmbedError> {
        self.embed(text).await
    }

    /// The space of every vector it returns.
    fn space(&self) -> &Space;
}
