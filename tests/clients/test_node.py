"""Runs the npm clients' tests (`*.test.mjs`) against the same running cache."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.mark.parametrize("suite", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_npm_client(suite, dejavu):
    modules = pathlib.Path(os.environ["DEJAVU_NODE_FOLDER"])
    script = shutil.copy(HERE / suite, modules / suite)  # Node resolves packages from where a script lies.
    run = subprocess.run(
        ["node", "--test", script], env={**os.environ, "DEJAVU_URL": dejavu}, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
