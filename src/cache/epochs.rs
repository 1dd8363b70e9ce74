//! Model versions: which build of each model answers now, and which did before.
//!
//! A version is what the upstream says of itself (Ollama's digest), else what its answers report (OpenAI's dated
//! model names), with the operator's bumps after it. The version is in every key, so that a change takes effect with
//! the next lookup, and a model that returns to a known version gets its answers back. Kept in the ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::note::Note;
use crate::domain::{Model, Timestamp, Version};
use crate::store::{Ledger, StoreError};
use crate::upstream::VersionSource;

/// What is known of one model's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The model.
    pub model: Model,
    /// What upstream or answers say; empty while they said nothing.
    pub signal: Version,
    /// How often the operator declared a new version.
    pub bumps: u64,
    /// Versions before this one, latest first.
    pub earlier: Vec<Version>,
    /// When the signal was last seen.
    pub seen: Option<Timestamp>,
    /// When the version last changed.
    pub changed: Option<Timestamp>,
    /// Where the signal comes from.
    pub source: Source,
}

/// Where a model's version is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Nobody has said anything yet.
    Unknown,
    /// The upstream says it when asked.
    Upstream,
    /// Its answers report it.
    Answers,
}

impl Epoch {
    /// How many earlier versions are remembered.
    const EARLIER: usize = 16;

    fn new(model: Model) -> Self {
        Self {
            model,
            signal: Version::unknown(),
            bumps: 0,
            earlier: Vec::new(),
            seen: None,
            changed: None,
            source: Source::Unknown,
        }
    }

    /// The version answers are kept under now.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version_of(&self.signal)
    }

    fn says_anything(&self) -> bool {
        !self.signal.is_unknown() || self.bumps > 0
    }

    fn version_of(&self, signal: &Version) -> Version {
        match self.bumps {
            0 => signal.clone(),
            // No signal contains a space, so a bumped version equals no signal.
            bumps => Version(format!("{} bump {bumps}", signal.0).trim_start().into()),
        }
    }

    /// Takes the model name of an answer for the signal; not where the upstream itself tells.
    fn take_report(&mut self, reported: &str) -> bool {
        let heard = self.source != Source::Upstream;
        if heard {
            self.signal = Version(reported.into());
            self.source = Source::Answers;
        }
        heard
    }

    fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut Self)) -> bool {
        let before = self.version();
        change(self);
        let after = self.version();
        if before == after {
            return false;
        }
        self.earlier.retain(|version| *version != after && *version != before);
        self.earlier.insert(0, before);
        self.earlier.truncate(Self::EARLIER);
        self.changed = Some(now);
        true
    }
}

/// All models' epochs.
#[derive(Debug)]
pub(super) struct Epochs {
    known: RwLock<HashMap<Model, Known>>,
    note: Note,
    source: Arc<dyn VersionSource>,
}

#[derive(Debug)]
struct Known {
    epoch: Epoch,
    /// The version, ready for use.
    version: Version,
    /// How often it changed since the start.
    changes: u64,
    asking: Arc<Asking>,
}

/// One question at a time to each upstream about each model.
#[derive(Debug, Default)]
struct Asking {
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Option<Timestamp>>,
}

/// How sure the present version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Seen not long ago, or there is nothing to see.
    Sure {
        /// The version.
        version: Version,
        /// It is time to look again.
        ageing: bool,
    },
    /// The last one known; the upstream that would tell has not been heard of for a while.
    Unsure(Version),
    /// It has not been asked since the start.
    Unasked,
}

impl Epochs {
    /// Models known beyond which those without a version are forgotten.
    const MOST: usize = 4096;

    /// Reads what the ledger holds; a ledger that fails or holds nonsense leaves nothing known.
    pub(super) async fn open(ledger: Arc<dyn Ledger>, source: Arc<dyn VersionSource>) -> Self {
        let note = Note::new(ledger, "epochs");
        let lost = "model versions could not be read; they are learned anew";
        let epochs: Option<Vec<Epoch>> = note.read(|record| serde_json::from_slice(record).ok(), lost).await;
        let known = epochs.into_iter().flatten().map(|mut epoch| {
            // What was seen before the start says nothing about now.
            epoch.seen = None;
            let version = epoch.version();
            (epoch.model.clone(), Known { epoch, version, changes: 0, asking: Arc::default() })
        });
        Self { known: RwLock::new(known.collect()), note, source }
    }

