//! Getting the embedder and the reranker to the engine, while the server already runs if it must be fetched first.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Engine;
use crate::embed::{self, OpenError, Progress, Settings, rerank};

/// Brings the embedder, and says how that is going.
#[derive(Debug, Clone)]
pub(super) struct Bringer {
    engine: Arc<Engine>,
    standing: Arc<RwLock<Standing>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What can be said of the embedder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The configuration wants none.
    Unwanted,
    /// It is being fetched or loaded.
    Starting,
    /// It works, in this space.
    Ready(String),
    /// It cannot be had; matching is by equality only.
    Missing(String),
}

impl Bringer {
    pub(super) fn new(engine: Arc<Engine>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { engine, standing: Arc::new(RwLock::new(Standing::Unwanted)), tasks, stop }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.read().clone()
    }

    /// Opens the embedder and hands it to the engine, unless one is there or on its way. What lies ready is loaded
    /// before this returns, so that the first request already finds both tiers; what must be fetched comes later, in
    /// the background.
    pub(super) async fn bring(&self, settings: &Settings) {
        {
            let mut standing = self.standing.write();
            if matches!(*standing, Standing::Starting | Standing::Ready(_)) {
                return;
            }
            *standing = Standing::Starting;
        }
        let here = Settings { offline: true, ..settings.clone() };
        let outcome = embed::open(&here, Progress::Logged).await;
        if settings.offline || !matches!(outcome, Err(OpenError::Missing { .. })) {
            return self.settle(outcome);
        }
        tracing::info!("fetching the embedder's parts; until they are here, matching is by equality only");
        let (bringer, settings) = (self.clone(), settings.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                outcome = embed::open(&settings, Progress::Logged) => bringer.settle(outcome),
                () = bringer.stop.cancelled() => {}
            }
        });
    }

    /// Opens the reranker, if there is to be one, and hands it to the engine, in the same way.
    pub(super) async fn bring_reranker(&self, settings: &rerank::Settings, embed: &Settings) {
        let here = Settings { offline: true, ..embed.clone() };
        let outcome = embed::open_reranker(settings, &here).await;
        if embed.offline || !matches!(outcome, Err(OpenError::Missing { .. })) {
            return self.settle_reranker(outcome);
        }
        let (bringer, settings, embed) = (self.clone(), settings.clone(), embed.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                outcome = embed::open_reranker(&settings, &embed) => bringer.settle_reranker(outcome),
                () = bringer.stop.cancelled() => {}
            }
        });
    }

    fn settle_reranker(&self, outcome: Result<Option<Arc<dyn embed::Reranker>>, OpenError>) {
        let reranker = outcome.unwrap_or_else(|error| {
            tracing::warn!(%error, "there is no reranker: what the rules leave in doubt is forwarded");
            None
        });
        self.engine.set_reranker(reranker);
    }

    fn settle(&self, outcome: Result<Arc<dyn embed::Embedder>, OpenError>) {
        *self.standing.write() = match outcome {
            Ok(embedder) => {
                let space = embedder.space().id.0.to_string();
                self.engine.set_embedder(Some(embedder));
                Standing::Ready(space)
            }
            Err(error) => {
                tracing::warn!(%error, "there is no embedder: matching is by equality only");
                Standing::Missing(error.to_string())
            }
        };
    }
}
