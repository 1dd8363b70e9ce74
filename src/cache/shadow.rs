//! Which served hits are checked, and what a check costs and teaches. The upstream is asked by who serves; nothing
//! here waits for it.

use std::sync::Arc;

use super::embedding::aside;
use super::engine::Engine;
use super::risk::Matched;
use super::ticket::{Due, Ticket};
use crate::domain::{Directives, Entry, EntryId, Mode, Query, Timestamp};
use crate::policy::risk::{Agreement, Check, Shadow, compare};
use crate::wire;

/// The duty to check one served hit: to ask the upstream the same again in the background, and to tell
/// [`Engine::checked`] what came of it.
#[derive(Debug)]
pub struct Checking {
    /// What was served.
    pub entry: Arc<Entry>,
    asker: EntryId,
    matched: Matched,
    probability: f64,
}

/// What comparing two answers to one request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// They say the same.
    Same,
    /// They do not.
    Different,
    /// That could not be told.
    Undecided,
    /// There was no second answer.
    Failed,
}

/// What checking has cost today (UTC), and what came of it since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spending {
    /// Days since the epoch.
    day: u64,
    /// Upstream calls today.
    pub calls: u64,
    /// Tokens of their answers today.
    pub tokens: u64,
    /// Hits served since the start that could have been checked.
    pub eligible: u64,
    /// Checks since the start that told right from wrong.
    pub told: u64,
    /// Checks since the start that could not tell.
    pub undecided: u64,
    /// Checks since the start that got no second answer.
    pub failed: u64,
}

impl Spending {
    /// Takes one more call of today's, if there is one left.
    fn take(&mut self, settings: &Shadow, now: Timestamp) -> bool {
        const DAY: u64 = 86_400;
        let day = now.seconds() / DAY;
        if self.day != day {
            (self.day, self.calls, self.tokens) = (day, 0, 0);
        }
        let allowed = self.calls < settings.calls_per_day && self.tokens < settings.tokens_per_day;
        self.calls += u64::from(allowed);
        allowed
    }
}

impl Engine {
    /// Notes a served match, and picks it for a check by chance. The first hits after a start are not picked, as many
    /// as one check goes by: who has next to no hits pays nothing.
    pub(super) fn pick(
        &self,
        matched: Matched,
        entry: &Arc<Entry>,
        asker: EntryId,
        query: &Query,
        directives: &Directives,
    ) -> Option<Checking> {
        let now = self.now();
        let eagerness = self.risk.served(&matched, now);
        let settings = self.settings.load();
        let shadow = &settings.risk.shadow;
        if shadow.rate <= 0.0 || !may_be_asked_again(query, directives) {
            return None;
        }
        let mut spending = self.risk.spending.lock();
        spending.eligible += 1;
        #[expect(clippy::cast_precision_loss, reason = "a count of hits")]
        let due = spending.eligible as f64 * shadow.rate >= 1.0;
        let probability = (eagerness * shadow.rate).min(1.0);
        let picked = due && fastrand::f64() < probability && spending.take(shadow, now);
        picked.then(|| Checking { entry: entry.clone(), asker, matched, probability })
    }

    /// Takes what a check came to. `tokens` is what its answers cost. A pair found wrong never matches again.
    pub async fn checked(&self, checking: Checking, compared: Compared, tokens: u64) {
        let Checking { entry, asker, matched, probability } = checking;
        let wrong = {
            let mut spending = self.risk.spending.lock();
            spending.tokens += tokens;
            *match compared {
                Compared::Same | Compared::Different => &mut spending.told,
                Compared::Undecided => &mut spending.undecided,
                Compared::Failed => &mut spending.failed,
            } += 1;
            match compared {
                Compared::Same => false,
                Compared::Different => true,
                Compared::Undecided | Compared::Failed => return,
            }
        };
        self.risk.checked(&matched, Check { score: matched.score, wrong, probability, served: true }, self.now());
        if wrong {
            self.wrongs.block(asker, entry.id()).await;
        }
        if let Err(fault) = self.risk.keep().await {
            tracing::warn!(%fault, "what a check found could not be written down");
        }
    }

    /// Whether a check may make one more call today; it counts as made.
    pub fn may_check_once_more(&self) -> bool {
        let settings = self.settings.load();
        self.risk.spending.lock().take(&settings.risk.shadow, self.now())
    }

    /// The model to be asked where comparing two answers does not tell.
    #[must_use]
    pub fn shadow_judge(&self) -> Option<String> {
        let settings = self.settings.load();
        Some(settings.risk.shadow.judge_model.clone()).filter(|model| !model.is_empty())
    }

    /// Whether two answers say the same. The embedder is asked only where their words do not tell.
    pub async fn agreement(&self, served: &str, fresh: &str) -> Agreement {
        match compare(served, fresh, None) {
            Agreement::Undecided => {}
            told => return told,
        }
        let likeness = self.likeness(served, fresh).await;
        compare(served, fresh, likeness)
    }

    /// Cosine similarity of two texts; `None` without an embedder, or where one of them is longer than it sees.
    async fn likeness(&self, one: &str, other: &str) -> Option<f32> {
        let embedder = self.embeddings.embedder()?;
        let (one, other) = (aside(&*embedder, one).await.ok()?, aside(&*embedder, other).await.ok()?);
        let seen = one.unseen.is_none() && other.unseen.is_none() && one.space == other.space;
        seen.then(|| one.vector.cosine(&other.vector))
    }
}

impl Ticket {
    /// Compares the answer that comes with one that was refused for the risk budget alone: the upstream is asked anyway,
    /// so this tells for nothing whether a looser level would do.
    pub(super) fn doubt(&mut self, doubted: Option<(Arc<Entry>, Matched)>) {
        self.due.doubted = doubted;
    }
}

impl Due {
    /// Compares the answer with the one that was refused.
    pub(super) fn settle_doubt(&mut self, answer: &Arc<Entry>) {
        let Some((refused, matched)) = self.doubted.take() else { return };
        let (engine, answer) = (self.engine.clone(), answer.clone());
        let spoken = |entry: &Entry| wire::spoken(entry.surface(), &entry.recording.answer).map(|said| said.text);
        let (Some(old), Some(new)) = (spoken(&refused), spoken(&answer)) else { return };
        self.engine.tasks.spawn(async move {
            let wrong = match engine.agreement(&old, &new).await {
                Agreement::Same => false,
                Agreement::Different => true,
                Agreement::Undecided => return,
            };
            let check = Check { score: matched.score, wrong, probability: 1.0, served: false };
            engine.risk.checked(&matched, check, engine.now());
        });
    }
}

/// Whether this request's own policy lets it be sent upstream although the cache has answered it. Tools, attachments
/// and state never come so far: such requests are matched by equality only.
fn may_be_asked_again(query: &Query, directives: &Directives) -> bool {
    let Directives { only_if_cached, no_store, local_only, mode, .. } = directives;
    let forbidden = *only_if_cached || *no_store || *local_only || *mode == Some(Mode::ReadOnly);
    let plain = !query.asked.traits.tools && !query.asked.traits.attachments && !query.asked.traits.stateful;
    !forbidden && plain
}
