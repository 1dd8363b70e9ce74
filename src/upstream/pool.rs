//! The servers behind one upstream name, and which of them to ask first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::breaker::{Breaker, State};
use super::tags::Tags;
use super::transport::Failure;

/// All servers of one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    members: Vec<Arc<Member>>,
    /// Takes turns among equally loaded members.
    next: AtomicUsize,
}

/// One server.
#[derive(Debug)]
pub(super) struct Member {
    /// Its address, as configured.
    pub(super) url: String,
    load: AtomicUsize,
    state: Mutex<Vital>,
    /// What it last said of its models.
    tags: Mutex<Option<Tags>>,
}

#[derive(Debug, Default)]
struct Vital {
    breaker: Breaker,
    /// What the last contact ran into; `None` when it went well, or before the first.
    trouble: Option<Trouble>,
}

/// What was wrong at the last contact.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// It could not be reached, so waiting for it again costs the caller time for nothing.
    Gone(String),
    /// It answers, with errors: those are answers, and the caller's to see.
    Erring(String),
}

impl Pool {
    pub(super) fn new(urls: &[&str]) -> Self {
        let member = |url: &&str| {
            Arc::new(Member {
                url: (*url).to_owned(),
                load: AtomicUsize::new(0),
                state: Mutex::default(),
                tags: Mutex::default(),
            })
        };
        Self { members: urls.iter().map(member).collect(), next: AtomicUsize::new(0) }
    }

    /// The members, the least loaded first; those that are known to fail last.
    pub(super) fn by_load(&self, now: Instant) -> Vec<Arc<Member>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.members.len().max(1);
        let (before, from) = self.members.split_at(first);
        let mut order: Vec<_> = from.iter().chain(before).cloned().collect();
        order.sort_by_key(|member| (member.breaker(now) == State::Open, member.load.load(Ordering::Relaxed)));
        order
    }

    pub(super) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// The best state among the members.
    pub(super) fn breaker(&self, now: Instant) -> State {
        let states: Vec<_> = self.members.iter().map(|member| member.breaker(now)).collect();
        [State::Closed, State::HalfOpen].into_iter().find(|best| states.contains(best)).unwrap_or(State::Open)
    }

    /// Whether some member's last contact went well, or has yet to come.
    pub(super) fn up(&self) -> bool {
        self.members.iter().any(|member| member.state.lock().trouble.is_none())
    }

    /// What the members are failing with.
    pub(super) fn error(&self) -> Option<String> {
        self.members.iter().find_map(|member| member.trouble())
    }
}

impl Member {
    /// Whether to ask it now: its breaker lets the request through, or it answers, if only with errors, and there
    /// is nobody else to ask.
    pub(super) fn admits(&self, now: Instant, last_resort: bool) -> bool {
        let mut state = self.state.lock();
        state.breaker.admits(now) || (last_resort && matches!(state.trouble, Some(Trouble::Erring(_))))
    }

    pub(super) fn breaker(&self, now: Instant) -> State {
        self.state.lock().breaker.state(now)
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock();
        state.breaker.succeeded();
        state.trouble = None;
    }

    /// It could not be reached, or broke off.
    pub(super) fn failed(&self, now: Instant, failure: &Failure) {
        self.trouble_with(now, Trouble::Gone(failure.to_string()));
    }

    /// It answered with an error status of its own.
    pub(super) fn erred(&self, now: Instant, status: http::StatusCode) {
        self.trouble_with(now, Trouble::Erring(format!("answers {}", status.as_u16())));
    }

    /// A side question (a version poll) reached it: that heals being gone, but says nothing about its errors.
    pub(super) fn reached(&self) {
        let gone = matches!(self.state.lock().trouble, Some(Trouble::Gone(_)));
        if gone {
            self.succeeded();
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.state.lock().trouble.as_ref().map(|(Trouble::Gone(why) | Trouble::Erring(why))| why.clone())
    }

    /// Notes what it says of its models.
    pub(super) fn says(&self, tags: Tags) {
        *self.tags.lock() = Some(tags);
    }

    /// What it last said of its models.
    pub(super) fn said(&self) -> Option<Tags> {
        self.tags.lock().clone()
    }

    /// Counts a request to this member until the result is dropped.
    pub(super) fn occupy(self: &Arc<Self>) -> Load {
        self.load.fetch_add(1, Ordering::Relaxed);
        Load(Arc::clone(self))
    }

    fn trouble_with(&self, now: Instant, trouble: Trouble) {
        let mut state = self.state.lock();
        state.breaker.failed(now);
        state.trouble = Some(trouble);
    }
}

/// One request at a member.
#[derive(Debug)]
pub(super) struct Load(Arc<Member>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn urls(pool: &Pool, now: Instant) -> Vec<String> {
        pool.by_load(now).iter().map(|member| member.url.clone()).collect()
    }

    #[test]
    fn the_least_loaded_comes_first_and_equals_take_turns() {
        let now = Instant::now();
        let pool = Pool::new(&["a", "b"]);
        assert_ne!(urls(&pool, now)[0], urls(&pool, now)[0]);
        let load = pool.members()[0].occupy();
        assert_eq!(urls(&pool, now)[0], "b");
        assert_eq!(urls(&pool, now)[0], "b");
        drop(load);
        assert_ne!(urls(&pool, now)[0], urls(&pool, now)[0]);
    }

    #[test]
    fn who_is_gone_comes_last_and_is_not_waited_for() {
        let now = Instant::now();
        let pool = Pool::new(&["a", "b"]);
        let gone = &pool.members()[0];
        let _busy = pool.members()[1].occupy();
        for _ in 0..5 {
            gone.failed(now, &Failure::Unreachable("refused".into()));
        }
        assert_eq!(urls(&pool, now), ["b", "a"]);
        assert!(!gone.admits(now, true));
        assert!(pool.up(), "the other one is");
        assert_eq!(pool.error().as_deref(), Some("refused"));
        gone.reached();
        assert!(gone.admits(now, false));
    }

    #[test]
    fn who_errs_is_still_asked_when_there_is_nobody_else() {
        let now = Instant::now();
        let pool = Pool::new(&["a"]);
        let member = &pool.members()[0];
        for _ in 0..5 {
            member.erred(now, http::StatusCode::INTERNAL_SERVER_ERROR);
        }
        assert_eq!(pool.breaker(now), State::Open);
        assert!(!member.admits(now, false) && member.admits(now, true));
        member.reached();
        assert_eq!(pool.breaker(now), State::Open, "a version poll proves nothing about answers");
        assert!(member.admits(now + Duration::from_secs(1), false), "the trial");
    }
}
