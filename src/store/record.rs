//! Entries as they stand on the disk: types of the store's own, frozen with the format, and their conversion from
//! and to the vocabulary.
//!
//! Fields are written by position (MessagePack arrays), so nothing may be added, dropped or moved here without a new
//! record format and a step in `migrations`. Format 2 adds fields at the end of their arrays, each with what holds where
//! it is absent, so that a record of format 1 is read as it stands.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::envelope::{self, Damage};
use crate::domain::{
    Answerer, Digest, Embedded, Entry, EntryId, Finish, Key, Location, Model, Namespace, Placement, Recording, Scope,
    Seen, SpaceId, Surface, Tag, TenantId, Timestamp, Usage, Vector, Version, Wider,
};

/// An entry as a whole record.
///
/// # Errors
/// When it is too large for a record.
pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>, Damage> {
    let payload = rmp_serde::to_vec(&EntryV1::from(entry)).map_err(|_| Damage::Content)?;
    envelope::seal(entry.id(), &payload)
}

/// The entry in a record.
///
/// # Errors
/// What is wrong with the record.
pub(super) fn decode(id: EntryId, record: &[u8]) -> Result<Entry, Damage> {
    let payload = envelope::unseal(id, record)?;
    let entry: EntryV1 = rmp_serde::from_slice(&payload).map_err(|_| Damage::Content)?;
    entry.into_entry().filter(|entry| entry.id() == id).ok_or(Damage::Content)
}

#[derive(Serialize, Deserialize)]
struct EntryV1 {
    key: Bytes,
    tenant: String,
    namespace: String,
    answerer: AnswererV1,
    prompt: String,
    tags: Vec<String>,
    created_ms: u64,
    expires_ms: u64,
    placement: Option<PlacementV1>,
    took_s: u64,
    took_ns: u32,
    recording: RecordingV1,
}

