//! The API calls whose answers dejavu understands.

use serde::{Deserialize, Serialize};

/// The dialect a caller speaks: decides the shape of errors and of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OpenAI and everything compatible with it.
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Ollama's native API.
    Ollama,
}

/// One cacheable API call. Answers never cross surfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// `POST /v1/chat/completions`.
    OpenaiChat,
    /// `POST /v1/completions`.
    OpenaiCompletions,
    /// `POST /v1/responses`.
    OpenaiResponses,
    /// `POST /v1/embeddings`.
    OpenaiEmbeddings,
    /// `POST /v1/messages`.
    AnthropicMessages,
    /// `POST /api/chat`.
    OllamaChat,
    /// `POST /api/generate`.
    OllamaGenerate,
    /// `POST /api/embed`.
    OllamaEmbed,
    /// `POST /api/embeddings`, the older form.
    OllamaEmbeddings,
}

impl Surface {
    /// Every surface, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::OpenaiChat,
        Self::OpenaiCompletions,
        Self::OpenaiResponses,
        Self::OpenaiEmbeddings,
        Self::AnthropicMessages,
        Self::OllamaChat,
        Self::OllamaGenerate,
        Self::OllamaEmbed,
        Self::OllamaEmbeddings,
    ];

    /// The one word for this surface in the admin API, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiCompletions => "openai-completions",
            Self::OpenaiResponses => "openai-responses",
            Self::OpenaiEmbeddings => "openai-embeddings",
            Self::AnthropicMessages => "anthropic-messages",
            Self::OllamaChat => "ollama-chat",
            Self::OllamaGenerate => "ollama-generate",
            Self::OllamaEmbed => "ollama-embed",
            Self::OllamaEmbeddings => "ollama-embeddings",
        }
    }

    /// The request path, without the listener.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::OpenaiChat => "/v1/chat/completions",
            Self::OpenaiCompletions => "/v1/completions",
            Self::OpenaiResponses => "/v1/responses",
            Self::OpenaiEmbeddings => "/v1/embeddings",
            Self::AnthropicMessages => "/v1/messages",
            Self::OllamaChat => "/api/chat",
            Self::OllamaGenerate => "/api/generate",
            Self::OllamaEmbed => "/api/embed",
            Self::OllamaEmbeddings => "/api/embeddings",
        }
    }

    /// Whether its answers are vectors: each a function of one exact text, whatever the text is about.
    #[must_use]
    pub const fn is_embedding(self) -> bool {
        matches!(self, Self::OpenaiEmbeddings | Self::OllamaEmbed | Self::OllamaEmbeddings)
    }

    /// The dialect of its requests, answers and errors.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::OpenaiChat | Self::OpenaiCompletions | Self::OpenaiResponses | Self::OpenaiEmbeddings => {
                Protocol::OpenAi
            }
            Self::AnthropicMessages => Protocol::Anthropic,
            Self::OllamaChat | Self::OllamaGenerate | Self::OllamaEmbed | Self::OllamaEmbeddings => Protocol::Ollama,
        }
    }
}
