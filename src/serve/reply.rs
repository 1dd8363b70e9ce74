//! What a client is told about the cache's part: the response headers of `docs/headers.md`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::cache::Hit;
use crate::domain::{Cause, Entry, EntryId, Match, Outcome, Reason, Target, Timestamp};
use crate::telemetry::Saved;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const STATUS: HeaderName = HeaderName::from_static("x-cache-status");
const MATCH: HeaderName = HeaderName::from_static("x-cache-match");
const SIMILARITY: HeaderName = HeaderName::from_static("x-cache-similarity");
const ENTRY: HeaderName = HeaderName::from_static("x-cache-entry");
const REASON: HeaderName = HeaderName::from_static("x-cache-reason");
const UPSTREAM: HeaderName = HeaderName::from_static("x-upstream");
const UPSTREAM_MODEL: HeaderName = HeaderName::from_static("x-upstream-model");

/// An answer, and the cache's part in it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    pub(super) verdict: Verdict,
}

/// The cache's part in one answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<Reason>,
    /// What authorised an answer from the cache.
    pub(super) how: Option<Match>,
    pub(super) entry: Option<EntryId>,
    /// Time since a cached answer was generated.
    pub(super) age: Option<Duration>,
    /// Seconds of lifetime left to a cached answer; negative past its expiry.
    pub(super) ttl: Option<i64>,
    /// The answer is kept, for certain.
    pub(super) stored: bool,
    /// Part of the answer came from the cache.
    pub(super) partial: bool,
    /// dejavu itself refused the request, so nothing was forwarded.
    pub(super) refused: bool,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) model: Option<Arc<str>>,
    pub(super) saved: Option<Saved>,
}

impl Verdict {
    /// A request that goes to an upstream.
    pub(super) const fn forwarded(outcome: Outcome, reason: Option<Reason>) -> Self {
        Self {
            outcome,
            reason,
            how: None,
            entry: None,
            age: None,
            ttl: None,
            stored: false,
            partial: false,
            refused: false,
            upstream: None,
            model: None,
            saved: None,
        }
    }

    /// A request that dejavu refuses.
    pub(super) fn refused(outcome: Outcome, reason: Option<Reason>) -> Self {
        Self { refused: true, ..Self::forwarded(outcome, reason) }
    }

    /// An answer from the cache.
    pub(super) fn hit(hit: &Hit, now: Timestamp) -> Self {
        let entry = &hit.entry;
        Self {
            how: Some(hit.how),
            age: Some(hit.age),
            ttl: Some(ttl(entry.expires, now)),
            ..Self::from_entry(hit.outcome, hit.reason, entry)
        }
    }

    /// An answer made from the finished entry of an identical request in flight.
    pub(super) fn collapsed(entry: &Entry) -> Self {
        Self::from_entry(Outcome::Collapsed, None, entry)
    }

    /// The same, now that its answer is this entry: nothing is saved, since the upstream was asked.
    pub(super) fn from(self, entry: &Entry) -> Self {
        Self { saved: None, ..Self::from_entry(self.outcome, self.reason, entry) }
    }

    fn from_entry(outcome: Outcome, reason: Option<Reason>, entry: &Entry) -> Self {
        let answerer = &entry.answerer;
        Self {
            entry: Some(entry.id()),
            upstream: Some(Arc::clone(&answerer.model.upstream)),
            model: Some(Arc::clone(answerer.reported.as_ref().unwrap_or(&answerer.model.name))),
            saved: Some(Saved { usage: entry.recording.usage, time: entry.took }),
            ..Self::forwarded(outcome, reason)
        }
    }

    /// The same, answered by `target`.
    pub(super) fn by(self, target: &Target) -> Self {
        let model = self.model.or_else(|| Some(Arc::clone(&target.model.name)));
        Self { upstream: Some(Arc::clone(&target.model.upstream)), model, ..self }
    }

    /// Writes the headers that say all this. `Cache-Status` is appended to what caches nearer to the model said;
    /// everything else is dejavu's alone.
    pub(super) fn write(&self, headers: &mut HeaderMap, show_similarity: bool) {
        headers.append(CACHE_STATUS, text(&self.cache_status()));
        headers.insert(STATUS, HeaderValue::from_static(self.outcome.as_str()));
        if let Some(how) = self.how {
            headers.insert(MATCH, HeaderValue::from_static(how.as_str()));
            if let (Match::Semantic(similarity), true) = (how, show_similarity) {
                headers.insert(SIMILARITY, text(&format!("{similarity:.4}")));
            }
        }
        if let Some(entry) = self.entry {
            headers.insert(ENTRY, text(&entry.to_string()));
        }
        if let Some(reason) = self.reason {
            headers.insert(REASON, HeaderValue::from_static(reason.as_str()));
        }
        if let Some(age) = self.age {
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
        }
        for (name, value) in [(UPSTREAM, &self.upstream), (UPSTREAM_MODEL, &self.model)] {
            if let Some(value) = value {
                headers.insert(name, text(value));
            }
        }
    }

