//! The model servers behind dejavu: which may answer, in which order, how they are reached, and which version of
//! a model they run.
//!
//! The door: [`Upstreams`] plans and sends; [`VersionSource`] tells model versions. [`Fleet`] is both, made from
//! [`Settings`] and [`RouteSettings`].

mod address;
mod breaker;
mod fleet;
mod headers;
mod health;
mod identity;
mod pool;
mod queue;
mod route;
mod server;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
pub mod transport;
mod upload;
mod validate;
mod versions;
#[cfg(test)]
mod watching_tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::domain::{Head, Lifetimes, Model, Target, Version};

pub use fleet::Fleet;
pub use settings::{RouteSettings, Settings, VersionSettings};
pub use transport::NoTransport;
pub use upload::Upload;
pub use validate::{Fault, Problem, validate};

/// One request to send on, as the client made it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query on dejavu's own listener, for instance `/v1/chat/completions`.
    pub path: String,
    /// The client's end-to-end headers. Hop-by-hop headers and dejavu's own request controls are already gone.
    pub headers: HeaderMap,
    /// The body's bytes, untouched.
    pub body: Bytes,
    /// The rest of a body too large to hold; `body` is its beginning.
    pub upload: Option<Upload>,
    /// The model name the client wrote, if the body has one: replaced in the body only when a target is asked
    /// for another name.
    pub model: Option<Arc<str>>,
}

/// An upstream's answer: its head, and its body as it comes.
pub struct Incoming {
    /// Status and headers.
    pub head: Head,
    /// The body. An item that is an error means the upstream cut it.
    pub body: BoxStream<'static, Result<Bytes, UpstreamError>>,
    /// Who answers.
    pub target: Target,
}

/// Why no upstream answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// No route leads anywhere for this model.
    #[error("no route for model {0:?}")]
    NoRoute(String),
    /// The residency rules leave no upstream.
    #[error("no local upstream for model {0:?}")]
    Residency(String),
    /// Every upstream's queue is full.
    #[error("every upstream is busy")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// It could not be reached, or went silent before its head came.
    #[error("upstream {upstream:?} is unreachable: {why}")]
    Unreachable {
        /// The upstream's configured name.
        upstream: String,
        /// What the transport said, without URLs or credentials.
        why: String,
    },
    /// It went silent or broke off in the middle of its body.
    #[error("upstream {upstream:?} broke off: {why}")]
    Cut {
        /// The upstream's configured name.
        upstream: String,
        /// What the transport said.
        why: String,
    },
}

/// What the configuration says about requests for one model name.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Who may answer, in failover order; those known to be down come last. Never empty.
    pub targets: Vec<Target>,
    /// What the route says about how long its answers live.
    pub lifetimes: Lifetimes,
    /// The route's pattern, for counting by route; `*` where none is configured.
    pub route: Arc<str>,
}

/// All configured upstreams behind one door.
#[async_trait]
pub trait Upstreams: Send + Sync + std::fmt::Debug {
    /// Who may answer a request to `path` (on dejavu's own listener) for this model name; `None` for requests that
    /// name no model. Only Ollama servers are asked for paths under `/api/`, while the route has one.
    ///
    /// # Errors
    /// [`UpstreamError::NoRoute`] and [`UpstreamError::Residency`].
    fn plan(&self, path: &str, model: Option<&str>, local_only: bool) -> Result<Plan, UpstreamError>;

    /// Who may answer a request to `path` whose model name cannot be seen. `None` where the name would decide who, or
    /// what they are asked for.
    fn plan_unseen(&self, path: &str) -> Option<Plan>;

    /// Sends a request along a plan, failing over until a target answers. An error status is an answer; where
    /// another target remains, 429 and 5xx are not passed on before it was tried.
    ///
    /// # Errors
    /// When no target gave a head.
    async fn send(&self, plan: &Plan, request: Outgoing) -> Result<Incoming, UpstreamError>;

    /// Sends a request to every upstream that serves its path, at once: for lists that are merged over upstreams
    /// (`GET /v1/models`, `GET /api/tags`). In the order of the configuration.
    async fn send_to_each(&self, request: Outgoing, local_only: bool) -> Vec<Each>;

    /// Each upstream's state, for `/readyz`, `/metrics` and `/admin/v1/upstreams`.
    fn health(&self) -> Vec<UpstreamHealth>;
}

/// One upstream's answer to a request that all were sent.
pub struct Each {
    /// Its configured name.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: Kind,
    /// What it said.
    pub answer: Result<Incoming, UpstreamError>,
}

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An Ollama server: its own API under `/api/`, the OpenAI and Anthropic dialects under `/v1/`.
    Ollama,
    /// OpenAI, or anything compatible with it.
    OpenAi,
    /// Anthropic.
    Anthropic,
}

impl Kind {
    /// The word for it in the configuration and in the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// How one upstream is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UpstreamHealth {
    /// Its configured name.
    pub name: String,
    /// `ollama`, `openai` or `anthropic`.
    pub kind: &'static str,
    /// `local` or `cloud`.
    pub location: &'static str,
    /// Whether requests are sent to it now.
    pub up: bool,
    /// The circuit breaker: `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Requests it is working on.
    pub in_flight: usize,
    /// Requests waiting for their turn.
    pub queued: usize,
    /// Median time to the head of an answer, in milliseconds, over recent requests.
    pub latency_ms: Option<f64>,
    /// The last failure, if it is failing.
    pub error: Option<String>,
}

/// Tells which build of a model an upstream runs now.
#[async_trait]
pub trait VersionSource: Send + Sync + std::fmt::Debug {
    /// Asks the upstream itself, with a question that begins after this call did: reading before and after a
    /// generation proves that no re-pull came between. Calls at the same time share one question. `None` where the
    /// upstream gives no such signal for this model (then answers tell).
    ///
    /// # Errors
    /// When it gives one but could not be asked.
    async fn probe(&self, model: &Model) -> Result<Option<Version>, UpstreamError>;
}

/// Is told what the watcher of model versions sees.
#[async_trait]
pub trait VersionSink: Send + Sync + std::fmt::Debug {
    /// The upstream runs this version of this model now. Called at the first sight of a model and at every change,
    /// once under each name the model goes by (`llama3` and `llama3:latest`).
    async fn seen(&self, model: &Model, version: &Version);
}
