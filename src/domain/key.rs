//! Identity: keyed 256-bit digests over length-prefixed fields.
//!
//! Hashing is keyed (BLAKE3 keyed mode) with a secret of this installation, so that a digest that leaks tells
//! nothing about a prompt. Every field is written as its length (u64, little endian) and its bytes, so that no two
//! different field sequences feed the hash the same bytes.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::SpaceId;

/// 256 bits that stand for some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "hex32")] pub [u8; 32]);

impl Digest {
    /// The plain BLAKE3 digest of `bytes`, not keyed: for content that is hashed again under the key.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// 64 lowercase hex digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

/// The identity of one exact request: two requests with equal keys get the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Digest);

/// Everything but the last user text: only entries of one scope are ever compared by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub Digest);

impl Scope {
    /// The index partition for prompts embedded in `space`. `unseen` is the digest of the text beyond the embedder's
    /// window, if the prompt is longer than that: such prompts meet only where that remainder is identical.
    #[must_use]
    pub fn partition(self, space: &SpaceId, unseen: Option<Digest>) -> Self {
        // Not keyed again: the scope is already a keyed digest.
        let hasher = FieldHasher::unkeyed("partition").field(&self.0.0).field(space.0.as_bytes());
        Self(hasher.list(unseen.iter().map(|digest| digest.0.as_slice())).digest())
    }
}

/// The installation's hashing secret: made once, kept in the store, shown only in a backup, which is of no use without
/// it. Clones are the same secret, and see it replaced.
#[derive(Clone)]
pub struct Secret(Arc<ArcSwap<[u8; 32]>>);

impl Secret {
    /// Wraps 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(bytes)))
    }

    /// The bytes, for a backup.
    #[must_use]
    pub fn expose(&self) -> [u8; 32] {
        **self.0.load()
    }

    /// Puts other bytes in place, from a backup: every digest made before is void.
    pub fn replace(&self, bytes: [u8; 32]) {
        self.0.store(Arc::new(bytes));
    }

    /// Starts a digest for `purpose`; digests of different purposes never meet.
    #[must_use]
    pub fn hasher(&self, purpose: &str) -> FieldHasher {
        FieldHasher::begun(Some(**self.0.load())).field(purpose.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Collects fields, each with its length before it, into one digest.
///
/// Fields are gathered and hashed at once: most are short, and feeding each by itself takes longer than hashing it.
pub struct FieldHasher {
    key: Option<[u8; 32]>,
    fields: Vec<u8>,
}

impl FieldHasher {
    /// An unkeyed hasher for `purpose`, for digests that are hashed again under the [`Secret`].
    #[must_use]
    pub fn unkeyed(purpose: &str) -> Self {
        Self::begun(None).field(purpose.as_bytes())
    }

    fn begun(key: Option<[u8; 32]>) -> Self {
        Self { key, fields: Vec::with_capacity(512) }
    }

    /// Adds one field.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.fields.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.fields.extend_from_slice(bytes);
        self
    }

    /// Adds a list: its length, then each item as a field.
    #[must_use]
    pub fn list<'a>(self, items: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        let counted = self.field(&(items.len() as u64).to_le_bytes());
        items.fold(counted, Self::field)
    }

    /// The digest of all fields so far.
    #[must_use]
    pub fn digest(self) -> Digest {
        let hash = match &self.key {
            Some(key) => blake3::keyed_hash(key, &self.fields),
            None => blake3::hash(&self.fields),
        };
        Digest(*hash.as_bytes())
    }
}

mod hex32 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&blake3::Hash::from_bytes(*bytes).to_hex())
        } else {
            to.serialize_bytes(bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        if from.is_human_readable() {
            let hex = String::deserialize(from)?;
            blake3::Hash::from_hex(hex).map(|hash| *hash.as_bytes()).map_err(D::Error::custom)
        } else {
            struct Bytes;
            impl serde::de::Visitor<'_> for Bytes {
                type Value = [u8; 32];
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("32 bytes")
                }
                fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                    bytes.try_into().map_err(E::custom)
                }
            }
            from.deserialize_bytes(Bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_secret_and_the_purpose_change_the_digest() {
        let digest = |secret: u8, purpose: &str| Secret::new([secret; 32]).hasher(purpose).field(b"x").digest();
        assert_ne!(digest(1, "key"), digest(2, "key"));
        assert_ne!(digest(1, "key"), digest(1, "scope"));
    }

    #[test]
    fn a_replaced_secret_is_replaced_for_all_who_hold_it() {
        let (held, digest) = (Secret::new([1; 32]), |secret: &Secret| secret.hasher("key").field(b"x").digest());
        let clone = held.clone();
        held.replace([2; 32]);
        assert_eq!(digest(&clone), digest(&Secret::new([2; 32])));
        assert_eq!(clone.expose(), [2; 32]);
        assert_eq!(format!("{clone:?}"), "Secret(..)");
    }

    #[test]
    fn digests_survive_json_and_messagepack() {
        let digest = Digest::of(b"x");
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        let packed = rmp_serde::to_vec(&digest).unwrap();
        assert_eq!(rmp_serde::from_slice::<Digest>(&packed).unwrap(), digest);
    }

    proptest! {
        #[test]
        fn different_field_sequences_have_different_digests(
            a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..5),
            b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..5),
        ) {
            let digest = |fields: &[Vec<u8>]| {
                fields.iter().fold(FieldHasher::unkeyed("t"), |h, f| h.field(f)).digest()
            };
            prop_assert_eq!(a == b, digest(&a) == digest(&b));
        }
    }
}
