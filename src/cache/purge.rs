//! Invalidation by hand: whatever matches goes, everywhere, for good.
//!
//! A purge is done when nothing that matched is left in memory, index and store. Answers still being generated when it
//! came lose against it: a [`Ticket`](super::Ticket) remembers which purges it has seen, and a filling is checked
//! against the later ones, under the same lock under which a purge works.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::facts::Facts;
use crate::domain::{Cause, Embedded, Entry, EntryId, Lasting, Namespace, Tag, TenantId, Timestamp};
use crate::store::StoreError;

/// Which entries are meant. All that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Every entry; must be said where nothing else is.
    pub all: bool,
    /// The model asked for, as its upstream knows it, or the one reported.
    pub model: Option<String>,
    /// The upstream's name.
    pub upstream: Option<String>,
    /// The namespace; empty for the default one.
    pub namespace: Option<Namespace>,
    /// A label.
    pub tag: Option<Tag>,
    /// Labels, of which an entry must have one.
    pub tags: Vec<Tag>,
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Generated at least this long ago.
    pub older_than: Option<Lasting>,
    /// Asking something like this, by the embedder's measure alone.
    pub similar_to: Option<String>,
    /// How like, at least, as a cosine; without it, what the operator calls near (`semantic.min_similarity`).
    pub min_similarity: Option<f32>,
}

impl Filter {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // How like something has no meaning where nothing is to be liked.
        Self { min_similarity: None, ..self.clone() } == Self::default()
    }

    fn criteria(&self, now: Timestamp) -> Criteria {
        Criteria {
            id: None,
            model: self.model.clone(),
            upstream: self.upstream.clone(),
            namespace: self.namespace.clone(),
            tag: self.tag.clone(),
            tags: self.tags.clone(),
            tenant: self.tenant.clone(),
            until: self.older_than.map(|Lasting(age)| now.minus(age)),
            like: None,
        }
    }
}

/// A filter at one instant.
#[derive(Debug, Clone, Default)]
pub(super) struct Criteria {
    id: Option<EntryId>,
    model: Option<String>,
    upstream: Option<String>,
    namespace: Option<Namespace>,
    tag: Option<Tag>,
    tags: Vec<Tag>,
    tenant: Option<TenantId>,
    until: Option<Timestamp>,
    like: Option<(Embedded, f32)>,
}

impl Criteria {
    /// Whether the facts match, whatever the prompt says.
    pub(super) fn match_facts(&self, facts: &Facts) -> bool {
        let Self { id, model, upstream, namespace, tag, tags, tenant, until, like: _ } = self;
        id.is_none_or(|id| id == facts.id)
            && model.as_deref().is_none_or(|model| facts.answers_to(model))
            && upstream.as_deref().is_none_or(|upstream| *upstream == *facts.model.upstream)
            && namespace.as_ref().is_none_or(|namespace| *namespace == facts.namespace)
            && tag.as_ref().is_none_or(|tag| facts.tags.contains(tag))
            && (tags.is_empty() || tags.iter().any(|tag| facts.tags.contains(tag)))
            && tenant.as_ref().is_none_or(|tenant| *tenant == facts.tenant)
            && until.is_none_or(|until| facts.created <= until)
    }

    /// Whether it names whole namespaces, and nothing inside them.
    fn is_of_namespaces(&self) -> bool {
        let Self { id, model, upstream, namespace: _, tag, tags, tenant: _, until, like } = self;
        let inside = id.is_some() || model.is_some() || upstream.is_some() || tag.is_some() || !tags.is_empty();
        !inside && until.is_none() && like.is_none()
    }

    /// The namespace, where it names one and nothing inside it.
    fn one_namespace(&self) -> Option<Namespace> {
        self.namespace.clone().filter(|_| self.is_of_namespaces())
    }

    fn match_home(&self, tenant: &TenantId, namespace: &Namespace) -> bool {
        self.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
            && self.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
    }

    /// Whether the prompt is like the one meant, if one is.
    fn match_prompt(&self, entry: &Entry) -> bool {
        let Some((like, least)) = &self.like else { return true };
        let at = entry.placement.as_ref().and_then(|placement| placement.embedded.as_ref());
        at.is_some_and(|at| at.space == like.space && at.vector.cosine(&like.vector) >= *least)
    }
}

/// What a purge took out, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// How many entries.
    pub entries: usize,
    /// Their bytes, approximately.
    pub bytes: u64,
    /// Some of them, at most a hundred.
    pub examples: Vec<EntryId>,
}

/// Why a purge was not done.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Nothing was said of what to purge.
    #[error("say what to purge; everything is {{\"all\": true}}")]
    Empty,
    /// The text of `similar_to` could not be embedded.
    #[error("the text of similar_to could not be embedded: {}", .0.as_str())]
    Embedding(Cause),
    /// The store failed: what matched is served no longer, but may stand on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The purges of late, for the answers that were being generated meanwhile.
#[derive(Debug, Default)]
pub(super) struct PurgeLog {
    count: AtomicU64,
    late: Mutex<VecDeque<Criteria>>,
}

impl PurgeLog {
    /// Purges remembered. A filling that has missed more than that is dropped unseen.
    const MOST: usize = 1024;

