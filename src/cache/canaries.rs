//! Asking the canaries: on schedule, straight at their upstreams, beside all counting and keeping.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::canary::{Canary, CanarySettings, CanaryState, OnDrift};
use super::engine::Engine;
use super::note::Note;
use crate::domain::{Digest, Lifetimes, Location, Model, Surface, Target, Version};
use crate::store::{Ledger, StoreError};
use crate::upstream::{Outgoing, Plan, Upstreams};
use crate::wire::{self, Spoken};

/// What is known of all watched models. Kept in the ledger.
#[derive(Debug)]
pub(super) struct Canaries {
    known: Mutex<BTreeMap<Model, Canary>>,
    note: Note,
}

impl Canaries {
    pub(super) async fn open(ledger: Arc<dyn Ledger>) -> Self {
        let note = Note::new(ledger, "canaries");
        let lost = "what canaries answered could not be read; it is learned anew";
        let known: Option<Vec<Canary>> = note.read(|record| serde_json::from_slice(record).ok(), lost).await;
        let known = known.into_iter().flatten().map(|canary| (canary.model.clone(), canary)).collect();
        Self { known: Mutex::new(known), note }
    }

    /// Those that are watched now: what was watched once is forgotten.
    fn watch(&self, watched: &[CanarySettings]) {
        let mut known = self.known.lock();
        known.retain(|model, _| watched.iter().any(|settings| settings.watched() == *model));
        for settings in watched {
            known.entry(settings.watched()).or_insert_with(|| Canary::new(settings));
        }
    }

    async fn write(&self) -> Result<(), StoreError> {
        self.note.write(|| serde_json::to_vec(&self.known.lock().values().collect::<Vec<_>>())).await
    }
}

impl Engine {
    /// Asks each canary on its schedule until the engine stops. Called once.
    pub fn watch_canaries(self: &Arc<Self>, upstreams: &Arc<dyn Upstreams>, watched: Vec<CanarySettings>) {
        self.canaries.watch(&watched);
        for settings in watched {
            let (engine, upstreams, stop) = (self.clone(), upstreams.clone(), self.stop.clone());
            let ask = async move {
                loop {
                    tokio::time::sleep(engine.until_due(&settings)).await;
                    engine.ask_canary(&*upstreams, &settings).await;
                }
            };
            self.tasks.spawn(async move {
                tokio::select! {
                    () = ask => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    }

    /// What is known of the watched models, in order of model.
    #[must_use]
    pub fn canaries(&self) -> Vec<Canary> {
        self.canaries.known.lock().values().cloned().collect()
    }

    /// A restart is no reason to ask again before the time.
    fn until_due(&self, settings: &CanarySettings) -> Duration {
        let last = self.canaries.known.lock().get(&settings.watched()).and_then(|canary| canary.asked);
        last.map_or(Duration::ZERO, |last| settings.every.0.saturating_sub(self.now().since(last)))
    }

    /// One round of questions to one model, and what follows from the answers.
    pub async fn ask_canary(self: &Arc<Self>, upstreams: &dyn Upstreams, settings: &CanarySettings) {
        let model = settings.watched();
        let before = self.told_version(&model).await;
        let mut answers = Vec::with_capacity(settings.prompts.len());
        for prompt in &settings.prompts {
            let spoken = ask(upstreams, settings, prompt).await;
            if let Some(name) = spoken.as_ref().and_then(|spoken| spoken.model.as_deref()) {
                // Where answers tell versions, these do too.
                self.epochs.report(&model, name, self.now()).await;
            }
            answers.push(spoken.map(|spoken| digest(&spoken.text)));
        }
        let after = self.told_version(&model).await;
        if before.is_some() && before != after {
            // A known change is no drift; it is learned anew in the next round.
            return;
        }
        let canary = {
            let mut known = self.canaries.known.lock();
            let canary = known.entry(model.clone()).or_insert_with(|| Canary::new(settings));
            canary.take(&answers, &self.epochs.current(&model), self.now(), settings);
            canary.clone()
        };
        self.follow_up(&canary, settings).await;
        if let Err(fault) = self.canaries.write().await {
            tracing::warn!(%fault, "what canaries answered could not be written");
        }
    }

    async fn follow_up(&self, canary: &Canary, settings: &CanarySettings) {
        let (upstream, model) = (&*settings.upstream, &*settings.model);
        let (differing, questions) = (canary.differing, settings.prompts.len());
        match canary.state {
            CanaryState::Drifted => {
                tracing::warn!(upstream, model, differing, questions, "a model answers as never before");
                if settings.on_drift == OnDrift::Bump
                    && let Err(fault) = self.epochs.bump(&canary.model, self.now()).await
                {
                    tracing::warn!(%fault, "its new version holds until the next start");
                }
            }
            CanaryState::Silent => tracing::warn!(upstream, model, "a canary's questions were not answered"),
            CanaryState::Learning | CanaryState::Same => {}
        }
    }

    /// The version that the upstream itself tells now; `None` where it tells none.
    async fn told_version(&self, model: &Model) -> Option<Version> {
        let deadline = self.settings.load().versions.ask_deadline.0;
        self.epochs.verify(model, self.now(), deadline).await.ok().flatten()
    }
}

/// Whitespace at the ends, and how much of it stands between words, is no part of an answer.
fn digest(text: &str) -> Digest {
    Digest::of(text.split_whitespace().collect::<Vec<_>>().join(" ").as_bytes())
}

/// Asks one question; `None` where no answer came, for whatever reason.
async fn ask(upstreams: &dyn Upstreams, settings: &CanarySettings, prompt: &str) -> Option<Spoken> {
    const PATIENCE: Duration = Duration::from_secs(300);
    const MOST_BYTES: usize = 1 << 20;
    let kind = upstreams.health().into_iter().find(|upstream| upstream.name == settings.upstream)?.kind;
    let surface = if kind == "anthropic" { Surface::AnthropicMessages } else { Surface::OpenaiChat };
    let model = settings.watched();
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if surface == Surface::AnthropicMessages {
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    let outgoing = Outgoing {
        method: Method::POST,
        path: surface.path().to_owned(),
        headers,
        body: wire::question(surface, &model.name, prompt, settings.max_tokens)?,
        upload: None,
        model: Some(model.name.clone()),
    };
    // Where it computes matters to nobody here: nothing of this is kept or given to anyone.
    let target = Target { model, location: Location::Local };
    let plan = Plan { targets: vec![target], lifetimes: Lifetimes::default(), route: "*".into() };
    let answer = async {
        let incoming = upstreams.send(&plan, outgoing).await.ok()?;
        if !incoming.head.status.is_success() {
            tracing::debug!(status = incoming.head.status.as_u16(), "a canary was refused");
            return None;
        }
        let mut body = incoming.body;
        let mut whole = BytesMut::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.ok()?);
            if whole.len() > MOST_BYTES {
                return None;
            }
        }
        wire::spoken(surface, &whole)
    };
    timeout(PATIENCE, answer).await.ok().flatten()
}
