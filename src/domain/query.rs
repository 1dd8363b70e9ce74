//! What was asked: first as a protocol reads it ([`Asked`]), then as the engine looks it up ([`Query`]).

use std::sync::Arc;

use super::{Digest, FieldHasher, Key, Location, Model, Namespace, Scope, Secret, Surface, TenantId, Version};

/// How an answer is to look on the wire. Shapes the bytes, never the answer, so it is in no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// In pieces as they come (SSE or NDJSON), or whole.
    pub stream: bool,
    /// OpenAI's `stream_options.include_usage`: a last chunk with the token counts.
    pub usage_chunk: bool,
}

/// The text compared by meaning: the last message, when the user wrote it and it is plain text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prompt(pub Arc<str>);

/// One message before the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The whole message, role and unknown fields included.
    pub digest: Digest,
    /// Who says what in it.
    pub speech: Speech,
}

/// What a message before the last is, for comparing conversations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Speech {
    /// Plain text by a user.
    Question(Arc<str>),
    /// Plain text by the model, of so many characters.
    Answer(u64),
    /// What whoever runs the app tells the model: a system or developer message.
    Instruction,
    /// Anything else: attachments, calls of tools and their results, roles unknown here.
    Other,
}

impl Turn {
    /// Its text, if a user wrote it and it is plain text.
    #[must_use]
    pub fn user_text(&self) -> Option<&Arc<str>> {
        match &self.speech {
            Speech::Question(text) => Some(text),
            Speech::Answer(_) | Speech::Instruction | Speech::Other => None,
        }
    }
}

/// Messages of plain text, for tests.
#[cfg(test)]
impl Turn {
    pub(crate) fn plain(speech: Speech, text: &str) -> Self {
        Self { digest: Digest::of(text.as_bytes()), speech }
    }

    pub(crate) fn user(text: &str) -> Self {
        Self::plain(Speech::Question(text.into()), text)
    }

    pub(crate) fn model(text: &str) -> Self {
        Self::plain(Speech::Answer(text.len() as u64), text)
    }

    pub(crate) fn system(text: &str) -> Self {
        Self::plain(Speech::Instruction, text)
    }
}

/// Facts about a request that admission decides on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traits {
    /// The sampling temperature, when the request names one.
    pub temperature: Option<f32>,
    /// It declares tools or functions the model may call.
    pub tools: bool,
    /// It asks for more than one choice.
    pub several_choices: bool,
    /// It carries images, audio or files.
    pub attachments: bool,
    /// Its answer depends on, or changes, state that the upstream keeps (`previous_response_id`, `store`, ...).
    pub stateful: bool,
    /// It loads or unloads a model instead of asking something (Ollama).
    pub load_only: bool,
    /// How many characters of text it holds, over all messages: for estimating tokens where nobody counted them.
    pub characters: u64,
}

/// One request, as its protocol's adapter understood it. Says nothing of who asks or where it will go.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Which API call it is.
    pub surface: Surface,
    /// The model name as the client wrote it.
    pub model: Arc<str>,
    /// The wire shape the caller wants.
    pub shape: Shape,
    /// Every field that can change the answer, unknown ones included, except the model name, the turns and the
    /// prompt: system prompt, tools, response format, sampling parameters, the last message's other parts.
    pub frame: Digest,
    /// The messages before the last, in order.
    pub history: Vec<Turn>,
    /// What may be compared by meaning; without it the request is matched by equality only.
    pub prompt: Option<Prompt>,
    /// The whole last message or prompt field, for equality when there is no [`Prompt`].
    pub last: Digest,
    /// Facts for admission.
    pub traits: Traits,
}

/// One request with everything its identity depends on besides the body.
#[derive(Debug, Clone)]
pub struct Query {
    /// The request as read.
    pub asked: Arc<Asked>,
    /// Whose cache.
    pub tenant: TenantId,
    /// Which cache of theirs.
    pub namespace: Namespace,
    /// Headers that change the answer (`anthropic-version`, `anthropic-beta`, `OpenAI-Organization`, ...), digested.
    pub headers: Digest,
    /// Who would answer, first choice first: the route's targets that are fit to be asked, never empty.
    pub targets: Vec<Target>,
    /// The route that decided so, for telling evidence apart; no part of any identity.
    pub route: Arc<str>,
}

/// A model that may answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The upstream and the model name it is asked for.
    pub model: Model,
    /// Where it computes.
    pub location: Location,
}

impl Query {
    /// The identity of this exact request when `model` at `version` answers it.
    #[must_use]
    pub fn key(&self, secret: &Secret, model: &Model, version: &Version) -> Key {
        let scope = self.scope(secret, model, version);
        let hasher = secret.hasher("key").field(&scope.0.0).field(&self.asked.last.0);
        Key(hasher.digest())
    }

    /// What an entry must equal before its prompt is compared by meaning.
    #[must_use]
    pub fn scope(&self, secret: &Secret, model: &Model, version: &Version) -> Scope {
        let hasher = self.ground(secret.hasher("scope"), model, version);
        Scope(hasher.list(self.asked.history.iter().map(|turn| turn.digest.0.as_slice())).digest())
    }

    /// The same where not the whole history counts but only `shared`, the digest of what of it must be equal.
    #[must_use]
    pub fn wider_scope(&self, secret: &Secret, model: &Model, version: &Version, shared: &Digest) -> Scope {
        Scope(self.ground(secret.hasher("wider scope"), model, version).field(&shared.0).digest())
    }

    /// Everything but history and last message.
    fn ground(&self, hasher: FieldHasher, model: &Model, version: &Version) -> FieldHasher {
        // Destructured without `..`: a new field does not compile until someone says whether it is identity.
        let Self { asked, tenant, namespace, headers, targets: _, route: _ } = self;
        let Asked { surface, model: _, shape: _, frame, history: _, prompt: _, last: _, traits: _ } = &**asked;
        hasher
            .field(tenant.0.as_bytes())
            .field(namespace.0.as_bytes())
            .field(surface.as_str().as_bytes())
            .field(model.upstream.as_bytes())
            .field(model.name.as_bytes())
            .field(version.0.as_bytes())
            .field(&headers.0)
            .field(&frame.0)
    }
}
