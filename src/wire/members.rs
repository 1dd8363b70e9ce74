//! The members of a JSON object in place: where each value's bytes lie, so that one can be replaced and every other
//! byte stays as it was.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The model name in a JSON body that need not be understood any further: for routing what is passed through.
/// `None` when the body is no JSON object, or names no model, or more than one.
#[must_use]
pub fn model_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice(&body[one(body, "model")?]).ok()
}

/// The same body asking for another model: only the bytes of the top-level `model` value change. `None` when there
/// is no one such value to replace.
#[must_use]
pub fn rename_model(body: &[u8], new: &str) -> Option<Bytes> {
    let at = one(body, "model")?;
    let name = serde_json::to_vec(new).ok()?;
    Some(splice(body, &[(at, name)]))
}

/// The model name in the beginning of a JSON body whose rest has not come. `None` when it is not, or not only once,
/// among the top-level members that are whole.
#[must_use]
pub fn model_in_head(head: &[u8]) -> Option<String> {
    serde_json::from_slice(&head[only(begun(head), "model")?]).ok()
}

/// The same beginning asking for another model; see [`rename_model`].
#[must_use]
pub fn rename_model_in_head(head: &[u8], new: &str) -> Option<Bytes> {
    let at = only(begun(head), "model")?;
    let name = serde_json::to_vec(new).ok()?;
    Some(splice(head, &[(at, name)]))
}

/// The body with each range replaced; ranges are in order and do not overlap.
pub(super) fn splice(body: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut copied = 0;
    for (at, new) in edits {
        out.extend_from_slice(&body[copied..at.start]);
        out.extend_from_slice(new);
        copied = at.end;
    }
    out.extend_from_slice(&body[copied..]);
    out.into()
}

/// A top-level member of an object: its key, and the place of its value's bytes.
type Member<'a> = (Cow<'a, str>, Range<usize>);

/// The top-level members of an object in the order they are written. `None` when the body is no JSON object.
pub(super) fn members(body: &[u8]) -> Option<Vec<Member<'_>>> {
    let (found, whole) = scan(std::str::from_utf8(body).ok()?);
    whole.then_some(found)
}

/// The top-level members that are whole in the beginning of an object.
fn begun(head: &[u8]) -> Vec<Member<'_>> {
    let valid = std::str::from_utf8(head).map_or_else(|fault| fault.valid_up_to(), str::len);
    std::str::from_utf8(&head[..valid]).map_or_else(|_| Vec::new(), |text| scan(text).0)
}

/// The members as far as the text is an object, and whether it is one to its end.
fn scan(text: &str) -> (Vec<Member<'_>>, bool) {
    let mut found = Vec::new();
    let mut from = serde_json::Deserializer::from_str(text);
    let read = Members(&mut found).deserialize(&mut from).and_then(|()| from.end());
    (found.into_iter().map(|(key, value)| (key.0, place(text, value))).collect(), read.is_ok())
}

/// Where a value borrowed from `text` lies in it.
fn place(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + value.get().len()
}

/// The elements of an array, each with its place. `None` when the body is no JSON array.
pub(super) fn elements(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let text = std::str::from_utf8(body).ok()?;
    let found: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(found.into_iter().map(|value| place(text, value)).collect())
}

/// The place of the one value that `key` has.
pub(super) fn one(body: &[u8], key: &str) -> Option<Range<usize>> {
    only(members(body)?, key)
}

fn only(members: Vec<Member<'_>>, key: &str) -> Option<Range<usize>> {
    let mut with_key = members.into_iter().filter(|(name, _)| name == key).map(|(_, at)| at);
    let only = with_key.next()?;
    with_key.next().is_none().then_some(only)
}

/// Gathers members as they are read, so that those before a fault are there all the same.
struct Members<'f, 'a>(&'f mut Vec<(Key<'a>, &'a RawValue)>);

/// An object's key, borrowed from the text unless it holds escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(KeyVisitor)
    }
}

impl<'de> DeserializeSeed<'de> for Members<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_top_level_model_is_renamed_and_no_other_byte() {
        let body = br#" { "a":{"model":"x"}, "model" : "gpt-4o" ,"n":1.50,"t":"\u0041"} "#;
        let renamed = rename_model(body, "llama \"3\"").unwrap();
        let expected = r#" { "a":{"model":"x"}, "model" : "llama \"3\"" ,"n":1.50,"t":"\u0041"} "#;
        assert_eq!(renamed, expected.as_bytes());
        assert_eq!(model_of(&renamed).as_deref(), Some("llama \"3\""));
    }

    #[test]
    fn an_escaped_key_is_the_same_key() {
        assert_eq!(model_of(br#"{"mod\u0065l":"m"}"#).as_deref(), Some("m"));
    }

    #[test]
    fn without_exactly_one_model_there_is_none() {
        for body in ["", "[]", "{}", r#"{"model":"a","model":"b"}"#, r#"{"model":"a""#, r#"{"a":{"model":"b"}}"#] {
            assert_eq!(model_of(body.as_bytes()), None, "{body}");
            assert_eq!(rename_model(body.as_bytes(), "x"), None, "{body}");
        }
        assert_eq!(model_of(br#"{"model":1}"#), None);
    }

    #[test]
    fn the_beginning_of_a_body_may_hold_its_model() {
        let body = "{\"n\":[1,{\"model\":\"x\"}],\"model\":\"a\",\"messages\":[{\"content\":\"é";
        let named = body.find("\"a\"").unwrap() + 3;
        for end in 0..body.len() {
            let head = &body.as_bytes()[..end];
            assert_eq!(model_in_head(head).as_deref(), (end >= named).then_some("a"), "{end}");
        }
        let renamed = rename_model_in_head(body.as_bytes(), "other").unwrap();
        assert_eq!(renamed, body.replace("\"a\"", "\"other\"").as_bytes());
        for body in ["{\"model\":\"a\",\"model\":\"b\",", "{\"model\":7,", "[", "--boundary\r\n"] {
            assert_eq!(model_in_head(body.as_bytes()), None, "{body}");
        }
    }
}
