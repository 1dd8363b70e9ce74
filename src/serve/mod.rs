//! HTTP: the app listener and the admin listener. Both routers stand on this page; `proxy.rs` tells the story of
//! one request.

mod admin;
mod ask;
mod auth;
mod body;
mod call;
mod client;
mod directives;
mod embeddings;
mod error;
mod follow;
mod headers;
mod health;
mod listen;
mod lists;
mod pace;
mod pass;
mod proxy;
mod reading;
mod replay;
mod reply;
mod settings;
mod shadow;
mod tape;
mod tee;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{MethodRouter, any, get, post};
use http::HeaderName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::lists::{LISTS, List};
use crate::access::Tenants;
use crate::cache::Engine;
use crate::domain::{Clock, Surface};
use crate::telemetry::{Prices, Telemetry};
use crate::upstream::Upstreams;

pub use admin::{Reload, Reloaded, Vault};
pub use health::{PartState, Probe, Readiness};
pub use listen::{Limits, Listener};
pub use reading::Readings;
pub use settings::{AdminSettings, Controls, LargerBodies, ReplaySettings, Settings};

/// Everything that answering requests takes. Made by `app`.
#[derive(Clone)]
pub struct Parts {
    /// The cache.
    pub engine: Arc<Engine>,
    /// The model servers.
    pub upstreams: Arc<dyn Upstreams>,
    /// The installation's hashing secret, for backups.
    pub vault: Arc<dyn Vault>,
    /// Credentials to tenants.
    pub tenants: Tenants,
    /// The request bodies read lately.
    pub readings: Arc<Readings>,
    /// The counters.
    pub telemetry: Arc<Telemetry>,
    /// What tokens cost.
    pub prices: Prices,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where work that outlives its request runs; the server waits for it when it stops.
    pub tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
    /// How the parts behind the engine are doing.
    pub probe: Arc<dyn Probe>,
    /// Applies a changed configuration file, where there is one.
    pub reload: Option<Arc<dyn Reload>>,
    /// `[server]`.
    pub settings: Settings,
    /// `[admin]`.
    pub admin: AdminSettings,
    /// `[replay]`.
    pub replay: ReplaySettings,
    /// [`Settings::extra_key_headers`].
    pub key_headers: Vec<HeaderName>,
}

/// The parts in use; a reload swaps them, and requests under way keep the ones they began with.
pub type Shared = Arc<ArcSwap<Parts>>;

/// The app listener: every surface, and everything else under `/v1/` and `/api/` passed through.
pub fn app(shared: Shared) -> Router {
    let surfaces = Surface::ALL
        .into_iter()
        .fold(Router::new(), |router, surface| router.route(surface.path(), cacheable(surface)));
    let lists = LISTS.into_iter().fold(surfaces, |router, list| router.route(list.path, merged(list)));
    lists
        .route("/healthz", get(health::alive))
        .route("/", get(passed))
        .route("/v1/{*path}", any(passed))
        .route("/api/{*path}", any(passed))
        .fallback(health::nothing_here)
        .with_state(shared)
}

/// The admin listener: health and the dashboard's page for anybody, the rest for operators.
pub fn admin(shared: Shared) -> Router {
    let operators = Router::new()
        .route("/metrics", get(admin::stats::metrics))
        .route("/admin/v1/stats", get(admin::stats::stats))
        .route("/admin/v1/upstreams", get(admin::stats::upstreams))
        .route("/admin/v1/entries", get(admin::entries::list))
        .route("/admin/v1/entries/{id}", get(admin::entries::one).delete(admin::entries::drop_one))
        .route("/admin/v1/purge", post(admin::entries::purge))
        .route("/admin/v1/feedback", post(admin::entries::feedback))
        .route("/admin/v1/risk", get(admin::risk::risk))
        .route("/admin/v1/explain", post(admin::explain::explain))
        .route("/admin/v1/models", get(admin::models::list))
        .route("/admin/v1/models/bump", post(admin::models::bump))
        .route("/admin/v1/export", get(admin::backup::export))
        .route("/admin/v1/import", post(admin::backup::import))
        .route("/admin/v1/warm", post(admin::warm::warm))
        .route("/admin/v1/reload", post(admin::reload))
        .route("/admin/v1/openapi.json", get(admin::openapi))
        .route_layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), auth::operator));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/", get(admin::dashboard))
        .merge(operators)
        .fallback(admin::unknown)
        .with_state(shared)
}

/// `POST` is the cacheable call; other methods on the same path are other calls of the upstream's API.
fn cacheable(surface: Surface) -> MethodRouter<Shared> {
    post(move |State(shared): State<Shared>, request: Request| proxy::answer(shared.load_full(), surface, request))
        .fallback(passed)
}

/// `GET` is the list over all upstreams.
fn merged(list: List) -> MethodRouter<Shared> {
    get(move |State(shared): State<Shared>, request: Request| list.answer(shared.load_full(), request)).fallback(passed)
}

async fn passed(State(shared): State<Shared>, request: Request) -> axum::response::Response {
    pass::pass(shared.load_full(), request).await
}