#[derive(Serialize, Deserialize)]
struct AnswererV1 {
    upstream: String,
    model: String,
    reported: Option<String>,
    version: String,
    location: LocationV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LocationV1 {
    Local,
    Cloud,
}

#[derive(Serialize, Deserialize)]
struct PlacementV1 {
    scope: Bytes,
    embedded: Option<EmbeddedV1>,
    /// Since format 2.
    #[serde(default)]
    wider: Option<WiderV2>,
}

#[derive(Serialize, Deserialize)]
struct WiderV2 {
    scope: Bytes,
    questions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct EmbeddedV1 {
    /// The components, f32 little endian.
    vector: Bytes,
    space: String,
    unseen: Option<Bytes>,
    /// Vector and unseen rest of each earlier question. Since format 2.
    #[serde(default)]
    earlier: Vec<(Bytes, Option<Bytes>)>,
}

#[derive(Serialize, Deserialize)]
struct RecordingV1 {
    surface: SurfaceV1,
    answer: Bytes,
    finish: FinishV1,
    reported_model: Option<String>,
    usage: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SurfaceV1 {
    OpenaiChat,
    OpenaiCompletions,
    OpenaiResponses,
    OpenaiEmbeddings,
    AnthropicMessages,
    OllamaChat,
    OllamaGenerate,
    OllamaEmbed,
    OllamaEmbeddings,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FinishV1 {
    Complete,
    ToolCalls,
    Truncated,
    Filtered,
    Refused,
    Unfinished,
}

/// Both directions between an enum of the vocabulary and its frozen twin.
macro_rules! twins {
    ($live:ident, $frozen:ident, $($variant:ident)+) => {
        impl From<$live> for $frozen {
            fn from(live: $live) -> Self {
                match live {
                    $($live::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$frozen> for $live {
            fn from(frozen: $frozen) -> Self {
                match frozen {
                    $($frozen::$variant => Self::$variant,)+
                }
            }
        }
    };
}

twins!(Location, LocationV1, Local Cloud);
twins!(Finish, FinishV1, Complete ToolCalls Truncated Filtered Refused Unfinished);
twins!(Surface, SurfaceV1, OpenaiChat OpenaiCompletions OpenaiResponses OpenaiEmbeddings AnthropicMessages OllamaChat
    OllamaGenerate OllamaEmbed OllamaEmbeddings);

impl From<&Entry> for EntryV1 {
    fn from(entry: &Entry) -> Self {
        // Destructured without `..`: a new field does not compile until someone says how it is kept.
        let Entry {
            key,
            tenant,
            namespace,
            answerer: Answerer { model, reported, version, location },
            prompt,
            tags,
            created,
            expires,
            placement,
            took,
            recording: Recording { surface, answer, finish, reported_model, usage },
        } = entry;
        Self {
            key: bytes(&key.0),
            tenant: tenant.0.to_string(),
            namespace: namespace.0.to_string(),
            answerer: AnswererV1 {
                upstream: model.upstream.to_string(),
                model: model.name.to_string(),
                reported: reported.as_deref().map(str::to_owned),
                version: version.0.to_string(),
                location: (*location).into(),
            },
            prompt: prompt.to_string(),
            tags: tags.iter().map(|tag| tag.0.to_string()).collect(),
            created_ms: created.0,
            expires_ms: expires.0,
            placement: placement.as_ref().map(PlacementV1::from),
            took_s: took.as_secs(),
            took_ns: took.subsec_nanos(),
            recording: RecordingV1 {
                surface: (*surface).into(),
                answer: answer.clone(),
                finish: (*finish).into(),
                reported_model: reported_model.as_deref().map(str::to_owned),
                usage: usage.map(|Usage { prompt, completion }| (prompt, completion)),
            },
        }
    }
}

impl From<&Placement> for PlacementV1 {
    fn from(Placement { scope, wider, embedded }: &Placement) -> Self {
        Self {
            scope: bytes(&scope.0),
            embedded: embedded.as_ref().map(EmbeddedV1::from),
            wider: wider.as_ref().map(WiderV2::from),
        }
    }
}

impl From<&Wider> for WiderV2 {
    fn from(Wider { scope, questions }: &Wider) -> Self {
        Self { scope: bytes(&scope.0), questions: questions.iter().map(|text| text.to_string()).collect() }
    }
}

impl From<&Embedded> for EmbeddedV1 {
    fn from(Embedded { vector, space, unseen, earlier }: &Embedded) -> Self {
        Self {
            vector: components(vector),
            space: space.0.to_string(),
            unseen: unseen.as_ref().map(bytes),
            earlier: earlier.iter().map(|seen| (components(&seen.vector), seen.unseen.as_ref().map(bytes))).collect(),
        }
    }
}

impl EntryV1 {
    fn into_entry(self) -> Option<Entry> {
        let Self { answerer, recording, .. } = self;
        Some(Entry {
            key: Key(digest(&self.key)?),
            tenant: TenantId(self.tenant.into()),
            namespace: Namespace(self.namespace.into()),
            answerer: Answerer {
                model: Model { upstream: answerer.upstream.into(), name: answerer.model.into() },
                reported: answerer.reported.map(Arc::from),
                version: Version(answerer.version.into()),
                location: answerer.location.into(),
            },
            prompt: self.prompt.into(),
            tags: self.tags.into_iter().map(|tag| Tag(tag.into())).collect(),
            created: Timestamp(self.created_ms),
            expires: Timestamp(self.expires_ms),
            placement: understood(self.placement, PlacementV1::into_placement)?,
            took: Duration::new(self.took_s, self.took_ns),
            recording: Recording {
                surface: recording.surface.into(),
                answer: recording.answer,
                finish: recording.finish.into(),
                reported_model: recording.reported_model.map(Arc::from),
                usage: recording.usage.map(|(prompt, completion)| Usage { prompt, completion }),
            },
        })
    }
}

impl PlacementV1 {
    fn into_placement(self) -> Option<Placement> {
        let embedded = understood(self.embedded, EmbeddedV1::into_embedded)?;
        let wider = understood(self.wider, WiderV2::into_wider)?;
        Some(Placement { scope: Scope(digest(&self.scope)?), wider, embedded })
    }
}

impl WiderV2 {
    fn into_wider(self) -> Option<Wider> {
        let questions = self.questions.into_iter().map(Arc::from).collect();
        Some(Wider { scope: Scope(digest(&self.scope)?), questions })
    }
}

impl EmbeddedV1 {
    fn into_embedded(self) -> Option<Embedded> {
        let seen = |(vector, unseen): (Bytes, Option<Bytes>)| {
            Some(Seen { vector: into_vector(&vector)?, unseen: understood(unseen, |unseen| digest(&unseen))? })
        };
        let Seen { vector, unseen } = seen((self.vector, self.unseen))?;
        let earlier = self.earlier.into_iter().map(seen).collect::<Option<_>>()?;
        Some(Embedded { vector, space: SpaceId(self.space.into()), unseen, earlier })
    }
}

/// The components, f32 little endian.
fn components(vector: &Vector) -> Bytes {
    vector.as_slice().iter().flat_map(|component| component.to_le_bytes()).collect()
}

fn into_vector(bytes: &[u8]) -> Option<Vector> {
    let (components, rest) = bytes.as_chunks::<4>();
    let vector = Vector::normalised(components.iter().copied().map(f32::from_le_bytes).collect()).ok()?;
    rest.is_empty().then_some(vector)
}

/// Converts what is there; nothing being there is no fault.
fn understood<A, B>(part: Option<A>, convert: impl FnOnce(A) -> Option<B>) -> Option<Option<B>> {
    part.map_or(Some(None), |part| convert(part).map(Some))
}

fn bytes(digest: &Digest) -> Bytes {
    Bytes::copy_from_slice(&digest.0)
}

fn digest(bytes: &Bytes) -> Option<Digest> {
    bytes.as_ref().try_into().ok().map(Digest)
}
