"""The official Python client, unchanged but for its base URL."""

import asyncio

import openai
import pytest

MODEL = "gpt-4o-mini"


@pytest.fixture
def client(dejavu, api_key):
    with openai.OpenAI(base_url=f"{dejavu}/v1", api_key=api_key, max_retries=0) as client:
        yield client


def ask(client, text, **more):
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": text}], **more
    )
    return raw.headers, raw.parse()


def comparable(completion):
    said = completion.model_dump()
    del said["id"], said["created"]
    return said


def test_a_warm_answer_equals_the_cold_one(client, upstream):
    text = "Which river flows through Vienna?"
    cold_headers, cold = ask(client, text)
    warm_headers, warm = ask(client, text)
    assert cold_headers["x-cache-status"] == "MISS"
    assert (warm_headers["x-cache-status"], warm_headers["x-cache-match"]) == ("HIT", "exact")
    assert comparable(warm) == comparable(cold)
    assert warm.id != cold.id and warm.id.startswith("chatcmpl-")
    assert warm_headers["x-upstream-model"] == "gpt-4o-mini-2024-07-18"
    assert upstream.count(text) == 1


def test_another_wording_is_answered_from_the_cache(client, upstream):
    cold_headers, cold = ask(client, "How do I reset my password?")
    warm_headers, warm = ask(client, "How can I reset my password?")
    assert (warm_headers["x-cache-status"], warm_headers["x-cache-match"]) == ("HIT", "semantic")
    assert 0.8 < float(warm_headers["x-cache-similarity"]) <= 1
    assert comparable(warm) == comparable(cold)
    assert upstream.count("How can I reset my password?") == 0


def test_a_near_miss_is_not(client):
    ask(client, "How do I convert 10 miles to kilometres?")
    headers, answer = ask(client, "How do I convert 12 miles to kilometres?")
    assert headers["x-cache-status"] == "MISS"
    assert headers["x-cache-reason"] == "veto-number"
    assert "12 miles" in answer.choices[0].message.content


def stream_of(client, text, **more):
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": text}], stream=True, **more
        )
    )
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    return said, finishes, [c.usage for c in chunks]


def test_a_warm_stream_equals_the_cold_one(client, upstream):
    text = "Tell me about the Danube, please."
    assert stream_of(client, text)[:2] == stream_of(client, text)[:2]
    assert upstream.count(text) == 1


@pytest.mark.parametrize("first_streamed", [True, False])
def test_one_answer_serves_both_shapes(client, upstream, first_streamed):
    text = f"Name a lake in Austria, variant {'one' if first_streamed else 'two'}."
    if first_streamed:
        said, finishes, _ = stream_of(client, text)
        _, whole = ask(client, text)
    else:
        _, whole = ask(client, text)
        said, finishes, _ = stream_of(client, text)
    assert said == whole.choices[0].message.content
    assert finishes == [whole.choices[0].finish_reason] == ["stop"]
    assert upstream.count(text) == 1


def test_the_usage_chunk_comes_when_asked_for_and_only_then(client):
    text = "How high is the Großglockner?"
    cold = stream_of(client, text, stream_options={"include_usage": True})
    warm = stream_of(client, text, stream_options={"include_usage": True})
    assert cold == warm
    assert warm[2][-1].total_tokens > 0 and not any(warm[2][:-1])
    assert not any(stream_of(client, text)[2])


def test_errors_reach_the_client_as_they_are_and_are_not_kept(client, upstream):
    for model, error in [("gpt-missing", openai.NotFoundError), ("gpt-limited", openai.RateLimitError)]:
        text = f"An error for {model}."
        for _ in range(2):
            with pytest.raises(error) as caught:
                client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
            assert caught.value.code in ("model_not_found", "rate_limit_exceeded")
        assert upstream.count(text) == 2


def test_concurrent_equal_calls_make_one_upstream_call(dejavu, api_key, upstream):
    text = "What do many callers ask at the same time?"

    async def crowd():
        async with openai.AsyncOpenAI(base_url=f"{dejavu}/v1", api_key=api_key, max_retries=0) as client:
            calls = [
                client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
                for _ in range(20)
            ]
            return await asyncio.gather(*calls)

    upstream.delay = 0.5
    try:
        answers = asyncio.run(crowd())
    finally:
        upstream.delay = 0.0
    assert len({answer.choices[0].message.content for answer in answers}) == 1
    assert upstream.count(text) == 1


def test_tenants_never_share(dejavu, upstream):
    text = "A question that two tenants ask."
    for key in ["sk-one", "sk-two"]:
        with openai.OpenAI(base_url=f"{dejavu}/v1", api_key=key, max_retries=0) as client:
            headers, _ = ask(client, text)
            assert headers["x-cache-status"] == "MISS"
    assert upstream.count(text) == 2


def test_the_model_list_is_there(client):
    assert "gpt-4o-mini" in [model.id for model in client.models.list()]
