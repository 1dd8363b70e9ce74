"""The Ollama dialect."""

import time

from .said import answer_to, cut, text_of, vector, words
from .tools import call_for, written_for

DIGESTS = {"llama3.2:latest": "sha256:" + "a" * 64}


def chat(http, body):
    if body["model"] == "missing":
        return missing(http)
    last = body["messages"][-1]
    asked = text_of(last["content"])
    tools = [(tool["function"]["name"], tool["function"]["parameters"]) for tool in body.get("tools") or []]
    if call := call_for(tools, last["role"], asked):
        called = {"content": "", "tool_calls": [{"function": {"name": call[0], "arguments": call[1]}}]}
        return say(http, body, "", lambda words: {"message": {"role": "assistant", "content": words}}, {}, called)
    text = answer_to(body["messages"])
    if shape := body.get("format"):
        text = written_for(None if shape == "json" else shape, asked)
    say(http, body, text, lambda words: {"message": {"role": "assistant", "content": words}}, {})


def generate(http, body):
    if body["model"] == "missing":
        return missing(http)
    if not body.get("prompt"):  # loads the model
        return http.json(200, {"model": body["model"], "created_at": now(), "response": "", "done": True,
                               "done_reason": "load"})
    text = answer_to(body["prompt"])
    say(http, body, text, lambda words: {"response": words}, {"context": [1, 2, 3]})


def say(http, body, text, shape, last, called=None):
    """One object, or a line a word; a tool call comes whole, in a line of its own."""
    text, _ = cut(text, (body.get("options") or {}).get("stop"))
    closing = {"done_reason": "stop", "done": True, **last, "total_duration": 5_000_000, "load_duration": 1_000_000,
               "prompt_eval_count": 11, "prompt_eval_duration": 1_000_000, "eval_count": len(text.split()),
               "eval_duration": 3_000_000}
    line = {"model": body["model"], "created_at": now()}
    spoken = {"message": {"role": "assistant", **called}} if called else None
    if not body.get("stream", True):
        return http.json(200, {**line, **(spoken or shape(text)), **closing})
    parts = [spoken] if spoken else [shape(word) for word in words(text)]
    http.lines([*({**line, **part, "done": False} for part in parts), {**line, **shape(""), **closing}])


def embed(http, body):
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    http.json(200, {"model": body["model"], "embeddings": [vector(text) for text in inputs], "total_duration": 5_000_000,
                    "load_duration": 1_000_000, "prompt_eval_count": sum(len(text.split()) for text in inputs)})


def show(http, body):
    http.json(200, {"license": "tests", "modelfile": "FROM llama3.2", "parameters": "", "template": "{{ .Prompt }}",
                    "details": {"format": "gguf", "family": "llama", "parameter_size": "3B"}, "model_info": {},
                    "capabilities": ["completion"]})


def missing(http):
    http.json(404, {"error": 'model "missing" not found, try pulling it first'})


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())


def tags():
    return {"models": [{"name": name, "model": name, "digest": digest, "size": 1} for name, digest in DIGESTS.items()]}


POSTS = {"/api/chat": chat, "/api/generate": generate, "/api/embed": embed, "/api/show": show}
GETS = {"/api/tags": tags, "/api/version": lambda: {"version": "0.12.0"}}
