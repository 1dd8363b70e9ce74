//! Receiving the answer of an identical request in flight.

use axum::response::Response;
use futures_util::stream;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::call::Call;
use super::replay::replay;
use super::reply::{Reply, Verdict};
use super::{Parts, ReplaySettings, headers, pace};
use crate::cache::{Broken, Followed, Follower};
use crate::domain::{Head, Outcome, Shape};
use crate::wire::content_coding::Decoder;

/// The answer as it comes; `None` when the leader came to nothing.
pub(super) async fn follow(parts: &Parts, call: &Call, mut follower: Follower, shape: Shape) -> Option<Reply> {
    match follower.begin().await {
        Followed::Live(head, target) => {
            let verdict = Verdict::forwarded(Outcome::Collapsed, None).by(&target);
            Some(Reply { response: live(&head, follower, &call.head.headers, parts.replay)?, verdict })
        }
        Followed::Whole(entry) => {
            let response = replay(parts, &entry.recording, shape)?;
            Some(Reply { response, verdict: Verdict::collapsed(&entry) })
        }
        Followed::Failed => None,
    }
}

/// The upstream's head, and its bytes as they come: decoded, where the leader's client takes a content coding that
/// this one does not; `None` where that cannot be done. An answer that breaks off breaks off here too: hyper closes
/// the connection without an end.
fn live(head: &Head, follower: Follower, client: &HeaderMap, settings: ReplaySettings) -> Option<Response> {
    let codings = headers::codings(&head.headers);
    let mut passed = head.headers.clone();
    let decoder = if headers::accepts(client, &codings) {
        Decoder::new("", usize::MAX)
    } else {
        passed.remove(CONTENT_ENCODING);
        passed.remove(CONTENT_LENGTH);
        Decoder::new(&codings, usize::MAX)
    };
    let pieces = stream::unfold((follower, decoder.ok()?), |(mut follower, mut decoder)| async move {
        let piece = match follower.next().await? {
            Ok(bytes) if decoder.is_identity() => Ok(bytes),
            Ok(bytes) => decoder.push(&bytes).map(Into::into).map_err(|_| Broken),
            Err(broken) => Err(broken),
        };
        if piece.is_err() {
            // What came before must leave before the connection is cut.
            tokio::task::yield_now().await;
        }
        Some((piece, (follower, decoder)))
    });
    let mut response = Response::new(pace::body(&passed, pieces, settings));
    *response.status_mut() = head.status;
    *response.headers_mut() = passed;
    Some(response)
}
