"""Every golden replay, read by the official client of its protocol: what the stream helpers put together from the
pieces is what the whole answer says. No server is needed."""

import json
import pathlib

import anthropic
import httpx
import httpx2
import ollama
import openai
import pytest

GOLDENS = pathlib.Path(__file__).parent.parent / "golden"

# Members beside the message or the blocks that the stream helpers themselves leave out, and what they add.
DROPPED_BY_CLIENTS = {"weight", "native_finish_reason", "content_filter_results", "context_management"}
ADDED_BY_CLIENTS = {"parsed", "parsed_arguments"}
# What each replay renews, indexes that only streams have, and how the stream calls itself.
RENEWED = {"id", "created", "created_at", "completed_at", "index", "object"}


def cases(surface, stream, *, ended=("complete", "tool-calls", "refused")):
    replayed = [folder for folder in sorted((GOLDENS / surface).iterdir()) if (folder / stream).exists()]
    kept = [f for f in replayed if json.loads((f / "record.json").read_text())["finish"] in ended]
    return [pytest.param(folder, id=folder.name) for folder in kept]


def plain(value):
    """The value without what may differ, and without members that hold nothing."""
    if isinstance(value, dict):
        ignored = DROPPED_BY_CLIENTS | ADDED_BY_CLIENTS | RENEWED
        return {k: plain(v) for k, v in value.items() if k not in ignored and v not in (None, [], {}, "")}
    return [plain(item) for item in value] if isinstance(value, list) else value


def whole(folder):
    return json.loads((folder / "replay.json").read_text())


def answering(folder, stream, kind, library=httpx):
    body = (folder / stream).read_bytes()
    answer = library.MockTransport(lambda _: library.Response(200, content=body, headers={"content-type": kind}))
    return library.Client(transport=answer, base_url="http://golden")


def openai_client(folder, stream):
    http = answering(folder, stream, "text/event-stream; charset=utf-8")
    return openai.OpenAI(api_key="x", base_url="http://golden/v1", http_client=http, max_retries=0)


@pytest.mark.parametrize("folder", cases("openai-chat", "replay.usage.sse"))
def test_openai_chat(folder):
    if folder.name == "tools-custom":
        pytest.skip("this client's stream helper does not know custom tools")
    client = openai_client(folder, "replay.usage.sse")
    options = {"include_usage": True}
    with client.chat.completions.stream(model="m", messages=[], stream_options=options) as stream:
        final = plain(stream.get_final_completion().to_dict())
    expected = plain(whole(folder))
    assert final["choices"] == expected["choices"]
    assert final["usage"] == expected.get("usage", final["usage"])


@pytest.mark.parametrize("folder", cases("openai-completions", "replay.sse"))
def test_openai_completions(folder):
    chunks = openai_client(folder, "replay.sse").completions.create(model="m", prompt="x", stream=True)
    said = {}
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] = said.get(choice.index, "") + choice.text
    assert said == {choice["index"]: choice["text"] for choice in whole(folder)["choices"]}


@pytest.mark.parametrize("folder", cases("openai-responses", "replay.sse"))
def test_openai_responses(folder):
    with openai_client(folder, "replay.sse").responses.stream(model="m", input="x") as stream:
        numbers = [event.sequence_number for event in stream]
        final = stream.get_final_response().to_dict()
    assert numbers == sorted(numbers)
    assert plain(final) == plain(whole(folder))


@pytest.mark.parametrize("folder", cases("anthropic-messages", "replay.sse"))
def test_anthropic_messages(folder):
    http = answering(folder, "replay.sse", "text/event-stream; charset=utf-8", httpx2)
    client = anthropic.Anthropic(api_key="x", base_url="http://golden", http_client=http, max_retries=0)
    with client.messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        assert plain(stream.get_final_message().to_dict()) == plain(whole(folder))


@pytest.mark.parametrize("folder", cases("ollama-chat", "replay.ndjson"))
def test_ollama_chat(folder):
    client = ollama.Client(host="http://golden")
    client._client = answering(folder, "replay.ndjson", "application/x-ndjson")
    lines = list(client.chat("m", [], stream=True))
    message = whole(folder)["message"]
    assert "".join(line.message.content or "" for line in lines) == message["content"]
    assert "".join(line.message.thinking or "" for line in lines) == message.get("thinking", "")
    calls = [call.function.name for line in lines for call in line.message.tool_calls or []]
    assert calls == [call["function"]["name"] for call in message.get("tool_calls", [])]
    assert lines[-1].done and not any(line.done for line in lines[:-1])
