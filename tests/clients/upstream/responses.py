"""OpenAI's Responses dialect."""

import time

from .openai import REPORTED, forced
from .said import answer_to, fresh, text_of, words
from .tools import call_for, compact, pieces, written_for


def responses(http, body):
    asked = body["input"] if isinstance(body["input"], str) else text_of(body["input"][-1].get("content"))
    role = "user" if isinstance(body["input"], str) else body["input"][-1].get("role")
    tools = [(tool["name"], tool["parameters"]) for tool in body.get("tools") or [] if tool["type"] == "function"]
    if call := call_for(tools, role, asked, forced(body.get("tool_choice"))):
        item, streamed = called(*call)
    else:
        shape = (body.get("text") or {}).get("format") or {}
        schema = shape.get("type") in ("json_schema", "json_object")
        item, streamed = said(written_for(shape.get("schema"), asked) if schema else answer_to(asked))
    usage = {"input_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 31}
    whole = {"id": fresh("resp_", 40), "object": "response", "created_at": int(time.time()), "status": "completed",
             "error": None, "incomplete_details": None, "instructions": None, "model": REPORTED, "output": [item],
             "parallel_tool_calls": True, "previous_response_id": None, "store": body.get("store", True),
             "temperature": 1.0, "text": body.get("text") or {"format": {"type": "text"}}, "tool_choice": "auto",
             "tools": body.get("tools") or [], "top_p": 1.0, "truncation": "disabled", "usage": usage, "metadata": {}}
    if not body.get("stream"):
        return http.json(200, whole)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *streamed,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    http.events([{**event, "sequence_number": number} for number, event in enumerate(events)], named=True)


def said(text):
    """A message item, and the events that bring it."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"id": fresh("msg_", 40), "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    return item, [
        {"type": "response.output_item.added", "output_index": 0,
         "item": {**item, "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *[{"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in words(text)],
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
    ]


def called(name, arguments):
    """A function call item, and the events that bring it."""
    written = compact(arguments)
    item = {"id": fresh("fc_", 40), "type": "function_call", "status": "completed", "name": name,
            "arguments": written, "call_id": fresh("call_", 24)}
    place = {"item_id": item["id"], "output_index": 0}
    return item, [
        {"type": "response.output_item.added", "output_index": 0,
         "item": {**item, "status": "in_progress", "arguments": ""}},
        *[{"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in pieces(written)],
        {"type": "response.function_call_arguments.done", **place, "name": name, "arguments": written},
    ]


POSTS = {"/v1/responses": responses}
