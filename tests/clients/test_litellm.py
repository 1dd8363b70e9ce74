"""Runs LiteLLM as a client, in a Python of its own (it holds back the version of `openai`), against the same cache."""

import os
import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).parent / "frameworks" / "litellm_client.py"


def test_litellm_client(upstream, dejavu):
    python = pathlib.Path(os.environ["DEJAVU_LITELLM_FOLDER"]) / "bin" / "python"
    # Told so, it reads its price list from its own package and not from the web.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    run = subprocess.run(
        [python, SCRIPT, upstream.url, dejavu], env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
