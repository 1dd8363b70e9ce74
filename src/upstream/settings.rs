//! `[[upstream]]`, `[[route]]` and `[versions]`: what the configuration says.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::domain::{Credential, Lasting, Location};

/// One `[[upstream]]`: a model server, or several alike behind one name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How routes, headers and metrics call it. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// `ollama`, `openai` (or anything compatible with it) or `anthropic`.
    pub kind: Kind,
    /// Where it listens. Left out: the kind's own address (Ollama on this machine, the provider's public one).
    #[serde(default)]
    pub url: Option<String>,
    /// Instead of `url`: several servers with the same models; each request goes to the least loaded one.
    #[serde(default)]
    pub urls: Vec<String>,
    /// The key to present. Left out: the client's own credential is passed on.
    #[serde(default)]
    pub api_key: Option<Credential>,
    /// `local` or `cloud`: what `X-Residency: local` may reach. Left out: Ollama is local, the others are cloud.
    #[serde(default)]
    pub location: Option<Location>,
    /// Whether it is asked which version of its models it runs. Left out: Ollama is, and what speaks OpenAI's dialect on
    /// machines of the operator's (vLLM, SGLang, llama.cpp); a provider's list of models says nothing of versions.
    #[serde(default)]
    pub watch: Option<bool>,
    /// Most requests worked on at once, over all its urls.
    #[serde(default = "Settings::default_max_in_flight")]
    pub max_in_flight: usize,
    /// Most requests that wait for their turn; the next one is sent elsewhere or refused with `Retry-After`.
    #[serde(default = "Settings::default_max_queue")]
    pub max_queue: usize,
    /// Longest wait for a turn.
    #[serde(default = "Settings::default_queue_timeout")]
    pub queue_timeout: Lasting,
    /// Longest wait for a connection.
    #[serde(default = "Settings::default_connect_timeout")]
    pub connect_timeout: Lasting,
    /// Longest wait for the head of an answer; a model that must be loaded, or answers in one piece, takes minutes.
    #[serde(default = "Settings::default_answer_timeout")]
    pub answer_timeout: Lasting,
    /// Longest silence in the middle of an answer.
    #[serde(default = "Settings::default_idle_timeout")]
    pub idle_timeout: Lasting,
}

impl Settings {
    /// An upstream with nothing but a name, a kind and an address.
    #[must_use]
    pub fn new(name: &str, kind: Kind, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            url: Some(url.to_owned()),
            urls: Vec::new(),
            api_key: None,
            location: None,
            watch: None,
            max_in_flight: Self::default_max_in_flight(),
            max_queue: Self::default_max_queue(),
            queue_timeout: Self::default_queue_timeout(),
            connect_timeout: Self::default_connect_timeout(),
            answer_timeout: Self::default_answer_timeout(),
            idle_timeout: Self::default_idle_timeout(),
        }
    }

    /// What stands behind dejavu when the configuration names nothing: Ollama on this machine, for every model.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new("ollama", Kind::Ollama, Kind::Ollama.public_url())
    }

    /// Every address it has.
    #[must_use]
    pub fn addresses(&self) -> Vec<&str> {
        match (&self.url, &*self.urls) {
            (Some(url), _) => vec![url],
            (None, []) => vec![self.kind.public_url()],
            (None, urls) => urls.iter().map(String::as_str).collect(),
        }
    }

    /// Where it computes, said or by kind.
    #[must_use]
    pub fn location(&self) -> Location {
        self.location.unwrap_or(match self.kind {
            Kind::Ollama => Location::Local,
            Kind::OpenAi | Kind::Anthropic => Location::Cloud,
        })
    }

    /// Whether it is asked for its models' versions, said or by kind and place.
    #[must_use]
    pub fn tells_versions(&self) -> bool {
        self.watch.unwrap_or(match self.kind {
            Kind::Ollama => true,
            Kind::OpenAi => self.location() == Location::Local,
            Kind::Anthropic => false,
        })
    }

    const fn default_max_in_flight() -> usize {
        256
    }
    const fn default_max_queue() -> usize {
        512
    }
    const fn default_queue_timeout() -> Lasting {
        Lasting::seconds(60)
    }
    const fn default_connect_timeout() -> Lasting {
        Lasting::seconds(5)
    }
    const fn default_answer_timeout() -> Lasting {
        Lasting::seconds(600)
    }
    const fn default_idle_timeout() -> Lasting {
        Lasting::seconds(120)
    }
}

impl Kind {
    const fn public_url(self) -> &'static str {
        match self {
            Self::Ollama => "http://127.0.0.1:11434",
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
        }
    }
}

/// One `[[route]]`: where requests for some models go.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Model names it takes; `*` stands for any text, `/` included.
    pub model: String,
    /// Who answers, in failover order: `upstream`, or `upstream:model` to ask for another model name.
    pub to: Vec<String>,
    /// Whether the text before the first `*` is taken off the model name.
    #[serde(default)]
    pub strip_prefix: bool,
    /// Lifetime of this route's answers, instead of `[cache] ttl`.
    #[serde(default)]
    pub ttl: Option<Lasting>,
    /// How long past expiry they are served while one request refreshes them, instead of `[cache]`'s.
    #[serde(default)]
    pub stale_while_revalidate: Option<Lasting>,
    /// How long past expiry they are served when the upstream fails, instead of `[cache]`'s.
    #[serde(default)]
    pub stale_if_error: Option<Lasting>,
}

/// `[versions]`: how model versions are watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VersionSettings {
    /// How often model digests are read.
    pub poll: Lasting,
}

impl Default for VersionSettings {
    fn default() -> Self {
        Self { poll: Lasting::seconds(10) }
    }
}

/// Splits `upstream[:model]`.
pub(super) fn split_target(to: &str) -> (&str, Option<&str>) {
    match to.split_once(':') {
        Some((upstream, model)) => (upstream, Some(model)),
        None => (to, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_decides_address_and_location_when_the_file_does_not() {
        let openai: Settings = toml::from_str("name = \"o\"\nkind = \"openai\"").unwrap();
        assert_eq!(openai.addresses(), ["https://api.openai.com/v1"]);
        assert_eq!(openai.location(), Location::Cloud);
        assert_eq!(Settings::built_in().location(), Location::Local);
    }
}
