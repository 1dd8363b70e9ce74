//! Watching model versions: asked for on the spot, and read again and again in the background. Ollama's in `/api/tags`,
//! those of vLLM, SGLang and llama.cpp in `/v1/models` and `/props`.

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
use super::identity::{Listing, Props};
use super::pool::Member;
use super::server::Server;
use super::tags::Tags;
use super::transport::{Failure, Response};
use super::{Kind, UpstreamError, VersionSink, VersionSource};
use crate::domain::{Model, Version};

/// How long a server may take to list its models.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server that says nothing of versions is left alone.
const QUIET: Duration = Duration::from_secs(60);
/// More than any list of models is long.
const MOST_BYTES: usize = 16 << 20;

#[async_trait]
impl VersionSource for Fleet {
    async fn probe(&self, model: &Model) -> Result<Option<Version>, UpstreamError> {
        match self.server(&model.upstream) {
            Some(server) if server.tells_versions => Ok(server.tags.version(&*read(server).await?, &model.name)),
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
        let watched = self.servers().iter().filter(|server| server.tells_versions);
        let lists = join_all(watched.map(|server| async move { (server, read(server).await) })).await;
        let mut versions = Vec::new();
        for (server, list) in lists {
            match list {
                Ok(tags) => versions.extend(
                    server
                        .tags
                        .versions(&tags)
                        .into_iter()
                        .map(|(name, version)| (Model { upstream: Arc::clone(&server.name), name }, version)),
                ),
                Err(error) => tracing::debug!(%error, "model versions were not read"),
            }
        }
        versions
    }
}

async fn read(server: &Server) -> Result<Arc<Tags>, UpstreamError> {
    if server.kind == Kind::Ollama {
        return server.tags.fresh(ask_all(server)).await;
    }
    // Of those that speak OpenAI's dialect most say nothing of versions: they are not asked all the time.
    if server.tags.said_nothing(Instant::now()) {
        return Ok(Arc::default());
    }
    let tags = server.tags.fresh(ask_all(server)).await;
    let known = server.pool().members().iter().any(|member| member.said().is_some_and(|tags| !tags.is_empty()));
    match tags {
        Ok(tags) if tags.is_empty() => {
            server.tags.says_nothing_until(Instant::now() + QUIET);
            Ok(tags)
        }
        // Whoever never told a version need not tell one now.
        Err(_) if !known => Ok(Arc::default()),
        tags => tags,
    }
}

/// Asks every server of a pool. What one of them said last stands while it does not answer: a version that several make
/// up together must not change because one of them is away.
async fn ask_all(server: &Server) -> Result<Tags, UpstreamError> {
    let members = server.pool().members();
    let answers = join_all(members.iter().map(|member| ask(server, member))).await;
    let mut joined: Option<Tags> = None;
    let (mut heard, mut why) = (false, String::new());
    for (member, answer) in members.iter().zip(answers) {
        let said = match answer {
            Ok(tags) => {
                heard = true;
                member.says(tags.clone());
                Some(tags)
            }
            Err(failure) => {
                why = failure.to_string();
                member.said()
            }
        };
        joined = match (joined, said) {
            (Some(others), Some(tags)) => Some(others.join(tags)),
            (others, said) => others.or(said),
        };
    }
    joined.filter(|_| heard).ok_or_else(|| server.unreachable(&why))
}

async fn ask(server: &Server, member: &Member) -> Result<Tags, Failure> {
    match server.kind {
        Kind::Ollama => {
            let list = get(server, member, "/api/tags").await?;
            // Without one, it speaks the dialect but keeps no such list: there is no signal, which is no fault.
            list.map_or(Ok(Tags::default()), |body| Tags::read(&body).map_err(|error| unreadable("/api/tags", &error)))
        }
        Kind::OpenAi | Kind::Anthropic => {
            let Some(list) = get(server, member, "/v1/models").await? else { return Ok(Tags::default()) };
            let list = Listing::read(&list).map_err(|error| unreadable("/v1/models", &error))?;
            let props = if list.has_props() { get(server, member, "/props").await? } else { None };
            let props = props.map(|props| serde_json::from_slice::<Props>(&props)).transpose();
            Ok(list.tags(props.map_err(|error| unreadable("/props", &error))?.as_ref()))
        }
    }
}

/// What a server answers to a question about itself; `None` where it has no answer to that.
async fn get(server: &Server, member: &Member, path: &str) -> Result<Option<Bytes>, Failure> {
    let url = join(server.kind, &member.url, path);
    let headers = to_upstream(HeaderMap::new(), server.kind, server.api_key());
    let call = server.transport().call(Method::GET, &url, headers, Bytes::new());
    let response: Response = match timeout(PATIENCE, call).await.unwrap_or(Err(Failure::Silent(PATIENCE))) {
        Ok(response) => response,
        Err(failure) => {
            member.failed(Instant::now(), &failure);
            return Err(failure);
        }
    };
    member.reached();
    if response.head.status.is_client_error() {
        return Ok(None);
    }
    if !response.head.status.is_success() {
        return Err(Failure::Broken(format!("answers {} to {path}", response.head.status.as_u16())));
    }
    timeout(PATIENCE, response.collect(MOST_BYTES)).await.unwrap_or(Err(Failure::Silent(PATIENCE))).map(Some)
}

fn unreadable(path: &str, error: &serde_json::Error) -> Failure {
    Failure::Broken(format!("its {path} is unreadable: {error}"))
}
