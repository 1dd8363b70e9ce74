//! Embeddings, the story told per item: what is known is taken from the cache, what is being asked by others is
//! waited for, the rest is asked upstream in one request, and one answer is put together in the order of the request.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use super::Parts;
use super::ask::{self, Answered, Unanswered, Wanted};
use super::call::Call;
use super::proxy::{Refused, forward};
use super::reply::{Reply, Verdict};
use crate::cache::{Followed, Follower, Hit, Lookup, Ticket};
use crate::domain::{Asked, Cause, Head, Outcome, Reason, Recording, Usage};
use crate::telemetry::Saved;
use crate::wire::embeddings::Batch;
use crate::wire::{self, Refusal};

/// Answers a request for embeddings.
pub(super) async fn tell(parts: &Arc<Parts>, call: &Call) -> Result<Reply, Refused> {
    let Some(batch) = Batch::read(call.surface, &call.text).map(Arc::new) else {
        return forward(parts, call, Outcome::Bypass, Some(Cause::Unreadable.into())).await;
    };
    let mut looked = match look_up(parts, call, &batch).await {
        Ok(looked) => looked,
        Err(Aside::Bypass(reason)) => return forward(parts, call, Outcome::Bypass, Some(reason)).await,
        Err(Aside::NotCached(reason)) => return Err(Refused::at(Refusal::NotCached, Outcome::Miss, reason)),
    };
    if !looked.refresh.is_empty() {
        // Nobody waits for what comes of it.
        drop(ask::ask(parts, call, &batch, std::mem::take(&mut looked.refresh)));
    }
    // First ask for what this request leads, only then wait for others: two requests that wait for each other's
    // items would else wait for ever.
    let led: Vec<usize> = looked.wanted.iter().map(|(at, _)| *at).collect();
    let mut answered = None;
    if !led.is_empty() {
        let wanted = std::mem::take(&mut looked.wanted);
        let told = ask::ask(parts, call, &batch, wanted).await;
        match told.unwrap_or_else(|_| Err(ask::abandoned())) {
            Ok(got) => answered = Some(got),
            Err(Unanswered { error, stale }) => match stale {
                Some(stale) => looked.stand_in(stale),
                None => return Err(Refused::at(error.into(), looked.outcome(), looked.reason)),
            },
        }
    }
    if let Some(got) = &mut answered {
        match std::mem::replace(&mut got.recordings, Err(Cause::Unreadable)) {
            // An error, or an answer that is not understood: the client's to see, if it is to the client's request.
            Err(_) if led.len() == looked.found.len() || !got.head.status.is_success() => {
                return Ok(looked.as_it_came(answered.expect("it was just looked at")));
            }
            Err(_) => return forward(parts, call, looked.outcome(), looked.reason).await,
            Ok(recordings) => led.iter().zip(recordings).for_each(|(at, got)| looked.found[*at] = Some(got)),
        }
    }
    if looked.join(parts, call, &batch).await.is_err() {
        return forward(parts, call, looked.outcome(), looked.reason).await;
    }
    let all_led = led.len() == looked.found.len();
    match answered {
        Some(got) if all_led => Ok(looked.as_it_came(got)),
        answered => match looked.merged(parts, call, &batch, answered) {
            Some(reply) => Ok(reply),
            None => forward(parts, call, Outcome::Miss, None).await,
        },
    }
}

/// What the cache says about a whole batch, rather than about its items.
enum Aside {
    Bypass(Reason),
    NotCached(Option<Reason>),
}

/// What the cache says about each item.
struct Looked {
    /// The items' recordings, as far as they are known.
    found: Vec<Option<Recording>>,
    hits: Vec<Hit>,
    wanted: Wanted,
    refresh: Wanted,
    joined: Vec<(usize, Follower)>,
    /// The part of the cache in items that were not hits at first.
    misses: Option<Outcome>,
    reason: Option<Reason>,
}

async fn look_up(parts: &Arc<Parts>, call: &Call, batch: &Batch) -> Result<Looked, Aside> {
    let mut looked = Looked {
        found: vec![None; batch.items().len()],
        hits: Vec::new(),
        wanted: Vec::new(),
        refresh: Vec::new(),
        joined: Vec::new(),
        misses: None,
        reason: None,
    };
    for (at, asked) in batch.items().enumerate() {
        match look_up_one(parts, call, asked).await {
            Lookup::Hit(mut hit) => {
                looked.refresh.extend(hit.refresh.take().map(|ticket| (at, ticket)));
                looked.found[at] = Some(hit.entry.recording.clone());
                looked.hits.push(*hit);
            }
            Lookup::Miss(ticket) => looked.lead(at, ticket),
            Lookup::Join(follower) => {
                looked.misses = looked.misses.or(Some(Outcome::Collapsed));
                looked.joined.push((at, follower));
            }
            Lookup::Bypass(reason) => return Err(Aside::Bypass(reason)),
            Lookup::NotCached(reason) => return Err(Aside::NotCached(worth_saying(reason))),
        }
    }
    Ok(looked)
}

async fn look_up_one(parts: &Arc<Parts>, call: &Call, asked: &Asked) -> Lookup {
    let query = call.query(parts, &Arc::new(asked.clone()));
    parts.engine.lookup(query, &call.directives, call.plan.lifetimes).await
}

