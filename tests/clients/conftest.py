"""Starts the real `dejavu serve` in front of the test upstream, once per session, and offers each test a cache
of its own through its own API key."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
import uuid

import pytest

from upstream import Upstream

BINARY = os.environ["DEJAVU_BINARY"]
collect_ignore = ["frameworks"]  # Run by `test_langchain.py` and `test_litellm.py`, which say against what.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def upstream():
    return Upstream()


@pytest.fixture(scope="session")
def dejavu(upstream, tmp_path_factory):
    """The base URL of a running cache, `http://127.0.0.1:PORT`."""
    upstreams = f"""
        [[upstream]]
        name = "ollama"
        kind = "ollama"
        url = "{upstream.url}"
        [[upstream]]
        name = "openai"
        kind = "openai"
        url = "{upstream.url}/v1"
        location = "cloud"
        [[upstream]]
        name = "anthropic"
        kind = "anthropic"
        url = "{upstream.url}"
        [[route]]
        model = "gpt-*"
        to = ["openai"]
        [[route]]
        model = "text-embedding-*"
        to = ["openai"]
        [[route]]
        model = "claude-*"
        to = ["anthropic"]
        [[route]]
        model = "*"
        to = ["ollama"]
        """
    with serving(tmp_path_factory.mktemp("dejavu"), upstreams) as url:
        yield url


@contextlib.contextmanager
def serving(folder, upstreams):
    """The base URL of `dejavu serve` with these upstreams and routes, ready, and asked to end at the end."""
    port, admin = free_port(), free_port()
    config = folder / "dejavu.toml"
    config.write_text(
        f"""
        [server]
        listen = "127.0.0.1:{port}"
        [admin]
        listen = "127.0.0.1:{admin}"
        [store]
        path = "{folder / "data"}"
        {upstreams}
        """
    )
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen([BINARY, "serve", "--config", str(config)], stdout=out, stderr=out)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{admin}/readyz", log)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process, url, log):
    """Ready means: the embedder is loaded too, so that every test sees both tiers."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if b'"embedder"' in (body := answer.read()) and b'"starting"' not in body:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not ready in time:\n{log.read_text()}")


@pytest.fixture
def api_key():
    """A tenant of its own for each test."""
    return "sk-test-" + uuid.uuid4().hex
