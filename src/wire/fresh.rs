//! New identities for replayed answers.

use std::iter::repeat_with;

use super::Fresh;

impl Fresh {
    /// A new id in the style of an old one: the same prefix, the same length, the same kind of characters.
    #[must_use]
    pub(super) fn id_like(self, old: &str) -> String {
        let prefix = old.find(['-', '_', ':']).map_or(0, |at| at + 1);
        let (kept, tail) = old.split_at(prefix);
        let alphabet = alphabet_of(tail);
        let mut random = blake3::Hasher::new().update(&self.nonce.to_le_bytes()).update(old.as_bytes()).finalize_xof();
        // A block of the hash at a time: it is computed whole for each call.
        let mut bytes = repeat_with(|| {
            let mut block = [0; 64];
            random.fill(&mut block);
            block
        })
        .flatten()
        .map(usize::from);
        let renewed = tail.chars().map(|char| match bytes.next() {
            Some(byte) if char.is_ascii_alphanumeric() => char::from(alphabet[byte % alphabet.len()]),
            _ => char,
        });
        let mut id = String::with_capacity(old.len());
        id.push_str(kept);
        id.extend(renewed);
        id
    }
}

/// The smallest usual alphabet that holds every letter and digit of `tail`.
fn alphabet_of(tail: &str) -> &'static [u8] {
    const ALL: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    // The size of the smallest that holds one character.
    let needed = |byte: u8| match byte {
        b'a'..=b'f' => 16,
        b'g'..=b'z' => 36,
        b'A'..=b'Z' => ALL.len(),
        _ => 10,
    };
    &ALL[..tail.bytes().map(needed).max().unwrap_or(10)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn a_new_id_looks_like_the_old_one() {
        let fresh = |nonce| Fresh { now: Timestamp::EPOCH, nonce };
        for old in [
            "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
            "chatcmpl-123",
            "resp_67ccd2bed1ec8190b14f964abc054267",
            "msg_01X",
            "7d-é",
        ] {
            let new = fresh(7).id_like(old);
            assert_eq!(new.chars().count(), old.chars().count());
            assert_eq!(new.find(['-', '_']), old.find(['-', '_']));
            assert_eq!(new, fresh(7).id_like(old), "the same nonce, the same id");
        }
        let old = "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT";
        assert_ne!(fresh(1).id_like(old), fresh(2).id_like(old));
        assert!(fresh(1).id_like("chatcmpl-123")[9..].bytes().all(|byte| byte.is_ascii_digit()));
    }
}
