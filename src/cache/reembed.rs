//! Another embedder: what is kept is embedded anew, in the background, while exact matches go on. Entries kept while
//! there was no embedder get their place then, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::embedding::{aside, together};
use super::engine::Engine;
use super::facts::Facts;
use crate::domain::{Cause, Embedded, Entry, Placement, Wider};
use crate::embed::Embedder;
use crate::store::StoreError;

/// How many entries the present embedder has still to see.
#[derive(Debug, Default)]
pub(super) struct Backlog(AtomicU64);

impl Engine {
    /// Puts an embedder in place of any, or takes it away. What it has not seen is embedded in the background.
    pub fn set_embedder(self: &Arc<Self>, embedder: Option<Arc<dyn Embedder>>) {
        self.embeddings.set(embedder.clone());
        let Some(embedder) = embedder else { return };
        let engine = self.clone();
        self.tasks.spawn(async move {
            let stop = engine.stop.clone();
            tokio::select! {
                () = engine.embed_all(embedder) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    pub(super) fn to_embed(&self) -> u64 {
        self.backlog.0.load(Ordering::Relaxed)
    }

    async fn embed_all(&self, embedder: Arc<dyn Embedder>) {
        self.warmth.done().await;
        let space = embedder.space().id.clone();
        let unseen = self.shelf.catalog().select(|facts| facts.lacks(&space));
        if unseen.is_empty() {
            return;
        }
        tracing::info!(entries = unseen.len(), space = %space.0, "embedding what is kept anew");
        self.backlog.0.store(unseen.len() as u64, Ordering::Relaxed);
        /// Entries between two words about how far it is.
        const OFTEN: u64 = 1000;
        let mut failed = 0_u64;
        for facts in unseen {
            if !self.embeddings.is(&embedder) {
                // Another one took its place, and does the work.
                return;
            }
            if let Err(fault) = self.embed_one(&facts, &*embedder).await {
                tracing::warn!(%fault, "an entry could not be embedded anew");
                failed += 1;
            }
            let left = self.backlog.0.fetch_sub(1, Ordering::Relaxed) - 1;
            if left > 0 && left.is_multiple_of(OFTEN) {
                tracing::info!(left, "embedding what is kept anew");
            }
        }
        tracing::info!(failed, "everything kept is embedded anew");
    }

    async fn embed_one(&self, facts: &Arc<Facts>, embedder: &dyn Embedder) -> Result<(), StoreError> {
        let Some(entry) = self.shelf.read(facts.id).await? else { return Ok(()) };
        let Some(placement) = &entry.placement else { return Ok(()) };
        let embedded = match embed_whole(embedder, &entry.prompt, placement.wider.as_ref()).await {
            Ok(embedded) => embedded,
            Err(cause) => return Err(StoreError::Engine(cause.as_str().to_owned())),
        };
        let placement = Some(Placement { embedded: Some(embedded), ..placement.clone() });
        let changing = self.shelf.change().await;
        // It may have been replaced or purged meanwhile.
        if facts.is_gone() {
            return Ok(());
        }
        changing.keep(Arc::new(Entry { placement, ..Entry::clone(&entry) })).await.map(|_| ())
    }

    /// Embeds an entry whose prompt could not be embedded in time.
    pub(super) fn embed_later(self: &Arc<Self>, facts: Arc<Facts>) {
        let Some(embedder) = self.embeddings.embedder() else { return };
        let engine = self.clone();
        self.tasks.spawn(async move {
            let late = async {
                if let Err(fault) = engine.embed_one(&facts, &*embedder).await {
                    tracing::debug!(%fault, "an entry could not be embedded; it is found by equality only");
                }
            };
            tokio::select! {
                () = late => {}
                () = engine.stop.cancelled() => {}
            }
        });
    }
}

async fn embed_whole(embedder: &dyn Embedder, prompt: &str, wider: Option<&Wider>) -> Result<Embedded, Cause> {
    let last = patiently(embedder, prompt).await?;
    let mut earlier = Vec::new();
    for question in wider.iter().flat_map(|wider| &wider.questions) {
        earlier.push(patiently(embedder, question).await?);
    }
    Ok(together(last, earlier))
}

/// Requests go first: while the embedder is busy with them, this waits.
async fn patiently(embedder: &dyn Embedder, prompt: &str) -> Result<Embedded, Cause> {
    const TRIES: u32 = 8;
    let mut pause = Duration::from_millis(50);
    for _ in 0..TRIES {
        match aside(embedder, prompt).await {
            Err(Cause::EmbedBusy | Cause::EmbedTimeout) => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause = pause.saturating_mul(2);
    }
    Err(Cause::EmbedBusy)
}
