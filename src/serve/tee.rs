//! Leading: one upstream call for all who ask the same, its bytes to them as they come and to the recorder, the
//! recording to the ticket.
//!
//! It runs in a task of its own, so neither a client that leaves nor one that reads slowly costs the others their
//! answer.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::Parts;
use super::call::Call;
use super::reply::{Reply, Verdict};
use super::tape::Tape;
use crate::cache::{Filling, Follower, Hit, Ticket};
use crate::domain::{Cause, Entry, Head, Shape, Surface, Target};
use crate::telemetry::Answered;
use crate::upstream::{Incoming, Outgoing, Plan, UpstreamError};

/// What becomes of a led request, told to the client that leads.
pub(super) enum Led {
    /// An answer that is no stream, complete. It was kept before this was told, if it was.
    Whole(Box<Whole>),
    /// An answer that comes in pieces, or is too large to wait for.
    Live(Follower),
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
    head: Arc<Head>,
    target: Target,
    body: Bytes,
    kept: Result<Arc<Entry>, Cause>,
}

impl Whole {
    /// The upstream's own bytes, and whether they were kept.
    pub(super) fn reply(self, verdict: Verdict) -> Reply {
        let verdict = match self.kept {
            Ok(entry) => Verdict { stored: true, ..verdict.from(&entry) },
            // Nothing was stored, so there is no entry to name; the reason tells why unless there was one before.
            Err(cause) => {
                Verdict { entry: None, reason: verdict.reason.or(Some(cause.into())), ..verdict }.by(&self.target)
            }
        };
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.head.status;
        *response.headers_mut() = self.head.headers.clone();
        Reply { response, verdict }
    }
}

/// The largest answer waited for in whole before its client hears of it; a larger one is passed on as it comes.
const MOST_WAITED_FOR: usize = 16 << 20;

/// Starts leading. The receiver tells what becomes of it; dropping the receiver changes nothing.
pub(super) fn lead(
    parts: &Arc<Parts>,
    call: &Call,
    plan: Plan,
    ticket: Ticket,
    shape: Shape,
) -> oneshot::Receiver<Led> {
    let (tell, told) = oneshot::channel();
    let leader = Leader { parts: Arc::clone(parts), surface: call.surface, shape, plan, tell: Some(tell) };
    parts.tasks.spawn(leader.run(ticket, call.outgoing()));
    told
}

struct Leader {
    parts: Arc<Parts>,
    surface: Surface,
    shape: Shape,
    plan: Plan,
    /// Until the client was told.
    tell: Option<oneshot::Sender<Led>>,
}

impl Leader {
    async fn run(mut self, mut ticket: Ticket, outgoing: Outgoing) {
        let started = Instant::now();
        let incoming = match self.parts.upstreams.send(&self.plan, outgoing).await {
            Ok(incoming) if ticket.fallback.is_some() && incoming.head.status.is_server_error() => {
                return self.fail(failing(&incoming), &mut ticket);
            }
            Ok(incoming) => incoming,
            Err(error) => return self.fail(error, &mut ticket),
        };
        let Incoming { head, mut body, target } = incoming;
        let head = Arc::new(head);
        let mut tape = Tape::new(self.surface, self.shape, &head);
        let mut whole = BytesMut::new();
        ticket.head(Arc::clone(&head), target.clone());
        if tape.streamed() {
            self.tell(Led::Live(ticket.follow()));
        }
        let mut broke = None;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(bytes) => {
                    tape.push(&bytes);
                    if self.tell.is_some() {
                        whole.extend_from_slice(&bytes);
                        if whole.len() > MOST_WAITED_FOR {
                            self.tell(Led::Live(ticket.follow()));
                        }
                    }
                    ticket.chunk(bytes).await;
                }
                Err(error) => {
                    ticket.cut();
                    tape.cut();
                    broke = Some(error);
                    break;
                }
            }
        }
        if let Some(error) = broke {
            // A client that has heard nothing yet can be told, or be helped with what was there before.
            self.fail(error, &mut ticket);
        }
        let recording = tape.finish();
        let usage = recording.as_ref().ok().and_then(|recording| recording.usage);
        let took = started.elapsed();
        let filling = Filling { target: target.clone(), head: Arc::clone(&head), recording, took };
        let kept = ticket.fill(filling).await;
        self.parts.telemetry.answered(&Answered {
            upstream: &target.model.upstream,
            model: &target.model.name,
            took,
            usage,
            kept: kept.as_ref().map(|_| ()).map_err(|cause| *cause),
        });
        self.tell(Led::Whole(Box::new(Whole { head, target, body: whole.freeze(), kept })));
    }

    fn fail(&mut self, error: UpstreamError, ticket: &mut Ticket) {
        tracing::debug!(%error, surface = self.surface.as_str(), "no answer");
        self.tell(Led::Failed { error, fallback: ticket.fallback.take() });
    }

    /// Tells the client, if it was not told yet and is still there.
    fn tell(&mut self, led: Led) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(led);
        }
    }
}

/// A 5xx answer as the failure it is (RFC 5861, 4), where a stale answer can stand in for it.
fn failing(incoming: &Incoming) -> UpstreamError {
    UpstreamError::Unreachable {
        upstream: incoming.target.model.upstream.to_string(),
        why: format!("it answered {}", incoming.head.status),
    }
}
