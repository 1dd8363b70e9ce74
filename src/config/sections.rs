//! Sections of the file whose keys belong to several rooms: each is taken apart into the rooms' own settings, by
//! destructuring, so that a room's new option does not compile until the file offers it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::Share;
use crate::cache::{self, Fingerprint, WhenUnsure};
use crate::domain::{Lasting, Mode, Size};
use crate::embed::{self, Precision};
use crate::index;
use crate::policy::context::Context;
use crate::policy::freshness::ByQuestion;
use crate::policy::{admit, freshness, judge, rerank, retain, risk};
use crate::upstream::VersionSettings;

/// `[cache]`: what is cached, for how long, and who shares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents the keys; the rooms' settings document the fields")]
pub struct Cache {
    pub mode: Mode,
    pub share: Share,
    pub ttl: Lasting,
    pub max_ttl: Lasting,
    pub stale_while_revalidate: Lasting,
    pub stale_if_error: Lasting,
    pub by_question: bool,
    pub hours_ttl: Lasting,
    pub minutes_ttl: Lasting,
    pub live_ttl: Lasting,
    pub max_temperature: f32,
    pub tool_calls: bool,
    pub max_answer: Size,
    pub hot_bytes: Size,
    pub linger: Lasting,
    pub jitter: f32,
    pub refresh_ahead: f32,
    pub hold: Size,
    pub patience: Lasting,
}

impl Default for Cache {
    fn default() -> Self {
        let freshness::Settings { ttl, max_ttl, stale_while_revalidate, stale_if_error, by_question } =
            freshness::Settings::default();
        let ByQuestion { hours, minutes, live } = ByQuestion::default();
        let admit::Settings { max_temperature } = admit::Settings::default();
        let retain::Settings { tool_calls, max_answer } = retain::Settings::default();
        let engine = cache::Settings::default();
        Self {
            mode: engine.mode,
            share: Share::default(),
            ttl,
            max_ttl,
            stale_while_revalidate,
            stale_if_error,
            by_question: by_question.is_some(),
            hours_ttl: hours,
            minutes_ttl: minutes,
            live_ttl: live,
            max_temperature,
            tool_calls,
            max_answer,
            hot_bytes: engine.hot_bytes,
            linger: engine.linger,
            jitter: engine.jitter,
            refresh_ahead: engine.refresh_ahead,
            hold: engine.hold,
            patience: engine.patience,
        }
    }
}

impl Cache {
    /// The part that says how long answers live.
    #[must_use]
    pub fn freshness(&self) -> freshness::Settings {
        freshness::Settings {
            ttl: self.ttl,
            max_ttl: self.max_ttl,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            by_question: self.by_question.then_some(ByQuestion {
                hours: self.hours_ttl,
                minutes: self.minutes_ttl,
                live: self.live_ttl,
            }),
        }
    }

    /// The part that says which requests may use the cache.
    #[must_use]
    pub fn admit(&self) -> admit::Settings {
        admit::Settings { max_temperature: self.max_temperature }
    }

    /// The part that says which answers are kept.
    #[must_use]
    pub fn retain(&self) -> retain::Settings {
        retain::Settings { tool_calls: self.tool_calls, max_answer: self.max_answer }
    }
}

/// `semantic.calibration` when it names no file.
pub(super) const SHIPPED: &str = "shipped";

/// `[semantic]`: the embedding model, and when two prompts ask the same thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents the keys; the rooms' settings document the fields")]
pub struct Semantic {
    pub model: String,
    pub precision: Precision,
    pub threads: usize,
    pub sessions: usize,
    pub queue: usize,
    pub deadline: Lasting,
    pub recent: usize,
    pub runtime: Option<PathBuf>,
    pub home: Option<PathBuf>,
    pub offline: bool,
    pub min_similarity: f32,
    pub max_false_hit_rate: f64,
    pub until_certified: risk::UntilCertified,
    pub calibration: String,
    pub shadow: risk::Shadow,
    pub reranker: Reranker,
    pub candidates: usize,
    pub context: Context,
    pub scan_up_to: usize,
}

