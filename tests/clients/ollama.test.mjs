// The official npm client for Ollama, unchanged but for its host. DEJAVU_URL is a running cache.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { beforeEach, test } from "node:test";
import { Ollama } from "ollama";

const model = "llama3.2";
let client;

beforeEach(() => {
  client = new Ollama({ host: process.env.DEJAVU_URL, headers: { Authorization: `Bearer sk-${randomUUID()}` } });
});

async function streamed(text) {
  let said = "";
  let last;
  for await (const part of await client.chat({ model, messages: [{ role: "user", content: text }], stream: true })) {
    said += part.message.content;
    last = part;
  }
  assert.ok(last.done && last.done_reason === "stop");
  return said;
}

test("one answer serves both shapes", async () => {
  const text = "Which valleys does the Ziller cross?";
  const first = await streamed(text);
  const whole = await client.chat({ model, messages: [{ role: "user", content: text }] });
  assert.equal(whole.message.content, first);
  assert.equal(await streamed(text), first);
});

test("generate and embed repeat themselves", async () => {
  const said = [];
  for (const _ of [1, 2]) said.push((await client.generate({ model, prompt: "Say it again, Sam." })).response);
  assert.equal(said[0], said[1]);
  const vectors = [];
  for (const _ of [1, 2]) vectors.push((await client.embed({ model, input: ["eta", "theta"] })).embeddings);
  assert.deepEqual(vectors[0], vectors[1]);
});

test("errors reach the client as they are", async () => {
  await assert.rejects(
    client.chat({ model: "missing", messages: [{ role: "user", content: "Hello?" }] }),
    (error) => error.status_code === 404 && /not found/.test(error.error),
  );
});
