//! An engine to play with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::{Engine, Filling, Follower, Hit, Lookup, Parts, Settings, Ticket};
use crate::domain::{
    Asked, Cause, Digest, Directives, Entry, EntryId, Finish, Head, Lifetimes, Location, ManualClock, Model, Namespace,
    Prompt, Query, Recording, Secret, Shape, SpaceId, Surface, Target, TenantId, Timestamp, Traits, Turn, Usage,
    Vector, Version,
};
use crate::embed::{EmbedError, Embedder, Embedding, Space};
use crate::index::Partitions;
use crate::store::{EntryStore, Ledger, MemoryStore, StoreError};
use crate::telemetry::Steps;
use crate::upstream::{UpstreamError, VersionSource};

pub(super) const STREAMED: Shape = Shape { stream: true, usage_chunk: false };
pub(super) const WHOLE: Shape = Shape { stream: false, usage_chunk: false };
pub(super) const START: Timestamp = Timestamp(1_700_000_000_000);

/// An engine with everything it stands on.
pub(super) struct House {
    pub engine: Arc<Engine>,
    pub store: Arc<FaultyStore>,
    pub embedder: Arc<FakeEmbedder>,
    pub versions: Arc<FakeVersions>,
    pub clock: Arc<ManualClock>,
    pub tasks: TaskTracker,
    stop: CancellationToken,
}