    /// RFC 9211, one member: cache name and parameters.
    fn cache_status(&self) -> String {
        let mut member = String::with_capacity(64);
        member.push_str("dejavu");
        match self.outcome {
            _ if self.refused => {}
            Outcome::Hit | Outcome::Stale => member.push_str("; hit"),
            _ if self.partial => member.push_str("; fwd=partial"),
            outcome => {
                let _ = write!(member, "; fwd={}", forward_reason(outcome, self.reason));
            }
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(member, "; ttl={ttl}");
        }
        if self.stored {
            member.push_str("; stored");
        }
        if self.outcome == Outcome::Collapsed {
            member.push_str("; collapsed");
        }
        let detail = self.reason.map(Reason::as_str).or_else(|| self.how.map(|how| how.as_str()));
        if let Some(detail) = detail {
            let _ = write!(member, "; detail={detail}");
        }
        member
    }
}

/// RFC 9211, 2.2: why the request went forward.
fn forward_reason(outcome: Outcome, reason: Option<Reason>) -> &'static str {
    match (outcome, reason) {
        (Outcome::Bypass, _) => "bypass",
        (Outcome::Refresh, _) | (_, Some(Reason::Cause(Cause::NotFreshEnough))) => "request",
        (_, Some(Reason::Cause(Cause::Expired))) => "stale",
        _ => "miss",
    }
}

fn ttl(expires: Timestamp, now: Timestamp) -> i64 {
    let (left, past) = (expires.since(now).as_secs(), now.since(expires).as_secs());
    let signed = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    signed(left) - signed(past)
}

/// Model names come from configuration and from upstreams; what no header may hold is left out.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(verdict: &Verdict) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        verdict.write(&mut headers, true);
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    fn lines(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_semantic_hit_says_how_near_and_how_long() {
        let verdict = Verdict {
            how: Some(Match::Semantic(0.973_12)),
            entry: Some(EntryId([0xab; 16])),
            age: Some(Duration::from_millis(60_900)),
            ttl: Some(3540),
            upstream: Some("ollama".into()),
            model: Some("llama3.2:3b".into()),
            ..Verdict::forwarded(Outcome::Hit, None)
        };
        let expected = lines(&[
            ("cache-status", "dejavu; hit; ttl=3540; detail=semantic"),
            ("x-cache-status", "HIT"),
            ("x-cache-match", "semantic"),
            ("x-cache-similarity", "0.9731"),
            ("x-cache-entry", "abababababababababababababababab"),
            ("age", "60"),
            ("x-upstream", "ollama"),
            ("x-upstream-model", "llama3.2:3b"),
        ]);
        assert_eq!(written(&verdict), expected);
        let mut hidden = HeaderMap::new();
        verdict.write(&mut hidden, false);
        assert!(!hidden.contains_key(SIMILARITY));
    }

    #[test]
    fn cache_status_follows_rfc_9211() {
        let of = |verdict: Verdict| verdict.cache_status();
        let forwarded = |outcome, reason: Option<Cause>| Verdict::forwarded(outcome, reason.map(Reason::from));
        for (verdict, expected) in [
            (Verdict { stored: true, ..forwarded(Outcome::Miss, None) }, "dejavu; fwd=miss; stored"),
            (forwarded(Outcome::Miss, Some(Cause::Expired)), "dejavu; fwd=stale; detail=expired"),
            (forwarded(Outcome::Bypass, Some(Cause::Temperature)), "dejavu; fwd=bypass; detail=temperature"),
            (forwarded(Outcome::Refresh, Some(Cause::NoCache)), "dejavu; fwd=request; detail=no-cache"),
            (forwarded(Outcome::Collapsed, None), "dejavu; fwd=miss; collapsed"),
            (Verdict { ttl: Some(-5), ..forwarded(Outcome::Stale, None) }, "dejavu; hit; ttl=-5"),
            (Verdict::refused(Outcome::Miss, None), "dejavu"),
            (Verdict { partial: true, stored: true, ..forwarded(Outcome::Miss, None) }, "dejavu; fwd=partial; stored"),
        ] {
            assert_eq!(of(verdict), expected);
        }
    }

    #[test]
    fn lifetime_left_turns_negative_past_expiry() {
        assert_eq!(ttl(Timestamp(10_000), Timestamp(4_000)), 6);
        assert_eq!(ttl(Timestamp(4_000), Timestamp(10_000)), -6);
    }
}
