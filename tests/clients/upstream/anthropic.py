"""The Anthropic dialect."""

from .said import answer_to, cut, fresh, text_of, words
from .tools import call_for, compact, pieces, written_for


def messages(http, body):
    if body["model"] == "claude-missing":
        error = {"type": "not_found_error", "message": "model: claude-missing"}
        return http.json(404, {"type": "error", "error": error, "request_id": "req_1"})
    asked = text_of(body["messages"][-1]["content"])
    choice = body.get("tool_choice") or {}
    forced = {"any": "any", "tool": choice.get("name"), "none": "none"}.get(choice.get("type"))
    tools = [(tool["name"], tool["input_schema"]) for tool in body.get("tools") or []]
    call = call_for(tools, body["messages"][-1]["role"], asked, forced)
    shape = (body.get("output_config") or {}).get("format")
    text, ended_by = cut(answer_to(body["messages"]), body.get("stop_sequences"))
    blocks = []
    if (body.get("thinking") or {}).get("type") == "enabled":
        blocks.append({"type": "thinking", "thinking": "Let me think about it.", "signature": "c2lnbmVk+/=="})
    if call:
        blocks.append({"type": "tool_use", "id": fresh("toolu_01", 22), "name": call[0], "input": call[1]})
    else:
        blocks.append({"type": "text", "text": written_for(shape["schema"], asked) if shape else text})
    stop = "tool_use" if call else "stop_sequence" if ended_by and not shape else "end_turn"
    ended_by = ended_by if stop == "stop_sequence" else None
    usage = {"input_tokens": 11, "output_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    common = {"id": fresh("msg_01", 22), "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929"}
    if not body.get("stream"):
        ended = {"stop_reason": stop, "stop_sequence": ended_by, "usage": usage}
        return http.json(200, {**common, "content": blocks, **ended})
    start = {**common, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    events = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        events += streamed(index, block)
    events.append({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": ended_by},
                   "usage": {"output_tokens": 20}})
    events.append({"type": "message_stop"})
    http.events(events, named=True)


def streamed(index, block):
    kind = block["type"]
    if kind == "text":
        empty, deltas = {**block, "text": ""}, [{"type": "text_delta", "text": word} for word in words(block["text"])]
    elif kind == "thinking":
        empty = {**block, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": word} for word in words(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        empty = {**block, "input": {}}
        # A call without arguments streams one empty piece, as the real API does.
        written = ["", *(pieces(compact(block["input"])) if block["input"] else [])]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in written]
    return [{"type": "content_block_start", "index": index, "content_block": empty},
            *[{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas],
            {"type": "content_block_stop", "index": index}]


POSTS = {"/v1/messages": messages}
