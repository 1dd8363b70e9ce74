//! JSON read strictly: what two parsers could understand differently is not understood at all.
//!
//! A request that repeats a key, or writes a whole number that no machine number holds exactly, can mean one thing to
//! dejavu and another to the upstream. Such bodies are never looked up; they are forwarded as they are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest magnitude below which every whole number has a double of its own (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Parses one JSON document. `None` for anything malformed, nested deeper than 128, not UTF-8, or ambiguous: a key
/// written twice in one object, a number too large to be told from its neighbours.
#[must_use]
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Strict>(body).ok().map(|Strict(value)| value)
}

/// A value in which no object repeats a key.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unambiguous JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() < EXACT { Ok(value.into()) } else { Err(E::custom("a number that is not exact")) }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key written twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_documents_are_not_understood() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for bad in
            ["", "{", "{}{}", r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#, "[18446744073709551616]", &deep]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn everything_else_reads_as_usual() {
        let text = r#"{"b":[1,-2,0.5,true,null,"é"],"a":{"b":{}}}"#;
        assert_eq!(parse(text.as_bytes()), serde_json::from_str(text).ok());
    }
}
