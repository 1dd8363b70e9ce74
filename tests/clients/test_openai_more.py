"""The official Python client on the rest of the OpenAI surfaces: cold and warm calls must come to the same."""

import asyncio

import openai
import pydantic
import pytest

MODEL = "gpt-4o-mini"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(dejavu, api_key):
    with openai.OpenAI(base_url=f"{dejavu}/v1", api_key=api_key, max_retries=0) as client:
        yield client


def user(text):
    return [{"role": "user", "content": text}]


def without(said, *names):
    said = said.model_dump()
    for name in names:
        del said[name]
    return said


class City(pydantic.BaseModel):
    city: str
    population: int


def test_parse_with_a_schema(client, upstream):
    text = "Which city, and how many live there?"
    for _ in range(2):
        said = client.chat.completions.parse(model=MODEL, messages=user(text), response_format=City)
        assert said.choices[0].message.parsed == City(city="Vienna", population=1_982_000)
    assert upstream.count(text) == 1


def test_several_choices(client, upstream):
    text = "Two answers to this one, please."
    first, second = (client.chat.completions.create(model=MODEL, messages=user(text), n=2) for _ in range(2))
    assert without(first, "id", "created") == without(second, "id", "created")
    assert len(second.choices) == 2 and upstream.count(text) == 1


def test_the_stream_helper(client, upstream):
    text = "Stream this with the helper."
    said = []
    for _ in range(2):
        with client.chat.completions.stream(model=MODEL, messages=user(text)) as stream:
            said.append(stream.get_final_completion().choices[0].message.content)
    assert said[0] == said[1] and upstream.count(text) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_are_never_kept_unless_the_operator_says_so(client, upstream, stream):
    text = f"What is the weather in Vienna? ({stream})"
    for _ in range(2):
        answer = client.chat.completions.create(model=MODEL, messages=user(text), tools=[TOOL], stream=stream)
        if stream:
            deltas = [chunk.choices[0].delta for chunk in answer if chunk.choices]
            arguments = "".join(d.tool_calls[0].function.arguments or "" for d in deltas if d.tool_calls)
        else:
            arguments = answer.choices[0].message.tool_calls[0].function.arguments
        assert arguments == '{"city":"Vienna"}'
    assert upstream.count(text) == 2


@pytest.mark.parametrize("first_streamed", [True, False])
def test_completions(client, upstream, first_streamed):
    prompt = f"Once upon a time, {first_streamed}"

    def said(stream):
        answer = client.completions.create(model=MODEL, prompt=prompt, stream=stream)
        return "".join(part.choices[0].text for part in answer) if stream else answer.choices[0].text

    assert said(first_streamed) == said(not first_streamed)
    assert upstream.count(prompt) == 1


@pytest.mark.parametrize("first_streamed", [True, False])
def test_stateless_responses(client, upstream, first_streamed):
    text = f"Respond to this, {first_streamed}."

    def said(stream):
        if not stream:
            return client.responses.create(model=MODEL, input=text, store=False).output_text
        with client.responses.stream(model=MODEL, input=text, store=False) as events:
            numbers = [event.sequence_number for event in events]
            assert numbers == sorted(numbers)
            return events.get_final_response().output_text

    assert said(first_streamed) == said(not first_streamed)
    assert upstream.count(text) == 1


def test_responses_that_are_stored_upstream_are_not_cached(client, upstream):
    text = "Remember this one."
    for _ in range(2):
        client.responses.create(model=MODEL, input=text)
    assert upstream.count(text) == 2


def test_embeddings_are_kept_item_by_item(client, upstream):
    def vectors(*texts):
        answer = client.embeddings.create(model="text-embedding-3-small", input=list(texts))
        assert [item.index for item in answer.data] == list(range(len(texts)))
        return [item.embedding for item in answer.data]

    one, two = vectors("alpha particle", "beta decay")
    assert vectors("beta decay", "gamma ray", "alpha particle")[::2] == [two, one]
    assert upstream.count("alpha particle") == 1 and upstream.count("gamma ray") == 1


def test_the_async_client(dejavu, api_key, upstream):
    text = "Asked asynchronously."

    async def twice():
        async with openai.AsyncOpenAI(base_url=f"{dejavu}/v1", api_key=api_key, max_retries=0) as client:
            whole = await client.chat.completions.create(model=MODEL, messages=user(text))
            stream = await client.chat.completions.create(model=MODEL, messages=user(text), stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            return whole.choices[0].message.content, "".join(pieces)

    whole, streamed = asyncio.run(twice())
    assert whole == streamed and upstream.count(text) == 1
