//! How fragments of a streamed answer grow together.

use serde_json::{Map, Value};

/// Members whose text is a running text wherever they stand; other text inside nested objects names or classifies, and
/// is repeated rather than continued.
const RUNNING: [&str; 13] = [
    "response",
    "arguments",
    "content",
    "text",
    "thinking",
    "reasoning",
    "reasoning_content",
    "refusal",
    "data",
    "transcript",
    "summary",
    "partial_json",
    "input",
];

/// Adds a fragment to an object. Text that runs is appended, arrays grow (items that have an `index` grow by it),
/// objects grow member by member, everything else is replaced; `null` only stands where nothing else does.
/// At the top of a delta (`all_text_runs`) unknown text is taken to run too.
pub(super) fn grow(into: &mut Map<String, Value>, fragment: Map<String, Value>, all_text_runs: bool) {
    for (key, new) in fragment {
        let runs = all_text_runs || RUNNING.contains(&key.as_str());
        match (into.get_mut(&key), new) {
            (Some(_), Value::Null) => {}
            (Some(Value::String(text)), Value::String(more)) if runs => text.push_str(&more),
            (Some(Value::String(_)), Value::String(same)) if same.is_empty() => {}
            (Some(Value::Object(object)), Value::Object(more)) => grow(object, more, false),
            (Some(Value::Array(items)), Value::Array(more)) => more.into_iter().for_each(|item| grow_list(items, item)),
            (Some(old), new) => *old = new,
            (None, new) => {
                into.insert(key, new);
            }
        }
    }
}

fn grow_list(items: &mut Vec<Value>, item: Value) {
    let index = |item: &Value| item.get("index").and_then(Value::as_u64);
    let same = index(&item).and_then(|at| items.iter_mut().find(|old| index(old) == Some(at)));
    match (same, item) {
        (Some(Value::Object(old)), Value::Object(more)) => grow(old, more, false),
        (_, item) => items.push(item),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fragments_grow_together() {
        let mut whole = Map::new();
        for fragment in [
            json!({"thoughts": "a", "note": null, "details": [{"index": 0, "type": "t", "text": "x"}], "list": [1], "n": 1}),
            json!({"thoughts": "a", "note": "b", "details": [{"index": 0, "type": "t", "text": "y"}], "list": [2], "n": 2}),
            json!({"thoughts": null, "details": [{"index": 1, "type": "u"}]}),
        ] {
            let Value::Object(fragment) = fragment else { unreachable!() };
            grow(&mut whole, fragment, true);
        }
        let details = json!([{"index": 0, "type": "t", "text": "xy"}, {"index": 1, "type": "u"}]);
        assert_eq!(
            Value::Object(whole),
            json!({"thoughts": "aa", "note": "b", "details": details, "list": [1, 2], "n": 2})
        );
    }
}
