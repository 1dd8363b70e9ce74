"""LiteLLM's proxy as an upstream: the official client, dejavu, the proxy, the test upstream.

Answers directly from the proxy, cold and warm through dejavu must be equal.
"""

import os
import pathlib
import subprocess
import time
import urllib.request
import uuid

import anthropic
import openai
import pytest
from conftest import free_port, serving

KEY = "sk-" + uuid.uuid4().hex  # The proxy refuses to start without one, and every caller with another.
MODELS = ["gpt-4o-mini", "claude-test", "llama3.2"]
WHAT = {"gpt-4o-mini": ("openai/gpt-4o-mini", "/v1"), "text-embedding-3-small": ("openai/text-embedding-3-small", "/v1"),
        "claude-test": ("anthropic/claude-test", ""), "llama3.2": ("ollama_chat/llama3.2", "")}


@pytest.fixture(scope="module")
def proxy(upstream, tmp_path_factory):
    """The base URL of a running LiteLLM proxy that knows the test upstream by each of its dialects."""
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    models = [
        f'  - {{model_name: "{name}", litellm_params: '
        f'{{model: "{model}", api_base: "{upstream.url}{path}", api_key: "sk-upstream"}}}}'
        for name, (model, path) in WHAT.items()
    ]
    config = folder / "litellm.yaml"
    config.write_text("\n".join(["model_list:", *models, "litellm_settings: {num_retries: 0}", ""]))
    program = pathlib.Path(os.environ["DEJAVU_LITELLM_FOLDER"]) / "bin" / "litellm"
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY}, cwd=folder, stdout=out, stderr=out,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_alive(process, url, log)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_until_alive(process, url, log):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"not alive in time:\n{log.read_text()}")


@pytest.fixture(scope="module")
def cache(proxy, tmp_path_factory):
    upstreams = f"""
        [[upstream]]
        name = "litellm"
        kind = "openai"
        url = "{proxy}/v1"
        [[upstream]]
        name = "litellm-messages"
        kind = "anthropic"
        url = "{proxy}"
        [[route]]
        model = "claude-native"
        to = ["litellm-messages:claude-test"]
        [[route]]
        model = "*"
        to = ["litellm"]
        """
    with serving(tmp_path_factory.mktemp("dejavu-litellm"), upstreams) as url:
        yield url


@pytest.fixture
def clients(proxy, cache):
    """Straight to the proxy, then twice through the cache."""
    direct, cached = (openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) for url in (proxy, cache))
    with direct, cached:
        yield [direct, cached, cached]


def user(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", MODELS)
def test_an_answer(clients, upstream, model):
    text = f"Which lake is the deepest in Carinthia, {model}?"

    def said(client):
        whole = client.chat.completions.create(model=model, messages=user(text)).model_dump()
        return {name: value for name, value in whole.items() if name not in ("id", "created")}

    direct, cold, warm = map(said, clients)
    assert direct == cold == warm
    assert upstream.count(text) == 2


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_with_its_usage(clients, upstream, model):
    text = f"Tell me about the Attersee, {model}."

    def said(client):
        chunks = list(client.chat.completions.create(
            model=model, messages=user(text), stream=True, stream_options={"include_usage": True}))
        words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        ends = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
        return words, ends, [chunk.usage.total_tokens for chunk in chunks if chunk.usage]

    direct, cold, warm = map(said, clients)
    assert direct == cold == warm and text in warm[0]
    assert upstream.count(text) == 2


@pytest.mark.parametrize("model", MODELS)
def test_one_answer_serves_both_shapes(clients, upstream, model):
    text, cached = f"Tell me about the Mondsee, {model}.", clients[1]
    whole = cached.chat.completions.create(model=model, messages=user(text)).choices[0]
    chunks = list(cached.chat.completions.create(model=model, messages=user(text), stream=True))
    words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert words == whole.message.content
    assert upstream.count(text) == 1


def test_embeddings(clients, upstream):
    def vectors(client):
        answer = client.embeddings.create(model="text-embedding-3-small", input=["sigma", "lambda calculus"])
        return [item.embedding for item in answer.data]

    direct, cold, warm = map(vectors, clients)
    assert direct == cold == warm
    assert upstream.count("lambda calculus") == 2


def test_an_error(clients):
    def refused(client):
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="unheard-of", messages=user("Hello?"))
        return caught.value.status_code, type(caught.value)

    direct, cold, warm = map(refused, clients)
    assert direct == cold == warm


def test_the_proxy_speaks_the_anthropic_dialect_too(cache, upstream):
    text = "Which sea is nearest to Graz?"
    with anthropic.Anthropic(base_url=cache, api_key=KEY, max_retries=0) as client:
        cold, warm = (client.messages.create(model="claude-native", max_tokens=99, messages=user(text)) for _ in "12")
    assert cold.content[0].text == warm.content[0].text and text in warm.content[0].text
    assert upstream.count(text) == 1
