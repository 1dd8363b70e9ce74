//! Looking a request up: by equality, then among the requests in flight, then by meaning.

use std::sync::Arc;

use super::engine::{Engine, Versioned};
use super::flight::{Lead, Seat};
use super::hot::Kept;
use super::risk::Matched;
use super::search::{Near, Reading};
use super::settings::{Settings, WhenUnsure};
use super::ticket::{Embedding, Ticket};
use super::{Hit, Lookup};
use crate::domain::{
    Asked, Cause, Digest, Directives, EntryId, FieldHasher, Key, Lifetimes, Match, Outcome, Prompt, Query, Reason,
    Target, Timestamp, Version,
};
use crate::policy::admit::{Admission, admit};
use crate::policy::freshness::{self, is_passing};
use crate::policy::timeliness::{Timeliness, timeliness};

impl Engine {
    /// Looks a request up. `lifetimes` is what its route says about them.
    pub async fn lookup(self: &Arc<Self>, query: Query, directives: &Directives, lifetimes: Lifetimes) -> Lookup {
        let settings = self.settings.load_full();
        let admitted = match self.admitted(&query, directives, &settings) {
            Ok(admitted) => admitted,
            Err(cause) if directives.only_if_cached => return Lookup::NotCached(Some(cause.into())),
            Err(cause) => return Lookup::Bypass(cause.into()),
        };
        let Some(target) = query.targets.first().cloned() else { return Lookup::Bypass(Cause::Off.into()) };
        let versioned = self.version(&target.model, &settings).await;
        let asking = Asking::new(self, settings, query, directives, lifetimes, target, versioned, &admitted);
        let Admitted { read, semantic, .. } = admitted;
        match read {
            Err(cause) if directives.only_if_cached => Lookup::NotCached(Some(cause.into())),
            Err(cause) => asking.unread(cause, semantic),
            Ok(()) => asking.read(semantic).await,
        }
    }

    /// How a request may use the cache, by what it is and by what it asks.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn admitted(
        &self,
        query: &Query,
        directives: &Directives,
        settings: &Settings,
    ) -> Result<Admitted, Cause> {
        match admit(&query.asked, directives, settings.mode, &settings.admit) {
            Admission::Bypass(cause) => Err(cause),
            Admission::Use { read, write, semantic } => {
                let timeliness = self.timeliness(&query.asked, &settings.freshness);
                if is_passing(directives, timeliness, &settings.freshness) {
                    return Err(Cause::Live);
                }
                Ok(Admitted { read, write, semantic, timeliness })
            }
        }
    }

    /// How time-bound what is asked is, where the operator wants that looked at; told once for a question that is asked
    /// again within a while.
    pub(super) fn timeliness(&self, asked: &Asked, settings: &freshness::Settings) -> Timeliness {
        let Some(Prompt(text)) = freshness::question(asked, settings) else { return Timeliness::None };
        // Under digests: a purge takes prompts out of memory, too.
        let digest = Digest::of(text.as_bytes());
        self.told.get(&digest).unwrap_or_else(|| {
            const BYTES: u64 = 128;
            let told = timeliness(text);
            self.told.put(digest, told, BYTES);
            told
        })
    }
}

/// A request that may use the cache, and how.
#[derive(Debug)]
pub(super) struct Admitted {
    pub read: Result<(), Cause>,
    pub write: Result<(), Cause>,
    pub semantic: Result<(), Cause>,
    pub timeliness: Timeliness,
}

/// One request being looked up.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub engine: &'a Arc<Engine>,
    pub settings: Arc<Settings>,
    pub query: Query,
    pub directives: &'a Directives,
    pub lifetimes: Lifetimes,
    /// The first choice of who would answer: whose answers are read.
    pub target: Target,
    pub version: Version,
    pub unsure: Option<WhenUnsure>,
    pub key: Key,
    pub write: Result<(), Cause>,
    /// How soon the answer may be another one.
    pub timeliness: Timeliness,
    /// Purges before this request.
    pub purges: u64,
}

impl<'a> Asking<'a> {
    #[expect(clippy::too_many_arguments, reason = "everything a lookup knows, gathered once")]
    pub(super) fn new(
        engine: &'a Arc<Engine>,
        settings: Arc<Settings>,
        query: Query,
        directives: &'a Directives,
        lifetimes: Lifetimes,
        target: Target,
        versioned: Versioned,
        &Admitted { write, timeliness, .. }: &Admitted,
    ) -> Self {
        let Versioned { version, unsure } = versioned;
        let key = query.key(&engine.secret, &target.model, &version);
        let purges = engine.purges.count();
        engine.note_windows(lifetimes);
        Self { engine, settings, query, directives, lifetimes, target, version, unsure, key, write, timeliness, purges }
    }

