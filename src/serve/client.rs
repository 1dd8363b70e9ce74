//! The client that leads, as the leading task sees it: it waits for a whole answer, takes pieces, or is gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::tee::{Led, Live, Whole};
use crate::domain::{Cause, Entry, Head, Target};

/// The largest answer that is no stream and yet waited for in whole; a larger one is passed on as it comes.
const MOST_WAITED_FOR: usize = 16 << 20;
/// Pieces that may wait for a client, and how long it may keep the others who read them waiting.
const MOST_AHEAD: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an upstream may keep its answer open after the mark that ends it.
const AFTER_THE_END: Duration = Duration::from_millis(250);

/// The client that leads.
pub(super) struct Client {
    /// Until it was told what becomes of its request.
    tell: Option<oneshot::Sender<Led>>,
    /// What it will be told at once, if the answer is no stream.
    whole: BytesMut,
    /// Where the pieces go, and `None` after the last.
    pieces: Option<mpsc::Sender<Option<Bytes>>>,
    /// A piece that looks like the last: it goes when the answer is kept, or when another piece follows.
    held: Option<Bytes>,
}

impl Client {
    /// A client that waits to be told.
    pub(super) fn waiting(tell: oneshot::Sender<Led>) -> Self {
        Self { tell: Some(tell), whole: BytesMut::new(), pieces: None, held: None }
    }

    /// Tells it what becomes of its request, once. It may have left; the recording goes on.
    pub(super) fn tell(&mut self, led: Led) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(led);
        }
    }

    /// It gets the answer in pieces from now on.
    pub(super) fn stream(&mut self, head: &Arc<Head>, target: &Target) {
        let (send, pieces) = mpsc::channel(MOST_AHEAD);
        self.pieces = Some(send);
        self.tell(Led::Live(Live { head: Arc::clone(head), target: target.clone(), pieces }));
    }

    /// Waits for the next piece from upstream; not for long once the answer has ended.
    pub(super) async fn patience<T>(&self, piece: impl Future<Output = Option<T>>) -> Option<T> {
        match self.held {
            Some(_) => timeout(AFTER_THE_END, piece).await.ok().flatten(),
            None => piece.await,
        }
    }

    /// Takes the next piece.
    pub(super) async fn take(&mut self, piece: Bytes, head: &Arc<Head>, target: &Target) {
        if self.pieces.is_some() {
            self.release().await;
            if ends(&piece) {
                self.held = Some(piece);
            } else {
                self.send(Some(piece)).await;
            }
        } else if self.tell.as_ref().is_some_and(|tell| !tell.is_closed()) {
            self.whole.extend_from_slice(&piece);
            if self.whole.len() > MOST_WAITED_FOR {
                self.stream(head, target);
                let first = std::mem::take(&mut self.whole).freeze();
                self.send(Some(first)).await;
            }
        }
    }

    /// The upstream broke off.
    pub(super) async fn cut(&mut self, led: Led) {
        self.release().await;
        self.pieces = None;
        self.tell(led);
    }

    /// The answer is whole, and kept if it may be.
    pub(super) async fn end(&mut self, head: Arc<Head>, target: Target, kept: Result<Arc<Entry>, Cause>) {
        self.release().await;
        self.send(None).await;
        let body = std::mem::take(&mut self.whole).freeze();
        self.tell(Led::Whole(Box::new(Whole { head, target, body, kept })));
    }

    async fn release(&mut self) {
        if let Some(piece) = self.held.take() {
            self.send(Some(piece)).await;
        }
    }

    /// A client that has left, or that keeps the others waiting for too long, gets no more: it sees a cut.
    async fn send(&mut self, piece: Option<Bytes>) {
        if let Some(pieces) = &self.pieces
            && pieces.send_timeout(piece, PATIENCE).await.is_err()
        {
            self.pieces = None;
        }
    }
}

/// Whether a piece holds the mark that ends an answer of some protocol. One too many is only held for a moment.
fn ends(piece: &[u8]) -> bool {
    const MARKS: [&[u8]; 5] =
        [b"[DONE]", b"\"done\":true", b"\"done\": true", b"\"message_stop\"", b"\"response.completed\""];
    MARKS.iter().any(|mark| piece.windows(mark.len()).any(|window| window == *mark))
}
