//! The only place that names concrete types: configuration to parts to a running server.
//!
//! [`start`] puts everything together; [`Running`] is what it gives: two addresses, a way to reload, a way to stop.

mod embedder;
mod live;
mod probe;
mod reload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Tenants;
use crate::cache::{self, Engine};
use crate::config::Config;
use crate::domain::{Clock, Mode, Secret, SystemClock};
use crate::index::Partitions;
use crate::policy;
use crate::serve::{self, Listener, Reload};
use crate::store::{self, DiskStore, Ledger, StoreError};
use crate::telemetry::{Prices, Telemetry};
use crate::upstream::{Fleet, NoTransport, Upstreams};
use embedder::Bringer;
use live::LiveUpstreams;
use probe::Parts;
use reload::Reloader;

/// The ledger's name for the installation's hashing secret.
const SECRET: &str = "secret";

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder is unusable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The way to the upstreams cannot be set up.
    #[error(transparent)]
    Upstream(#[from] NoTransport),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}

/// A server at work.
pub struct Running {
    /// Where apps connect.
    pub app: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// The cache, for measuring and for tests.
    pub engine: Arc<Engine>,
    store: Arc<DiskStore>,
    reloader: Arc<Reloader>,
    stop: CancellationToken,
    tasks: TaskTracker,
    listeners: JoinSet<()>,
}

/// Starts the server with the system's clock. `file` is where a reload reads the configuration from.
///
/// # Errors
/// When the data folder, the upstreams' transport or an address cannot be had. A missing embedder is no error: the
/// server then matches by equality only, and says so.
pub async fn start(config: Config, file: Option<PathBuf>) -> Result<Running, StartError> {
    start_at(config, file, Arc::new(SystemClock)).await
}

/// Starts the server with a clock of the caller's.
///
/// # Errors
/// As [`start`].
pub async fn start_at(config: Config, file: Option<PathBuf>, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let store = Arc::new(store::open(&config.store, &*clock)?);
    let secret = installation_secret(&*store).await?;
    let upstreams = Arc::new(LiveUpstreams::new(Fleet::new(&config.upstream, &config.route)?));
    let telemetry = Arc::new(Telemetry::new(clock.now()));

    let engine = Engine::open(
        cache::Parts {
            store: store.clone(),
            ledger: store.clone(),
            index: Arc::new(Partitions::new(config.semantic.index())),
            versions: upstreams.clone(),
            clock: clock.clone(),
            secret: secret.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
            steps: telemetry.steps(),
        },
        config.engine(),
    )
    .await;
    policy::judge::prepare();
    let embedder = Bringer::new(engine.clone(), tasks.clone(), stop.clone());
    if config.cache.mode == Mode::Semantic {
        let embed = config.semantic.embed();
        let reranker = config.semantic.reranker.model();
        tokio::join!(embedder.bring(&embed), embedder.bring_reranker(&reranker, &embed));
    }
    upstreams.watch(config.versions.poll.0, &engine, &tasks, &stop);
    let asked: Arc<dyn Upstreams> = upstreams.clone();
    engine.watch_canaries(&asked, config.canary.clone());

    let (app, app_address) = bind(config.server.listen, &config.server).await?;
    let (admin, admin_address) = bind(config.admin.listen, &config.server).await?;
    let reloader = Arc::new(Reloader::new(file, config.clone(), engine.clone(), upstreams.clone(), embedder.clone()));
    let shared: serve::Shared = Arc::new(ArcSwap::from_pointee(serve::Parts {
        engine: engine.clone(),
        upstreams,
        vault: Arc::new(Vault { secret: secret.clone(), ledger: store.clone() }),
        tenants: Tenants::new(secret, config.cache.share),
        readings: Arc::default(),
        telemetry,
        prices: Prices::new(&config.price),
        clock,
        tasks: tasks.clone(),
        stop: stop.clone(),
        probe: Arc::new(Parts { store: store.clone(), embedder, engine: engine.clone() }),
        reload: Some(reloader.clone() as Arc<dyn Reload>),
        key_headers: config.server.extra_key_headers(),
        settings: config.server,
        admin: config.admin,
        replay: config.replay,
    }));
    reloader.takes_effect_in(&shared);

    let mut listeners = JoinSet::new();
    listeners.spawn(app.serve(serve::app(shared.clone()), stop.clone()));
    listeners.spawn(admin.serve(serve::admin(shared), stop.clone()));
    tracing::info!(app = %app_address, admin = %admin_address, "ready for requests");
    Ok(Running { app: app_address, admin: admin_address, engine, store, reloader, stop, tasks, listeners })
}

impl Running {
    /// Reads the configuration file again and applies it, or keeps what is and logs why.
    pub async fn reload(&self) {
        match self.reloader.reload().await {
            Ok(done) => tracing::info!(changed = ?done.changed, needs_restart = ?done.needs_restart, "reloaded"),
            Err(faults) => tracing::error!(%faults, "the configuration stays as it was"),
        }
    }

    /// Stops taking requests, lets answers under way finish (until the drain deadline), and flushes everything.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.listeners.join_next().await.is_some() {}
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = self.engine.close().await {
            tracing::error!(%error, "the engine's notes were not written");
        }
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the data folder was not closed cleanly");
        }
    }
}

async fn bind(address: SocketAddr, settings: &serve::Settings) -> Result<(Listener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen { address, error };
    let listener = Listener::bind(address, settings.into()).await.map_err(failed)?;
    let bound = listener.address().map_err(failed)?;
    Ok((listener, bound))
}

/// The secret, and where it is kept.
#[derive(Debug)]
struct Vault {
    secret: Secret,
    ledger: Arc<DiskStore>,
}

#[async_trait]
impl serve::Vault for Vault {
    fn secret(&self) -> [u8; 32] {
        self.secret.expose()
    }

    async fn adopt(&self, secret: [u8; 32]) -> Result<(), StoreError> {
        self.ledger.write(SECRET, &secret).await?;
        self.secret.replace(secret);
        Ok(())
    }
}

/// The secret that keys every digest of this data folder: made at its first use, kept with it.
async fn installation_secret(ledger: &dyn Ledger) -> Result<Secret, StoreError> {
    if let Some(kept) = ledger.read(SECRET).await?
        && let Ok(bytes) = <[u8; 32]>::try_from(kept.as_slice())
    {
        return Ok(Secret::new(bytes));
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Engine(format!("the system gives no randomness: {error}")))?;
    ledger.write(SECRET, &bytes).await?;
    Ok(Secret::new(bytes))
}
