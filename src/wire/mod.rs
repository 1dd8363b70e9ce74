//! Bytes to vocabulary and back: one adapter per protocol surface.
//!
//! The door: [`read`] understands a request body, [`Recorder`] folds an answer's bytes into a recording, [`replay`]
//! turns a recording back into bytes of either shape, [`refuse`] speaks dejavu's own errors in the caller's
//! protocol. Pure: no sockets, no cache, no clock.

use bytes::Bytes;
use std::time::Duration;

use crate::domain::{Asked, Cause, Protocol, Recording, Shape, Surface, Timestamp};

/// Understands a request body. `None` is never an error to the client: the body is forwarded untouched.
#[must_use]
pub fn read(surface: Surface, body: &[u8]) -> Option<Asked> {
    let _ = (surface, body);
    None
}

/// Folds the bytes of one answer into a [`Recording`]. Push chunks cut anywhere; the result is the same.
#[derive(Debug)]
pub struct Recorder {}

impl Recorder {
    /// A recorder for an answer to a request of `surface`; `streamed` says whether the upstream streams it (its
    /// `content-type` is an event stream or NDJSON).
    #[must_use]
    pub fn new(surface: Surface, streamed: bool) -> Self {
        let _ = (surface, streamed);
        Self {}
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, chunk: &[u8]) {
        let _ = chunk;
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Why there is none: cut before its terminal marker, an error inside the stream, not understood.
    pub fn finish(self) -> Result<Recording, Cause> {
        Err(Cause::Cut)
    }
}

/// What is new about each replay of a recording.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// The present, for `created`.
    pub now: Timestamp,
    /// Randomness for a new `id`.
    pub nonce: u128,
}

/// One piece of a replayed body, and how much it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Bytes to send: whole events or lines.
    pub bytes: Bytes,
}

/// A recording as bytes of the wished shape: one piece when whole, several when streamed.
#[must_use]
pub fn replay(recording: &Recording, shape: Shape, fresh: Fresh) -> Vec<Piece> {
    let _ = (recording, shape, fresh);
    Vec::new()
}

/// Why dejavu itself must refuse a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 401: the credential is missing or unknown.
    Unauthorised,
    /// 403: the credential may not do this.
    Forbidden(String),
    /// 400: a header or parameter of dejavu's own is malformed.
    BadRequest(String),
    /// 404: no route leads anywhere for this model.
    NoRoute(String),
    /// 413: the body is larger than the server takes.
    TooLarge,
    /// 429: a limit of the operator's.
    OverLimit(Duration),
    /// 502: no upstream could be reached.
    Unreachable(String),
    /// 503: every upstream is busy.
    Busy(Duration),
    /// 504: `only-if-cached` and nothing to serve.
    NotCached,
}

/// dejavu's own error body, JSON in the caller's protocol. The status is `serve`'s to choose.
#[must_use]
pub fn refuse(protocol: Protocol, refusal: &Refusal) -> Bytes {
    let _ = (protocol, refusal);
    Bytes::new()
}
