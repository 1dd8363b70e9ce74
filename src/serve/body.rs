//! Reading request bodies: whole where they are small enough, and never from a client that has gone silent.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, stream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::headers::codings;
use super::{LargerBodies, Settings};
use crate::domain::Cause;
use crate::upstream::Upload;
use crate::wire::content_coding::{Undecodable, decode, decode_start};
use crate::wire::{self, Refusal};

/// A request's body, as far as it is held.
#[derive(Debug)]
pub(super) struct Taken {
    /// As it came: all of it, or its beginning.
    pub(super) body: Bytes,
    /// What comes after its beginning.
    pub(super) rest: Option<Upload>,
    /// The body to read: without its content coding. As it came where that cannot be undone.
    pub(super) text: Bytes,
    /// What is known of it where it is not read.
    pub(super) unread: Option<Unread>,
}

/// A body that is not read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Why: it is too large, as it is or decoded.
    pub(super) cause: Cause,
    /// The model name in its beginning, if one can be found.
    pub(super) model: Option<String>,
}

/// Takes a body: whole where `[server] max_body` allows, else its beginning and a way to the rest.
///
/// # Errors
/// When it stops coming or breaks off, or when larger ones are refused.
pub(super) async fn take(settings: &Settings, headers: &HeaderMap, body: Body) -> Result<Taken, Refusal> {
    let (most, idle) = (settings.max_body.as_usize(), settings.body_timeout.0);
    let (body, rest) = match receive(body, most, idle).await? {
        Received::Whole(body) => (body, None),
        Received::Larger(..) if settings.larger_bodies == LargerBodies::Refuse => return Err(Refusal::TooLarge),
        Received::Larger(first, rest) => {
            let length = length(headers).and_then(|all| all.checked_sub(first.len() as u64));
            (first, Some(upload(length, rest, idle)))
        }
    };
    let codings = codings(headers);
    let decoded = if rest.is_some() { Err(Undecodable::TooLarge) } else { decode(&codings, &body, most) };
    Ok(match decoded {
        Ok(text) => Taken { body, rest, text, unread: None },
        Err(Undecodable::TooLarge) => {
            let model = wire::model_in_head(&decode_start(&codings, &body, most));
            Taken { text: body.clone(), body, rest, unread: Some(Unread { cause: Cause::TooLarge, model }) }
        }
        Err(_) => Taken { text: body.clone(), body, rest, unread: None },
    })
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How a body came.
enum Received {
    /// All of it.
    Whole(Bytes),
    /// More than may be held: what has come, and the rest.
    Larger(Bytes, Body),
}

/// Reads a body, as far as it fits into `most` bytes.
///
/// # Errors
/// When it stops coming for longer than `idle`, or breaks off.
async fn receive(mut body: Body, most: usize, idle: Duration) -> Result<Received, Refusal> {
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

/// The rest of a body that is too large to hold, to be sent on as it comes.
fn upload(length: Option<u64>, rest: Body, idle: Duration) -> Upload {
    let rest = stream::unfold(Some(rest), move |rest| async move {
        let mut rest = rest?;
        let piece = next(&mut rest, idle).await?;
        let more = piece.is_ok().then_some(rest);
        Some((piece, more))
    });
    Upload::new(length, rest.boxed())
}

async fn next(body: &mut Body, idle: Duration) -> Option<io::Result<Bytes>> {
    loop {
        // What has come already needs no timer.
        let frame = match body.frame().now_or_never() {
            Some(frame) => Ok(frame),
            None => timeout(idle, body.frame()).await,
        };
        let Ok(frame) = frame else {
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
