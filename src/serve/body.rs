//! Reading request bodies: whole where they are small enough, and never from a client that has gone silent.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::upstream::Upload;
use crate::wire::Refusal;

/// How a body came.
pub(super) enum Received {
    /// All of it.
    Whole(Bytes),
    /// More than may be held: what has come, and the rest.
    Larger(Bytes, Body),
}

/// Reads a body of at most `most` bytes whose sender is never silent for longer than `idle`.
///
/// # Errors
/// When it is larger, stops coming, or breaks off.
pub(super) async fn collect(body: Body, most: usize, idle: Duration) -> Result<Bytes, Refusal> {
    match receive(body, most, idle).await? {
        Received::Whole(bytes) => Ok(bytes),
        Received::Larger(..) => Err(Refusal::TooLarge),
    }
}

/// Reads a body, as far as it fits into `most` bytes.
///
/// # Errors
/// When it stops coming for longer than `idle`, or breaks off.
pub(super) async fn receive(mut body: Body, most: usize, idle: Duration) -> Result<Received, Refusal> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(data) = next(&mut body, idle).await {
        let data = data.map_err(|fault| Refusal::BadRequest(fault.to_string()))?;
        let fits = first.len() + rest.len() + data.len() <= most;
        // Most bodies come in one piece, which then need not be copied.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
        if !fits {
            return Ok(Received::Larger(joined(&first, &rest), body));
        }
    }
    Ok(Received::Whole(if rest.is_empty() { first } else { joined(&first, &rest) }))
}

/// The whole of a body that is too large to hold, to be sent on as it comes.
pub(super) fn upload(length: Option<u64>, first: Bytes, rest: Body, idle: Duration) -> Upload {
    let rest = stream::unfold(Some(rest), move |rest| async move {
        let mut rest = rest?;
        let piece = next(&mut rest, idle).await?;
        let more = piece.is_ok().then_some(rest);
        Some((piece, more))
    });
    Upload::new(length, stream::iter([Ok(first)]).chain(rest).boxed())
}

async fn next(body: &mut Body, idle: Duration) -> Option<io::Result<Bytes>> {
    loop {
        let Ok(frame) = timeout(idle, body.frame()).await else {
            return Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the request's body stopped coming")));
        };
        match frame?.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            // Trailers say nothing of the body.
            Ok(Err(_)) => {}
            Err(_) => return Some(Err(io::Error::other("the request's body broke off"))),
        }
    }
}

fn joined(first: &[u8], rest: &[u8]) -> Bytes {
    [first, rest].concat().into()
}
