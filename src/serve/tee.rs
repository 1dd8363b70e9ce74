//! Leading: one upstream call for all who ask the same, its bytes to them as they come and to the recorder, the
//! recording to the ticket.
//!
//! It runs in a task of its own, so neither a client that leaves nor one that reads slowly costs the others their
//! answer.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};

use super::call::Call;
use super::client::Client;
use super::reply::{Reply, Verdict};
use super::tape::Tape;
use super::{Parts, ReplaySettings, pace};
use crate::cache::{Broken, Filling, Hit, Ticket};
use crate::domain::{Asked, Cause, Entry, Head, Target};
use crate::telemetry::Answered;
use crate::upstream::{Incoming, Outgoing, Plan, UpstreamError};

/// What becomes of a led request, told to the client that leads.
pub(super) enum Led {
    /// An answer that is no stream, complete. It was kept before this was told, if it was.
    Whole(Box<Whole>),
    /// An answer that comes in pieces, or is too large to wait for.
    Live(Live),
    /// No answer.
    Failed {
        /// Why.
        error: UpstreamError,
        /// A stale answer to serve instead.
        fallback: Option<Box<Hit>>,
    },
}

/// A complete answer, not streamed.
pub(super) struct Whole {
    pub(super) head: Arc<Head>,
    pub(super) target: Target,
    pub(super) body: Bytes,
    pub(super) kept: Result<Arc<Entry>, Cause>,
}

impl Whole {
    /// The upstream's own bytes, and whether they were kept.
    pub(super) fn reply(self, verdict: Verdict) -> Reply {
        let verdict = match self.kept {
            Ok(entry) => Verdict { stored: true, ..verdict.from(&entry) },
            // The reason tells why it was not kept, unless there was one before.
            Err(cause) => Verdict { reason: verdict.reason.or(Some(cause.into())), ..verdict }.by(&self.target),
        };
        Reply { response: response(&self.head, Body::from(self.body)), verdict }
    }
}

fn response(head: &Head, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    response
}

/// An answer under way.
pub(super) struct Live {
    pub(super) head: Arc<Head>,
    pub(super) target: Target,
    /// Its pieces, and `None` for its end; without that, it broke off.
    pub(super) pieces: mpsc::Receiver<Option<Bytes>>,
}

impl Live {
    /// The pieces as they come. The last one comes when the answer is kept, so that who has read it all and asks
    /// again finds it. An answer that breaks off breaks off here too: hyper closes the connection without an end.
    pub(super) fn reply(self, verdict: Verdict, settings: ReplaySettings) -> Reply {
        let pieces = stream::unfold(Some(self.pieces), |pieces| async move {
            let mut pieces = pieces?;
            match pieces.recv().await {
                Some(Some(piece)) => Some((Ok(piece), Some(pieces))),
                Some(None) => None,
                None => {
                    // What came before must leave before the connection is cut.
                    tokio::task::yield_now().await;
                    Some((Err(Broken), None))
                }
            }
        });
        let body = pace::body(&self.head.headers, pieces, settings);
        Reply { response: response(&self.head, body), verdict: verdict.by(&self.target) }
    }
}

/// Starts leading. The receiver tells what becomes of it; dropping the receiver changes nothing.
pub(super) fn lead(parts: &Arc<Parts>, call: &Call, ticket: Ticket, asked: &Arc<Asked>) -> oneshot::Receiver<Led> {
    let (tell, told) = oneshot::channel();
    let outgoing = call.outgoing();
    let leader = Leader {
        parts: Arc::clone(parts),
        asked: Arc::clone(asked),
        plan: call.plan.clone(),
        client: Client::waiting(tell),
    };
    parts.tasks.spawn(leader.run(ticket, outgoing));
    told
}

struct Leader {
    parts: Arc<Parts>,
    asked: Arc<Asked>,
    plan: Plan,
    client: Client,
}

impl Leader {
    async fn run(mut self, mut ticket: Ticket, outgoing: Outgoing) {
        let started = Instant::now();
        let incoming = match self.parts.upstreams.send(&self.plan, outgoing).await {
            Ok(incoming) if ticket.has_fallback() && incoming.head.status.is_server_error() => {
                return self.client.tell(failed(failing(&incoming), &mut ticket));
            }
            Ok(incoming) => incoming,
            Err(error) => return self.client.tell(failed(error, &mut ticket)),
        };
        let Incoming { head, mut body, target } = incoming;
        let head = Arc::new(head);
        let mut tape = Tape::new(&self.asked, &head);
        ticket.head(Arc::clone(&head), target.clone());
        if tape.streamed() {
            self.client.stream(&head, &target);
        }
        while let Some(piece) = self.client.patience(body.next()).await {
            match piece {
                Ok(bytes) => {
                    tape.push(&bytes);
                    self.client.take(bytes.clone(), &head, &target).await;
                    ticket.chunk(bytes).await;
                }
                Err(error) => {
                    ticket.cut();
                    tape.cut();
                    // A client that has heard nothing yet can be told, or be helped with what was there before.
                    self.client.cut(failed(error, &mut ticket)).await;
                    break;
                }
            }
        }
        let (recording, took) = (tape.finish(), started.elapsed());
        let usage = recording.as_ref().ok().and_then(|recording| recording.usage);
        let kept = ticket.fill(Filling { target: target.clone(), head: Arc::clone(&head), recording, took }).await;
        self.parts.telemetry.answered(&Answered {
            upstream: &target.model.upstream,
            model: &target.model.name,
            took,
            usage,
            kept: kept.as_ref().map(|_| ()).map_err(|cause| *cause),
        });
        self.client.end(head, target, kept).await;
    }
}

fn failed(error: UpstreamError, ticket: &mut Ticket) -> Led {
    tracing::debug!(%error, "no answer");
    Led::Failed { error, fallback: ticket.take_fallback() }
}

/// A 5xx answer as the failure it is (RFC 5861, 4), where a stale answer can stand in for it.
pub(super) fn failing(incoming: &Incoming) -> UpstreamError {
    UpstreamError::Unreachable {
        upstream: incoming.target.model.upstream.to_string(),
        why: format!("it answered {}", incoming.head.status),
    }
}
