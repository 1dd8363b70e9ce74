//! The risk budget at work: a [`Watch`] for all traffic together and for each route, tenant and language, the level
//! that follows for one request, and what checks and reports teach. Kept in the ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::note::Note;
use super::shadow::Spending;
use crate::domain::{Query, TenantId, Timestamp};
use crate::policy::risk::{Certificate, Check, Level, Move, Settings, Standing, Table, Watch};
use crate::store::{Ledger, StoreError};

/// Traffic whose evidence is counted apart. A request belongs to one of each kind, and keeps to the strictest of
/// their levels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Group {
    /// Everything.
    All,
    /// One route's.
    Route(Arc<str>),
    /// One tenant's.
    Tenant(TenantId),
    /// Prompts in one language.
    Language(Arc<str>),
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Route(name) => write!(f, "route {name}"),
            Self::Tenant(tenant) => write!(f, "tenant {}", tenant.0),
            Self::Language(code) => write!(f, "language {code}"),
        }
    }
}

/// One match by meaning, as evidence knows it.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    pub groups: [Group; 4],
    /// The judge's score.
    pub score: f32,
}

/// What is known of the risk, for `GET /admin/v1/risk`.
#[derive(Debug, Clone)]
pub struct RiskReport {
    /// The share of wrong answers that is allowed.
    pub budget: f64,
    /// The labelled hits that levels began with.
    pub calibration: Arc<Table>,
    /// What they certify.
    pub certificate: Option<Certificate>,
    /// Each group's evidence.
    pub groups: Vec<(Group, Watch)>,
    /// What checking has cost today, and what came of it since the start.
    pub spending: Spending,
}

impl RiskReport {
    /// Whether the calibration is the one that comes with the program.
    #[must_use]
    pub fn shipped(&self) -> bool {
        Arc::ptr_eq(&self.calibration, &Table::shipped())
    }
}

/// All groups.
#[derive(Debug)]
pub(super) struct Risk {
    watches: RwLock<BTreeMap<Group, Watch>>,
    /// What levels began with, for the settings of the moment.
    base: RwLock<Base>,
    pub(super) spending: Mutex<Spending>,
    note: Note,
}

#[derive(Debug, Clone, Copy)]
struct Base {
    budget: f64,
    level: Option<Level>,
}

/// What stands in the ledger; the number before it tells its form.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    watches: Vec<(Group, Watch)>,
}

const FORM: u8 = 1;

impl Risk {
    /// Groups beyond which new ones share the evidence of all.
    const MOST: usize = 1024;

    /// Reads what the ledger holds; a ledger that fails, or holds nonsense, leaves nothing known.
    pub(super) async fn open(ledger: Arc<dyn Ledger>, settings: &Settings, now: Timestamp) -> Self {
        let note = Note::new(ledger, "risk");
        let decode = |record: &[u8]| match record {
            [FORM, record @ ..] => rmp_serde::from_slice::<Record>(record).ok(),
            _ => None,
        };
        let record = note.read(decode, "what was known of false hits could not be read; it is learned anew").await;
        let watches = record.into_iter().flat_map(|record| record.watches);
        let watches: BTreeMap<_, _> = watches.filter(|(_, watch)| watch.is_whole()).collect();
        let base = Base { budget: settings.max_false_hit_rate, level: None };
        let risk = Self { watches: RwLock::new(watches), base: RwLock::new(base), spending: Mutex::default(), note };
        risk.configure(settings, now);
        risk
    }

    /// Applies another budget or calibration. What was found about scores stays.
    pub(super) fn configure(&self, settings: &Settings, now: Timestamp) {
        let budget = settings.max_false_hit_rate;
        let level = settings.calibration.level(budget, settings.until_certified);
        *self.base.write() = Base { budget, level };
        let mut watches = self.watches.write();
        watches.entry(Group::All).or_insert_with(|| Watch::new(level, now));
        watches.values_mut().for_each(|watch| watch.rebase(level, budget, now));
    }

    /// The level for a request of these groups; `None`: by equality only.
    pub(super) fn level(&self, groups: &[Group]) -> Option<Level> {
        let watches = self.watches.read();
        let base = self.base.read().level;
        // An unknown group stands where the calibration put it. Nothing at all is stricter than any level.
        let mut levels = groups.iter().map(|group| watches.get(group).map_or(base, Watch::level));
        levels.try_fold(Level::LOOSEST, |strictest, level| Some(strictest.max(level?)))
    }

    /// Notes that a match was served; how many times as often as usual it should be checked.
    pub(super) fn served(&self, matched: &Matched, now: Timestamp) -> f64 {
        let mut eagerness: f64 = 1.0;
        self.notice(matched, now, |watch, budget| {
            watch.served(matched.score);
            eagerness = eagerness.max(watch.eagerness(budget));
            None
        });
        eagerness
    }

    /// Takes what a check found.
    pub(super) fn checked(&self, matched: &Matched, check: Check, now: Timestamp) {
        self.notice(matched, now, |watch, budget| watch.checked(check, budget, now));
    }

    /// Takes a report that a match was wrong.
    pub(super) fn reported(&self, matched: &Matched, now: Timestamp) {
        self.notice(matched, now, |watch, budget| watch.reported(matched.score, budget, now));
    }

    /// Has the watch of each group of a match take notice of something, under the budget, and says which levels move.
    fn notice(&self, matched: &Matched, now: Timestamp, mut take: impl FnMut(&mut Watch, f64) -> Option<Move>) {
        let Base { budget, level } = *self.base.read();
        let mut watches = self.watches.write();
        for group in &matched.groups {
            if !watches.contains_key(group) && watches.len() >= Self::MOST {
                continue;
            }
            let watch = watches.entry(group.clone()).or_insert_with(|| Watch::new(level, now));
            if let Some(why) = take(watch, budget) {
                let level = watch.level().map(Level::least);
                tracing::warn!(%group, ?why, ?level, "the level for answers by meaning moves");
            }
        }
    }

    fn all(&self) -> Vec<(Group, Watch)> {
        self.watches.read().iter().map(|(group, watch)| (group.clone(), watch.clone())).collect()
    }

    /// Writes down what is known.
    ///
    /// # Errors
    /// When the ledger fails.
    pub(super) async fn keep(&self) -> Result<(), StoreError> {
        let encode = || {
            let watches = self.all();
            let mut record = vec![FORM];
            rmp_serde::encode::write_named(&mut record, &Record { watches }).map(|()| record)
        };
        self.note.write(encode).await
    }
}

impl Engine {
    /// What is known of the risk of answering by meaning.
    #[must_use]
    pub fn risk(&self) -> RiskReport {
        let settings = &self.settings.load().risk;
        RiskReport {
            budget: settings.max_false_hit_rate,
            calibration: settings.calibration.clone(),
            certificate: settings.calibration.certify(settings.max_false_hit_rate),
            groups: self.risk.all(),
            spending: self.risk.spending.lock().clone(),
        }
    }

    /// The level in use over all traffic, and how well it is shown to keep to the budget.
    #[must_use]
    pub fn operating_level(&self) -> (Option<Level>, Standing) {
        let budget = self.risk.base.read().budget;
        let watches = self.risk.watches.read();
        watches.get(&Group::All).map_or((None, Standing::ExactOnly), |all| (all.level(), all.standing(budget)))
    }

    /// The groups of a request whose prompt is in this language.
    pub(super) fn groups(query: &Query, language: Option<&'static str>) -> [Group; 4] {
        [
            Group::All,
            Group::Route(query.route.clone()),
            Group::Tenant(query.tenant.clone()),
            Group::Language(language.unwrap_or("unclear").into()),
        ]
    }
}
