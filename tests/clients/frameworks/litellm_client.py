"""LiteLLM as a client, unchanged but for its base URL: `litellm_client.py UPSTREAM DEJAVU`.

Each case runs straight against the upstream, then cold and warm through dejavu: what the caller sees must be equal
but for ids and times.
"""

import asyncio
import gc
import json
import sys
import unittest
import uuid

import litellm

# Streams that LiteLLM leaves half read are closed by the collector. When it runs while httpcore holds the lock of its
# connection pool, httpcore waits for itself for ever; so it runs between the cases only.
gc.disable()

UPSTREAM, DEJAVU = sys.argv[1:3]
MODELS = ["openai/gpt-4o-mini", "anthropic/claude-test", "ollama_chat/llama3.2", "text-completion-openai/gpt-4o-mini"]
WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
SCHEMA = {"type": "object", "properties": {"river": {"type": "string"}, "length": {"type": "integer"}},
          "required": ["river", "length"], "additionalProperties": False}


class LiteLlm(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.key = "sk-litellm-" + uuid.uuid4().hex

    def same(self, case, models=MODELS):
        """`case(base)` must come to the same directly, cold and warm."""
        for model in models:
            with self.subTest(model):
                direct, cold, warm = (self.one(case, model, url) for url in (UPSTREAM, DEJAVU, DEJAVU))
                self.assertEqual(cold, direct)
                self.assertEqual(warm, cold)

    def one(self, case, model, url):
        said = case(self.base(model, url))
        gc.collect()
        return said

    def base(self, model, url):
        return {"model": model, "api_base": url + "/v1" if "openai" in model else url, "api_key": self.key}

    def test_completion(self):
        text = "Which rivers meet in Passau?"
        self.same(lambda base: plain(litellm.completion(messages=user(text), max_tokens=200, **base)))

    def test_stream(self):
        text = "Tell me about the Salzach."
        self.same(lambda base: streamed(litellm.completion(messages=user(text), max_tokens=200, stream=True, **base)))

    def test_stream_with_its_usage(self):
        # A question of its own: an answer recorded from a stream without usage is replayed with estimated counts.
        more = {"messages": user("Tell me about the Drau."), "stream": True, "stream_options": {"include_usage": True}}
        self.same(lambda base: streamed(litellm.completion(max_tokens=200, **more, **base)))

    def test_one_answer_serves_both_shapes(self):
        text = "Tell me about the Lech."
        for model in MODELS:
            with self.subTest(model):
                call = {"messages": user(text), "max_tokens": 200, **self.base(model, DEJAVU)}
                whole = litellm.completion(**call).choices[0]
                said, finish, _ = streamed(litellm.completion(stream=True, **call))
                self.assertEqual((said, finish), (whole.message.content, whole.finish_reason))

    def test_acompletion(self):
        async def both(base):
            whole = await litellm.acompletion(messages=user("Where does the Isar begin?"), **base)
            stream = await litellm.acompletion(messages=user("Where does the Isar begin?"), stream=True, **base)
            return plain(whole), streamed([chunk async for chunk in stream])

        with asyncio.Runner() as runner:
            self.same(lambda base: runner.run(both(base)))

    def test_tools(self):
        asked = {"messages": user("The weather by the Inn?"), "tools": [{"type": "function", "function": WEATHER}]}
        for stream in (False, True):

            def called(base):
                answer = litellm.completion(stream=stream, **asked, **base)
                whole = litellm.stream_chunk_builder(list(answer)) if stream else answer
                call = whole.choices[0].message.tool_calls[0].function
                return call.name, json.loads(call.arguments), whole.choices[0].finish_reason

            self.same(called, MODELS[:3])

    def test_schema(self):
        shape = {"type": "json_schema", "json_schema": {"name": "river", "schema": SCHEMA, "strict": True}}

        def filled(base):
            answer = litellm.completion(messages=user("A river of 517 km, please."), response_format=shape, **base)
            return json.loads(answer.choices[0].message.content)

        self.same(filled, MODELS[:3])

    def test_embedding(self):
        def vectors(base):
            answer = litellm.embedding(input=["omega", "psi"], **base)
            return [item["embedding"] for item in answer.data], [item["index"] for item in answer.data]

        self.same(vectors, ["openai/text-embedding-3-small", "ollama/llama3.2"])

    def test_errors(self):
        def refused(base):
            with self.assertRaises(litellm.NotFoundError) as caught:
                litellm.completion(messages=user("Hello?"), num_retries=0, **base)
            return caught.exception.status_code

        self.same(refused, ["openai/gpt-missing", "anthropic/claude-missing"])


def user(text):
    return [{"role": "user", "content": text}]


def plain(answer):
    said = answer.model_dump()
    return {key: said[key] for key in ("choices", "usage", "model", "object")}


def streamed(chunks):
    chunks = list(chunks)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    finish = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    usage = [chunk.usage.model_dump() for chunk in chunks if getattr(chunk, "usage", None)]
    return said, finish[-1], usage


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
