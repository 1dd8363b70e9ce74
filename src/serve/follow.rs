//! Receiving the answer of a request in flight: one's own, when one leads, or an identical one's.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;

use super::Parts;
use super::replay::replay;
use super::reply::{Reply, Verdict};
use crate::cache::{Followed, Follower};
use crate::domain::{Head, Outcome, Shape};

/// The answer as it comes; `None` when the leader came to nothing. `verdict` is what is known so far.
pub(super) async fn follow(parts: &Parts, mut follower: Follower, verdict: Verdict, shape: Shape) -> Option<Reply> {
    match follower.begin().await {
        Followed::Live(head, target) => Some(Reply { response: live(&head, follower), verdict: verdict.by(&target) }),
        Followed::Whole(entry) => {
            let verdict = match verdict.outcome {
                Outcome::Collapsed => Verdict::collapsed(&entry),
                _ => Verdict { stored: true, ..verdict.from(&entry) },
            };
            Some(Reply { response: replay(parts, &entry.recording, shape), verdict })
        }
        Followed::Failed => None,
    }
}

/// The upstream's head, and its bytes as they come. An answer that breaks off breaks off here too: hyper closes the
/// connection without an end.
fn live(head: &Arc<Head>, follower: Follower) -> Response {
    let pieces = stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((piece, follower))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    response
}