    /// How many purges there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn note(&self, criteria: Criteria) {
        let mut late = self.late.lock();
        self.count.fetch_add(1, Ordering::SeqCst);
        late.push_back(criteria);
        if late.len() > Self::MOST {
            late.pop_front();
        }
    }

    /// Whether a purge after the first `seen` ones matches the entry.
    pub(super) fn hits(&self, seen: u64, entry: &Entry, facts: &Facts) -> bool {
        let late = self.late.lock();
        let missed = usize::try_from(self.count().saturating_sub(seen)).unwrap_or(usize::MAX);
        missed > late.len()
            || late.iter().rev().take(missed).any(|purge| purge.match_facts(facts) && purge.match_prompt(entry))
    }
}

impl Engine {
    /// Takes out what matches. When this returns it is gone from memory, index and disk, a crash notwithstanding.
    ///
    /// # Errors
    /// When nothing is said of what to purge, the text cannot be embedded, or the store fails.
    pub async fn purge(self: &Arc<Self>, filter: &Filter, dry_run: bool) -> Result<Purged, PurgeError> {
        if filter.is_empty() {
            return Err(PurgeError::Empty);
        }
        let mut criteria = filter.criteria(self.now());
        if let Some(text) = &filter.similar_to {
            let like = self.embeddings.embed(&text.as_str().into()).await.map_err(PurgeError::Embedding)?;
            let least = filter.min_similarity.unwrap_or_else(|| self.settings.load().judge.min_similarity);
            criteria.like = Some((like, least));
        }
        if dry_run {
            let mut matching = self.matching(&criteria).await?;
            // What is on its way out would not go: it has gone.
            let loaded = self.warmth.is_done();
            matching.retain(|found| !loaded || self.shelf.catalog().contains(found.id));
            return Ok(purged(&matching));
        }
        let purged = self.take_out(criteria).await?;
        tracing::info!(entries = purged.entries, "purged");
        Ok(purged)
    }

    /// Takes one entry out; whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(self: &Arc<Self>, id: EntryId) -> Result<bool, StoreError> {
        let purged = self.take_out(Criteria { id: Some(id), ..Criteria::default() }).await?;
        Ok(purged.entries > 0)
    }

    async fn take_out(self: &Arc<Self>, criteria: Criteria) -> Result<Purged, StoreError> {
        // From here on every filling that is not done yet is checked against it, and nobody joins what is under way.
        self.purges.note(criteria.clone());
        self.flights.close_all();
        if let Some(namespace) = criteria.one_namespace() {
            let (engine, tenant) = (self.clone(), criteria.tenant.clone());
            // Whoever asked may leave; what has begun is brought to its end.
            let work = self.tasks.spawn(async move { engine.flush(tenant, namespace).await });
            return work.await.unwrap_or_else(|fault| Err(StoreError::Engine(fault.to_string())));
        }
        if criteria.is_of_namespaces() {
            self.shelf.catalog().empty(|tenant, namespace| criteria.match_home(tenant, namespace));
        }
        let engine = self.clone();
        // Whoever asked may leave; what has begun is brought to its end.
        let work = self.tasks.spawn(async move { engine.bring_out(&criteria).await });
        work.await.unwrap_or_else(|fault| Err(StoreError::Engine(fault.to_string())))
    }

    async fn bring_out(&self, criteria: &Criteria) -> Result<Purged, StoreError> {
        // Few at a time, so that fillings do not wait for long.
        const BATCH: usize = 1024;
        let matching = {
            let changing = self.shelf.change().await;
            let matching = self.matching(criteria).await?;
            let ids: Vec<_> = matching.iter().map(|found| found.id).collect();
            changing.condemn(&ids);
            matching
        };
        // What an earlier purge could not bring off the disk goes now, or this one is not done either.
        let mut all: Vec<_> = matching.iter().map(|found| found.id).collect();
        all.extend(self.shelf.catalog().condemned());
        all.sort_unstable();
        all.dedup();
        for ids in all.chunks(BATCH) {
            self.shelf.change().await.execute(ids).await?;
        }
        Ok(purged(&matching))
    }

    async fn matching(&self, criteria: &Criteria) -> Result<Vec<Found>, StoreError> {
        if criteria.like.is_none() && self.warmth.is_done() {
            let facts = self.shelf.catalog().select(|facts| criteria.match_facts(facts));
            return Ok(facts.iter().map(|facts| Found { id: facts.id, bytes: facts.bytes }).collect());
        }
        // The catalog does not know prompts, nor all entries before it is rebuilt: ask the truth.
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.shelf.scan(after, 256).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id());
            found.extend(page.iter().filter_map(|entry| {
                let matches = criteria.match_facts(&self.shelf.facts_of(entry)) && criteria.match_prompt(entry);
                matches.then(|| Found { id: entry.id(), bytes: entry.weight() })
            }));
        }
    }
}

struct Found {
    id: EntryId,
    bytes: u64,
}

fn purged(found: &[Found]) -> Purged {
    Purged {
        entries: found.len(),
        bytes: found.iter().map(|found| found.bytes).sum(),
        examples: found.iter().map(|found| found.id).take(100).collect(),
    }
}

/// For the admin listing, which takes the same filter.
impl Engine {
    pub(super) fn listed(&self, filter: &Filter) -> impl Fn(&Facts) -> bool + use<> {
        let criteria = filter.criteria(self.now());
        move |facts| criteria.match_facts(facts)
    }
}
