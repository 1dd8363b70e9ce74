//! The story of one request to a cacheable surface: read it, look it up, and replay the answer, follow an identical
//! request in flight, or forward it and keep what comes back.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use super::call::Call;
use super::follow::follow;
use super::reply::{Reply, Verdict};
use super::tee::{self, Led};
use super::{Parts, embeddings, error, pass, replay, shadow};
use crate::cache::{Hit, Lookup, Ticket};
use crate::domain::{Asked, Cause, Outcome, Reason, Surface};
use crate::telemetry::Exchange;
use crate::wire::Refusal;

/// How often a request looks up anew after the one it followed came to nothing, before it goes on its own.
const LOOKUPS: usize = 2;

/// Answers one request, and counts it.
pub(super) async fn answer(parts: Arc<Parts>, surface: Surface, request: Request) -> Response {
    let started = std::time::Instant::now();
    let tenant = parts.tenants.identify(request.headers());
    let (call, reply) = match Call::receive(&parts, surface, tenant.clone(), request).await {
        Ok(call) => {
            let reply = tell(&parts, &call).await;
            (Some(call), reply)
        }
        Err(refusal) => (None, Err(Refused::unasked(refusal))),
    };
    let reply = reply.unwrap_or_else(|refused| refused.reply(surface));
    let Reply { mut response, verdict } = reply;
    verdict.write(response.headers_mut(), parts.settings.show_similarity);
    parts.telemetry.record(&Exchange {
        surface,
        outcome: Some(verdict.outcome),
        how: verdict.how,
        reason: verdict.reason,
        status: response.status(),
        model: call.as_ref().and_then(|call| call.model.as_deref()).unwrap_or(""),
        route: call.as_ref().map_or("", |call| &call.plan.route),
        upstream: verdict.upstream.as_deref(),
        tenant: &tenant,
        took: started.elapsed(),
        saved: verdict.saved,
    });
    response
}

/// The story itself. What takes an upstream's time is boxed, so that the future of a hit, which is moved and allocated
/// for every request, stays small.
async fn tell(parts: &Arc<Parts>, call: &Call) -> Result<Reply, Refused> {
    if let Some(cause) = call.unread {
        return forward(parts, call, Outcome::Bypass, Some(cause.into())).await;
    }
    if call.surface.is_embedding() {
        return Box::pin(embeddings::tell(parts, call)).await;
    }
    let Some(asked) = &call.asked else {
        return Box::pin(forward(parts, call, Outcome::Bypass, Some(Cause::Unreadable.into()))).await;
    };
    for _ in 0..LOOKUPS {
        let query = call.query(parts, asked);
        match parts.engine.lookup(query, &call.directives, call.plan.lifetimes).await {
            Lookup::Hit(hit) => match serve(parts, call, *hit, asked) {
                Some(reply) => return Ok(reply),
                None => return Box::pin(forward(parts, call, Outcome::Miss, Some(Cause::StoreFault.into()))).await,
            },
            Lookup::Miss(ticket) => return Box::pin(lead(parts, call, *ticket, asked)).await,
            Lookup::Join(follower) => {
                if let Some(reply) = Box::pin(follow(parts, call, follower, asked.shape)).await {
                    return Ok(reply);
                }
            }
            Lookup::Bypass(reason) => return Box::pin(forward(parts, call, Outcome::Bypass, Some(reason))).await,
            Lookup::NotCached(reason) => {
                return Err(Refused::at(Refusal::NotCached, Outcome::Miss, worth_saying(reason)));
            }
        }
    }
    Box::pin(forward(parts, call, Outcome::Miss, None)).await
}

/// Replays a hit, and refreshes it in the background where the engine says so; `None` when it is damaged.
fn serve(parts: &Arc<Parts>, call: &Call, hit: Hit, asked: &Arc<Asked>) -> Option<Reply> {
    let verdict = Verdict::hit(&hit, parts.clock.now());
    let response = replay::hit(parts, &hit, asked.shape)?;
    if let Some(ticket) = hit.refresh {
        // Nobody waits for what comes of it.
        drop(tee::lead(parts, call, *ticket, asked));
    }
    if let Some(checking) = hit.check {
        shadow::check(parts, call, *checking, asked);
    }
    Some(Reply { response, verdict })
}

/// Forwards a miss in a task of its own, so that the recording goes on when the client leaves, and replies with what
/// the task hands back.
async fn lead(parts: &Arc<Parts>, call: &Call, ticket: Ticket, asked: &Arc<Asked>) -> Result<Reply, Refused> {
    let (outcome, reason) = (ticket.outcome, worth_saying(ticket.reason));
    let verdict = Verdict::forwarded(outcome, reason);
    match tee::lead(parts, call, ticket, asked).await {
        Ok(Led::Whole(whole)) => Ok(whole.reply(verdict)),
        Ok(Led::Live(live)) => Ok(live.reply(verdict, parts.replay)),
        Ok(Led::Failed { error, fallback }) => fallback
            .and_then(|stale| stand_in(parts, &stale, asked))
            .ok_or_else(|| Refused::at(error.into(), outcome, reason)),
        // The task is gone without a word: it panicked, or the server is going down.
        Err(_) => Err(Refused::at(Refusal::Unreachable("the request was abandoned".to_owned()), outcome, reason)),
    }
}

/// A stale answer in place of an upstream's failure (RFC 5861, 4).
fn stand_in(parts: &Parts, stale: &Hit, asked: &Asked) -> Option<Reply> {
    let verdict = Verdict {
        outcome: Outcome::Stale,
        reason: Some(Cause::UpstreamError.into()),
        ..Verdict::hit(stale, parts.clock.now())
    };
    Some(Reply { response: replay::hit(parts, stale, asked.shape)?, verdict })
}

/// Matching by equality only is what somebody configured: a miss then is a plain miss.
fn worth_saying(reason: Option<Reason>) -> Option<Reason> {
    reason.filter(|reason| *reason != Cause::ExactOnly.into())
}

/// Forwards a request without keeping anything, bytes as they come; unless its client wants nothing but what is cached.
pub(super) async fn forward(
    parts: &Parts,
    call: &Call,
    outcome: Outcome,
    reason: Option<Reason>,
) -> Result<Reply, Refused> {
    if call.directives.only_if_cached {
        return Err(Refused::at(Refusal::NotCached, outcome, reason));
    }
    let incoming = parts.upstreams.send(&call.plan, call.outgoing()).await;
    let incoming = incoming.map_err(|error| Refused::at(error.into(), outcome, reason))?;
    let verdict = Verdict::forwarded(outcome, reason).by(&incoming.target);
    Ok(Reply { response: pass::smoothed(incoming, parts.replay), verdict })
}

/// A request that gets no answer but dejavu's own, and what the cache had to do with it.
pub(super) struct Refused {
    refusal: Refusal,
    verdict: Verdict,
}

impl Refused {
    /// Refused before the cache was asked.
    fn unasked(refusal: Refusal) -> Self {
        Self { refusal, verdict: Verdict::refused(Outcome::Bypass, None) }
    }

    pub(super) fn at(refusal: Refusal, outcome: Outcome, reason: Option<Reason>) -> Self {
        Self { refusal, verdict: Verdict::refused(outcome, reason) }
    }

    fn reply(self, surface: Surface) -> Reply {
        let response = error::refuse(surface.protocol(), &self.refusal);
        debug_assert_ne!(response.status(), StatusCode::OK, "a refusal is no answer");
        Reply { response, verdict: self.verdict }
    }
}
