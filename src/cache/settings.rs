//! What the operator may set about the engine itself. The decisions' own settings live with the decisions.

use serde::{Deserialize, Serialize};

use crate::domain::{Lasting, Mode, Size};
use crate::policy::context::Context;
use crate::policy::{admit, freshness, judge, rerank, retain, risk};

/// The engine's options, and those of the decisions it asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How far the cache takes part in any request; a request can only lessen it.
    pub mode: Mode,
    /// How many entries are kept; beyond, the least worth go.
    pub max_entries: u64,
    /// How many bytes of entries are kept, approximately.
    pub max_bytes: Size,
    /// How much memory the entries asked for most may take.
    pub hot_bytes: Size,
    /// How long expired entries stay for callers that accept stale answers (`max-stale`).
    pub linger: Lasting,
    /// By up to which share a lifetime of ten minutes or more, unless the request itself names it, is shortened, so
    /// that entries of one moment do not expire in one moment.
    pub jitter: f32,
    /// In which last share of its lifetime an entry that was served repeatedly is refreshed ahead of its expiry; 0 for
    /// never.
    pub refresh_ahead: f32,
    /// How many near prompts are judged.
    pub candidates: usize,
    /// How much of a conversation must be the same before its last question is compared by meaning.
    pub context: Context,
    /// How much of an answer under way is held for clients that join late. What is not streamed is held back for up to
    /// 16 MiB before its own client reads it, so this is not to be less.
    pub hold: Size,
    /// How long in all slow clients may hold up others that read the same answer.
    pub patience: Lasting,
    /// Versions of models.
    pub versions: Versions,
    /// Which requests may use the cache.
    pub admit: admit::Settings,
    /// Which prompts ask the same.
    pub judge: judge::Settings,
    /// Where a reranker's word on what they leave in doubt is taken.
    pub rerank: rerank::Settings,
    /// How many of the answers served by meaning may be wrong.
    pub risk: risk::Settings,
    /// How long answers live.
    pub freshness: freshness::Settings,
    /// Which answers are kept.
    pub retain: retain::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Semantic,
            max_entries: 1_000_000,
            max_bytes: Size::mib(4096),
            hot_bytes: Size::mib(256),
            linger: Lasting::seconds(3600),
            jitter: 0.05,
            refresh_ahead: 0.0,
            candidates: 8,
            context: Context::default(),
            hold: Size::mib(16),
            patience: Lasting::seconds(10),
            versions: Versions::default(),
            admit: admit::Settings::default(),
            judge: judge::Settings::default(),
            rerank: rerank::Settings::default(),
            risk: risk::Settings::default(),
            freshness: freshness::Settings::default(),
            retain: retain::Settings::default(),
        }
    }
}

/// What is done when a model's version cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Versions {
    /// After how long without word from an upstream that tells versions the last one known is in doubt.
    pub unsure_after: Lasting,
    /// What then happens to answers of that version.
    pub when_unsure: WhenUnsure,
    /// How long a request waits for the first word about a model.
    pub ask_deadline: Lasting,
    /// What another `system_fingerprint` in answers means.
    pub fingerprint: Fingerprint,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            unsure_after: Lasting::seconds(60),
            when_unsure: WhenUnsure::default(),
            ask_deadline: Lasting::seconds(1),
            fingerprint: Fingerprint::default(),
        }
    }
}

/// What another `system_fingerprint` in a model's answers means. OpenAI's varies with parameters and with where a request
/// happens to be served, and many compatible servers send a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fingerprint {
    /// Nothing.
    #[default]
    Ignore,
    /// Another version of the model.
    Version,
}

/// What happens to a model's answers while its version is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenUnsure {
    /// They are served as if nothing were.
    Serve,
    /// They are served, marked stale.
    #[default]
    Stale,
    /// They are not served.
    Bypass,
}
