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
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};

use super::Parts;
use super::call::Call;
use super::reply::{Reply, Verdict};
use super::tape::Tape;
use crate::cache::{Broken, Filling, Follower, Hit, Ticket};
use crate::domain::{Cause, Entry, Head, Shape, Surface, Target};
use crate::telemetry::Answered;
use crate::upstream::{Incoming, Outgoing, Plan, UpstreamError};

/// What becomes of a led request, told to the client that leads.
pub(super) enum Led {
    /// An answer that is no stream, complete. It was kept before this was told, if it was.
    Whole(Box<Whole>),
    /// An answer that comes in pieces.
    Live(Follower),
    /// An answer too large to wait for.
    Large(Large),
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
        Reply { response: response(&self.head, Body::from(self.body)), verdict }
    }
}

fn response(head: &Head, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    response
}

/// An answer that is no stream, and that is passed on before it is complete.
pub(super) struct Large {
    head: Arc<Head>,
    target: Target,
    first: Bytes,
    rest: mpsc::Receiver<Result<Bytes, Broken>>,
}

impl Large {
    /// What has come, and the rest as it comes.
    pub(super) fn reply(self, verdict: Verdict) -> Reply {
        let rest = stream::unfold(self.rest, |mut rest| async move { Some((rest.recv().await?, rest)) });
        let body = Body::from_stream(stream::iter([Ok(self.first)]).chain(rest));
        Reply { response: response(&self.head, body), verdict: verdict.by(&self.target) }
    }
}

/// The largest answer waited for in whole before its client hears of it; a larger one is passed on as it comes.
const MOST_WAITED_FOR: usize = 16 << 20;
/// Pieces of a large answer that may wait for its client.
const MOST_AHEAD: usize = 16;

/// Starts leading. The receiver tells what becomes of it; dropping the receiver changes nothing.
pub(super) fn lead(
    parts: &Arc<Parts>,
    call: &Call,
    plan: Plan,
    ticket: Ticket,
    shape: Shape,
) -> oneshot::Receiver<Led> {
    let (tell, told) = oneshot::channel();
    let client = Client { tell: Some(tell), whole: BytesMut::new(), rest: None };
    let leader = Leader { parts: Arc::clone(parts), surface: call.surface, shape, plan, client };
    parts.tasks.spawn(leader.run(ticket, call.outgoing()));
    told
}

struct Leader {
    parts: Arc<Parts>,
    surface: Surface,
    shape: Shape,
    plan: Plan,
    client: Client,
}

impl Leader {
    async fn run(mut self, mut ticket: Ticket, outgoing: Outgoing) {
        let started = Instant::now();
        let incoming = match self.parts.upstreams.send(&self.plan, outgoing).await {
            Ok(incoming) if ticket.fallback.is_some() && incoming.head.status.is_server_error() => {
                return self.client.tell(failed(failing(&incoming), &mut ticket));
            }
            Ok(incoming) => incoming,
            Err(error) => return self.client.tell(failed(error, &mut ticket)),
        };
        let Incoming { head, mut body, target } = incoming;
        let head = Arc::new(head);
        let mut tape = Tape::new(self.surface, self.shape, &head);
        ticket.head(Arc::clone(&head), target.clone());
        if tape.streamed() {
            self.client.tell(Led::Live(ticket.follow()));
        }
        while let Some(piece) = body.next().await {
            match piece {
                Ok(bytes) => {
                    tape.push(&bytes);
                    self.client.take(&bytes, &head, &target).await;
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
        let body = std::mem::take(&mut self.client.whole).freeze();
        self.client.tell(Led::Whole(Box::new(Whole { head, target, body, kept })));
    }
}

/// The client that leads, as its task sees it: it may be waiting, served by a stream, or gone.
struct Client {
    /// Until it was told what becomes of its request.
    tell: Option<oneshot::Sender<Led>>,
    /// What it will be told at once, if the answer is no stream.
    whole: BytesMut,
    /// Where the rest of a large answer goes.
    rest: Option<mpsc::Sender<Result<Bytes, Broken>>>,
}

impl Client {
    fn tell(&mut self, led: Led) {
        if let Some(tell) = self.tell.take() {
            // It may have left; the recording goes on.
            let _ = tell.send(led);
        }
    }

    /// Takes the next bytes, where it does not follow the flight itself.
    async fn take(&mut self, bytes: &Bytes, head: &Arc<Head>, target: &Target) {
        if let Some(rest) = &self.rest {
            if rest.send(Ok(bytes.clone())).await.is_err() {
                self.rest = None;
            }
        } else if self.tell.as_ref().is_some_and(|tell| !tell.is_closed()) {
            self.whole.extend_from_slice(bytes);
            if self.whole.len() > MOST_WAITED_FOR {
                let (send, rest) = mpsc::channel(MOST_AHEAD);
                self.rest = Some(send);
                let first = std::mem::take(&mut self.whole).freeze();
                self.tell(Led::Large(Large { head: Arc::clone(head), target: target.clone(), first, rest }));
            }
        }
    }

    async fn cut(&mut self, led: Led) {
        if let Some(rest) = self.rest.take() {
            let _ = rest.send(Err(Broken)).await;
        }
        self.tell(led);
    }
}

fn failed(error: UpstreamError, ticket: &mut Ticket) -> Led {
    tracing::debug!(%error, "no answer");
    Led::Failed { error, fallback: ticket.fallback.take() }
}

/// A 5xx answer as the failure it is (RFC 5861, 4), where a stale answer can stand in for it.
fn failing(incoming: &Incoming) -> UpstreamError {
    UpstreamError::Unreachable {
        upstream: incoming.target.model.upstream.to_string(),
        why: format!("it answered {}", incoming.head.status),
    }
}
