"""The official Anthropic client for Python, unchanged but for its base URL."""

import anthropic
import pytest

MODEL = "claude-test"
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
def client(dejavu, api_key):
    with anthropic.Anthropic(base_url=dejavu, api_key=api_key, max_retries=0) as client:
        yield client


def ask(client, text, **more):
    messages = [{"role": "user", "content": text}]
    return client.messages.create(model=MODEL, max_tokens=2048, messages=messages, **more)


def comparable(message):
    said = message.model_dump()
    del said["id"]
    return said


def streamed(client, text, **more):
    messages = [{"role": "user", "content": text}]
    with client.messages.stream(model=MODEL, max_tokens=2048, messages=messages, **more) as stream:
        return stream.get_final_message()


def test_a_warm_answer_equals_the_cold_one(client, upstream):
    text = "Which sea does the Danube reach?"
    cold, warm = ask(client, text), ask(client, text)
    assert comparable(cold) == comparable(warm) and cold.id != warm.id
    assert upstream.count(text) == 1


def test_another_wording_is_answered_from_the_cache(client, upstream):
    cold = ask(client, "How do I water a cactus?")
    warm = ask(client, "How can I water a cactus?")
    assert comparable(warm) == comparable(cold)
    assert upstream.count("How can I water") == 0


@pytest.mark.parametrize("first_streamed", [True, False])
def test_one_answer_serves_both_shapes(client, upstream, first_streamed):
    text = f"Tell me of the Enns, {first_streamed}."
    first, second = (streamed, ask) if first_streamed else (ask, streamed)
    one, other = first(client, text), second(client, text)
    assert one.content[0].text == other.content[0].text
    assert (one.stop_reason, one.usage.output_tokens) == (other.stop_reason, other.usage.output_tokens)
    assert upstream.count(text) == 1


@pytest.mark.parametrize("first_streamed", [True, False])
def test_thinking_keeps_its_signature(client, upstream, first_streamed):
    text = f"Think about the Traun, {first_streamed}."
    thinking = {"type": "enabled", "budget_tokens": 1024}
    first, second = (streamed, ask) if first_streamed else (ask, streamed)
    for said in (first(client, text, thinking=thinking), second(client, text, thinking=thinking)):
        assert [block.type for block in said.content] == ["thinking", "text"]
        assert said.content[0].signature == "c2lnbmVk+/=="
    assert upstream.count(text) == 1


def test_tool_use_is_never_kept_unless_the_operator_says_so(client, upstream):
    text = "What is the weather by the Mur?"
    for said in (ask(client, text, tools=[TOOL]), streamed(client, text, tools=[TOOL])):
        assert said.stop_reason == "tool_use" and said.content[0].input == {"city": "Vienna"}
    assert upstream.count(text) == 2


def test_betas_are_part_of_the_question(client, upstream):
    text = "Is this asked under a beta?"
    ask(client, text)
    ask(client, text, extra_headers={"anthropic-beta": "some-beta-2025-01-01"})
    assert upstream.count(text) == 2


def test_errors_reach_the_client_as_they_are(client):
    for _ in range(2):
        with pytest.raises(anthropic.NotFoundError) as caught:
            client.messages.create(model="claude-missing", max_tokens=9, messages=[{"role": "user", "content": "Hi?"}])
        assert caught.value.body["error"]["type"] == "not_found_error"
