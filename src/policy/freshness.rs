//! Is a kept answer fresh enough for this caller (RFC 9111, RFC 5861), and how long does a new one live?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeliness::Timeliness;
use crate::domain::{Asked, Cause, Directives, Lasting, MaxStale, Prompt, Timestamp};

/// How long answers live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Lifetime where neither route nor header says otherwise.
    pub ttl: Lasting,
    /// The longest lifetime a header may ask for.
    pub max_ttl: Lasting,
    /// How long past expiry an answer may be served while it is refreshed in the background.
    pub stale_while_revalidate: Lasting,
    /// How long past expiry an answer may be served when the upstream fails.
    pub stale_if_error: Lasting,
    /// The longest lifetimes by how time-bound a question is; `None` where nobody looks at that.
    pub by_question: Option<ByQuestion>,
}

/// The longest lifetime of an answer by how soon it may be another one; zero: it is not kept, and none is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ByQuestion {
    /// Who holds an office, what came out last.
    pub hours: Lasting,
    /// The weather, a price at an exchange.
    pub minutes: Lasting,
    /// The time, the weather right now.
    pub live: Lasting,
}

impl Default for ByQuestion {
    fn default() -> Self {
        Self { hours: Lasting::seconds(6 * 3600), minutes: Lasting::seconds(600), live: Lasting::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl: Lasting::seconds(86_400),
            max_ttl: Lasting::seconds(30 * 86_400),
            stale_while_revalidate: Lasting::default(),
            stale_if_error: Lasting::default(),
            by_question: Some(ByQuestion::default()),
        }
    }
}

/// What may be done with a kept answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Serve it; `remaining` is its lifetime left.
    Fresh {
        /// Until it expires.
        remaining: Duration,
    },
    /// Serve it, marked stale. `refresh` says whether to refresh it in the background meanwhile.
    Stale {
        /// Refresh in the background (`stale-while-revalidate`).
        refresh: bool,
    },
    /// Do not serve it, unless the upstream fails and `if_error` holds.
    Unfit {
        /// Why not.
        cause: Cause,
        /// It may be served if the upstream fails (`stale-if-error`).
        if_error: bool,
    },
}

/// How far in the future an answer may have been generated before its age counts as unknown: clocks of machines
/// that share a store differ by this much at most.
const SKEW: Duration = Duration::from_secs(60);

/// Judges an answer generated at `created` that expires at `expires`.
///
/// The request directives are those of RFC 9111, 5.2.1; the stale windows those of RFC 5861. A caller's own limits
/// hold in the windows too, and when the upstream fails: a caller can tighten what the operator allows, not loosen
/// it, and `max-stale` loosens only what that caller itself is given.
#[must_use]
pub fn freshness(
    created: Timestamp,
    expires: Timestamp,
    directives: &Directives,
    now: Timestamp,
    settings: &Settings,
) -> Freshness {
    if let Some(cause) = refused(created, expires, directives, now) {
        return Freshness::Unfit { cause, if_error: false };
    }
    let age = now.since(created);
    let from_the_future = created.since(now) > SKEW;
    if now < expires && !from_the_future {
        // A clock that was set back a little must not lengthen a life.
        let remaining = expires.since(now).min(expires.since(created).saturating_sub(age));
        return Freshness::Fresh { remaining };
    }
    // The clock was set back over the answer's creation: its age cannot be known, so it is stale, by no known amount.
    let staleness = if from_the_future { Duration::MAX } else { now.since(expires) };
    // A caller that limits the age without a word of staleness does not want stale answers (RFC 9111, 5.2.1.1).
    let wants_fresh = directives.max_age.is_some() || directives.min_fresh.is_some();
    let within = |window: Lasting| !window.0.is_zero() && staleness <= window.0;
    let window = within(settings.stale_while_revalidate);
    let accepted = match directives.max_stale {
        Some(MaxStale::Any) => true,
        Some(MaxStale::AtMost(limit)) => staleness <= limit,
        None => window && !wants_fresh,
    };
    if accepted {
        return Freshness::Stale { refresh: window && !directives.only_if_cached };
    }
    let tightened = directives.max_stale.is_some() || wants_fresh;
    Freshness::Unfit { cause: Cause::Expired, if_error: within(settings.stale_if_error) && !tightened }
}

/// What the caller's directives refuse whatever the operator's windows are.
fn refused(created: Timestamp, expires: Timestamp, directives: &Directives, now: Timestamp) -> Option<Cause> {
    let too_old = directives.max_age.is_some_and(|limit| now.since(created) > limit);
    let too_short = directives.min_fresh.is_some_and(|least| now < expires && expires.since(now) < least);
    [
        (directives.no_store, Cause::NoStore),
        (directives.no_cache, Cause::NoCache),
        (too_old || too_short, Cause::NotFreshEnough),
    ]
    .into_iter()
    .find_map(|(holds, cause)| holds.then_some(cause))
}