    /// The version as it stands, without asking anybody.
    pub(super) fn standing(&self, model: &Model, now: Timestamp, unsure_after: Duration) -> Standing {
        let known = self.known.read();
        let Some(Known { epoch, version, .. }) = known.get(model) else { return Standing::Unasked };
        let Some(seen) = epoch.seen else { return Standing::Unasked };
        let watched = epoch.source == Source::Upstream;
        let unseen_for = now.since(seen);
        if watched && unseen_for > unsure_after {
            return Standing::Unsure(version.clone());
        }
        Standing::Sure { version: version.clone(), ageing: watched && unseen_for > unsure_after / 2 }
    }

    /// The version last known, empty if none.
    pub(super) fn current(&self, model: &Model) -> Version {
        self.known.read().get(model).map_or_else(Version::unknown, |known| known.version.clone())
    }

    /// Whether the model's present version stands since before `then`.
    pub(super) fn unchanged_since(&self, model: &Model, then: Timestamp) -> bool {
        let known = self.known.read();
        let epoch = known.get(model).map(|known| &known.epoch);
        epoch.is_some_and(|epoch| epoch.changed.is_some_and(|changed| changed < then))
    }

    /// Versions before the present one.
    pub(super) fn earlier(&self, model: &Model) -> Vec<Version> {
        self.known.read().get(model).map(|known| known.epoch.earlier.clone()).unwrap_or_default()
    }

    /// Whether nobody is asking about the model now, nor did within `pause`.
    pub(super) fn may_ask(&self, model: &Model, now: Timestamp, pause: Duration) -> bool {
        let Some(asking) = self.known.read().get(model).map(|known| known.asking.clone()) else { return true };
        asking.turn.try_lock().is_ok() && asking.last.lock().is_none_or(|last| now.since(last) >= pause)
    }

    /// Asks the upstream, unless another request does so right now or did within `pause`; then the version last
    /// known stands. Gives up after `deadline`.
    pub(super) async fn ask(&self, model: &Model, now: Timestamp, pause: Duration, deadline: Duration) {
        let asking = {
            let mut known = self.known.write();
            known.entry(model.clone()).or_insert_with(|| Known::new(model.clone())).asking.clone()
        };
        let _turn = asking.turn.lock().await;
        if asking.last.lock().is_some_and(|last| now.since(last) < pause) {
            return;
        }
        *asking.last.lock() = Some(now);
        if let Err(why) = self.probe(model, now, deadline).await {
            tracing::debug!(upstream = %model.upstream, why, "a model's version was not told");
        }
    }

