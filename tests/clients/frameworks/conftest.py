"""The standard chat-model tests of `langchain-tests` against `TEST_BASE_URL`: the test upstream itself, or dejavu.

`test_langchain.py` runs these files once against each and compares; they are not collected by themselves.
"""

import base64
import os

import httpx
import pytest

BASE_URL = os.environ["TEST_BASE_URL"]
API_KEY = os.environ["TEST_API_KEY"]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True)
def no_web(monkeypatch):
    """The classes fetch their pictures and documents from the web; here they get a pixel, whatever they ask for."""
    monkeypatch.setattr(httpx, "get", lambda url, **_: httpx.Response(200, content=PIXEL))
