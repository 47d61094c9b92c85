"""The list of what does not hold on JAX is complete, current and documented."""

from pathlib import Path
import re

from dlnotes.machine import versions
import pytest

from conftest import NOT_CORE, NOT_ON_JAX, ON_JAX

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


@pytest.mark.skipif(not ON_JAX, reason="on JAX alone something is left out")
def test_every_exception_still_matches_a_test(request):
    """Looks at what was collected, if these are all tests of the files with exceptions."""
    names = [item.nodeid for item in request.session.items]
    files = {re.search(r"[a-z_/]+\\.py", pattern)[0].replace("\\", "") for pattern in NOT_ON_JAX}
    if any(not any(file in name for name in names) for file in files):
        pytest.skip("only some of the tests were asked for")
    assert [p for p in NOT_ON_JAX if not any(re.search(p, name) for name in names)] == []
