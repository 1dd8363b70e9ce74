//! Waiting for a turn: at most so many requests at work at one upstream, at most so many waiting, first come first
//! served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// One upstream's queue.
#[derive(Debug)]
pub(super) struct Queue {
    turns: Arc<Semaphore>,
    max_in_flight: usize,
    max_waiting: usize,
    patience: Duration,
    waiting: Arc<AtomicUsize>,
    typical: Arc<Mutex<Option<Duration>>>,
}

/// The right to be at work at the upstream; ends when dropped, which is when the answer's body has ended.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    since: Instant,
    typical: Arc<Mutex<Option<Duration>>>,
}

/// There was no turn to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    /// When there probably will be one.
    pub(super) retry_after: Duration,
}

impl Queue {
    pub(super) fn new(max_in_flight: usize, max_waiting: usize, patience: Duration) -> Self {
        let max_in_flight = max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(max_in_flight)),
            max_in_flight,
            max_waiting,
            patience,
            waiting: Arc::default(),
            typical: Arc::default(),
        }
    }

    /// Waits for a turn, unless too many wait already or it takes too long.
    pub(super) async fn turn(&self) -> Result<Turn, Full> {
        if let Ok(permit) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(self.begin(permit));
        }
        let Some(_place) = Place::take(&self.waiting, self.max_waiting) else { return Err(self.full()) };
        match timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.begin(permit)),
            Ok(Err(_)) | Err(_) => Err(self.full()),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.max_in_flight - self.turns.available_permits().min(self.max_in_flight)
    }

    pub(super) fn queued(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn begin(&self, permit: OwnedSemaphorePermit) -> Turn {
        Turn { _permit: permit, since: Instant::now(), typical: Arc::clone(&self.typical) }
    }

    /// The time in which everyone before would have had their turn, between a second and a minute.
    fn full(&self) -> Full {
        let ahead = self.queued() + 1;
        let typical = self.typical.lock().unwrap_or(Duration::from_secs(1));
        let wait = typical.mul_f64(ahead as f64 / self.max_in_flight as f64);
        Full { retry_after: wait.clamp(Duration::from_secs(1), Duration::from_secs(60)) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        let mut typical = self.typical.lock();
        *typical = Some(typical.map_or(took, |old| (old * 7 + took) / 8));
    }
}

/// A place in the waiting line, left when dropped: also when the client goes away while waiting.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < most).then_some(now + 1))
            .ok()
            .map(|_| Self(Arc::clone(waiting)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn turns_are_handed_out_in_order_of_asking() {
        let queue = Queue::new(1, 2, LONG);
        let first = queue.turn().await.unwrap();
        let mut second = Box::pin(queue.turn());
        let mut third = Box::pin(queue.turn());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!((queue.in_flight(), queue.queued()), (1, 2));
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "it came later");
        let second = second.now_or_never().unwrap().unwrap();
        drop(second);
        assert!(third.now_or_never().unwrap().is_ok());
        assert_eq!(queue.queued(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_refuses_at_once_and_says_when_to_come_back() {
        let queue = Queue::new(1, 1, LONG);
        let turn = queue.turn().await.unwrap();
        let mut waiting = Box::pin(queue.turn());
        assert!(waiting.as_mut().now_or_never().is_none());
        let full = queue.turn().now_or_never().unwrap().unwrap_err();
        assert_eq!(full.retry_after, Duration::from_secs(2));
        drop(waiting);
        assert_eq!(queue.queued(), 0, "who goes away leaves the line");
        drop(turn);
        assert!(queue.turn().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let queue = Queue::new(1, 8, Duration::from_secs(5));
        let _turn = queue.turn().await.unwrap();
        assert!(queue.turn().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_advised_wait_follows_how_long_turns_take() {
        let queue = Queue::new(1, 0, LONG);
        let turn = queue.turn().await.unwrap();
        tokio::time::advance(Duration::from_secs(20)).await;
        drop(turn);
        let _turn = queue.turn().await.unwrap();
        assert_eq!(queue.turn().await.unwrap_err().retry_after, Duration::from_secs(20));
    }
}