/// The question whose timeliness counts: the prompt, where the operator wants that looked at.
#[must_use]
pub fn question<'a>(asked: &'a Asked, settings: &Settings) -> Option<&'a Prompt> {
    let looked_at = settings.by_question.is_some() && !asked.surface.is_embedding();
    asked.prompt.as_ref().filter(|_| looked_at)
}

/// The lifetime of a new answer: the header's (clamped), else the route's, else the configured one; these two no
/// longer than the question allows.
#[must_use]
pub fn lifetime(
    directives: &Directives,
    route_ttl: Option<Duration>,
    timeliness: Timeliness,
    settings: &Settings,
) -> Duration {
    let asked = directives.ttl.map(|ttl| ttl.min(settings.max_ttl.0));
    let most = limit(timeliness, settings);
    asked.unwrap_or_else(|| route_ttl.unwrap_or(settings.ttl.0).min(most))
}

/// Whether the question alone shortens, or forbids, the lifetime its answer would have.
#[must_use]
pub fn is_shortened(
    directives: &Directives,
    route_ttl: Option<Duration>,
    timeliness: Timeliness,
    settings: &Settings,
) -> bool {
    lifetime(directives, route_ttl, timeliness, settings) < lifetime(directives, route_ttl, Timeliness::None, settings)
}

/// Whether the answer holds for the moment of asking only: nothing is read for it and nothing kept, unless the request
/// itself names a lifetime.
#[must_use]
pub fn is_passing(directives: &Directives, timeliness: Timeliness, settings: &Settings) -> bool {
    directives.ttl.is_none() && limit(timeliness, settings).is_zero()
}

