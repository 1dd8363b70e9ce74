//! One upstream call, many clients: an answer under way, and everyone who reads it as it comes.
//!
//! A flight keeps the answer's bytes from the first on, so that a request that joins late still sees all of them, up
//! to [`Limits::bytes`]. Beyond that the bytes every reader has taken are let go, nobody can join any more, and the
//! pump waits for the slowest reader. A reader that holds up others for longer than [`Limits::patience`] is cut off.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::follower::{Followed, Follower};
use crate::domain::{Digest, Entry, Head, Shape, Target};

/// How much a flight holds, and how long it bears a slow reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of an answer held for readers that join late.
    pub bytes: usize,
    /// How long in all slow readers may hold up the others.
    pub patience: Duration,
}

/// All flights, by what identifies an identical request.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Digest, Arc<Flight>>>);

/// A seat on a flight.
#[derive(Debug)]
pub(super) enum Seat {
    /// Nobody else is on it: go and ask the upstream.
    Lead(Lead),
    /// It is under way.
    Follow(Follower),
}

impl Flights {
    /// Joins the flight `id` if one is under way and can still be joined.
    pub(super) fn join(&self, id: Digest, shape: Shape) -> Option<Follower> {
        let flight = self.0.lock().get(&id).cloned()?;
        flight.follow(shape)
    }

    /// Joins the flight `id`, or starts it. Leads a flight of its own when the one under way can no longer be joined.
    pub(super) fn board(self: &Arc<Self>, id: Digest, shape: Shape, limits: Limits) -> Seat {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(&id) {
            return match flight.follow(shape) {
                Some(follower) => Seat::Follow(follower),
                None => Seat::Lead(Lead::solo(shape, limits)),
            };
        }
        let flight = Flight::new(shape, limits);
        flights.insert(id, flight.clone());
        Seat::Lead(Lead { flight, listed: Some((self.clone(), id)) })
    }

    /// Starts the flight `id` unless it is under way.
    pub(super) fn lead(self: &Arc<Self>, id: Digest, shape: Shape, limits: Limits) -> Option<Lead> {
        let mut flights = self.0.lock();
        if flights.contains_key(&id) {
            return None;
        }
        let flight = Flight::new(shape, limits);
        flights.insert(id, flight.clone());
        Some(Lead { flight, listed: Some((self.clone(), id)) })
    }

    /// Lets nobody join what is under way now; those on board get their answers.
    pub(super) fn close_all(&self) {
        self.0.lock().clear();
    }

    /// How many are under way that can be joined.
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// The pump's end of a flight. Dropping it takes the flight off the list and frees everyone on it.
#[derive(Debug)]
pub(super) struct Lead {
    flight: Arc<Flight>,
    listed: Option<(Arc<Flights>, Digest)>,
}

impl Lead {
    /// A flight nobody can join.
    pub(super) fn solo(shape: Shape, limits: Limits) -> Self {
        Self { flight: Flight::new(shape, limits), listed: None }
    }

    /// A view of the answer for the leader's own client.
    pub(super) fn follow(&self) -> Follower {
        self.flight.clone().seat(true)
    }

    /// Publishes the head.
    pub(super) fn head(&self, head: Arc<Head>, target: Target) {
        self.flight.tell(|state| state.head = Some((head, target)));
    }

    /// Publishes bytes of the body, and waits while there is no room for more.
    pub(super) async fn chunk(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.flight.push(bytes).await;
        }
    }

    /// Publishes that the body is whole.
    pub(super) fn end(&self) {
        self.flight.tell(|state| state.body.end(Body::Whole));
    }

    /// Publishes that the body broke off.
    pub(super) fn cut(&self) {
        self.flight.tell(|state| state.body.end(Body::Broken));
    }

    /// Publishes the entry made of the answer, or that there is none.
    pub(super) fn entry(&self, entry: Option<Arc<Entry>>) {
        self.flight.tell(|state| {
            state.entry.get_or_insert(entry);
        });
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if let Some((flights, id)) = self.listed.take() {
            let mut flights = flights.0.lock();
            // Another one may have its place by now.
            if flights.get(&id).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
                flights.remove(&id);
            }
        }
        self.flight.tell(|state| {
            state.body.end(Body::Broken);
            state.entry.get_or_insert(None);
        });
    }
}