    /// The id this very request's entry has, or would have.
    pub(super) fn id(&self) -> EntryId {
        self.key.into()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// A request that takes no answer from the cache and none from others: it leads a flight of its own.
    fn unread(self, cause: Cause, semantic: Result<(), Cause>) -> Lookup {
        let lead = Lead::solo(self.query.asked.shape, Engine::flight_limits(&self.settings));
        let outcome = if cause == Cause::NoCache { Outcome::Refresh } else { Outcome::Miss };
        let embedding = if semantic.is_ok() { Embedding::Due } else { Embedding::Never };
        Lookup::Miss(Box::new(Ticket::new(self, lead, outcome, Some(cause.into()), embedding, None)))
    }

    async fn read(self, semantic: Result<(), Cause>) -> Lookup {
        let mut reason = None;
        let mut fallback = None;
        let trusted = self.unsure != Some(WhenUnsure::Bypass);
        if trusted {
            match self.exact().await {
                Some(Reading::Serve(hit, kept, refresh)) => return self.hit(hit, &kept, refresh, semantic.is_ok()),
                Some(Reading::Unfit(cause, stale)) => (reason, fallback) = (Some(cause.into()), stale),
                None => {}
            }
        } else {
            reason = Some(Cause::VersionUnknown.into());
        }
        let (flight, shape) = (self.flight(), self.query.asked.shape);
        if !self.directives.only_if_cached
            && let Some(follower) = self.engine.flights.join(flight, shape)
        {
            return Lookup::Join(follower);
        }
        let mut embedding = if semantic.is_ok() { Embedding::Due } else { Embedding::Never };
        let mut against = semantic.err().map(Reason::from);
        let mut doubted = None;
        if let (Ok(()), Some(prompt), true) = (semantic, &self.query.asked.prompt, trusted) {
            // Boxed, so that the future of an exact hit stays small.
            let reach = self.settings.judge.reach(self.directives.min_similarity);
            let mut found = Box::pin(self.consider(&prompt.0, reach)).await;
            if let Some(reading) = found.reranked {
                self.engine.reranking.count(reading);
            }
            if let Some(place) = found.chosen
                && self.is_current()
                && let Near { reading: Reading::Serve(mut hit, kept, refresh), finding, .. } =
                    found.near.swap_remove(place)
            {
                let score = finding.map_or(0.0, |finding| finding.score);
                let matched = found.groups.map(|groups| Matched { groups, score });
                self.engine.wrongs.matched(self.id(), kept.facts.id, matched.clone());
                // A refresh asks the upstream anyway.
                if let (Some(matched), false) = (matched, refresh) {
                    let (query, directives) = (&self.query, self.directives);
                    let picked = self.engine.pick(matched, &hit.entry, self.id(), query, directives);
                    hit.check = picked.map(Box::new);
                }
                return self.hit(hit, &kept, refresh, true);
            }
            embedding = found.embedded.map_or(Embedding::Failed, Embedding::Done);
            against = found.reason;
            doubted = found.doubted;
        }
        let reason = reason.or_else(|| self.model_changed()).or(against);
        if self.directives.only_if_cached {
            return Lookup::NotCached(reason);
        }
        if !self.is_current() {
            // The version changed while the prompt was embedded: what was looked at is of the past.
            let Self { engine, query, directives, lifetimes, .. } = self;
            return Box::pin(engine.lookup(query, directives, lifetimes)).await;
        }
        match self.engine.flights.board(flight, shape, Engine::flight_limits(&self.settings)) {
            Seat::Follow(follower) => Lookup::Join(follower),
            Seat::Lead(lead) => match self.landed(fallback.is_some()) {
                Some((hit, kept, refresh)) => {
                    drop(lead);
                    self.hit(hit, &kept, refresh, semantic.is_ok())
                }
                None => {
                    let mut ticket = Ticket::new(self, lead, Outcome::Miss, reason, embedding, fallback);
                    ticket.doubt(doubted);
                    Lookup::Miss(Box::new(ticket))
                }
            },
        }
    }

    /// The entry for this very request.
    pub(super) async fn exact(&self) -> Option<Reading> {
        let kept = match self.engine.shelf.find(self.id()).await {
            Ok(kept) => kept?,
            Err(fault) => {
                tracing::warn!(%fault, "the store failed; the request is forwarded");
                return Some(Reading::Unfit(Cause::StoreFault, None));
            }
        };
        self.checked(kept)
    }

    /// The entry of a flight that was under way at the first look and has landed since.
    fn landed(&self, stale: bool) -> Option<(Box<Hit>, Kept, bool)> {
        if stale || self.unsure == Some(WhenUnsure::Bypass) {
            return None;
        }
        match self.checked(self.engine.shelf.peek(self.id())?)? {
            Reading::Serve(hit, kept, refresh) => Some((hit, kept, refresh)),
            Reading::Unfit(..) => None,
        }
    }

    fn checked(&self, kept: Kept) -> Option<Reading> {
        // Ids are half of a key.
        if kept.entry.key != self.key {
            return None;
        }
        if self.engine.wrongs.quarantined(kept.facts.id) {
            return Some(Reading::Unfit(Cause::Feedback, None));
        }
        Some(self.weigh(kept, Match::Exact))
    }

    /// Serves an entry; with the right to refresh it, if that is due and nobody does so yet.
    fn hit(self, mut hit: Box<Hit>, kept: &Kept, refresh: bool, semantic: bool) -> Lookup {
        self.engine.shelf.served(&kept.facts);
        if refresh {
            let (flight, shape) = (self.flight(), self.query.asked.shape);
            let lead = self.engine.flights.lead(flight, shape, Engine::flight_limits(&self.settings));
            hit.refresh = lead.map(|lead| {
                let embedding = if semantic { Embedding::Due } else { Embedding::Never };
                let why = Some(Cause::Revalidating.into());
                Box::new(Ticket::new(self, lead, Outcome::Refresh, why, embedding, None))
            });
        }
        Lookup::Hit(hit)
    }

    /// Whether the model's version still is what it was when the request was looked up.
    fn is_current(&self) -> bool {
        self.engine.epochs.current(&self.target.model) == self.version
    }

    /// Whether this very request was answered under an earlier version of the model.
    pub(super) fn model_changed(&self) -> Option<Reason> {
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
}
