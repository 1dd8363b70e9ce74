"""A model server for the client tests: the OpenAI, Anthropic and Ollama dialects over HTTP, standard library only.

It shares no code with dejavu, so what a client sees through the cache is held against an independent reading of the
APIs. Every answer is a function of the conversation; every upstream call is counted.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import anthropic, ollama, openai, responses

POSTS = {**openai.POSTS, **responses.POSTS, **anthropic.POSTS, **ollama.POSTS}
GETS = {**openai.GETS, **ollama.GETS}


class Upstream(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls = []
        self.lock = threading.Lock()
        self.delay = 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that hangs up is no fault of this server's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

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
        if self.path in GETS:
            return self.json(200, GETS[self.path]())
        self.json(404, {"error": {"message": "no such path", "type": "invalid_request_error", "code": None}})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.server.lock:
            self.server.calls.append(raw.decode())
        time.sleep(self.server.delay)
        if self.path not in POSTS:
            return self.json(404, {"error": "no such path"})
        POSTS[self.path](self, json.loads(raw))

    def json(self, status, body, headers=None):
        data = dump(body)
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def events(self, events, named=False, done=False):
        """Server-sent events; `named` ones carry their own type, `done` ends with OpenAI's marker."""
        self.start("text/event-stream; charset=utf-8")
        for event in events:
            name = f"event: {event['type']}\n".encode() if named else b""
            self.chunk(name + b"data: " + dump(event) + b"\n\n")
        if done:
            self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def lines(self, lines):
        self.start("application/x-ndjson")
        for line in lines:
            self.chunk(dump(line) + b"\n")
        self.wfile.write(b"0\r\n\r\n")

    def start(self, content_type):
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
