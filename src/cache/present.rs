//! The present, which never goes back over what has expired.
//!
//! A clock that is set back a little stands still until the time it had shown comes again. Set back further, it is
//! believed, but what had expired by the later time stays expired: [`Engine::now`](super::Engine) has the catalog
//! note it. The latest time seen is kept in the ledger, so that a restart forgets nothing of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::engine::Engine;
use crate::domain::{Clock, Timestamp};
use crate::store::{Ledger, StoreError};

/// A clock, and the latest time it has shown.
#[derive(Debug)]
pub(super) struct Present {
    clock: Arc<dyn Clock>,
    latest: AtomicU64,
    ledger: Arc<dyn Ledger>,
}

const RECORD: &str = "latest-time";

impl Present {
    /// A step back of at most this much is waited out.
    const HOLD: Duration = Duration::from_secs(5);

    pub(super) async fn open(clock: Arc<dyn Clock>, ledger: Arc<dyn Ledger>) -> Self {
        let record = ledger.read(RECORD).await.ok().flatten();
        let latest = record.and_then(|record| record.try_into().ok()).map_or(0, u64::from_le_bytes);
        Self { clock, latest: AtomicU64::new(latest), ledger }
    }

    /// The present instant; and, once after the clock was set back, the time from which it was.
    fn now(&self) -> (Timestamp, Option<Timestamp>) {
        let shown = self.clock.now();
        let latest = Timestamp(self.latest.fetch_max(shown.0, Ordering::SeqCst));
        if shown >= latest {
            return (shown, None);
        }
        if latest.since(shown) <= Self::HOLD {
            return (latest, None);
        }
        let noticed = self.latest.compare_exchange(latest.0, shown.0, Ordering::SeqCst, Ordering::SeqCst);
        (shown, noticed.ok().map(|_| latest))
    }

    /// Keeps the latest time over a restart.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn keep(&self) -> Result<(), StoreError> {
        let latest = self.latest.load(Ordering::SeqCst);
        self.ledger.write(RECORD, &latest.to_le_bytes()).await
    }
}

impl Engine {
    pub(super) fn now(&self) -> Timestamp {
        let (now, set_back) = self.present.now();
        if let Some(from) = set_back {
            tracing::warn!(from = from.rfc3339(), to = now.rfc3339(), "the clock was set back");
            self.shelf.catalog().lapse(from);
        }
        now
    }
}
