//! Receiving an answer that another request fetches.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::flight::{Flight, Next};
use crate::domain::{Entry, Head, Target};

/// A request that receives the answer of another, identical one in flight.
#[derive(Debug)]
pub struct Follower {
    flight: Arc<Flight>,
    news: watch::Receiver<()>,
    live: bool,
    seat: u64,
    done: bool,
}

/// What a follower receives.
#[derive(Debug)]
pub enum Followed {
    /// The same wire shape: the upstream's head, then its bytes from the first on.
    Live(Arc<Head>, Target),
    /// Another wire shape: the finished entry, to be replayed in this caller's shape.
    Whole(Arc<Entry>),
    /// The leader came to nothing (no upstream, an answer that cannot be reshaped): look up once more, which may
    /// make this request the leader.
    Failed,
}

/// The answer being followed broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off upstream")]
pub struct Broken;

impl Follower {
    pub(super) fn new(news: watch::Receiver<()>, flight: Arc<Flight>, live: bool, seat: u64) -> Self {
        Self { flight, news, live, seat, done: false }
    }

    /// Waits for the head, or for the whole entry when this caller's shape differs from the leader's.
    pub async fn begin(&mut self) -> Followed {
        loop {
            if let Some(followed) = self.flight.begin(self.live) {
                return followed;
            }
            self.news().await;
        }
    }

    /// The next bytes of a live answer; `None` at its end.
    ///
    /// # Errors
    /// The upstream cut the answer, the leader was dropped in the middle of it, or this reader held up others for
    /// too long.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        loop {
            if self.done {
                return None;
            }
            match self.flight.next(self.seat) {
                Next::Chunk(bytes) => return Some(Ok(bytes)),
                Next::Wait => self.news().await,
                Next::End => self.done = true,
                Next::Broken => {
                    self.done = true;
                    return Some(Err(Broken));
                }
            }
        }
    }

    async fn news(&mut self) {
        // The sender lives in the flight that `self` holds, so it cannot be gone.
        let _ = self.news.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.flight.leave(self.seat);
    }
}
