"""The list of what does not hold on JAX is complete, current and documented."""

import os
from pathlib import Path
import re
import subprocess
import sys

from dlnotes.machine import versions
import pytest

from conftest import NOT_CORE, NOT_ON_JAX

TESTS = Path(__file__).parent


def test_the_documentation_gives_every_reason():
    page = (TESTS.parent / "docs" / "backends.md").read_text()
    assert [reason for reason in NOT_ON_JAX.values() if reason not in page] == []


def test_what_is_left_out_on_jax_exists():
    assert [name for name in NOT_CORE.split() if not (TESTS / name).exists()] == []


def test_a_result_names_its_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "jax" in versions()
    monkeypatch.delenv("KERAS_BACKEND")
    assert "jax" not in versions()


@pytest.mark.slow
def test_every_exception_still_matches_a_test():
    pytest.importorskip("jax")
    files = {re.search(r"[a-z_/]+\\\.py", pattern)[0].replace("\\", "") for pattern in NOT_ON_JAX}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", *sorted(files)]
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [pattern for pattern in NOT_ON_JAX if not re.search(pattern, done.stdout)] == []