/// An answer under way.
#[derive(Debug)]
pub(super) struct Flight {
    shape: Shape,
    limits: Limits,
    state: Mutex<State>,
    news: watch::Sender<()>,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    head: Option<(Arc<Head>, Target)>,
    /// Chunks let go before the first one held.
    gone: usize,
    held: VecDeque<Bytes>,
    bytes: usize,
    body: Body,
    /// `None` while it is not known whether there will be an entry.
    entry: Option<Option<Arc<Entry>>>,
    /// The next chunk of each reader of the bytes.
    readers: HashMap<u64, usize>,
    seats: u64,
    waited: Duration,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Body {
    #[default]
    Coming,
    Whole,
    Broken,
}

impl Body {
    /// The first end stands.
    fn end(&mut self, how: Self) {
        if *self == Self::Coming {
            *self = how;
        }
    }
}

/// What a reader finds at its place.
pub(super) enum Next {
    Chunk(Bytes),
    End,
    Broken,
    Wait,
}

impl Flight {
    fn new(shape: Shape, limits: Limits) -> Arc<Self> {
        let (news, _) = watch::channel(());
        Arc::new(Self { shape, limits, state: Mutex::default(), news, room: Notify::new() })
    }

    /// A seat for a joining request; `None` when it would have to see bytes that are gone.
    fn follow(self: &Arc<Self>, shape: Shape) -> Option<Follower> {
        let live = shape == self.shape;
        if live && self.state.lock().gone > 0 {
            return None;
        }
        Some(self.clone().seat(live))
    }

    fn seat(self: Arc<Self>, live: bool) -> Follower {
        let seat = {
            let mut state = self.state.lock();
            state.seats += 1;
            let seat = state.seats;
            if live && state.gone == 0 {
                state.readers.insert(seat, 0);
            }
            seat
        };
        Follower::new(self.news.subscribe(), self, live, seat)
    }

    pub(super) fn leave(&self, seat: u64) {
        self.state.lock().readers.remove(&seat);
        self.room.notify_one();
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.news.send_replace(());
    }

    pub(super) fn begin(&self, live: bool) -> Option<Followed> {
        let state = self.state.lock();
        if live && let Some((head, target)) = &state.head {
            return Some(Followed::Live(head.clone(), target.clone()));
        }
        match &state.entry {
            Some(Some(entry)) => Some(Followed::Whole(entry.clone())),
            Some(None) => Some(Followed::Failed),
            None => None,
        }
    }

    pub(super) fn next(&self, seat: u64) -> Next {
        let mut state = self.state.lock();
        let Some(at) = state.readers.get(&seat).copied() else {
            // It was cut off for being slow, or came when the first bytes were gone.
            return Next::Broken;
        };
        if let Some(bytes) = state.held.get(at - state.gone).cloned() {
            state.readers.insert(seat, at + 1);
            drop(state);
            self.room.notify_one();
            return Next::Chunk(bytes);
        }
        match state.body {
            Body::Coming => Next::Wait,
            Body::Whole => Next::End,
            Body::Broken => Next::Broken,
        }
    }

    async fn push(&self, bytes: Bytes) {
        self.tell(|state| {
            state.bytes += bytes.len();
            state.held.push_back(bytes);
        });
        let since = Instant::now();
        loop {
            let patience = {
                let mut state = self.state.lock();
                if state.make_room(self.limits.bytes) {
                    state.waited += since.elapsed();
                    return;
                }
                self.limits.patience.saturating_sub(state.waited)
            };
            let waited = timeout_at(since + patience, self.room.notified()).await;
            if waited.is_err() && !self.cut_slowest() {
                // Readers that are all equally far may be as slow as they like: they hold up nobody else.
                self.room.notified().await;
            }
        }
    }

    /// Cuts off the slowest readers if there are faster ones; whether there were.
    fn cut_slowest(&self) -> bool {
        let mut cut = false;
        self.tell(|state| {
            let slowest = state.readers.values().min().copied();
            if state.readers.values().any(|at| Some(*at) != slowest) {
                state.readers.retain(|_, at| Some(*at) != slowest);
                state.waited = Duration::ZERO;
                cut = true;
            }
        });
        cut
    }
}

impl State {
    /// Lets go of what every reader has taken, as far as needed to hold at most `limit` bytes; whether that was
    /// enough. The chunk that no reader has taken yet is always held.
    fn make_room(&mut self, limit: usize) -> bool {
        let slowest = self.readers.values().min().copied().unwrap_or(usize::MAX);
        while self.bytes > limit && self.gone < slowest {
            let Some(first) = self.held.pop_front() else { break };
            self.bytes -= first.len();
            self.gone += 1;
        }
        self.bytes <= limit
    }
}