impl Default for Semantic {
    fn default() -> Self {
        let embed::Settings { model, precision, threads, sessions, queue, deadline, recent, runtime, home, offline } =
            embed::Settings::default();
        let judge::Settings { min_similarity } = judge::Settings::default();
        let risk::Settings { max_false_hit_rate, until_certified, calibration: _, shadow } = risk::Settings::default();
        Self {
            model,
            precision,
            threads,
            sessions,
            queue,
            deadline,
            recent,
            runtime,
            home,
            offline,
            min_similarity,
            max_false_hit_rate,
            until_certified,
            calibration: SHIPPED.to_owned(),
            shadow,
            reranker: Reranker::default(),
            candidates: cache::Settings::default().candidates,
            context: cache::Settings::default().context,
            scan_up_to: index::Settings::default().scan_up_to,
        }
    }
}

impl Semantic {
    /// The part that says how text becomes vectors.
    #[must_use]
    pub fn embed(&self) -> embed::Settings {
        embed::Settings {
            model: self.model.clone(),
            precision: self.precision,
            threads: self.threads,
            sessions: self.sessions,
            queue: self.queue,
            deadline: self.deadline,
            recent: self.recent,
            runtime: self.runtime.clone(),
            home: self.home.clone(),
            offline: self.offline,
        }
    }

    /// The part that says how near vectors are found.
    #[must_use]
    pub fn index(&self) -> index::Settings {
        index::Settings { scan_up_to: self.scan_up_to }
    }

    /// The part that says when two prompts ask the same thing.
    #[must_use]
    pub fn judge(&self) -> judge::Settings {
        judge::Settings { min_similarity: self.min_similarity }
    }

    /// The part that says how many of the answers served by meaning may be wrong; `calibration` is the file that the
    /// section names, if it names one.
    #[must_use]
    pub fn risk(&self, calibration: Option<&Arc<risk::Table>>) -> risk::Settings {
        risk::Settings {
            max_false_hit_rate: self.max_false_hit_rate,
            until_certified: self.until_certified,
            calibration: calibration.cloned().unwrap_or_else(risk::Table::shipped),
            shadow: self.shadow.clone(),
        }
    }
}

/// `[semantic.reranker]`: a model that reads two prompts together, for what the rules leave in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents the keys; the rooms' settings document the fields")]
pub struct Reranker {
    pub model: embed::rerank::Model,
    pub accept: f32,
    pub deadline: Lasting,
    pub threads: usize,
}

impl Default for Reranker {
    fn default() -> Self {
        let embed::rerank::Settings { model, deadline, threads } = embed::rerank::Settings::default();
        let rerank::Settings { accept } = rerank::Settings::default();
        Self { model, accept, deadline, threads }
    }
}

impl Reranker {
    /// The part that says which model it is.
    #[must_use]
    pub fn model(&self) -> embed::rerank::Settings {
        embed::rerank::Settings { model: self.model.clone(), deadline: self.deadline, threads: self.threads }
    }

    /// The part that says where its word is taken.
    #[must_use]
    pub fn judge(&self) -> rerank::Settings {
        rerank::Settings { accept: self.accept }
    }
}

/// `[versions]`: how model versions are watched, and what holds while one cannot be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents the keys; the rooms' settings document the fields")]
pub struct Versions {
    pub poll: Lasting,
    pub unsure_after: Lasting,
    pub when_unsure: WhenUnsure,
    pub ask_deadline: Lasting,
    pub fingerprint: Fingerprint,
}

impl Default for Versions {
    fn default() -> Self {
        let VersionSettings { poll } = VersionSettings::default();
        let cache::Versions { unsure_after, when_unsure, ask_deadline, fingerprint } = cache::Versions::default();
        Self { poll, unsure_after, when_unsure, ask_deadline, fingerprint }
    }
}

impl Versions {
    /// The part that says how upstreams are watched.
    #[must_use]
    pub fn watch(&self) -> VersionSettings {
        VersionSettings { poll: self.poll }
    }

    /// The part that says what holds while a version cannot be told.
    #[must_use]
    pub fn doubt(&self) -> cache::Versions {
        cache::Versions {
            unsure_after: self.unsure_after,
            when_unsure: self.when_unsure,
            ask_deadline: self.ask_deadline,
            fingerprint: self.fingerprint,
        }
    }
}
