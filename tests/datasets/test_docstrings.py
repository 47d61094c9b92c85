"""The strings are those of the modules, each once, and no part knows those of another."""

import importlib
import inspect
import json
import statistics
import subprocess
import sys

from dlnotes import datasets
from dlnotes.errors import InputError
import pytest

PARTS = ("train", "validation", "test")
# the package hands out the function under the same name
MODULE = importlib.import_module("dlnotes.datasets.docstrings")


@pytest.fixture(scope="module")
def whole():
    return datasets.docstrings()


def strings_of(whole, name):
    pairs = (pair for part in PARTS for pair in zip(*getattr(whole, part), strict=True))
    return [text for text, owner in pairs if owner == name]


def test_they_are_what_python_says_about_the_module(whole):
    found = strings_of(whole, "statistics")
    assert found[0] == inspect.getdoc(statistics)
    assert inspect.getdoc(statistics.harmonic_mean) in found
    assert inspect.getdoc(statistics.NormalDist.overlap) in found
    assert inspect.getdoc(json.JSONDecoder) in strings_of(whole, "json")


def test_no_string_is_in_two_parts_and_no_module_either(whole):
    texts = [set(getattr(whole, part).x) for part in PARTS]
    owners = [set(getattr(whole, part).y) for part in PARTS]
    for sets in (texts, owners):
        assert len(set.union(*sets)) == sum(map(len, sets))
    assert sum(len(getattr(whole, part).x) for part in PARTS) == len(set.union(*texts))


def test_parts_have_the_size_that_is_said_and_are_sorted(whole):
    sizes = [sum(map(len, getattr(whole, part).x)) for part in PARTS]
    assert sum(sizes) > 500_000
    for size, share in zip(sizes, (0.8, 0.1, 0.1), strict=True):
        assert abs(size / sum(sizes) - share) < 0.08
    for part in PARTS:
        assert getattr(whole, part).y == sorted(getattr(whole, part).y)


def test_everything_is_ascii_and_nothing_is_private_or_a_test(whole):
    owners = {owner for part in PARTS for owner in getattr(whole, part).y}
    assert all(text.isascii() and text for part in PARTS for text in getattr(whole, part).x)
    assert not {owner for owner in owners if owner.startswith("_")}
    assert not owners & (MODULE.OFTEN_APART | MODULE.NO_DOCUMENTATION)


def test_the_seed_alone_decides_about_the_division(whole):
    assert datasets.docstrings() == whole
    assert datasets.docstrings(seed=1).test.y != whole.test.y


@pytest.mark.slow
def test_another_process_reads_the_same_and_imports_none_of_the_modules(whole):
    code = (
        "import sys; from dlnotes.datasets import docstrings; x = docstrings().test.x;"
        "print(len(x), sum(map(len, x)), 'antigravity' in sys.modules, 'imaplib' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = len(whole.test.x), sum(map(len, whole.test.x))
    assert result.stdout.split() == [*map(str, expected), "False", "False"], result.stderr


def test_a_python_without_sources_is_named(monkeypatch, tmp_path):
    MODULE._collected.cache_clear()
    monkeypatch.setattr(MODULE.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(InputError, match="sources of the standard library are not in"):
        datasets.docstrings()
