//! How the parts behind the engine are doing, for `/readyz` and `/metrics`.

use std::sync::Arc;

use super::embedder::{Standing, Status};
use crate::index::{Partitions, VectorIndex};
use crate::serve::{PartState, Probe, Readiness};
use crate::store::DiskStore;

/// The parts that `serve` does not see for itself.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) store: Arc<DiskStore>,
    pub(super) embedding: Status,
    pub(super) index: Arc<Partitions>,
}

impl Probe for Parts {
    fn store(&self) -> PartState {
        let volume = self.store.volume();
        let detail = format!("{} entries, {} bytes on disk", volume.entries, volume.disk_bytes);
        PartState { state: Readiness::Ready, detail }
    }

    fn embedder(&self) -> PartState {
        let (state, detail) = match self.embedding.get() {
            Standing::Unwanted => (Readiness::Off, "cache.mode asks for none".to_owned()),
            Standing::Starting => (Readiness::Starting, "being fetched or loaded".to_owned()),
            Standing::Ready(space) => (Readiness::Ready, space),
            Standing::Missing(why) => (Readiness::Failed, why),
        };
        PartState { state, detail }
    }

    fn index(&self) -> PartState {
        let census = self.index.census();
        let detail = format!("{} vectors in {} scopes", census.vectors, census.partitions);
        PartState { state: Readiness::Ready, detail }
    }
}
