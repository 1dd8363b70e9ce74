//! Looking a request up: by equality, then by meaning, then among the requests in flight.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{Engine, Versioned};
use super::flight::{Lead, Seat};
use super::hot::Kept;
use super::settings::{Settings, WhenUnsure};
use super::ticket::Ticket;
use super::{Hit, Lookup};
use crate::domain::{
    Cause, Digest, Directives, Embedded, FieldHasher, Key, Location, Match, Outcome, Query, Reason, Target, Timestamp,
};
use crate::policy::admit::{Admission, admit};
use crate::policy::freshness::{Freshness, freshness};
use crate::policy::judge::{Candidate, judge};

impl Engine {
    /// Looks a request up. `route_ttl` is the route's own lifetime for answers.
    pub async fn lookup(
        self: &Arc<Self>,
        query: Query,
        directives: &Directives,
        route_ttl: Option<Duration>,
    ) -> Lookup {
        let settings = self.settings.load_full();
        let (read, write, semantic) = match admit(&query.asked, directives, settings.mode, &settings.admit) {
            Admission::Use { read, write, semantic } => (read, write, semantic),
            Admission::Bypass(cause) if directives.only_if_cached => return Lookup::NotCached(Some(cause.into())),
            Admission::Bypass(cause) => return Lookup::Bypass(cause.into()),
        };
        let Some(target) = query.targets.first().cloned() else { return Lookup::Bypass(Cause::Off.into()) };
        let Versioned { version, unsure } = self.version(&target.model, &settings).await;
        let key = query.key(&self.secret, &target.model, &version);
        let asking =
            Asking { engine: self, settings, query, directives, route_ttl, target, version, unsure, key, write };
        match read {
            Err(cause) if directives.only_if_cached => Lookup::NotCached(Some(cause.into())),
            Err(cause) => asking.unread(cause, semantic),
            Ok(()) => asking.read(semantic).await,
        }
    }
}

/// One request being looked up.
pub(super) struct Asking<'a> {
    pub engine: &'a Arc<Engine>,
    pub settings: Arc<Settings>,
    pub query: Query,
    pub directives: &'a Directives,
    pub route_ttl: Option<Duration>,
    pub target: Target,
    pub version: crate::domain::Version,
    pub unsure: Option<WhenUnsure>,
    pub key: Key,
    pub write: Result<(), Cause>,
}

/// What reading one entry for this caller came to.
enum Reading {
    /// Serve it.
    Serve(Box<Hit>, Kept, bool),
    /// Not this one; perhaps if the upstream fails.
    Unfit(Cause, Option<Box<Hit>>),
}

/// What searching by meaning came to.
#[derive(Default)]
struct Searched {
    embedded: Option<Embedded>,
    hit: Option<(Box<Hit>, Kept, bool)>,
    reason: Option<Reason>,
}

