"""LangChain's standard chat-model tests, straight to the upstream and twice through dejavu: verdicts must be equal.

What the test upstream cannot do fails in the direct run too, so it is never blamed on the cache.
"""

import json
import os
import pathlib
import subprocess
import sys
import uuid
import xml.etree.ElementTree

import pytest

HERE = pathlib.Path(__file__).parent / "frameworks"
SUITES = sorted(path.name for path in HERE.glob("chat_*.py"))


@pytest.fixture(scope="module")
def runs(upstream, dejavu, tmp_path_factory):
    """Verdicts by test, and the bodies that reached the upstream: direct, then cold and warm in one tenant."""
    folder, key = tmp_path_factory.mktemp("langchain"), "sk-chains-" + uuid.uuid4().hex
    runs = {}
    for name, url in [("direct", upstream.url), ("cold", dejavu), ("warm", dejavu)]:
        before = len(upstream.calls)
        runs[name] = verdicts(url, key, folder / f"{name}.xml"), upstream.calls[before:]
    return runs


def verdicts(url, key, report):
    said = subprocess.run(
        [sys.executable, "-m", "pytest", *SUITES, "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto",
         # The clients share their connections between tests, so these share a loop.
         "-o", "asyncio_default_fixture_loop_scope=session", "-o", "asyncio_default_test_loop_scope=session",
         f"--rootdir={HERE}", f"--confcutdir={HERE}", f"--junit-xml={report}"],
        cwd=HERE, env={**os.environ, "TEST_BASE_URL": url, "TEST_API_KEY": key}, capture_output=True, text=True,
        timeout=600,
    )
    assert said.returncode in (0, 1), said.stdout + said.stderr
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        marks = {mark.tag: mark.get("message", "") for mark in case if mark.tag in ("failure", "error", "skipped")}
        found[f"{case.get('classname')}::{case.get('name')}"] = next(iter(marks), "passed"), marks
    return found


def outcomes(run):
    return {name: verdict for name, (verdict, _) in run[0].items()}


def test_everything_that_is_asked_for_passes_directly(runs):
    bad = {name: marks for name, (verdict, marks) in runs["direct"][0].items() if verdict in ("failure", "error")}
    assert not bad
    assert sum(verdict == "passed" for verdict in outcomes(runs["direct"]).values()) > 180


@pytest.mark.parametrize("name", ["cold", "warm"])
def test_verdicts_through_the_cache_equal_the_direct_ones(runs, name):
    direct, cached = outcomes(runs["direct"]), outcomes(runs[name])
    different = {test: (direct[test], runs[name][0].get(test)) for test in direct if direct[test] != cached.get(test)}
    assert not different and cached.keys() == direct.keys()


def test_warm_answers_came_from_the_cache(runs):
    """Only calls of tools, which may not be kept, and what carries their fresh ids are asked again."""
    again = [json.loads(body) for body in runs["warm"][1]]
    assert [body for body in again if not body.get("tools")] == []
    assert len(again) < len(runs["cold"][1]) < len(runs["direct"][1])
