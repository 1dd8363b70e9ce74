//! All upstreams together: who may answer, and the walk along a plan until somebody does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use http::HeaderValue;
use tokio::time::{Instant, timeout};

use super::breaker::State;
use super::route::{Leg, Routes, Way};
use super::server::{Server, worth_another};
use super::settings::{RouteSettings, Settings};
use super::transport::NoTransport;
use super::{Each, Incoming, Kind, Outgoing, Plan, UpstreamError, UpstreamHealth, Upstreams};
use crate::domain::{Lifetimes, Location, Model, Target};

/// How long a merged list waits for any one upstream.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// The configured upstreams and routes at work.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Arc<Server>>,
    routes: Routes,
}

impl Fleet {
    /// Puts a validated configuration to work; without any upstream it is Ollama on this machine. Connects to
    /// nobody yet.
    ///
    /// # Errors
    /// When an upstream speaks https and the system's trusted certificates cannot be read.
    pub fn new(upstreams: &[Settings], routes: &[RouteSettings]) -> Result<Self, NoTransport> {
        let built_in = [Settings::built_in()];
        let upstreams = if upstreams.is_empty() { &built_in } else { upstreams };
        let servers = upstreams.iter().map(|one| Server::new(one).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let routes = Routes::new(routes, |name| upstreams.iter().position(|upstream| upstream.name == name));
        Ok(Self { servers, routes })
    }

    pub(super) fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    pub(super) fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| &*server.name == name)
    }

    /// Where a request may go before residency and health have their say.
    fn way(&self, path: &str, model: Option<&str>) -> Result<Way, UpstreamError> {
        let routed = match model {
            Some(model) if !self.routes.is_empty() => {
                let found = self.routes.find(model);
                Some(found.ok_or_else(|| UpstreamError::NoRoute(model.to_owned()))?)
            }
            Some(_) => None,
            None => self.routes.catch_all().filter(|way| way.legs.iter().any(|leg| self.serves(leg, path))),
        };
        let unrouted = || {
            let legs = self.every_leg(model.unwrap_or_default());
            Way { legs, lifetimes: Lifetimes::default(), route: "*".into() }
        };
        let mut way = routed.unwrap_or_else(unrouted);
        if way.legs.iter().any(|leg| self.serves(leg, path)) {
            way.legs.retain(|leg| self.serves(leg, path));
        }
        Ok(way)
    }

    fn every_leg(&self, model: &str) -> Vec<Leg> {
        (0..self.servers.len()).map(|upstream| Leg { upstream, model: model.into() }).collect()
    }

    fn serves(&self, leg: &Leg, path: &str) -> bool {
        self.servers[leg.upstream].kind.serves(path)
    }

    fn target(&self, leg: &Leg) -> Target {
        let server = &self.servers[leg.upstream];
        Target {
            model: Model { upstream: Arc::clone(&server.name), name: Arc::clone(&leg.model) },
            location: server.location_of(&leg.model),
        }
    }

    fn is_down(&self, target: &Target) -> bool {
        let now = Instant::now();
        self.server(&target.model.upstream).is_none_or(|server| server.pool().breaker(now) == State::Open)
    }
}

impl Kind {
    /// Whether this kind of server knows a path as its own.
    fn serves(self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or(path);
        let under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if path == "/" || under("/api") {
            self == Self::Ollama
        } else if under("/v1/messages") {
            self != Self::OpenAi
        } else if under("/v1/models") {
            true
        } else {
            self != Self::Anthropic
        }
    }
}

#[async_trait]
impl Upstreams for Fleet {
    fn plan(&self, path: &str, model: Option<&str>, local_only: bool) -> Result<Plan, UpstreamError> {
        let name = || model.unwrap_or_default().to_owned();
        let Way { legs, lifetimes, route } = self.way(path, model)?;
        let mut targets: Vec<Target> = legs.iter().map(|leg| self.target(leg)).collect();
        if targets.is_empty() {
            return Err(UpstreamError::NoRoute(name()));
        }
        targets.retain(|target| !local_only || target.location == Location::Local);
        if targets.is_empty() {
            return Err(UpstreamError::Residency(name()));
        }
        if self.routes.is_empty() {
            // Nobody said that one may stand in for another.
            targets.truncate(1);
        }
        targets.sort_by_key(|target| self.is_down(target));
        Ok(Plan { targets, lifetimes, route })
    }

    fn plan_unseen(&self, path: &str) -> Option<Plan> {
        self.plan(path, None, false).ok().filter(|_| self.routes.treat_all_alike())
    }

    async fn send(&self, plan: &Plan, request: Outgoing) -> Result<Incoming, UpstreamError> {
        let mut outcome = Err(UpstreamError::NoRoute(request.model.as_deref().unwrap_or_default().to_owned()));
        for (at, target) in plan.targets.iter().enumerate() {
            let last_resort = at + 1 == plan.targets.len();
            let Some(server) = self.server(&target.model.upstream) else { continue };
            match server.ask(&request, target, last_resort).await {
                Ok(answer) if !worth_another(answer.head.status) => return Ok(answer),
                Ok(answer) => outcome = Ok(answer),
                Err(error) => outcome = outcome.map_err(|earlier| more_telling(earlier, error)),
            }
        }
        outcome
    }

    async fn send_to_each(&self, mut request: Outgoing, local_only: bool) -> Vec<Each> {
        // Anthropic demands a version, which clients of other providers do not send.
        request.headers.entry("anthropic-version").or_insert(HeaderValue::from_static("2023-06-01"));
        let request = &request;
        let asked = self
            .servers
            .iter()
            .filter(|server| server.kind.serves(&request.path))
            .filter(|server| !local_only || server.location == Location::Local);
        join_all(asked.map(|server| async move {
            let model = Model { upstream: Arc::clone(&server.name), name: "".into() };
            let target = Target { model, location: server.location };
            let answer = timeout(LIST_PATIENCE, server.ask(request, &target, true)).await;
            let answer = answer.unwrap_or_else(|_| Err(server.unreachable("it takes too long")));
            Each { name: Arc::clone(&server.name), kind: server.kind, answer }
        }))
        .await
    }

    fn health(&self) -> Vec<UpstreamHealth> {
        self.servers.iter().map(|server| server.health()).collect()
    }
}

/// Of two errors, the one that helps the client more: being told to come back beats being told of a fault.
fn more_telling(earlier: UpstreamError, later: UpstreamError) -> UpstreamError {
    use UpstreamError::{Busy, NoRoute};
    match (earlier, later) {
        (Busy { retry_after: a }, Busy { retry_after: b }) => Busy { retry_after: a.min(b) },
        (busy @ Busy { .. }, _) => busy,
        (NoRoute(_), later) | (_, later @ Busy { .. }) => later,
        (earlier, _) => earlier,
    }
}
