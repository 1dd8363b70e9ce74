//! Looking for other wordings of a request, and weighing whether an entry may be given to this caller now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Hit;
use super::conversation::Conversation;
use super::engine::Engine;
use super::facts::Facts;
use super::hot::Kept;
use super::lookup::Asking;
use super::reranking;
use super::risk::{Group, Matched};
use super::settings::WhenUnsure;
use super::ticket::Fallback;
use crate::domain::{Cause, Embedded, Entry, Lasting, Lifetimes, Location, Match, Outcome, Reason, Scope};
use crate::index::Neighbour;
use crate::policy::freshness::{self, Freshness, freshness};
use crate::policy::judge::{Candidate, Finding, judge};
use crate::policy::risk::{self, Level};
use crate::telemetry::Step;

/// What reading one entry for this caller came to.
#[derive(Debug)]
pub(super) enum Reading {
    /// Serve it; the flag says to refresh it in the background.
    Serve(Box<Hit>, Kept, bool),
    /// Not this one; perhaps if the upstream fails.
    Unfit(Cause, Option<Fallback>),
}

/// What looking for other wordings came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The prompt's embedding, if there is one.
    pub embedded: Option<Embedded>,
    /// Near prompts, most similar first.
    pub near: Vec<Near>,
    /// The place of the one that asks the same.
    pub chosen: Option<usize>,
    /// Why there is none.
    pub reason: Option<Reason>,
    /// The evidence that this request counts among.
    pub groups: Option<[Group; 4]>,
    /// One that the judge accepted and the level did not.
    pub doubted: Option<(Arc<Entry>, Matched)>,
    /// The level in use for it; `None` accepts nothing by meaning.
    pub level: Option<Level>,
    /// What the reranker made of what was in doubt.
    pub reranked: Option<reranking::Reading>,
}

/// A near prompt.
#[derive(Debug)]
pub(super) struct Near {
    pub entry: Arc<Entry>,
    pub similarity: f32,
    /// Why it is not served; `None` when it could be.
    pub against: Option<Reason>,
    /// What the judge found, if this caller may be given it at all.
    pub finding: Option<Finding>,
    pub reading: Reading,
}