    /// The version that is running now, for a filling; `Ok(None)` where the upstream says nothing.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub(super) async fn verify(
        &self,
        model: &Model,
        now: Timestamp,
        deadline: Duration,
    ) -> Result<Option<Version>, String> {
        Ok(self.probe(model, now, deadline).await?.then(|| self.current(model)))
    }

    /// Asks the upstream; whether it says anything.
    async fn probe(&self, model: &Model, now: Timestamp, deadline: Duration) -> Result<bool, String> {
        let changes = self.changes(model);
        let told = timeout(deadline, self.source.probe(model)).await.map_err(|_| "not in time".to_owned())?;
        match told.map_err(|fault| fault.to_string())? {
            // What was asked before a change and answered after it is of the past, and must not undo the change.
            Some(_) if self.changes(model) != changes => Ok(true),
            Some(signal) => {
                self.observe(model, signal, now).await;
                Ok(true)
            }
            None => {
                self.alter(model, now, |epoch| {
                    // An upstream that told a version before and tells none now leaves the last one in doubt.
                    if epoch.source != Source::Upstream {
                        epoch.seen = Some(now);
                        epoch.source = Source::Answers;
                    }
                });
                Ok(false)
            }
        }
    }

    fn changes(&self, model: &Model) -> u64 {
        self.known.read().get(model).map_or(0, |known| known.changes)
    }

    /// Notes what an upstream says of itself.
    pub(super) async fn observe(&self, model: &Model, signal: Version, now: Timestamp) {
        let changed = self.alter(model, now, |epoch| {
            epoch.signal = signal;
            epoch.source = Source::Upstream;
            epoch.seen = Some(now);
        });
        self.persist(changed).await;
    }

    /// Notes the model name an answer reports, where the upstream says nothing of itself.
    pub(super) async fn report(&self, model: &Model, reported: &str, now: Timestamp) {
        let changed = self.alter(model, now, |epoch| {
            if epoch.take_report(reported) {
                epoch.seen = Some(now);
            }
        });
        self.persist(changed).await;
    }

    /// The version that [`Self::report`] would make current.
    pub(super) fn as_reported(&self, model: &Model, reported: &str) -> Version {
        let known = self.known.read().get(model).map(|known| known.epoch.clone());
        let mut epoch = known.unwrap_or_else(|| Epoch::new(model.clone()));
        epoch.take_report(reported);
        epoch.version()
    }

    /// A reported model name with the fingerprint beside it. An answer without one says nothing about it: the last one
    /// stands for as long as the name does.
    pub(super) fn with_fingerprint(&self, model: &Model, name: &Arc<str>, print: Option<&str>) -> Arc<str> {
        if let Some(print) = print {
            return format!("{name}+{print}").into();
        }
        let known = self.known.read();
        let signal = known.get(model).map(|known| known.epoch.signal.0.clone());
        let same = |signal: &Arc<str>| signal.strip_prefix(&**name).is_some_and(|rest| rest.starts_with('+'));
        signal.filter(same).unwrap_or_else(|| name.clone())
    }

    /// Declares a new version by hand.
    ///
    /// # Errors
    /// When the ledger fails; the bump holds until the next start.
    pub(super) async fn bump(&self, model: &Model, now: Timestamp) -> Result<Version, StoreError> {
        self.alter(model, now, |epoch| epoch.bumps += 1);
        self.write().await?;
        Ok(self.current(model))
    }

    /// Takes what a backup knows of a model, where nobody knows anything of it yet.
    ///
    /// # Errors
    /// When the ledger fails; what was taken holds until the next start.
    pub(super) async fn restore(&self, epoch: Epoch) -> Result<(), StoreError> {
        {
            let mut all = self.known.write();
            let known = all.entry(epoch.model.clone()).or_insert_with(|| Known::new(epoch.model.clone()));
            if !known.version.is_unknown() {
                return Ok(());
            }
            // What was seen elsewhere says nothing about now.
            known.epoch = Epoch { seen: None, ..epoch };
            known.version = known.epoch.version();
        }
        self.write().await
    }

    /// All models' epochs, in order of model.
    pub(super) fn all(&self) -> Vec<Epoch> {
        let mut all: Vec<_> = self.known.read().values().map(|known| known.epoch.clone()).collect();
        all.sort_by(|a, b| a.model.cmp(&b.model));
        all
    }

    fn alter(&self, model: &Model, now: Timestamp, change: impl FnOnce(&mut Epoch)) -> bool {
        let mut all = self.known.write();
        if all.len() >= Self::MOST && !all.contains_key(model) {
            // Names are the clients' to choose; those nobody ever answered to are not worth remembering.
            all.retain(|_, known| known.epoch.says_anything());
        }
        let known = all.entry(model.clone()).or_insert_with(|| Known::new(model.clone()));
        let changed = known.epoch.change(now, change);
        if changed {
            known.changes += 1;
            known.version = known.epoch.version();
            let (version, upstream, name) = (&known.version.0, &model.upstream, &model.name);
            tracing::info!(%upstream, model = %name, %version, "a model has a new version");
        }
        changed
    }

    async fn persist(&self, changed: bool) {
        if (changed || self.note.is_behind())
            && let Err(fault) = self.write().await
        {
            tracing::warn!(%fault, "model versions could not be written; trying again with the next answer");
        }
    }

    async fn write(&self) -> Result<(), StoreError> {
        let telling = || self.all().into_iter().filter(Epoch::says_anything).collect::<Vec<_>>();
        self.note.write(|| serde_json::to_vec(&telling())).await
    }
}

impl Known {
    fn new(model: Model) -> Self {
        Self { epoch: Epoch::new(model), version: Version::unknown(), changes: 0, asking: Arc::default() }
    }
}
