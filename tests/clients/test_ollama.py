"""The official Ollama client for Python, unchanged but for its host."""

import ollama
import pytest

MODEL = "llama3.2"


@pytest.fixture
def client(dejavu, api_key):
    return ollama.Client(host=dejavu, headers={"Authorization": f"Bearer {api_key}"})


def ask(client, text, **more):
    return client.chat(model=MODEL, messages=[{"role": "user", "content": text}], **more)


def comparable(answer):
    said = answer.model_dump()
    del said["created_at"]
    return said


def test_a_warm_answer_equals_the_cold_one(client, upstream):
    text = "Which mountains are near Salzburg?"
    assert comparable(ask(client, text)) == comparable(ask(client, text))
    assert upstream.count(text) == 1


def test_another_wording_is_answered_from_the_cache(client, upstream):
    cold = ask(client, "How do I bake a simple bread?")
    warm = ask(client, "How can I bake a simple bread?")
    assert comparable(warm) == comparable(cold)
    assert upstream.count("How can I bake") == 0


def said_in(stream):
    lines = list(stream)
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1].done_reason == "stop" and lines[-1].eval_count > 0
    return "".join(line.message.content for line in lines)


@pytest.mark.parametrize("first_streamed", [True, False])
def test_one_answer_serves_both_shapes(client, upstream, first_streamed):
    text = f"Name a composer from Vienna, variant {'one' if first_streamed else 'two'}."
    shapes = [lambda: said_in(ask(client, text, stream=True)), lambda: ask(client, text).message.content]
    first, second = shapes if first_streamed else reversed(shapes)
    assert first() == second()
    assert upstream.count(text) == 1


def test_errors_reach_the_client_as_they_are(client):
    for _ in range(2):
        with pytest.raises(ollama.ResponseError) as caught:
            client.chat(model="missing", messages=[{"role": "user", "content": "Hello?"}])
        assert caught.value.status_code == 404
        assert "not found" in caught.value.error


def test_lists_pass_through(client):
    assert client.list().models[0].digest.startswith("sha256:")


@pytest.mark.parametrize("first_streamed", [True, False])
def test_generate(client, upstream, first_streamed):
    prompt = f"Why is the sky blue, {first_streamed}?"

    def said(stream):
        answer = client.generate(model=MODEL, prompt=prompt, stream=stream)
        lines = list(answer) if stream else [answer]
        assert lines[-1].done and lines[-1].context == [1, 2, 3]
        return "".join(line.response for line in lines)

    assert said(first_streamed) == said(not first_streamed)
    assert upstream.count(prompt) == 1


def test_loading_a_model_is_never_cached(client, upstream):
    before = upstream.count('"keep_alive":"77m"') + upstream.count('"keep_alive": "77m"')
    for _ in range(2):
        assert client.generate(model=MODEL, keep_alive="77m").done_reason == "load"
    after = upstream.count('"keep_alive":"77m"') + upstream.count('"keep_alive": "77m"')
    assert after - before == 2


def test_embeddings_are_kept_item_by_item(client, upstream):
    one, two = client.embed(model=MODEL, input=["delta wing", "epsilon ring"]).embeddings
    again = client.embed(model=MODEL, input=["epsilon ring", "zeta function", "delta wing"]).embeddings
    assert [again[0], again[2]] == [two, one]
    assert upstream.count("delta wing") == 1 and upstream.count("zeta function") == 1


def test_show_passes_through(client):
    assert client.show(MODEL).capabilities == ["completion"]
