"""A model server for the client tests: the OpenAI and Ollama dialects over HTTP, standard library only.

It shares no code with dejavu, so what a client sees through the cache is held against an independent reading of the
APIs. Every answer is a function of the conversation; every upstream call is counted.
"""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIGESTS = {"llama3.2:latest": "sha256:" + "a" * 64}


def answer_to(messages):
    last = messages[-1]["content"]
    text = last if isinstance(last, str) else " ".join(part.get("text", "") for part in last)
    seal = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:6]
    return f"You asked: {text} Here is a whole answer, with punctuation, ünïcödé and a seal {seal}."


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls = []
        self.lock = threading.Lock()
        self.delay = 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, needle):
        """How many requests with `needle` in their body reached the upstream."""
        with self.lock:
            return sum(needle in body for body in self.calls)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        if self.path == "/api/tags":
            models = [{"name": name, "model": name, "digest": digest, "size": 1} for name, digest in DIGESTS.items()]
            return self.json(200, {"models": models})
        if self.path == "/api/version":
            return self.json(200, {"version": "0.12.0"})
        if self.path == "/v1/models":
            data = [{"id": "gpt-4o-mini", "object": "model", "created": 1700000000, "owned_by": "tests"}]
            return self.json(200, {"object": "list", "data": data})
        self.json(404, {"error": {"message": "no such path", "type": "invalid_request_error", "code": None}})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.server.lock:
            self.server.calls.append(raw.decode())
        time.sleep(self.server.delay)
        body = json.loads(raw)
        if self.path == "/v1/chat/completions":
            return self.openai(body)
        if self.path == "/api/chat":
            return self.ollama(body)
        self.json(404, {"error": "no such path"})

    def openai(self, body):
        if body["model"] == "gpt-missing":
            error = {"message": "The model does not exist", "type": "invalid_request_error", "param": None,
                     "code": "model_not_found"}
            return self.json(404, {"error": error})
        if body["model"] == "gpt-limited":
            error = {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
            return self.json(429, {"error": error}, {"retry-after": "1"})
        text = answer_to(body["messages"])
        usage = {"prompt_tokens": 11, "completion_tokens": len(text.split()), "total_tokens": 11 + len(text.split())}
        common = {"id": "chatcmpl-" + hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:29],
                  "created": int(time.time()), "model": "gpt-4o-mini-2024-07-18", "service_tier": "default",
                  "system_fingerprint": "fp_34a54ae93c"}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            return self.json(200, {**common, "object": "chat.completion", "choices": [choice], "usage": usage})
        counted = bool((body.get("stream_options") or {}).get("include_usage"))
        chunk = {**common, "object": "chat.completion.chunk"}
        rest = {"usage": None} if counted else {}
        deltas = [({"role": "assistant", "content": "", "refusal": None}, None)]
        deltas += [({"content": word}, None) for word in split(text)]
        deltas += [({}, "stop")]
        self.start(200, "text/event-stream; charset=utf-8")
        for delta, finish in deltas:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            self.chunk(b"data: " + dump({**chunk, "choices": [choice], **rest}) + b"\n\n")
        if counted:
            self.chunk(b"data: " + dump({**chunk, "choices": [], "usage": usage}) + b"\n\n")
        self.chunk(b"data: [DONE]\n\n")
        self.end()

    def ollama(self, body):
        if body["model"] == "missing":
            return self.json(404, {"error": 'model "missing" not found, try pulling it first'})
        text = answer_to(body["messages"])
        closing = {"done_reason": "stop", "done": True, "total_duration": 5_000_000, "load_duration": 1_000_000,
                   "prompt_eval_count": 11, "prompt_eval_duration": 1_000_000, "eval_count": len(text.split()),
                   "eval_duration": 3_000_000}
        line = {"model": body["model"], "created_at": time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())}
        if not body.get("stream", True):
            return self.json(200, {**line, "message": {"role": "assistant", "content": text}, **closing})
        self.start(200, "application/x-ndjson")
        for word in split(text):
            self.chunk(dump({**line, "message": {"role": "assistant", "content": word}, "done": False}) + b"\n")
        self.chunk(dump({**line, "message": {"role": "assistant", "content": ""}, **closing}) + b"\n")
        self.end()

    def json(self, status, body, headers=None):
        data = dump(body)
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def start(self, status, content_type):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def end(self):
        self.wfile.write(b"0\r\n\r\n")


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def split(text):
    words = text.split(" ")
    return [words[0]] + [" " + word for word in words[1:]]


if __name__ == "__main__":
    server = Upstream()
    print(server.url, flush=True)
    threading.Event().wait()
