//! After a start: catalog and index are rebuilt from the store in the background. Meanwhile exact matches are read
//! from the store itself, and what is loaded already is found by meaning.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::engine::Engine;
use super::shelf::Shelf;
use crate::store::StoreError;

/// How far the rebuilding is.
#[derive(Debug)]
pub(super) struct Warmth {
    loaded: AtomicU64,
    done: watch::Sender<bool>,
}

impl Default for Warmth {
    fn default() -> Self {
        Self { loaded: AtomicU64::new(0), done: watch::Sender::new(false) }
    }
}

impl Warmth {
    /// Entries loaded so far.
    pub(super) fn loaded(&self) -> u64 {
        self.loaded.load(Ordering::Relaxed)
    }

    /// Whether everything the store holds is in catalog and index.
    pub(super) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Waits until it is.
    pub(super) async fn done(&self) {
        // The sender lives in `self`, so it cannot be gone.
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }
}

impl Engine {
    pub(super) fn start_warming(self: &Arc<Self>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let stop = engine.stop.clone();
            tokio::select! {
                () = engine.warm_up() => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn warm_up(&self) {
        const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
        while let Err(fault) = load_all(&self.shelf, &self.warmth).await {
            tracing::warn!(%fault, "the store could not be read whole; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        tracing::info!(entries = self.warmth.loaded(), "catalog and index are rebuilt");
        self.shelf.catalog().complete();
        self.warmth.done.send_replace(true);
    }
}

async fn load_all(shelf: &Shelf, warmth: &Warmth) -> Result<(), StoreError> {
    // Small enough that a filling never waits long for its turn.
    const PAGE: usize = 256;
    let mut after = None;
    warmth.loaded.store(0, Ordering::Relaxed);
    loop {
        let page = shelf.change().await.load(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id());
        warmth.loaded.fetch_add(page.len() as u64, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}
