//! A recording as a response in the caller's shape, at once or at a pace.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::{Parts, ReplaySettings};
use crate::cache::Hit;
use crate::domain::{Recording, Shape};
use crate::wire::{self, Fresh, Piece};

/// The response that replays a hit; `None` for one that is damaged, which is then no answer.
pub(super) fn hit(parts: &Parts, hit: &Hit, shape: Shape) -> Option<Response> {
    let recording = &hit.entry.recording;
    if shape.stream {
        return replay(parts, recording, shape);
    }
    Some(response(Body::from(hit.mould().cast(fresh(parts))), recording, shape))
}

/// The response that replays a recording; `None` for one that is damaged.
pub(super) fn replay(parts: &Parts, recording: &Recording, shape: Shape) -> Option<Response> {
    let pieces = wire::replay(recording, shape, fresh(parts));
    if pieces.is_empty() {
        tracing::warn!(surface = recording.surface.as_str(), "a kept answer is damaged; the request is forwarded");
        return None;
    }
    Some(response(body(pieces, shape, parts.replay), recording, shape))
}

fn fresh(parts: &Parts) -> Fresh {
    Fresh { now: parts.clock.now(), nonce: fastrand::u128(..) }
}

fn response(body: Body, recording: &Recording, shape: Shape) -> Response {
    let mut response = Response::new(body);
    let kind = wire::content_type(recording.surface, shape.stream);
    let headers = response.headers_mut();
    // The most that a hit says: the map grows once.
    headers.reserve(11);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn body(mut pieces: Vec<Piece>, shape: Shape, settings: ReplaySettings) -> Body {
    if !shape.stream {
        return Body::from(pieces.pop().map(|piece| piece.bytes).unwrap_or_default());
    }
    match step(&pieces, settings) {
        Some(step) => Body::from_stream(paced(pieces, step)),
        // In one piece: a chunk and a write for each word would take five times as long.
        None => Body::from(pieces.iter().map(|piece| &*piece.bytes).collect::<Vec<_>>().concat()),
    }
}

/// The time between two pieces that say something; `None` when they are sent at once.
fn step(pieces: &[Piece], settings: ReplaySettings) -> Option<Duration> {
    let speaking = u32::try_from(pieces.iter().filter(|piece| piece.tokens > 0).count()).unwrap_or(u32::MAX);
    let longest = settings.longest.0.checked_div(speaking)?;
    Some(settings.pace.0.min(longest)).filter(|step| !step.is_zero())
}

fn paced(pieces: Vec<Piece>, step: Duration) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(pieces).then(move |piece| async move {
        if piece.tokens > 0 {
            tokio::time::sleep(step).await;
        }
        Ok(piece.bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Lasting;

    fn pieces(tokens: &[u32]) -> Vec<Piece> {
        tokens.iter().map(|tokens| Piece { bytes: Bytes::from_static(b"x"), tokens: *tokens }).collect()
    }

    #[test]
    fn the_pace_quickens_to_keep_to_the_longest() {
        let settings =
            ReplaySettings { pace: Lasting::millis(20), longest: Lasting::millis(100), ..ReplaySettings::default() };
        assert_eq!(step(&pieces(&[0, 1, 1, 0]), settings), Some(Duration::from_millis(20)));
        assert_eq!(step(&pieces(&[1; 50]), settings), Some(Duration::from_millis(2)));
    }

    #[test]
    fn no_pace_and_nothing_to_say_are_sent_at_once() {
        assert_eq!(step(&pieces(&[1, 1]), ReplaySettings::default()), None);
        let settings =
            ReplaySettings { pace: Lasting::millis(20), longest: Lasting::millis(100), ..ReplaySettings::default() };
        assert_eq!(step(&pieces(&[0, 0]), settings), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_stream_takes_its_time_and_loses_nothing() {
        let before = tokio::time::Instant::now();
        let sent: Vec<_> = paced(pieces(&[0, 1, 1, 1]), Duration::from_millis(10)).collect().await;
        assert_eq!((sent.len(), before.elapsed()), (4, Duration::from_millis(30)));
    }
}
