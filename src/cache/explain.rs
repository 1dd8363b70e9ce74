//! What would be served, and why: every candidate with what speaks for and against it. Nothing is forwarded, counted
//! or changed.

use std::sync::Arc;
use std::time::Duration;

use super::conversation;
use super::engine::{Engine, Versioned};
use super::lookup::{Admitted, Asking};
use super::search::Reading;
use super::settings::WhenUnsure;
use crate::domain::{Cause, Directives, Entry, EntryId, Lifetimes, Match, Outcome, Query, Reason, Target, Version};
use crate::policy::context::{Context, History};
use crate::policy::freshness::lifetime;
use crate::policy::judge::Finding;
use crate::policy::risk::Level;
use crate::policy::timeliness;

/// The decision about one request, laid open.
#[derive(Debug)]
pub struct Explanation {
    /// What would happen: a hit, a stale one, a miss, a refresh or a bypass.
    pub outcome: Outcome,
    /// What would be served.
    pub served: Option<(Arc<Entry>, Match)>,
    /// Why it is not a plain hit or miss.
    pub reason: Option<Reason>,
    /// The id of this very request's entry, there or not.
    pub id: Option<EntryId>,
    /// Who would answer, and under which version.
    pub asked: Option<(Target, Version)>,
    /// Whether answers may be read; otherwise, why not.
    pub read: Result<(), Cause>,
    /// Whether an answer may be kept; otherwise, why not.
    pub write: Result<(), Cause>,
    /// Whether other wordings are looked for; otherwise, why not.
    pub semantic: Result<(), Cause>,
    /// How long a new answer would live, at most.
    pub lifetime: Duration,
    /// How time-bound the question was found to be, where that is looked at and there is text.
    pub timeliness: Option<timeliness::Finding>,
    /// The rule for earlier messages, and what counts of them; `None` where there are none.
    pub history: Option<(Context, History)>,
    /// Near prompts, most similar first.
    pub candidates: Vec<Considered>,
    /// The least score that the risk budget calls for; the inner `None` accepts nothing by meaning, the outer one says
    /// that no wording was looked for.
    pub level: Option<Option<Level>>,
}

/// One near prompt.
#[derive(Debug)]
pub struct Considered {
    /// Its entry.
    pub entry: Arc<Entry>,
    /// Exact cosine similarity.
    pub similarity: f32,
    /// Why it is not served; `None` when it could be.
    pub against: Option<Reason>,
    /// What the judge found; `None` where this caller may not be given it at all.
    pub finding: Option<Finding>,
}

impl Engine {
    /// Explains what a lookup would do now.
    pub async fn explain(self: &Arc<Self>, query: Query, directives: &Directives, lifetimes: Lifetimes) -> Explanation {
        let settings = self.settings.load_full();
        let rules = &settings.freshness;
        let class = self.timeliness(&query.asked, rules);
        let text = query.asked.prompt.as_ref().filter(|_| rules.by_question.is_some());
        let mut told = Explanation {
            outcome: Outcome::Miss,
            served: None,
            reason: None,
            id: None,
            asked: None,
            read: Ok(()),
            write: Ok(()),
            semantic: Ok(()),
            lifetime: lifetime(directives, lifetimes.ttl, class, rules),
            timeliness: text.map(|prompt| timeliness::find(&prompt.0)),
            history: (!query.asked.history.is_empty())
                .then(|| (settings.context, conversation::history(&query, settings.context))),
            candidates: Vec::new(),
            level: None,
        };
        let admitted = match self.admitted(&query, directives, &settings) {
            Ok(admitted) => admitted,
            Err(cause) => {
                (told.read, told.write, told.semantic) = (Err(cause), Err(cause), Err(cause));
                return Explanation { outcome: Outcome::Bypass, reason: Some(cause.into()), ..told };
            }
        };
        let Admitted { read, write, semantic, timeliness: _ } = admitted;
        (told.read, told.write, told.semantic) = (read, write, semantic);
        let Some(target) = query.targets.first().cloned() else { return told };
        let Versioned { version, unsure } = self.version(&target.model, &settings).await;
        told.asked = Some((target.clone(), version.clone()));
        let asking =
            Asking::new(self, settings, query, directives, lifetimes, target, Versioned { version, unsure }, &admitted);
        told.id = Some(asking.id());
        asking.explain(told).await
    }
}

impl Asking<'_> {
    async fn explain(&self, mut told: Explanation) -> Explanation {
        let by_equality = self.exact().await;
        match by_equality {
            Some(Reading::Serve(hit, ..)) => {
                (told.outcome, told.reason) = (hit.outcome, hit.reason);
                told.served = Some((hit.entry, Match::Exact));
            }
            Some(Reading::Unfit(cause, _)) => told.reason = Some(cause.into()),
            None => told.reason = self.model_changed(),
        }
        if let (Ok(()), Some(prompt)) = (told.semantic, &self.query.asked.prompt) {
            // The nearest are shown however far they are.
            let found = self.consider(&prompt.0, -1.0).await;
            let chosen = found.chosen;
            told.level = found.groups.is_some().then_some(found.level);
            if told.served.is_none() {
                told.reason = told.reason.or(found.reason);
            }
            for (place, near) in found.near.into_iter().enumerate() {
                if told.served.is_none()
                    && chosen == Some(place)
                    && let Reading::Serve(hit, ..) = &near.reading
                {
                    (told.outcome, told.reason) = (hit.outcome, hit.reason);
                    told.served = Some((hit.entry.clone(), hit.how));
                }
                told.candidates.push(Considered {
                    entry: near.entry,
                    similarity: near.similarity,
                    against: near.against,
                    finding: near.finding,
                });
            }
        } else if let Err(cause) = told.semantic {
            told.reason = told.reason.or(Some(cause.into()));
        }
        if self.unsure == Some(WhenUnsure::Bypass) {
            (told.outcome, told.reason, told.served) = (Outcome::Miss, Some(Cause::VersionUnknown.into()), None);
        }
        if told.served.is_none() {
            told.reason = self.short_lived(told.reason);
        }
        if let Err(cause) = told.read {
            // What would have been found is still told, but nothing of it is served.
            told.outcome = if cause == Cause::NoCache { Outcome::Refresh } else { Outcome::Miss };
            (told.reason, told.served) = (Some(cause.into()), None);
        }
        told
    }
}