impl House {
    pub(super) async fn open() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        Self::over(Arc::default(), settings).await
    }

    /// An engine over a store that may hold something already.
    pub(super) async fn over(store: Arc<FaultyStore>, settings: Settings) -> Self {
        let versions = Arc::<FakeVersions>::default();
        let clock = Arc::new(ManualClock::at(START));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let parts = Parts {
            store: store.clone(),
            ledger: store.clone(),
            index: Arc::new(Partitions::new(crate::index::Settings::default())),
            versions: versions.clone(),
            clock: clock.clone(),
            secret: Secret::new([7; 32]),
            tasks: tasks.clone(),
            stop: stop.clone(),
            steps: Steps::default(),
        };
        let engine = Engine::open(parts, settings).await;
        let embedder = Arc::new(FakeEmbedder::new("fake"));
        engine.set_embedder(Some(embedder.clone()));
        Self { engine, store, embedder, versions, clock, tasks, stop }
    }

    /// Waits until the background work that has an end is done: all but the sweep.
    pub(super) async fn tasks_done(&self) {
        while self.tasks.len() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends the house: whoever opens its store next finds nobody in it.
    pub(super) async fn close(self) {
        self.engine.close().await.expect("the ledger works");
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(super) async fn lookup(&self, ask: &Ask) -> Lookup {
        self.engine.lookup(ask.query(), &ask.directives, ask.lifetimes).await
    }

    /// Looks up, and answers a miss.
    pub(super) async fn answer(&self, ask: &Ask, text: &str) -> Arc<Entry> {
        let ticket = self.miss(ask).await;
        ticket.fill(ask.filling(text)).await.expect("it is kept")
    }

    pub(super) async fn miss(&self, ask: &Ask) -> Ticket {
        match self.lookup(ask).await {
            Lookup::Miss(ticket) => *ticket,
            other => panic!("a miss was expected, not {:?}", said(&other)),
        }
    }

    pub(super) async fn hit(&self, ask: &Ask) -> Hit {
        match self.lookup(ask).await {
            Lookup::Hit(hit) => *hit,
            other => panic!("a hit was expected, not {:?}", said(&other)),
        }
    }

    pub(super) async fn join(&self, ask: &Ask) -> Follower {
        match self.lookup(ask).await {
            Lookup::Join(follower) => follower,
            other => panic!("a flight to join was expected, not {:?}", said(&other)),
        }
    }
}

/// The default settings, with lifetimes as they are said.
pub(super) fn settings() -> Settings {
    Settings { jitter: 0.0, ..Settings::default() }
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub prompt: String,
    pub tenant: &'static str,
    pub namespace: &'static str,
    pub frame: &'static str,
    pub history: Vec<Turn>,
    pub targets: Vec<Target>,
    pub shape: Shape,
    pub traits: Traits,
    pub directives: Directives,
    pub lifetimes: Lifetimes,
}

pub(super) fn ask(prompt: &str) -> Ask {
    Ask {
        prompt: prompt.to_owned(),
        tenant: "ada",
        namespace: "",
        frame: "be brief",
        history: Vec::new(),
        targets: vec![target("ollama", "llama3", Location::Local)],
        shape: WHOLE,
        traits: Traits::default(),
        directives: Directives::default(),
        lifetimes: Lifetimes::default(),
    }
}

pub(super) fn target(upstream: &str, model: &str, location: Location) -> Target {
    Target { model: Model { upstream: upstream.into(), name: model.into() }, location }
}

impl Ask {
    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn query(&self) -> Query {
        let prompt: Arc<str> = self.prompt.as_str().into();
        Query {
            asked: Arc::new(Asked {
                surface: Surface::OpenaiChat,
                model: self.targets[0].model.name.clone(),
                shape: self.shape,
                frame: Digest::of(self.frame.as_bytes()),
                history: self.history.clone(),
                last: Digest::of(prompt.as_bytes()),
                prompt: Some(Prompt(prompt)),
                traits: self.traits.clone(),
            }),
            tenant: TenantId(self.tenant.into()),
            namespace: Namespace(self.namespace.into()),
            headers: Digest::of(b""),
            targets: self.targets.clone(),
            route: "*".into(),
        }
    }

    pub(super) fn filling(&self, text: &str) -> Filling {
        Filling {
            target: self.targets[0].clone(),
            head: head(200),
            recording: Ok(recording(text)),
            took: Duration::from_millis(800),
        }
    }
}

pub(super) fn head(status: u16) -> Arc<Head> {
    let status = StatusCode::from_u16(status).expect("a status");
    Arc::new(Head { status, headers: HeaderMap::new() })
}

pub(super) fn recording(text: &str) -> Recording {
    Recording {
        surface: Surface::OpenaiChat,
        answer: Bytes::copy_from_slice(text.as_bytes()),
        finish: Finish::Complete,
        reported_model: Some("llama3".into()),
        usage: Some(Usage { prompt: 5, completion: 7 }),
    }
}

/// The text of a kept answer.
pub(super) fn text(entry: &Entry) -> &str {
    std::str::from_utf8(&entry.recording.answer).expect("UTF-8")
}

/// Places prompts where it is told to; others at right angles, nearly, to everything.
#[derive(Debug)]
pub(super) struct FakeEmbedder {
    space: Space,
    places: Mutex<HashMap<String, Vec<f32>>>,
    pub fault: Mutex<Option<EmbedError>>,
    pub window: usize,
    pub calls: AtomicUsize,
    /// Of the calls, those for texts that no request waits for.
    pub aside: AtomicUsize,
}

impl FakeEmbedder {
    pub(super) fn new(space: &str) -> Self {
        let space = Space { id: SpaceId(space.into()), model: space.to_owned(), dimension: 64, max_tokens: 256 };
        Self {
            space,
            places: Mutex::default(),
            fault: Mutex::default(),
            window: 1000,
            calls: AtomicUsize::new(0),
            aside: AtomicUsize::new(0),
        }
    }

    /// Makes `text` lie at this cosine from `other`.
    pub(super) fn place(&self, text: &str, other: &str, cosine: f32) {
        let toward = self.raw(other);
        let mut aside = self.raw(&format!("aside {text}"));
        let overlap: f32 = toward.iter().zip(&aside).map(|(a, b)| a * b).sum();
        aside.iter_mut().zip(&toward).for_each(|(a, t)| *a -= overlap * t);
        let aside = Vector::normalised(aside).expect("a direction");
        let sine = (1.0 - cosine * cosine).max(0.0).sqrt();
        let placed = toward.iter().zip(aside.as_slice()).map(|(t, a)| cosine * t + sine * a).collect();
        self.places.lock().insert(text.to_owned(), placed);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn raw(&self, text: &str) -> Vec<f32> {
        if let Some(place) = self.places.lock().get(text) {
            return place.clone();
        }
        let mut hash = blake3::Hasher::new();
        let mut bytes = [0; 64];
        hash.update(text.as_bytes()).finalize_xof().fill(&mut bytes);
        let raw = bytes.iter().map(|b| f32::from(*b) - 127.5).collect();
        Vector::normalised(raw).expect("not all zero").as_slice().to_vec()
    }
}

#[async_trait]
impl Embedder for FakeEmbedder {
    async fn embed(&self, text: &str) -> Result<Embedding, EmbedError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = self.fault.lock().clone() {
            return Err(fault);
        }
        let seen: String = text.chars().take(self.window).collect();
        let unseen = &text[seen.len()..];
        let vector = Vector::normalised(self.raw(&seen)).expect("a direction");
        Ok(Embedding { vector, unseen: (!unseen.is_empty()).then(|| Digest::of(unseen.as_bytes())) })
    }

    async fn embed_aside(&self, text: &str) -> Result<Embedding, EmbedError> {
        self.aside.fetch_add(1, Ordering::SeqCst);
        self.embed(text).await
    }

    fn space(&self) -> &Space {
        &self.space
    }
}

/// Upstreams that tell the versions they are told to tell.
#[derive(Debug, Default)]
pub(super) struct FakeVersions {
    told: Mutex<HashMap<Model, Version>>,
    pub unreachable: Mutex<bool>,
    /// Closed while answers are held back; who waits is counted.
    gate: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
    waiting: Arc<AtomicUsize>,
}

impl FakeVersions {
    pub(super) fn tell(&self, target: &Target, version: &str) {
        self.told.lock().insert(target.model.clone(), Version(version.into()));
    }

    /// Knows of no versions any more.
    pub(super) fn tells_nothing(&self) {
        self.told.lock().clear();
    }

    /// Holds answers back from now on; how many wait can be read.
    pub(super) fn hold(&self) -> Arc<AtomicUsize> {
        *self.gate.lock() = Some(Arc::new(tokio::sync::Semaphore::new(0)));
        self.waiting.clone()
    }

    pub(super) fn release(&self) {
        if let Some(gate) = self.gate.lock().take() {
            gate.close();
        }
    }
}

#[async_trait]
impl VersionSource for FakeVersions {
    async fn probe(&self, model: &Model) -> Result<Option<Version>, UpstreamError> {
        if *self.unreachable.lock() {
            return Err(UpstreamError::Unreachable { upstream: model.upstream.to_string(), why: "told so".into() });
        }
        let told = self.told.lock().get(model).cloned();
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // It is closed to let everyone through.
            let _ = gate.acquire().await;
        }
        Ok(told)
    }
}

