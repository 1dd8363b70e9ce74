//! Embedding a prompt once, however many requests ask for it at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use futures_util::future::{try_join, try_join_all};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::domain::{Cause, Embedded, Seen};
use crate::embed::{EmbedError, Embedder, Embedding};

type Pending = OnceCell<Result<Embedded, Cause>>;

/// The embedder, which may come late and be exchanged, and what it is working on.
#[derive(Debug, Default)]
pub(super) struct Embeddings {
    embedder: ArcSwap<Option<Arc<dyn Embedder>>>,
    pending: Mutex<HashMap<Arc<str>, Weak<Pending>>>,
}

impl Embeddings {
    /// Prompts pending beyond which abandoned ones are looked for.
    const MOST: usize = 1024;

    pub(super) fn set(&self, embedder: Option<Arc<dyn Embedder>>) {
        self.embedder.store(Arc::new(embedder));
    }

    pub(super) fn embedder(&self) -> Option<Arc<dyn Embedder>> {
        Option::clone(&self.embedder.load())
    }

    /// Whether this is the embedder now.
    pub(super) fn is(&self, embedder: &Arc<dyn Embedder>) -> bool {
        self.embedder.load().as_ref().as_ref().is_some_and(|now| Arc::ptr_eq(now, embedder))
    }

    /// The prompt as the embedder sees it.
    ///
    /// # Errors
    /// Why there is no embedding.
    pub(super) async fn embed(&self, prompt: &Arc<str>) -> Result<Embedded, Cause> {
        let Some(embedder) = self.embedder() else { return Err(Cause::NoEmbedder) };
        let pending = self.pending(prompt);
        let embedded = pending.get_or_init(async || told(&*embedder, embedder.embed(prompt).await)).await.clone();
        drop(pending);
        let mut all = self.pending.lock();
        if all.get(prompt).is_some_and(|cell| cell.strong_count() == 0) {
            all.remove(prompt);
        }
        embedded
    }

    /// The prompt as the embedder sees it, and with it the questions asked before it.
    ///
    /// # Errors
    /// Why there is no embedding of one of them.
    pub(super) async fn embed_all(&self, prompt: &Arc<str>, earlier: &[Arc<str>]) -> Result<Embedded, Cause> {
        let last = self.embed(prompt);
        let (last, earlier) = try_join(last, try_join_all(earlier.iter().map(|text| self.embed(text)))).await?;
        Ok(together(last, earlier))
    }

    fn pending(&self, prompt: &Arc<str>) -> Arc<Pending> {
        let mut all = self.pending.lock();
        if let Some(cell) = all.get(prompt).and_then(Weak::upgrade) {
            return cell;
        }
        if all.len() >= Self::MOST {
            // Those whose requests all left before the embedder answered.
            all.retain(|_, cell| cell.strong_count() > 0);
        }
        let cell = Arc::<Pending>::default();
        all.insert(prompt.clone(), Arc::downgrade(&cell));
        cell
    }
}

/// A prompt's embedding with those of the questions asked before it. An embedder exchanged in between leaves those of
/// another space without a use, so they are dropped.
pub(super) fn together(last: Embedded, earlier: Vec<Embedded>) -> Embedded {
    let same = earlier.iter().all(|seen| seen.space == last.space);
    let seen = |Embedded { vector, unseen, .. }| Seen { vector, unseen };
    let earlier = earlier.into_iter().filter(|_| same).map(seen).collect();
    Embedded { earlier, ..last }
}

/// A text that no request waits for, as an embedder sees it.
///
/// # Errors
/// Why there is no embedding.
pub(super) async fn aside(embedder: &dyn Embedder, text: &str) -> Result<Embedded, Cause> {
    told(embedder, embedder.embed_aside(text).await)
}

fn told(embedder: &dyn Embedder, outcome: Result<Embedding, EmbedError>) -> Result<Embedded, Cause> {
    match outcome {
        Ok(Embedding { vector, unseen }) => {
            Ok(Embedded { vector, space: embedder.space().id.clone(), unseen, earlier: Vec::new() })
        }
        Err(EmbedError::Busy) => Err(Cause::EmbedBusy),
        Err(EmbedError::Timeout) => Err(Cause::EmbedTimeout),
        Err(EmbedError::Fault(fault)) => {
            tracing::warn!(%fault, "the embedder failed");
            Err(Cause::EmbedFault)
        }
    }
}
