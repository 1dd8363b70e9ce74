"""Tool calls and structured answers: which tool the model calls, and a value for any JSON schema.

What it fills in comes from the question where it can: its first number, its first quoted words.
"""

import json
import re

KNOWN = {"city": "Vienna", "population": 1_982_000}


def call_for(tools, last, text, forced=None):
    """The `(name, arguments)` the model calls, or None.

    `tools` are `(name, schema)` pairs; `last` is the role of the last message and `text` its words; `forced` is a
    tool's name, or "any". Unforced, a tool is called when a word of its name is in what the user just asked.
    """
    for name, schema in tools:
        asked = last == "user" and any(len(word) > 3 and word in text.lower() for word in name.lower().split("_"))
        if forced in (name, "any") or (forced is None and asked):
            return name, value_for(schema, text)
    return None


def value_for(schema, text, name="", definitions=None):
    definitions = definitions or schema.get("$defs", {})
    if "$ref" in schema:
        return value_for(definitions[schema["$ref"].rsplit("/", 1)[-1]], text, name, definitions)
    if "anyOf" in schema:
        return value_for(schema["anyOf"][0], text, name, definitions)
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema or schema.get("type") == "object":
        parts = schema.get("properties", {}).items()
        return {key: value_for(part, text, key, definitions) for key, part in parts}
    if schema.get("type") == "array":
        return [value_for(schema.get("items", {}), text, name, definitions)]
    if name in KNOWN:
        return KNOWN[name]
    if schema.get("type") in ("integer", "number"):
        return int((re.findall(r"\d+", text) or ["7"])[0])
    return True if schema.get("type") == "boolean" else (re.findall(r"'([^']+)'", text) or [f"some {name}"])[0]


def written_for(schema, text):
    """A JSON text for `schema`; without one, an object with the keys that the question names in quotes."""
    if schema is None:
        schema = {"properties": {name: {"type": "string"} for name in re.findall(r"'(\w+)'", text)}}
    return json.dumps(value_for(schema, text), ensure_ascii=False)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pieces(text):
    return [text[start : start + 7] for start in range(0, len(text), 7)]
