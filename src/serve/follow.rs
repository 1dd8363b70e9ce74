//! Receiving the answer of an identical request in flight.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;

use super::Parts;
use super::replay::replay;
use super::reply::{Reply, Verdict};
use crate::cache::{Followed, Follower};
use crate::domain::{Head, Outcome, Shape};

/// The answer as it comes; `None` when the leader came to nothing.
pub(super) async fn follow(parts: &Parts, mut follower: Follower, shape: Shape) -> Option<Reply> {
    match follower.begin().await {
        Followed::Live(head, target) => {
            let verdict = Verdict::forwarded(Outcome::Collapsed, None).by(&target);
            Some(Reply { response: live(&head, follower), verdict })
        }
        Followed::Whole(entry) => {
            let response = replay(parts, &entry.recording, shape);
            Some(Reply { response, verdict: Verdict::collapsed(&entry) })
        }
        Followed::Failed => None,
    }
}

/// The upstream's head, and its bytes as they come. An answer that breaks off breaks off here too: hyper closes the
/// connection without an end.
fn live(head: &Arc<Head>, follower: Follower) -> Response {
    let pieces = stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        if piece.is_err() {
            // What came before must leave before the connection is cut.
            tokio::task::yield_now().await;
        }
        Some((piece, follower))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    response
}