impl Asking<'_> {
    /// A request that takes no answer from the cache and none from others: it leads a flight of its own.
    fn unread(self, cause: Cause, semantic: Result<(), Cause>) -> Lookup {
        let lead = Lead::solo(self.query.asked.shape, Engine::flight_limits(&self.settings));
        let outcome = if cause == Cause::NoCache { Outcome::Refresh } else { Outcome::Miss };
        Lookup::Miss(Box::new(self.ticket(lead, outcome, Some(cause.into()), semantic.is_ok(), None, None)))
    }

    async fn read(self, semantic: Result<(), Cause>) -> Lookup {
        let mut reason = None;
        let mut fallback = None;
        if self.unsure == Some(WhenUnsure::Bypass) {
            reason = Some(Cause::VersionUnknown.into());
        } else {
            match self.exact().await {
                Some(Reading::Serve(hit, kept, refresh)) => return self.hit(hit, kept, refresh, semantic.is_ok()),
                Some(Reading::Unfit(cause, stale)) => (reason, fallback) = (Some(cause.into()), stale),
                None => {}
            }
        }
        let flight = self.flight();
        let shape = self.query.asked.shape;
        if !self.directives.only_if_cached
            && let Some(follower) = self.engine.flights.join(flight, shape)
        {
            return Lookup::Join(follower);
        }
        let mut embedded = None;
        match (semantic, &self.query.asked.prompt) {
            (Ok(()), Some(prompt)) if self.unsure != Some(WhenUnsure::Bypass) => {
                let searched = self.search(&prompt.0).await;
                if let Some((hit, kept, refresh)) = searched.hit {
                    return self.hit(hit, kept, refresh, true);
                }
                embedded = searched.embedded;
                reason = reason.or_else(|| self.model_changed()).or(searched.reason);
            }
            (Err(cause), _) => reason = reason.or_else(|| self.model_changed()).or(Some(cause.into())),
            _ => reason = reason.or_else(|| self.model_changed()),
        }
        if self.directives.only_if_cached {
            return Lookup::NotCached(reason);
        }
        match self.engine.flights.board(flight, shape, Engine::flight_limits(&self.settings)) {
            Seat::Follow(follower) => Lookup::Join(follower),
            Seat::Lead(lead) => {
                // The flight that was under way may have ended since the first look.
                if reason.is_none()
                    && let Some(kept) = self.engine.shelf.peek(self.key.into())
                    && let Reading::Serve(hit, kept, refresh) = self.weigh(kept, Match::Exact)
                {
                    drop(lead);
                    return self.hit(hit, kept, refresh, semantic.is_ok());
                }
                let ticket = self.ticket(lead, Outcome::Miss, reason, semantic.is_ok(), embedded, fallback);
                Lookup::Miss(Box::new(ticket))
            }
        }
    }

    /// The entry for this very request.
    async fn exact(&self) -> Option<Reading> {
        let id = self.key.into();
        let kept = match self.engine.shelf.peek(id) {
            Some(kept) => Some(kept),
            None => match self.engine.shelf.find(id).await {
                Ok(kept) => kept,
                Err(fault) => {
                    tracing::warn!(%fault, "the store failed; the request is forwarded");
                    return Some(Reading::Unfit(Cause::StoreFault, None));
                }
            },
        };
        // Ids are half of a key.
        let kept = kept.filter(|kept| kept.entry.key == self.key)?;
        Some(self.weigh(kept, Match::Exact))
    }

    /// Entries for other wordings of this request.
    async fn search(&self, prompt: &Arc<str>) -> Searched {
        let embedded = match self.engine.embeddings.embed(prompt).await {
            Ok(embedded) => embedded,
            Err(cause) => return Searched { reason: Some(cause.into()), ..Searched::default() },
        };
        let scope = self.query.scope(&self.engine.secret, &self.target.model, &self.version);
        let partition = scope.partition(&embedded.space, embedded.unseen);
        let index = self.engine.shelf.index();
        let near = index.search(partition, &embedded.vector, self.settings.candidates);
        let mut reason = None;
        let mut readable = Vec::with_capacity(near.len());
        for neighbour in near {
            let kept = match self.engine.shelf.find(neighbour.id).await {
                Ok(Some(kept)) => kept,
                Ok(None) => {
                    index.remove(partition, neighbour.id);
                    continue;
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the store failed; the candidate is left out");
                    reason = reason.or(Some(Cause::StoreFault.into()));
                    continue;
                }
            };
            match self.weigh(kept, Match::Semantic(neighbour.similarity)) {
                Reading::Serve(hit, kept, refresh) => readable.push((hit, kept, refresh, neighbour.similarity)),
                Reading::Unfit(cause, _) => reason = reason.or(Some(cause.into())),
            }
        }
        let candidates: Vec<_> = readable
            .iter()
            .map(|(_, kept, _, similarity)| Candidate { prompt: &kept.entry.prompt, similarity: *similarity })
            .collect();
        let judgement = judge(prompt, &candidates, self.directives.min_similarity, &self.settings.judge);
        match judgement.chosen {
            Some(place) if place < readable.len() => {
                let (hit, kept, refresh, _) = readable.swap_remove(place);
                Searched { embedded: Some(embedded), hit: Some((hit, kept, refresh)), reason: None }
            }
            _ => Searched { embedded: Some(embedded), hit: None, reason: judgement.reason.or(reason) },
        }
    }

    /// Whether this caller may be given this entry now.
    fn weigh(&self, kept: Kept, how: Match) -> Reading {
        let entry = &kept.entry;
        if self.directives.local_only && entry.answerer.location == Location::Cloud {
            return Reading::Unfit(Cause::Residency, None);
        }
        let now = self.engine.now();
        let hit = |outcome, reason, remaining| {
            let entry = entry.clone();
            Box::new(Hit { age: now.since(entry.created), entry, how, outcome, reason, remaining, refresh: None })
        };
        let rules = &self.settings.freshness;
        match freshness(entry.created, entry.expires, self.directives, now, rules) {
            Freshness::Fresh { remaining } => {
                let hit = match self.unsure {
                    Some(WhenUnsure::Stale) => hit(Outcome::Stale, Some(Cause::VersionUnknown.into()), Duration::ZERO),
                    _ => hit(Outcome::Hit, None, remaining),
                };
                Reading::Serve(hit, kept, false)
            }
            Freshness::Stale { refresh } => {
                let reason = if refresh { Cause::Revalidating } else { Cause::Expired };
                Reading::Serve(hit(Outcome::Stale, Some(reason.into()), Duration::ZERO), kept, refresh)
            }
            Freshness::Unfit { cause, if_error } => {
                let stale = || hit(Outcome::Stale, Some(Cause::UpstreamError.into()), Duration::ZERO);
                Reading::Unfit(cause, if_error.then(stale))
            }
        }
    }

    fn hit(self, mut hit: Box<Hit>, kept: Kept, refresh: bool, semantic: bool) -> Lookup {
        self.engine.shelf.served(&kept.facts);
        if refresh {
            let flights = &self.engine.flights;
            let limits = Engine::flight_limits(&self.settings);
            let lead = flights.lead(self.flight(), self.query.asked.shape, limits);
            hit.refresh = lead.map(|lead| {
                let why = Some(Cause::Revalidating.into());
                Box::new(self.ticket(lead, Outcome::Refresh, why, semantic, None, None))
            });
        }
        Lookup::Hit(hit)
    }

    /// Whether this very request was answered under an earlier version of the model.
    fn model_changed(&self) -> Option<Reason> {
        let model = &self.target.model;
        let catalog = self.engine.shelf.catalog();
        let changed = self
            .engine
            .epochs
            .earlier(model)
            .iter()
            .any(|version| catalog.contains(self.query.key(&self.engine.secret, model, version).into()));
        changed.then_some(Reason::Cause(Cause::ModelChanged))
    }

    /// What identical requests in flight have in common: the key, and who may answer. The latter keeps a request
    /// that must stay local from receiving what another one fetched from a cloud.
    fn flight(&self) -> Digest {
        let hasher = FieldHasher::unkeyed("flight").field(&self.key.0.0);
        let targets = self.query.targets.iter();
        targets
            .fold(hasher, |hasher, target| {
                hasher.field(target.model.upstream.as_bytes()).field(target.model.name.as_bytes())
            })
            .digest()
    }

    fn ticket(
        self,
        lead: Lead,
        outcome: Outcome,
        reason: Option<Reason>,
        semantic: bool,
        embedded: Option<Embedded>,
        fallback: Option<Box<Hit>>,
    ) -> Ticket {
        Ticket::new(self, lead, outcome, reason, semantic, embedded, fallback)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }
}
