//! One digest for every way to write the same JSON value.
//!
//! Key order, whitespace and escapes do not matter; numbers that are equal are equal (`1`, `1.0`, `1e0`); arrays keep
//! their order. Everything else tells values apart: `null` is not an absent key, `"1"` is not `1`.

use serde_json::{Map, Value};

use crate::domain::Digest;

/// The digest of a value's canonical text.
#[must_use]
pub(super) fn digest(value: &Value) -> Digest {
    let mut text = Vec::with_capacity(256);
    write(value, &mut text);
    Digest::of(&text)
}

/// The digest of an object's canonical text.
#[must_use]
pub(super) fn object(members: &Map<String, Value>) -> Digest {
    let mut text = Vec::with_capacity(256);
    write_object(members, &mut text);
    Digest::of(&text)
}

/// Writes canonical JSON: it is itself JSON, so no two different values share a text.
fn write(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.extend_from_slice(b"null"),
        Value::Bool(true) => to.extend_from_slice(b"true"),
        Value::Bool(false) => to.extend_from_slice(b"false"),
        Value::Number(number) => to.extend_from_slice(canonical_number(number).as_bytes()),
        Value::String(text) => write_string(text, to),
        Value::Array(items) => {
            to.push(b'[');
            for item in items {
                write(item, to);
                to.push(b',');
            }
            to.push(b']');
        }
        Value::Object(members) => write_object(members, to),
    }
}

fn write_object(members: &Map<String, Value>, to: &mut Vec<u8>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    to.push(b'{');
    for (key, value) in sorted {
        write_string(key, to);
        to.push(b':');
        write(value, to);
        to.push(b',');
    }
    to.push(b'}');
}

fn write_string(text: &str, to: &mut Vec<u8>) {
    serde_json::to_writer(to, text).expect("writing a string into memory cannot fail");
}

/// Whole numbers as integers, however they were written; other numbers in their shortest form.
fn canonical_number(number: &serde_json::Number) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough just before")]
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => (float as i64).to_string(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Digest {
        digest(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_same_value_written_differently_has_one_digest() {
        assert_eq!(of(r#"{"a":1,"b":[{"c":2,"d":3}]}"#), of(" {\"b\" : [ {\"d\":3.0,\"c\":2e0} ], \"\\u0061\":1.0}"));
        assert_eq!(of("[-0.0]"), of("[0]"));
        assert_eq!(of("0.10"), of("1e-1"));
    }

    #[test]
    fn different_values_have_different_digests() {
        let texts = [
            "null",
            "{}",
            "[]",
            "[null]",
            r#"{"a":null}"#,
            "1",
            "1.5",
            "\"1\"",
            "[1,2]",
            "[2,1]",
            "[[1],2]",
            "[[1,2]]",
            "true",
            "\"true\"",
            r#"{"a":{"b":1}}"#,
            r#"{"a":1,"b":1}"#,
            "18446744073709551615",
            "9223372036854775807",
        ];
        let digests: std::collections::BTreeSet<_> = texts.iter().map(|text| of(text)).collect();
        assert_eq!(digests.len(), texts.len());
    }
}