impl Looked {
    fn lead(&mut self, at: usize, ticket: Box<Ticket>) {
        self.misses = Some(ticket.outcome);
        self.reason = self.reason.or(worth_saying(ticket.reason));
        self.wanted.push((at, ticket));
    }

    /// Stale answers in place of an upstream's failure (RFC 5861, 4).
    fn stand_in(&mut self, stale: Vec<(usize, Box<Hit>)>) {
        for (at, hit) in stale {
            self.found[at] = Some(hit.entry.recording.clone());
            self.hits.push(*hit);
        }
        self.misses = Some(Outcome::Stale);
        self.reason = Some(Cause::UpstreamError.into());
    }

    /// Waits for the items that others lead; one whose leader came to nothing is asked for after all.
    async fn join(&mut self, parts: &Arc<Parts>, call: &Call, batch: &Arc<Batch>) -> Result<(), Cause> {
        let mut left = Vec::new();
        for (at, mut follower) in std::mem::take(&mut self.joined) {
            match follower.begin().await {
                Followed::Whole(entry) => self.found[at] = Some(entry.recording.clone()),
                _ => left.push(at),
            }
        }
        let items: Vec<&Asked> = batch.items().collect();
        let mut wanted = Wanted::new();
        for at in left {
            match look_up_one(parts, call, items[at]).await {
                Lookup::Hit(hit) => self.found[at] = Some(hit.entry.recording.clone()),
                Lookup::Miss(ticket) => wanted.push((at, ticket)),
                _ => return Err(Cause::Unfinished),
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let asked: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
        let told = ask::ask(parts, call, batch, wanted).await;
        let got = match told.unwrap_or_else(|_| Err(ask::abandoned())) {
            Ok(got) => got,
            Err(Unanswered { stale: Some(stale), .. }) => {
                self.stand_in(stale);
                return Ok(());
            }
            Err(_) => return Err(Cause::Cut),
        };
        asked.iter().zip(got.recordings?).for_each(|(at, got)| self.found[*at] = Some(got));
        Ok(())
    }

    fn outcome(&self) -> Outcome {
        let stale = self.hits.iter().any(|hit| hit.outcome == Outcome::Stale);
        self.misses.unwrap_or(if stale { Outcome::Stale } else { Outcome::Hit })
    }

    /// The upstream's own answer to the whole request.
    fn as_it_came(&self, got: Answered) -> Reply {
        let Answered { head, target, body, kept, .. } = got;
        let reason = self.reason.or(kept.err().map(Reason::from));
        let verdict = Verdict { stored: kept.is_ok(), ..Verdict::forwarded(self.outcome(), reason) };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Reply { response, verdict: verdict.by(&target) }
    }

    /// One answer from all items; `None` when they do not fit together.
    fn merged(self, parts: &Parts, call: &Call, batch: &Batch, answered: Option<Answered>) -> Option<Reply> {
        let stale = self.hits.iter().find(|hit| hit.outcome == Outcome::Stale);
        let reason = self.reason.or(stale.and_then(|hit| hit.reason));
        let verdict = Verdict { reason, ..hits_verdict(&self.hits, parts, self.outcome()) };
        let recordings: Vec<Recording> = self.found.into_iter().collect::<Option<_>>()?;
        let body = batch.merge(&recordings)?;
        let (verdict, head) = match answered {
            Some(got) => {
                let partial = !self.hits.is_empty();
                (Verdict { stored: got.kept.is_ok(), partial, ..verdict }.by(&got.target), Some(got.head))
            }
            None => (verdict, None),
        };
        Some(Reply { response: whole(call, head, body), verdict })
    }
}

/// An embedding is never compared by meaning, so that it is not says nothing.
fn worth_saying(reason: Option<Reason>) -> Option<Reason> {
    reason.filter(|reason| !matches!(reason, Reason::Cause(Cause::ExactOnly | Cause::NoText)))
}

/// What hits have in common: the oldest age, the least lifetime left, all that was saved.
fn hits_verdict(hits: &[Hit], parts: &Parts, outcome: Outcome) -> Verdict {
    let now = parts.clock.now();
    let each: Vec<Verdict> = hits.iter().map(|hit| Verdict::hit(hit, now)).collect();
    let saved = each
        .iter()
        .filter_map(|verdict| verdict.saved)
        .reduce(|a, b| Saved { usage: Some(sum(a.usage, b.usage)), time: a.time.max(b.time) });
    let cached = matches!(outcome, Outcome::Hit | Outcome::Stale);
    let first = each.first();
    Verdict {
        how: first.filter(|_| cached).and_then(|verdict| verdict.how),
        entry: first.filter(|_| cached && each.len() == 1).and_then(|verdict| verdict.entry),
        age: each.iter().filter_map(|verdict| verdict.age).max().filter(|_| cached),
        ttl: each.iter().filter_map(|verdict| verdict.ttl).min().filter(|_| cached),
        upstream: first.and_then(|verdict| verdict.upstream.clone()),
        model: first.and_then(|verdict| verdict.model.clone()),
        saved,
        ..Verdict::forwarded(outcome, None)
    }
}

fn sum(a: Option<Usage>, b: Option<Usage>) -> Usage {
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    Usage { prompt: a.prompt + b.prompt, completion: a.completion + b.completion }
}

fn whole(call: &Call, head: Option<Head>, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    if let Some(head) = head {
        *response.headers_mut() = head.headers;
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().remove(CONTENT_ENCODING);
    }
    let kind = wire::content_type(call.surface, false);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
