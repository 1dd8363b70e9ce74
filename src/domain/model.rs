//! Models: where they live, what they are called, and which build of them answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A model as configured: an upstream's name and the model name asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Model {
    /// The `[[upstream]]` name.
    pub upstream: Arc<str>,
    /// The model name as that upstream is asked for it.
    pub name: Arc<str>,
}

/// Which build of a model answers: an Ollama digest, a dated model name, or an operator's bump. Two different
/// versions never share an answer. Empty while nothing is known yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub Arc<str>);

impl Version {
    /// No signal has been seen.
    #[must_use]
    pub fn unknown() -> Self {
        Self(Arc::from(""))
    }

    /// Whether no signal has been seen.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where an upstream's computing happens: decides what residency rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// On machines the operator runs.
    Local,
    /// At a provider.
    Cloud,
}

/// Who gave an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answerer {
    /// The model that was asked.
    pub model: Model,
    /// The model name the answer itself reported, for instance `gpt-4o-2024-08-06`.
    pub reported: Option<Arc<str>>,
    /// The version under which the answer is kept.
    pub version: Version,
    /// Where the computing happened.
    pub location: Location,
}
