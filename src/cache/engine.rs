//! The engine's parts, and how they are put together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::canaries::Canaries;
use super::embedding::Embeddings;
use super::epochs::{Epochs, Standing};
use super::flight::{Flights, Limits};
use super::flush::Flushes;
use super::lately::Lately;
use super::note::Note;
use super::popularity::{popularity, remembered};
use super::present::Present;
use super::purge::PurgeLog;
use super::reembed::Backlog;
use super::reranking::Reranking;
use super::risk::Risk;
use super::settings::{Settings, WhenUnsure};
use super::shelf::Shelf;
use super::warm::Warmth;
use super::wrongs::Wrongs;
use crate::domain::{Clock, Digest, Model, Secret, Version};
use crate::index::VectorIndex;
use crate::policy::timeliness::Timeliness;
use crate::store::{EntryStore, Ledger, StoreError};
use crate::telemetry::Steps;
use crate::upstream::{VersionSink, VersionSource};

/// What is remembered of how time-bound questions are.
const TOLD_BYTES: u64 = 2 << 20;

/// What the engine is built from.
#[derive(Debug)]
pub struct Parts {
    /// Where answers are kept.
    pub store: Arc<dyn EntryStore>,
    /// Where small records are kept.
    pub ledger: Arc<dyn Ledger>,
    /// Where vectors are searched.
    pub index: Arc<dyn VectorIndex>,
    /// Who tells model versions.
    pub versions: Arc<dyn VersionSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The installation's hashing secret.
    pub secret: Secret,
    /// Where background work is tracked, so that shutting down waits for it.
    pub tasks: TaskTracker,
    /// Ends background work.
    pub stop: CancellationToken,
    /// Where it is told how long the steps of lookups take.
    pub steps: Steps,
}

/// The cache itself. Shared by all requests.
pub struct Engine {
    pub(super) settings: ArcSwap<Settings>,
    pub(super) secret: Secret,
    pub(super) present: Present,
    pub(super) shelf: Shelf,
    pub(super) embeddings: Embeddings,
    /// How time-bound the questions asked lately are.
    pub(super) told: Lately<Digest, Timeliness>,
    pub(super) epochs: Epochs,
    pub(super) canaries: Canaries,
    pub(super) flights: Arc<Flights>,
    pub(super) purges: PurgeLog,
    pub(super) flushes: Flushes,
    pub(super) popularity: Note,
    pub(super) wrongs: Wrongs,
    pub(super) risk: Risk,
    pub(super) reranking: Reranking,
    pub(super) warmth: Warmth,
    pub(super) steps: Steps,
    pub(super) backlog: Backlog,
    /// The longest time past expiry for which a route was seen to let answers be served, in milliseconds.
    pub(super) longest_window: AtomicU64,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Engine {
    /// Puts the parts together and starts the background work. The embedder comes later, through
    /// [`Engine::set_embedder`]: until then matching is by equality.
    pub async fn open(parts: Parts, settings: Settings) -> Arc<Self> {
        let Parts { store, ledger, index, versions, clock, secret, tasks, stop, steps } = parts;
        let engine = Arc::new(Self {
            shelf: Shelf::new(store, index, settings.hot_bytes),
            epochs: Epochs::open(ledger.clone(), versions).await,
            canaries: Canaries::open(ledger.clone()).await,
            wrongs: Wrongs::open(ledger.clone()).await,
            risk: Risk::open(ledger.clone(), &settings.risk, clock.now()).await,
            purges: PurgeLog::default(),
            flushes: Flushes::open(ledger.clone()).await,
            popularity: popularity(ledger.clone()),
            reranking: Reranking::default(),
            warmth: Warmth::default(),
            backlog: Backlog::default(),
            longest_window: AtomicU64::new(0),
            settings: ArcSwap::from_pointee(settings),
            secret,
            present: Present::open(clock, ledger).await,
            embeddings: Embeddings::default(),
            told: Lately::new(TOLD_BYTES),
            flights: Arc::default(),
            tasks,
            stop,
            steps,
        });
        // A clock set back while nothing ran is noticed before anything is read.
        engine.now();
        engine.shelf.catalog().remember(remembered(&engine.popularity).await);
        engine.resume_flushes();
        engine.start_warming();
        engine.start_sweeping();
        engine
    }

    /// Writes down what only memory knows. The store's own closing is for who opened it.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.risk.keep().await?;
        self.keep_popularity().await?;
        self.present.keep().await
    }

    /// Applies changed settings from the next request on. The hot tier keeps its size until a restart.
    pub fn configure(&self, settings: Settings) {
        self.risk.configure(&settings.risk, self.now());
        self.settings.store(Arc::new(settings));
    }

    pub(super) fn flight_limits(settings: &Settings) -> Limits {
        Limits { bytes: settings.hold.as_usize(), patience: settings.patience.0 }
    }

    /// The version of a model now, and what that allows; asks the upstream when nobody has for a while.
    pub(super) async fn version(self: &Arc<Self>, model: &Model, settings: &Settings) -> Versioned {
        const PAUSE: Duration = Duration::from_secs(5);
        let rules = &settings.versions;
        let standing = || self.epochs.standing(model, self.now(), rules.unsure_after.0);
        let mut now = standing();
        if matches!(now, Standing::Unasked | Standing::Unsure(_)) {
            // At the first sight of a model, and after a time in which nobody asked for it.
            Box::pin(self.epochs.ask(model, self.now(), PAUSE, rules.ask_deadline.0)).await;
            now = standing();
        }
        match now {
            Standing::Sure { version, ageing } => {
                if ageing {
                    self.ask_in_background(model, PAUSE, rules.ask_deadline.0);
                }
                Versioned { version, unsure: None }
            }
            Standing::Unsure(version) => Versioned { version, unsure: Some(rules.when_unsure) },
            // Asked, without an answer: the version of before the start, if any, is in doubt.
            Standing::Unasked => Versioned { version: self.epochs.current(model), unsure: Some(rules.when_unsure) },
        }
    }

    fn ask_in_background(self: &Arc<Self>, model: &Model, pause: Duration, deadline: Duration) {
        let (engine, model) = (self.clone(), model.clone());
        if engine.epochs.may_ask(&model, engine.now(), pause) {
            self.tasks.spawn(async move { engine.epochs.ask(&model, engine.now(), pause, deadline).await });
        }
    }
}

/// Says nothing of what is inside: prompts have no place in a log.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine(..)")
    }
}

#[async_trait]
impl VersionSink for Engine {
    async fn seen(&self, model: &Model, version: &Version) {
        self.epochs.observe(model, version.clone(), self.now()).await;
    }
}

/// A model's version for one request.
#[derive(Debug, Clone)]
pub(super) struct Versioned {
    /// The version.
    pub version: Version,
    /// It is in doubt, so do this.
    pub unsure: Option<WhenUnsure>,
}
