"""What the model says: a function of what it is asked."""

import hashlib
import json
import time


def text_of(content):
    """The text of a message in any dialect: a string, or parts with text."""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [] if isinstance(part, dict))


def answer_to(conversation):
    seal = hashlib.sha256(json.dumps(conversation, sort_keys=True).encode()).hexdigest()[:6]
    last = conversation if isinstance(conversation, str) else text_of(conversation[-1].get("content"))
    return f"You asked: {last} Here is a whole answer, with punctuation, ünïcödé and a seal {seal}."


def words(text):
    first, *rest = text.split(" ")
    return [first] + [" " + word for word in rest]


def fresh(prefix, length=29):
    return prefix + hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:length]


def vector(text, dimensions=8):
    digest = hashlib.sha256(text.encode()).digest()
    return [round(byte / 255 - 0.5, 6) for byte in digest[:dimensions]]


def cut(text, stops):
    """The text up to the first stop sequence in it, and which one that was."""
    found = [(text.index(stop), stop) for stop in ([stops] if isinstance(stops, str) else stops or []) if stop in text]
    return (text[: min(found)[0]], min(found)[1]) if found else (text, None)
