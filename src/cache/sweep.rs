//! Expired entries leave.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::engine::Engine;
use crate::domain::Lifetimes;
use crate::store::StoreError;

/// How often the sweep looks for expired entries.
const EVERY: Duration = Duration::from_secs(30);

impl Engine {
    /// Notes how long past expiry a route lets answers be served.
    pub(super) fn note_windows(&self, lifetimes: Lifetimes) {
        let longest = lifetimes.stale_while_revalidate.max(lifetimes.stale_if_error).unwrap_or_default();
        if longest > self.longest_window() {
            let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
            self.longest_window.fetch_max(millis, Ordering::Relaxed);
        }
    }

    fn longest_window(&self) -> Duration {
        Duration::from_millis(self.longest_window.load(Ordering::Relaxed))
    }

    pub(super) fn start_sweeping(self: &Arc<Self>) {
        /// Sweeps between two notes of how often entries were served.
        const SELDOM: u32 = 10;
        let engine = self.clone();
        self.tasks.spawn(async move {
            let mut sweeps = 0_u32;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = engine.stop.cancelled() => return,
                }
                if let Err(fault) = engine.sweep().await {
                    tracing::warn!(%fault, "expired entries could not be removed");
                }
                sweeps = sweeps.wrapping_add(1);
                if sweeps.is_multiple_of(SELDOM)
                    && let Err(fault) = engine.keep_popularity().await
                {
                    tracing::warn!(%fault, "how often entries were served could not be noted");
                }
                if let Err(fault) = engine.present.keep().await {
                    tracing::warn!(%fault, "the time could not be noted");
                }
            }
        });
    }

    /// Takes out the entries that nobody can be served any more. Returns how many went.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        // Few at a time, so that fillings never wait long.
        const BATCH: usize = 1024;
        let settings = self.settings.load_full();
        let rules = &settings.freshness;
        let lingering = settings
            .linger
            .0
            .max(rules.stale_while_revalidate.0)
            .max(rules.stale_if_error.0)
            .max(self.longest_window());
        let mut swept = 0;
        loop {
            let changing = self.shelf.change().await;
            let now = self.now();
            let lapsed = self
                .shelf
                .catalog()
                .page(None, BATCH, |facts| facts.is_lapsed() || facts.expires.plus(lingering) <= now);
            if lapsed.is_empty() {
                self.shelf.catalog().prune();
                return Ok(swept);
            }
            let ids: Vec<_> = lapsed.iter().map(|facts| facts.id).collect();
            changing.remove(&ids).await?;
            swept += ids.len();
        }
    }
}
