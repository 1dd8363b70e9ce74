"""The OpenAI dialect."""

import base64
import struct
import time

from .said import answer_to, cut, fresh, text_of, vector, words
from .tools import call_for, compact, pieces, written_for

REPORTED = "gpt-4o-mini-2024-07-18"


def chat(http, body):
    if body["model"] == "gpt-missing":
        error = {"message": "The model does not exist", "type": "invalid_request_error", "param": None,
                 "code": "model_not_found"}
        return http.json(404, {"error": error})
    if body["model"] == "gpt-limited":
        error = {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
        return http.json(429, {"error": error}, {"retry-after": "1"})
    asked = text_of(body["messages"][-1]["content"])
    text, _ = cut(answer_to(body["messages"]), body.get("stop"))
    shape = body.get("response_format") or {}
    if shape.get("type") in ("json_schema", "json_object"):
        text = written_for((shape.get("json_schema") or {}).get("schema"), asked)
    usage = usage_of(text)
    common = {"id": fresh("chatcmpl-"), "created": int(time.time()), "model": REPORTED, "service_tier": "default",
              "system_fingerprint": "fp_34a54ae93c"}
    tools = [(tool["function"]["name"], tool["function"]["parameters"]) for tool in body.get("tools") or []]
    calls = call_for(tools, body["messages"][-1]["role"], asked, forced(body.get("tool_choice")))
    if calls:
        name, arguments = calls[0], compact(calls[1])
        call = {"id": fresh("call_", 24), "type": "function", "function": {"name": name, "arguments": arguments}}
    finish = "tool_calls" if calls else "stop"
    if not body.get("stream"):
        message = {"role": "assistant", "content": None if calls else text, "refusal": None, "annotations": []}
        if calls:
            message["tool_calls"] = [call]
        choices = [{"index": index, "message": message, "logprobs": None, "finish_reason": finish}
                   for index in range(body.get("n") or 1)]
        return http.json(200, {**common, "object": "chat.completion", "choices": choices, "usage": usage})
    counted = bool((body.get("stream_options") or {}).get("include_usage"))
    deltas = [({"role": "assistant", "content": None if calls else "", "refusal": None}, None)]
    if calls:
        opened = {**call, "index": 0, "function": {"name": name, "arguments": ""}}
        deltas += [({"tool_calls": [opened]}, None)]
        deltas += [({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, None)
                   for piece in pieces(arguments)]
    else:
        deltas += [({"content": word}, None) for word in words(text)]
    deltas += [({}, finish)]
    chunk = {**common, "object": "chat.completion.chunk"}
    rest = {"usage": None} if counted else {}
    events = [{**chunk, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}], **rest}
              for delta, end in deltas]
    if counted:
        events.append({**chunk, "choices": [], "usage": usage})
    http.events(events, done=True)


def forced(choice):
    """A tool's name, "any", "none", or None where the model may choose."""
    if isinstance(choice, dict):
        return (choice.get("function") or choice)["name"]
    return {"required": "any", "none": "none"}.get(choice)


def completions(http, body):
    text = answer_to(body["prompt"])
    common = {"id": fresh("cmpl-"), "object": "text_completion", "created": int(time.time()), "model": REPORTED}
    choice = {"index": 0, "logprobs": None, "finish_reason": "stop"}
    if not body.get("stream"):
        return http.json(200, {**common, "choices": [{"text": text, **choice}], "usage": usage_of(text)})
    events = [{**common, "choices": [{"text": word, **choice, "finish_reason": None}]} for word in words(text)]
    events.append({**common, "choices": [{"text": "", **choice}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        events = [{**event, "usage": None} for event in events] + [{**common, "choices": [], "usage": usage_of(text)}]
    http.events(events, done=True)


def embeddings(http, body):
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    packed = body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(inputs):
        numbers = vector(str(text), body.get("dimensions") or 8)
        written = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode() if packed else numbers
        data.append({"object": "embedding", "index": index, "embedding": written})
    tokens = sum(len(str(text).split()) for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    http.json(200, {"object": "list", "data": data, "model": body["model"], "usage": usage})


def models():
    data = [{"id": "gpt-4o-mini", "object": "model", "created": 1700000000, "owned_by": "tests"}]
    return {"object": "list", "data": data}


def usage_of(text):
    written = len(text.split())
    return {"prompt_tokens": 11, "completion_tokens": written, "total_tokens": 11 + written}


POSTS = {"/v1/chat/completions": chat, "/v1/completions": completions, "/v1/embeddings": embeddings}
GETS = {"/v1/models": models}
