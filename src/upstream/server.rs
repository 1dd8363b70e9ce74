//! One upstream: its queue, its pool and its key, put together into one call.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use tokio::time::Instant;

use super::address::join;
use super::headers::to_upstream;
use super::health::Latency;
use super::pool::{Load, Member, Pool};
use super::queue::{Queue, Turn};
use super::settings::Settings;
use super::tags::TagBoard;
use super::transport::{Failure, Limits, NoTransport, Response, Transport, Trust};
use super::{Incoming, Kind, Outgoing, Upload, UpstreamError, UpstreamHealth};
use crate::domain::{Credential, Location, Target};
use crate::wire::{rename_model, rename_model_in_head};

/// One `[[upstream]]` at work.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: Arc<str>,
    pub(super) kind: Kind,
    pub(super) location: Location,
    /// Whether it is asked which version of a model it runs.
    pub(super) tells_versions: bool,
    pub(super) tags: TagBoard,
    api_key: Option<Credential>,
    transport: Transport,
    pool: Pool,
    queue: Queue,
    latency: Latency,
}

impl Server {
    pub(super) fn new(settings: &Settings) -> Result<Self, NoTransport> {
        let urls = settings.addresses();
        let limits = Limits {
            connect: settings.connect_timeout.0,
            answer: settings.answer_timeout.0,
            idle: settings.idle_timeout.0,
        };
        let secure = urls.iter().any(|url| url.starts_with("https"));
        Ok(Self {
            name: settings.name.as_str().into(),
            kind: settings.kind,
            location: settings.location(),
            tells_versions: settings.tells_versions(),
            tags: TagBoard::default(),
            api_key: settings.api_key.clone(),
            transport: Transport::new(limits, if secure { Trust::System } else { Trust::PlainOnly })?,
            pool: Pool::new(&urls),
            queue: Queue::new(settings.max_in_flight, settings.max_queue, settings.queue_timeout.0),
            latency: Latency::default(),
        })
    }

    /// Asks the servers of this upstream, one after another while they fail. `last_resort` says that nobody else
    /// is left to ask.
    pub(super) async fn ask(
        &self,
        request: &Outgoing,
        target: &Target,
        last_resort: bool,
    ) -> Result<Incoming, UpstreamError> {
        let turn = self.queue.turn().await.map_err(|full| UpstreamError::Busy { retry_after: full.retry_after })?;
        let turn = Arc::new(turn);
        let body = body_for(request, target);
        let members = self.pool.by_load(Instant::now());
        let mut outcome = Err(self.unreachable("it has no server"));
        for (at, member) in members.iter().enumerate() {
            let last_resort = last_resort && at + 1 == members.len();
            if !member.admits(Instant::now(), last_resort) {
                let why = member.trouble().unwrap_or_default();
                outcome = outcome.map_err(|_| self.unreachable(&format!("{why} (not asked again for now)")));
                continue;
            }
            let load = member.occupy();
            match self.call(member, request, body.clone()).await {
                Ok(response) => {
                    let status = response.head.status;
                    let incoming = self.incoming(response, target, member, load, Arc::clone(&turn));
                    if !worth_another(status) {
                        return Ok(incoming);
                    }
                    outcome = Ok(incoming);
                }
                Err(failure) => outcome = outcome.map_err(|_| self.unreachable(&failure.to_string())),
            }
        }
        outcome
    }

    /// Sends one request to one server, and books how that went.
    pub(super) async fn call(&self, member: &Member, request: &Outgoing, body: Bytes) -> Result<Response, Failure> {
        let url = join(self.kind, &member.url, &request.path);
        let headers = to_upstream(request.headers.clone(), self.kind, self.api_key.as_ref());
        let sent = Instant::now();
        let method = request.method.clone();
        let answer = match &request.upload {
            Some(rest) => self.transport.upload(method, &url, headers, body, rest).await,
            None => self.transport.call(method, &url, headers, body).await,
        };
        match &answer {
            Ok(response) => {
                self.latency.record(sent.elapsed());
                match response.head.status {
                    status if status.is_server_error() => member.erred(Instant::now(), status),
                    _ => member.succeeded(),
                }
            }
            // The client broke its own request off.
            Err(_) if request.upload.as_ref().is_some_and(Upload::broke) => {}
            Err(failure) => {
                tracing::warn!(upstream = %self.name, %failure, "no answer");
                member.failed(Instant::now(), failure);
            }
        }
        answer
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn api_key(&self) -> Option<&Credential> {
        self.api_key.as_ref()
    }

    /// Where this model computes: an Ollama server on this machine may hand some models on to a cloud.
    pub(super) fn location_of(&self, model: &str) -> Location {
        if self.kind == Kind::Ollama && self.tags.is_remote(model) { Location::Cloud } else { self.location }
    }

    pub(super) fn unreachable(&self, why: &str) -> UpstreamError {
        UpstreamError::Unreachable { upstream: self.name.to_string(), why: why.to_owned() }
    }

    pub(super) fn health(&self) -> UpstreamHealth {
        UpstreamHealth {
            name: self.name.to_string(),
            kind: self.kind.as_str(),
            location: match self.location {
                Location::Local => "local",
                Location::Cloud => "cloud",
            },
            up: self.pool.up(),
            breaker: self.pool.breaker(Instant::now()).as_str(),
            in_flight: self.queue.in_flight(),
            queued: self.queue.queued(),
            latency_ms: self.latency.median_ms(),
            error: self.pool.error(),
        }
    }

    /// The turn at the upstream lasts as long as the answer's body.
    fn incoming(
        &self,
        response: Response,
        target: &Target,
        member: &Arc<Member>,
        load: Load,
        turn: Arc<Turn>,
    ) -> Incoming {
        let upstream = self.name.to_string();
        let member = Arc::clone(member);
        let held = (load, turn);
        let body = response.body.map(move |item| {
            let _ = &held;
            item.map_err(|failure| {
                member.failed(Instant::now(), &failure);
                UpstreamError::Cut { upstream: upstream.clone(), why: failure.to_string() }
            })
        });
        Incoming { head: response.head, body: body.boxed(), target: target.clone() }
    }
}

/// Whether another server may do better: this one has no time, or has failed.
pub(super) fn worth_another(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The client's own bytes, unless the target knows the model by another name.
fn body_for(request: &Outgoing, target: &Target) -> Bytes {
    let rename = if request.upload.is_some() { rename_model_in_head } else { rename_model };
    let renamed = match &request.model {
        Some(written) if *written != target.model.name => rename(&request.body, &target.model.name),
        _ => None,
    };
    renamed.unwrap_or_else(|| request.body.clone())
}