/// A store, in memory unless it is told another, that fails when told to.
#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: Arc<dyn Truth>,
    pub reads_fail: Mutex<bool>,
    pub writes_fail: Mutex<bool>,
    /// Closed while entries are held back; who waits is counted.
    pub gate: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
    pub waiting: AtomicUsize,
}

pub(super) trait Truth: EntryStore + Ledger {}

impl<T: EntryStore + Ledger> Truth for T {}

impl Default for FaultyStore {
    fn default() -> Self {
        Self::over(Arc::<MemoryStore>::default())
    }
}

impl FaultyStore {
    pub(super) fn over(inner: Arc<dyn Truth>) -> Self {
        Self {
            inner,
            reads_fail: Mutex::default(),
            writes_fail: Mutex::default(),
            gate: Mutex::default(),
            waiting: AtomicUsize::default(),
        }
    }

    fn check(fails: &Mutex<bool>) -> Result<(), StoreError> {
        if *fails.lock() { Err(StoreError::Engine("told so".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl EntryStore for FaultyStore {
    async fn get(&self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        Self::check(&self.reads_fail)?;
        self.inner.get(id).await
    }

    async fn put(&self, entry: &Entry) -> Result<(), StoreError> {
        Self::check(&self.writes_fail)?;
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // It is closed to let everyone through.
            let _ = gate.acquire().await;
        }
        self.inner.put(entry).await
    }

    async fn remove(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        Self::check(&self.writes_fail)?;
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            let _ = gate.acquire().await;
        }
        self.inner.remove(ids).await
    }

    async fn scan(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        Self::check(&self.reads_fail)?;
        self.inner.scan(after, limit).await
    }
}

#[async_trait]
impl Ledger for FaultyStore {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Self::check(&self.reads_fail)?;
        self.inner.read(name).await
    }

    async fn write(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        Self::check(&self.writes_fail)?;
        Ledger::write(&*self.inner, name, record).await
    }
}

/// What a lookup said, in one word and its reason.
pub(super) fn said(lookup: &Lookup) -> (&'static str, Option<&'static str>) {
    match lookup {
        Lookup::Hit(hit) => (hit.outcome.as_str(), hit.reason.map(|reason| reason.as_str())),
        Lookup::Miss(ticket) => (ticket.outcome.as_str(), ticket.reason.map(|reason| reason.as_str())),
        Lookup::Join(_) => ("JOIN", None),
        Lookup::Bypass(reason) => ("BYPASS", Some(reason.as_str())),
        Lookup::NotCached(reason) => ("NOT-CACHED", reason.map(|reason| reason.as_str())),
    }
}

/// A recording that ended so.
pub(super) fn ended(cause: Cause) -> Result<Recording, Cause> {
    Err(cause)
}
