//! How the parts behind the engine are doing, for `/readyz` and `/metrics`.

use std::sync::Arc;

use super::embedder::{Bringer, Standing};
use crate::cache::Engine;
use crate::serve::{PartState, Probe, Readiness};
use crate::store::DiskStore;

/// The parts that `serve` does not see for itself.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) store: Arc<DiskStore>,
    pub(super) embedder: Bringer,
    pub(super) engine: Arc<Engine>,
}

impl Probe for Parts {
    fn store(&self) -> PartState {
        let volume = self.store.volume();
        let detail = format!("{} entries, {} bytes on disk", volume.entries, volume.disk_bytes);
        PartState { state: Readiness::Ready, detail }
    }

    fn embedder(&self) -> PartState {
        let (state, detail) = match self.embedder.standing() {
            Standing::Unwanted => (Readiness::Off, "cache.mode asks for none".to_owned()),
            Standing::Starting => (Readiness::Starting, "being fetched or loaded".to_owned()),
            Standing::Ready(space) => (Readiness::Ready, space),
            Standing::Missing(why) => (Readiness::Failed, why),
        };
        PartState { state, detail }
    }

    fn index(&self) -> PartState {
        let census = self.engine.census();
        let (vectors, scopes) = (census.index.vectors, census.index.partitions);
        match (census.warm, census.to_embed) {
            (true, 0) => PartState { state: Readiness::Ready, detail: format!("{vectors} vectors in {scopes} scopes") },
            (true, left) => PartState { state: Readiness::Starting, detail: format!("{left} entries to embed anew") },
            (false, _) => {
                PartState { state: Readiness::Starting, detail: format!("{} entries loaded so far", census.loaded) }
            }
        }
    }
}