impl Asking<'_> {
    /// Finds near prompts that this caller may be given, at least `reach` similar, and judges which of them asks the same.
    pub(super) async fn consider(&self, prompt: &Arc<str>, reach: f32) -> Found {
        let conversation = Conversation::of(self);
        let earlier = conversation.wider.as_ref().map_or(&[][..], |wider| &wider.questions);
        let steps = &self.engine.steps;
        let begun = Instant::now();
        let embedded = match self.engine.embeddings.embed_all(prompt, earlier).await {
            Ok(embedded) => embedded,
            Err(cause) => return Found { reason: Some(cause.into()), ..Found::default() },
        };
        let begun = steps.ended(Step::Embedding, begun);
        let neighbours = self.neighbours(&conversation, &embedded, reach);
        let begun = steps.ended(Step::Search, begun);
        let too_far = neighbours.is_empty() && self.holds_any(&conversation, &embedded);
        // At once: those not held in memory are read from the disk, each by a blocking call.
        let read = join_all(neighbours.into_iter().map(|(partition, neighbour)| self.near(partition, neighbour))).await;
        steps.ended(Step::Reading, begun);
        let mut reason = too_far.then_some(Cause::BelowThreshold.into());
        let mut near = Vec::with_capacity(read.len());
        for found in read {
            match found {
                Ok(found) => near.extend(found),
                Err(cause) => reason = Some(cause.into()),
            }
        }
        let against = |near: &Near| conversation.against(&embedded, near, self);
        let found = self.judge(prompt, &mut near, against).await;
        let reason = if found.chosen.is_some() { None } else { found.reason.or(reason).or(conversation.reason()) };
        Found { embedded: Some(embedded), near, reason, ..found }
    }

    /// The nearest of all scopes this conversation may look in, each with the partition it was found in.
    fn neighbours(&self, conversation: &Conversation, at: &Embedded, reach: f32) -> Vec<(Scope, Neighbour)> {
        let (index, most) = (self.engine.shelf.index(), self.settings.candidates);
        let mut found: Vec<(Scope, Neighbour)> = Vec::new();
        for scope in conversation.scopes() {
            let partition = scope.partition(&at.space, at.unseen);
            for neighbour in index.search(partition, &at.vector, most, reach) {
                if found.iter().all(|(_, known)| known.id != neighbour.id) {
                    found.push((partition, neighbour));
                }
            }
        }
        found.sort_by(|(_, a), (_, b)| b.similarity.total_cmp(&a.similarity));
        found.truncate(most);
        found
    }

    /// Whether there is any prompt where this conversation may look.
    fn holds_any(&self, conversation: &Conversation, at: &Embedded) -> bool {
        let index = self.engine.shelf.index();
        conversation.scopes().any(|scope| index.holds_any(scope.partition(&at.space, at.unseen)))
    }

    async fn near(&self, partition: Scope, neighbour: Neighbour) -> Result<Option<Near>, Cause> {
        let Neighbour { id, similarity } = neighbour;
        let kept = self.engine.shelf.find(id).await.map_err(|fault| {
            tracing::warn!(%fault, "the store failed; the candidate is left out");
            Cause::StoreFault
        })?;
        let Some(kept) = kept else {
            // The index is derived: what the store does not have is not there.
            self.engine.shelf.index().remove(partition, id);
            return Ok(None);
        };
        let entry = kept.entry.clone();
        let reading = if self.engine.wrongs.forbid(self.id(), id) {
            Reading::Unfit(Cause::Feedback, None)
        } else {
            self.weigh(kept, Match::Semantic(similarity))
        };
        let against = match &reading {
            Reading::Serve(..) => None,
            Reading::Unfit(cause, _) => Some(Reason::from(*cause)),
        };
        Ok(Some(Near { entry, similarity, against, finding: None, reading }))
    }

    /// Judges those that this caller may be given, at the level that the risk budget calls for, and last of all by what
    /// else speaks `against` one: the chosen one's place, or the reason against the nearest.
    async fn judge(&self, prompt: &str, near: &mut [Near], against: impl Fn(&Near) -> Option<Reason>) -> Found {
        let fit: Vec<usize> = (0..near.len()).filter(|place| near[*place].against.is_none()).collect();
        let candidates: Vec<_> = fit
            .iter()
            .map(|place| Candidate { prompt: &near[*place].entry.prompt, similarity: near[*place].similarity })
            .collect();
        let begun = Instant::now();
        let mut judgement = judge(prompt, &candidates, self.directives.min_similarity, &self.settings.judge);
        let begun = self.engine.steps.ended(Step::Judging, begun);
        let reranked = self.rerank(prompt, &candidates, &mut judgement).await;
        if reranked.is_some() {
            self.engine.steps.ended(Step::Reranking, begun);
        }
        let groups = Engine::groups(&self.query, judgement.language);
        let level = self.engine.risk.level(&groups);
        risk::hold_to(&mut judgement, level);
        for (place, finding) in fit.iter().zip(judgement.findings) {
            let against = || against(&near[*place]);
            // Any other reason tells more than the level does.
            near[*place].against = match finding.against {
                Some(reason) if reason == Cause::RiskBudget.into() => against().or(Some(reason)),
                reason => reason.or_else(against),
            };
            near[*place].finding = Some(finding);
        }
        let chosen = fit.iter().copied().find(|place| near[*place].against.is_none());
        let unfit = near.iter().position(|near| matches!(near.reading, Reading::Unfit(..)));
        let telling = fit.first().copied().or(unfit).filter(|_| chosen.is_none());
        let reason = telling.and_then(|place| near[place].against);
        let refused = |near: &&Near| near.against == Some(Cause::RiskBudget.into());
        let doubted = near.iter().find(refused).filter(|_| chosen.is_none()).map(|near| {
            let score = near.finding.as_ref().map_or(0.0, |finding| finding.score);
            (near.entry.clone(), Matched { groups: groups.clone(), score })
        });
        Found { chosen, reason, groups: Some(groups), doubted, level, reranked, ..Found::default() }
    }

    /// Whether this caller may be given this entry now.
    pub(super) fn weigh(&self, kept: Kept, how: Match) -> Reading {
        let entry = &kept.entry;
        if self.directives.local_only && entry.answerer.location == Location::Cloud {
            return Reading::Unfit(Cause::Residency, None);
        }
        let now = self.engine.now();
        if kept.facts.is_lapsed() {
            return Reading::Unfit(Cause::Expired, None);
        }
        let hit = |outcome, reason, remaining| {
            let (entry, mould) = (entry.clone(), kept.mould.clone());
            Box::new(Hit {
                age: now.since(entry.created),
                entry,
                mould,
                how,
                outcome,
                reason,
                remaining,
                refresh: None,
                check: None,
            })
        };
        match freshness(entry.created, entry.expires, self.directives, now, &self.windows()) {
            Freshness::Fresh { remaining } => {
                let hit = match self.unsure {
                    Some(WhenUnsure::Stale) => hit(Outcome::Stale, Some(Cause::VersionUnknown.into()), Duration::ZERO),
                    _ => hit(Outcome::Hit, None, remaining),
                };
                let ahead = self.is_due_ahead(&kept.facts, remaining);
                Reading::Serve(hit, kept, ahead)
            }
            Freshness::Stale { refresh } => {
                let reason = if refresh { Cause::Revalidating } else { Cause::Expired };
                Reading::Serve(hit(Outcome::Stale, Some(reason.into()), Duration::ZERO), kept, refresh)
            }
            Freshness::Unfit { cause, if_error } => {
                let stale = || hit(Outcome::Stale, Some(Cause::UpstreamError.into()), Duration::ZERO);
                Reading::Unfit(cause, if_error.then(|| (stale(), kept.facts.clone())))
            }
        }
    }

    /// The rules of freshness, with what the route says of its own.
    fn windows(&self) -> freshness::Settings {
        let Lifetimes { ttl: _, stale_while_revalidate, stale_if_error } = self.lifetimes;
        let mut rules = self.settings.freshness.clone();
        if let Some(window) = stale_while_revalidate {
            rules.stale_while_revalidate = Lasting(window);
        }
        if let Some(window) = stale_if_error {
            rules.stale_if_error = Lasting(window);
        }
        rules
    }

    /// Whether an entry served repeatedly is so near its end that it is to be refreshed now.
    fn is_due_ahead(&self, facts: &Facts, remaining: Duration) -> bool {
        const OFTEN: u32 = 3;
        let life = facts.expires.since(facts.created);
        let last = life.mul_f32(self.settings.refresh_ahead.clamp(0.0, 1.0));
        !self.directives.only_if_cached && facts.hits() >= OFTEN && remaining < last
    }
}
