//! Watching model versions: asked for on the spot, and read again and again in the background.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::address::join;
use super::fleet::Fleet;
use super::headers::to_upstream;
use super::pool::Member;
use super::server::Server;
use super::tags::Tags;
use super::transport::Failure;
use super::{Kind, UpstreamError, VersionSink, VersionSource};
use crate::domain::{Model, Version};

/// How long a server may take to list its models.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any list of models is long.
const MOST_BYTES: usize = 16 << 20;

#[async_trait]
impl VersionSource for Fleet {
    async fn probe(&self, model: &Model) -> Result<Option<Version>, UpstreamError> {
        match self.server(&model.upstream) {
            Some(server) if server.kind == Kind::Ollama => Ok(read(server).await?.version(&model.name)),
            _ => Ok(None),
        }
    }
}

impl Fleet {
    /// Reads every model's version now and then every `every`, and tells the sink of each new one. Never ends: the
    /// caller stops it by dropping the future.
    pub async fn watch(&self, every: Duration, sink: &dyn VersionSink) {
        let mut ticks = interval(every.max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen: HashMap<Model, Version> = HashMap::new();
        loop {
            ticks.tick().await;
            for (model, version) in self.versions().await {
                if seen.get(&model) != Some(&version) {
                    sink.seen(&model, &version).await;
                    seen.insert(model, version);
                }
            }
        }
    }

    /// The versions of all models that have one. Upstreams that cannot be asked are left out: what was last known
    /// of them stands.
    async fn versions(&self) -> Vec<(Model, Version)> {
        let watched = self.servers().iter().filter(|server| server.kind == Kind::Ollama);
        let lists = join_all(watched.map(|server| async move { (server, read(server).await) })).await;
        let mut versions = Vec::new();
        for (server, list) in lists {
            match list {
                Ok(tags) => {
                    versions.extend(tags.versions().map(|(name, version)| {
                        (Model { upstream: Arc::clone(&server.name), name: name.into() }, version)
                    }))
                }
                Err(error) => tracing::debug!(%error, "model versions were not read"),
            }
        }
        versions
    }
}

async fn read(server: &Server) -> Result<Arc<Tags>, UpstreamError> {
    server.tags.fresh(ask_all(server)).await
}

/// Asks every server of a pool; those that do not answer have no say.
async fn ask_all(server: &Server) -> Result<Tags, UpstreamError> {
    let answers = join_all(server.pool().members().iter().map(|member| ask(server, member))).await;
    let mut joined = None;
    let mut why = String::new();
    for answer in answers {
        match (answer, joined.take()) {
            (Ok(tags), None) => joined = Some(tags),
            (Ok(tags), Some(others)) => joined = Some(Tags::join(others, tags)),
            (Err(failure), others) => {
                why = failure.to_string();
                joined = others;
            }
        }
    }
    joined.ok_or_else(|| server.unreachable(&why))
}

async fn ask(server: &Server, member: &Member) -> Result<Tags, Failure> {
    let url = join(Kind::Ollama, &member.url, "/api/tags");
    let headers = to_upstream(HeaderMap::new(), Kind::Ollama, server.api_key());
    let call = server.transport().call(Method::GET, &url, headers, Bytes::new());
    let response = match timeout(PATIENCE, call).await.unwrap_or(Err(Failure::Silent(PATIENCE))) {
        Ok(response) => response,
        Err(failure) => {
            member.failed(Instant::now(), &failure);
            return Err(failure);
        }
    };
    member.reached();
    if response.head.status.is_client_error() {
        // It speaks the dialect but keeps no such list: there is no signal, which is no fault.
        return Ok(Tags::default());
    }
    if !response.head.status.is_success() {
        return Err(Failure::Broken(format!("answers {} to /api/tags", response.head.status.as_u16())));
    }
    let body = timeout(PATIENCE, response.collect(MOST_BYTES)).await.unwrap_or(Err(Failure::Silent(PATIENCE)))?;
    Tags::read(&body).map_err(|error| Failure::Broken(format!("its /api/tags is unreadable: {error}")))
}