fn limit(timeliness: Timeliness, settings: &Settings) -> Duration {
    let Some(most) = &settings.by_question else { return Duration::MAX };
    match timeliness {
        Timeliness::None => Duration::MAX,
        Timeliness::Hours => most.hours.0,
        Timeliness::Minutes => most.minutes.0,
        Timeliness::Live => most.live.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Generated at second 1000, alive for 100 seconds.
    const CREATED: Timestamp = Timestamp(1_000_000);
    const EXPIRES: Timestamp = Timestamp(1_100_000);

    const fn s(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const fn fresh(remaining: u64) -> Freshness {
        Freshness::Fresh { remaining: s(remaining) }
    }

    const fn stale(refresh: bool) -> Freshness {
        Freshness::Stale { refresh }
    }

    const fn unfit(cause: Cause, if_error: bool) -> Freshness {
        Freshness::Unfit { cause, if_error }
    }

    /// Reads `"max-age=5, max-stale"` as a request would say it.
    fn saying(header: &str) -> Directives {
        let mut directives = Directives::default();
        for word in header.split(", ").filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(s(v.parse().unwrap()))));
            match name {
                "no-cache" => directives.no_cache = true,
                "no-store" => directives.no_store = true,
                "only-if-cached" => directives.only_if_cached = true,
                "max-age" => directives.max_age = value,
                "min-fresh" => directives.min_fresh = value,
                "max-stale" => directives.max_stale = Some(value.map_or(MaxStale::Any, MaxStale::AtMost)),
                other => panic!("{other}"),
            }
        }
        directives
    }

    /// What holds at `age` seconds with the two stale windows given in seconds.
    fn at(age: i64, header: &str, revalidate: u64, if_error: u64) -> Freshness {
        let now = Timestamp(u64::try_from(1_000_000 + age * 1000).unwrap());
        let settings = Settings {
            stale_while_revalidate: Lasting::seconds(revalidate),
            stale_if_error: Lasting::seconds(if_error),
            ..Settings::default()
        };
        freshness(CREATED, EXPIRES, &saying(header), now, &settings)
    }

    #[test]
    fn request_directives_of_rfc_9111() {
        use Cause::{Expired, NoCache, NoStore, NotFreshEnough};
        let table = [
            (0, "", fresh(100)),
            (99, "", fresh(1)),
            (100, "", unfit(Expired, false)),
            (30, "no-cache", unfit(NoCache, false)),
            (30, "no-store", unfit(NoStore, false)),
            (30, "only-if-cached", fresh(70)),
            (30, "max-age=30", fresh(70)),
            (31, "max-age=30", unfit(NotFreshEnough, false)),
            (0, "max-age=0", fresh(100)),
            (1, "max-age=0", unfit(NotFreshEnough, false)),
            (70, "min-fresh=30", fresh(30)),
            (71, "min-fresh=30", unfit(NotFreshEnough, false)),
            (100, "min-fresh=0", unfit(Expired, false)),
            (99, "max-stale", fresh(1)),
            (100, "max-stale", stale(false)),
            (100_000, "max-stale", stale(false)),
            (110, "max-stale=10", stale(false)),
            (111, "max-stale=10", unfit(Expired, false)),
            (110, "max-age=200, max-stale", stale(false)),
            (110, "max-age=50, max-stale", unfit(NotFreshEnough, false)),
            (110, "max-age=200", unfit(Expired, false)),
            (30, "max-age=40, min-fresh=70", fresh(70)),
            (30, "max-age=40, min-fresh=71", unfit(NotFreshEnough, false)),
            (110, "no-cache, max-stale", unfit(NoCache, false)),
        ];
        for (age, header, expected) in table {
            assert_eq!(at(age, header, 0, 0), expected, "at {age} s with {header:?}");
        }
    }

    #[test]
    fn stale_windows_of_rfc_5861() {
        use Cause::{Expired, NotFreshEnough};
        let table = [
            (99, "", 10, 60, fresh(1)),
            (100, "", 10, 60, stale(true)),
            (110, "", 10, 60, stale(true)),
            (111, "", 10, 60, unfit(Expired, true)),
            (160, "", 10, 60, unfit(Expired, true)),
            (161, "", 10, 60, unfit(Expired, false)),
            // A window of zero is no window, not even at the instant of expiry.
            (100, "", 0, 0, unfit(Expired, false)),
            // The caller's own limits hold inside the windows.
            (105, "max-age=200", 10, 60, unfit(Expired, false)),
            (105, "max-age=50", 10, 60, unfit(NotFreshEnough, false)),
            (105, "min-fresh=1", 10, 60, unfit(Expired, false)),
            (105, "max-stale=2", 10, 60, unfit(Expired, false)),
            (105, "max-stale=5", 10, 60, stale(true)),
            (105, "max-stale=5", 0, 60, stale(false)),
            (150, "max-stale", 10, 60, stale(false)),
            // It forbids forwarding, so nothing is refreshed for it either.
            (105, "only-if-cached", 10, 60, stale(false)),
        ];
        for (age, header, revalidate, if_error, expected) in table {
            assert_eq!(at(age, header, revalidate, if_error), expected, "at {age} s with {header:?}");
        }
    }

    #[test]
    fn a_clock_set_back_never_lengthens_a_life() {
        // Within the skew of two machines' clocks the answer counts as just made.
        assert_eq!(at(-1, "", 0, 0), fresh(100));
        assert_eq!(at(-60, "max-age=0", 0, 0), fresh(100));
        // Further back its age is unknown: stale, and in no window.
        assert_eq!(at(-61, "", 0, 0), unfit(Cause::Expired, false));
        assert_eq!(at(-900, "", 600, 600), unfit(Cause::Expired, false));
        assert_eq!(at(-900, "max-stale=5", 0, 0), unfit(Cause::Expired, false));
        assert_eq!(at(-900, "max-stale", 0, 0), stale(false));
    }

    #[test]
    fn an_answer_without_an_end_stays_fresh() {
        let now = CREATED.plus(s(1_000_000_000));
        let got = freshness(CREATED, Timestamp::NEVER, &Directives::default(), now, &Settings::default());
        assert!(matches!(got, Freshness::Fresh { .. }));
    }

    #[test]
    fn the_header_is_clamped_and_beats_the_route() {
        let settings = Settings { ttl: Lasting::seconds(50), max_ttl: Lasting::seconds(500), ..Settings::default() };
        let asks = |ttl: Option<u64>| Directives { ttl: ttl.map(s), ..Directives::default() };
        let lasting = |ttl, route| lifetime(&asks(ttl), route, Timeliness::None, &settings);
        assert_eq!(lasting(None, None), s(50));
        assert_eq!(lasting(None, Some(s(1000))), s(1000));
        assert_eq!(lasting(Some(20), Some(s(1000))), s(20));
        assert_eq!(lasting(Some(9000), Some(s(1000))), s(500));
    }

    #[test]
    fn the_question_shortens_what_the_operator_set_and_not_what_the_request_names() {
        let settings = Settings::default();
        let asks = |ttl: Option<u64>| Directives { ttl: ttl.map(s), ..Directives::default() };
        let table = [
            (None, None, Timeliness::None, 86_400),
            (None, None, Timeliness::Hours, 21_600),
            (None, None, Timeliness::Minutes, 600),
            (None, None, Timeliness::Live, 0),
            // A route that wants less keeps it.
            (None, Some(60), Timeliness::Minutes, 60),
            (None, Some(3600), Timeliness::Minutes, 600),
            // Who asks knows best what the answer is for.
            (Some(3600), Some(60), Timeliness::Live, 3600),
        ];
        for (header, route, class, expected) in table {
            let (header, route) = (asks(header), route.map(s));
            assert_eq!(lifetime(&header, route, class, &settings), s(expected), "{class:?}");
            let less = lifetime(&header, route, Timeliness::None, &settings) > s(expected);
            assert_eq!(is_shortened(&header, route, class, &settings), less);
            assert_eq!(is_passing(&header, class, &settings), expected == 0);
        }
        let off = Settings { by_question: None, ..settings };
        assert_eq!(lifetime(&asks(None), None, Timeliness::Live, &off), s(86_400));
        assert!(!is_passing(&asks(None), Timeliness::Live, &off));
    }
}
