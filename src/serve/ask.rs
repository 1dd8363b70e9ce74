//! Asking upstream for the items of a batch that nobody knows, in a task of its own, and keeping each.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use tokio::sync::oneshot;

use super::Parts;
use super::call::Call;
use super::headers::codings;
use super::tape::cause;
use super::tee::failing;
use crate::cache::{Filling, Hit, Ticket};
use crate::domain::{Cause, Head, Recording, Target};
use crate::telemetry;
use crate::upstream::{Incoming, Outgoing, Plan, UpstreamError};
use crate::wire::content_coding::decode;
use crate::wire::embeddings::Batch;

/// Items to ask for, each with the right to fill it.
pub(super) type Wanted = Vec<(usize, Box<Ticket>)>;

/// The largest answer to a batch.
const MOST: usize = 256 << 20;

/// What an upstream answered.
pub(super) struct Answered {
    pub(super) head: Head,
    pub(super) target: Target,
    /// As it came.
    pub(super) body: Bytes,
    /// One recording for each item asked for, in that order.
    pub(super) recordings: Result<Vec<Recording>, Cause>,
    /// Whether all of them were kept.
    pub(super) kept: Result<(), Cause>,
}

/// Why nobody answered.
pub(super) struct Unanswered {
    pub(super) error: UpstreamError,
    /// A stale answer for every item asked for, where `stale-if-error` allows that.
    pub(super) stale: Option<Vec<(usize, Box<Hit>)>>,
}

/// Starts asking. The receiver tells what came of it when all is kept; dropping the receiver changes nothing.
pub(super) fn ask(
    parts: &Arc<Parts>,
    call: &Call,
    batch: &Arc<Batch>,
    wanted: Wanted,
) -> oneshot::Receiver<Result<Answered, Unanswered>> {
    let places: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
    let request = batch.request_for(&places);
    // The client's own bytes, where nothing is left out.
    let outgoing = if request == call.text { call.outgoing() } else { call.sending(request) };
    let asking = Asking { parts: Arc::clone(parts), plan: call.plan.clone(), batch: Arc::clone(batch) };
    let (tell, told) = oneshot::channel();
    parts.tasks.spawn(async move {
        // The client may have left; the items are kept all the same.
        let _ = tell.send(asking.run(outgoing, wanted).await);
    });
    told
}

/// What there is to say of a request whose task is gone without a word.
pub(super) fn abandoned() -> Unanswered {
    let why = "the request was abandoned".to_owned();
    Unanswered { error: UpstreamError::Unreachable { upstream: String::new(), why }, stale: None }
}

struct Asking {
    parts: Arc<Parts>,
    plan: Plan,
    batch: Arc<Batch>,
}

/// An answer, read to its end.
struct Whole {
    head: Head,
    body: Bytes,
    target: Target,
}

impl Asking {
    async fn run(self, outgoing: Outgoing, mut wanted: Wanted) -> Result<Answered, Unanswered> {
        let started = Instant::now();
        let Whole { head, body, target } = match self.send(outgoing, &wanted).await {
            Ok(whole) => whole,
            Err(error) => {
                tracing::debug!(%error, "no answer");
                let stale = wanted.iter_mut().map(|(at, ticket)| Some((*at, ticket.take_fallback()?))).collect();
                return Err(Unanswered { error, stale });
            }
        };
        let places: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
        let recordings = self.split(&head, &places, &body);
        let took = started.elapsed();
        let mut kept = recordings.as_ref().map(|_| ()).map_err(|cause| *cause);
        let usage = recordings.as_ref().ok().map(|all| {
            let prompt = all.iter().filter_map(|recording| recording.usage).map(|usage| usage.prompt).sum();
            crate::domain::Usage { prompt, completion: 0 }
        });
        let shared = Arc::new(head.clone());
        if let Ok(recordings) = &recordings {
            for ((_, ticket), recording) in wanted.into_iter().zip(recordings) {
                let recording = Ok(recording.clone());
                let filling = Filling { target: target.clone(), head: Arc::clone(&shared), recording, took };
                kept = kept.and(ticket.fill(filling).await.map(|_| ()));
            }
        }
        self.parts.telemetry.answered(&telemetry::Answered {
            upstream: &target.model.upstream,
            model: &target.model.name,
            took,
            usage,
            kept,
        });
        Ok(Answered { head, target, body, recordings, kept })
    }

    /// The whole answer. A 5xx one is a failure where stale answers can stand in for all that was asked (RFC 5861, 4).
    async fn send(&self, outgoing: Outgoing, wanted: &Wanted) -> Result<Whole, UpstreamError> {
        let incoming = self.parts.upstreams.send(&self.plan, outgoing).await?;
        if incoming.head.status.is_server_error() && wanted.iter().all(|(_, ticket)| ticket.has_fallback()) {
            return Err(failing(&incoming));
        }
        let Incoming { head, body, target } = incoming;
        let body = body
            .try_fold(BytesMut::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            })
            .await?
            .freeze();
        Ok(Whole { head, body, target })
    }

    fn split(&self, head: &Head, places: &[usize], body: &Bytes) -> Result<Vec<Recording>, Cause> {
        if !head.status.is_success() {
            return Err(Cause::Status);
        }
        let text = decode(&codings(&head.headers), body, MOST).map_err(cause)?;
        self.batch.split(places, &text)
    }
}
