//! Getting the embedder to the engine, while the server already runs if it must be fetched first.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio_util::task::TaskTracker;

use crate::cache::Engine;
use crate::embed::{self, OpenError, Progress, Settings};

/// How the embedder is doing, for `/readyz`.
#[derive(Debug, Clone, Default)]
pub(super) struct Status(Arc<RwLock<Standing>>);

/// What can be said of the embedder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// The configuration wants none.
    #[default]
    Unwanted,
    /// It is being fetched or loaded.
    Starting,
    /// It works, in this space.
    Ready(String),
    /// It cannot be had; matching is by equality only.
    Missing(String),
}

impl Status {
    pub(super) fn get(&self) -> Standing {
        self.0.read().clone()
    }

    fn set(&self, standing: Standing) {
        *self.0.write() = standing;
    }
}

/// Opens the embedder and hands it to the engine. What lies ready is loaded before this returns, so that the first
/// request already finds both tiers; what must be fetched comes later, in the background.
pub(super) async fn provide(settings: &Settings, engine: &Arc<Engine>, status: &Status, tasks: &TaskTracker) {
    status.set(Standing::Starting);
    let here = Settings { offline: true, ..settings.clone() };
    let outcome = embed::open(&here, Progress::Logged).await;
    if settings.offline || !matches!(outcome, Err(OpenError::Missing { .. })) {
        return settle(outcome, engine, status);
    }
    tracing::info!("fetching ONNX Runtime and the embedding model; until they are here, matching is by equality only");
    let (settings, engine, status) = (settings.clone(), engine.clone(), status.clone());
    tasks.spawn(async move {
        let outcome = embed::open(&settings, Progress::Logged).await;
        settle(outcome, &engine, &status);
    });
}

fn settle(outcome: Result<Arc<dyn embed::Embedder>, OpenError>, engine: &Arc<Engine>, status: &Status) {
    match outcome {
        Ok(embedder) => {
            status.set(Standing::Ready(embedder.space().id.0.to_string()));
            engine.set_embedder(Some(embedder));
        }
        Err(error) => {
            tracing::warn!(%error, "there is no embedder: matching is by equality only");
            status.set(Standing::Missing(error.to_string()));
        }
    }
}
