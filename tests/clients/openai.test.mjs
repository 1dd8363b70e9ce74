// The official npm client, unchanged but for its base URL. DEJAVU_URL is a running cache in front of upstream.py.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { beforeEach, test } from "node:test";
import OpenAI from "openai";

const model = "gpt-4o-mini";
let client;

beforeEach(() => {
  client = new OpenAI({ baseURL: `${process.env.DEJAVU_URL}/v1`, apiKey: `sk-${randomUUID()}`, maxRetries: 0 });
});

async function ask(text) {
  const { data, response } = await client.chat.completions
    .create({ model, messages: [{ role: "user", content: text }] })
    .withResponse();
  return { data, status: response.headers.get("x-cache-status") };
}

async function streamed(text, more = {}) {
  const stream = await client.chat.completions.create({
    model, messages: [{ role: "user", content: text }], stream: true, ...more,
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  return chunks;
}

const said = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

test("a warm answer equals the cold one", async () => {
  const text = "Where does the Mur river end?";
  const cold = await ask(text);
  const warm = await ask(text);
  assert.deepEqual([cold.status, warm.status], ["MISS", "HIT"]);
  const { id: coldId, created: _, ...coldRest } = cold.data;
  const { id: warmId, created: __, ...warmRest } = warm.data;
  assert.deepEqual(warmRest, coldRest);
  assert.notEqual(warmId, coldId);
});

test("one answer serves both shapes", async () => {
  const text = "What is the capital of Styria?";
  const chunks = await streamed(text);
  const whole = await ask(text);
  assert.equal(whole.status, "HIT");
  assert.equal(said(chunks), whole.data.choices[0].message.content);
  assert.equal(said(await streamed(text)), said(chunks));
});

test("the usage chunk comes when asked for", async () => {
  const text = "How long is the Inn?";
  const options = { stream_options: { include_usage: true } };
  const cold = await streamed(text, options);
  const warm = await streamed(text, options);
  assert.ok(warm.at(-1).usage.total_tokens > 0);
  assert.deepEqual(warm.at(-1).usage, cold.at(-1).usage);
  assert.equal((await streamed(text)).at(-1).usage ?? null, null);
});

test("errors reach the client as they are", async () => {
  for (const _ of [1, 2]) {
    await assert.rejects(
      client.chat.completions.create({ model: "gpt-missing", messages: [{ role: "user", content: "Hello?" }] }),
      (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
    );
  }
});

test("concurrent equal calls agree", async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask("What do many callers ask from Node?")));
  assert.equal(new Set(answers.map((answer) => answer.data.choices[0].message.content)).size, 1);
});
