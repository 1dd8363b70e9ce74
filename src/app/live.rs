//! The upstreams in use, replaceable while the server runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Engine;
use crate::domain::{Model, Version};
use crate::upstream::{Each, Fleet, Incoming, Outgoing, Plan, UpstreamError, UpstreamHealth, Upstreams, VersionSource};

/// The fleet of the moment. Requests under way keep the one they began with.
#[derive(Debug)]
pub(super) struct LiveUpstreams {
    fleet: ArcSwap<Fleet>,
    replaced: Notify,
}

impl LiveUpstreams {
    pub(super) fn new(fleet: Fleet) -> Self {
        Self { fleet: ArcSwap::from_pointee(fleet), replaced: Notify::new() }
    }

    pub(super) fn replace(&self, fleet: Fleet) {
        self.fleet.store(Arc::new(fleet));
        self.replaced.notify_waiters();
    }

    /// Reads model versions every `poll` and tells the engine, until `stop`; always of the fleet in use.
    pub(super) fn watch(
        self: &Arc<Self>,
        poll: Duration,
        engine: &Arc<Engine>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let (upstreams, engine, stop) = (self.clone(), engine.clone(), stop.clone());
        tasks.spawn(async move {
            loop {
                let replaced = upstreams.replaced.notified();
                let fleet = upstreams.fleet.load_full();
                tokio::select! {
                    () = fleet.watch(poll, &*engine) => {}
                    () = replaced => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }
}

#[async_trait]
impl Upstreams for LiveUpstreams {
    fn plan(&self, path: &str, model: Option<&str>, local_only: bool) -> Result<Plan, UpstreamError> {
        self.fleet.load().plan(path, model, local_only)
    }

    fn plan_unseen(&self, path: &str) -> Option<Plan> {
        self.fleet.load().plan_unseen(path)
    }

    async fn send(&self, plan: &Plan, request: Outgoing) -> Result<Incoming, UpstreamError> {
        self.fleet.load_full().send(plan, request).await
    }

    async fn send_to_each(&self, request: Outgoing, local_only: bool) -> Vec<Each> {
        self.fleet.load_full().send_to_each(request, local_only).await
    }

    fn health(&self) -> Vec<UpstreamHealth> {
        self.fleet.load().health()
    }
}

#[async_trait]
impl VersionSource for LiveUpstreams {
    async fn probe(&self, model: &Model) -> Result<Option<Version>, UpstreamError> {
        self.fleet.load_full().probe(model).await
    }
}
