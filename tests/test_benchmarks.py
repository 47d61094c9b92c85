"""The frame of the benchmarks and the page made from them; nothing here looks at a clock."""

import json
from pathlib import Path
import sys

from dlnotes import paths
import pytest

ROOT = paths.recipes_folder().parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "docs")]
import side_by_side  # noqa: E402
import speed_pages  # noqa: E402
import together  # noqa: E402


def subject(**changes):
    """Three ways to add up numbers, one of which counts only how many there are."""
    facts = {
        "name": "sums",
        "title": "The sum of numbers",
        "unit": "numbers",
        "sizes": (10, 100, 1000),
        "tiny": (1, 2),
        "prepare": range,
        "contestants": {"ours": sum, "a loop": lambda data: sum(list(data)), "counting": len},
        "ours": "ours",
        "limit": "counting",
        "difference": lambda data, ours, other: abs(ours - other),
        "tolerance": 0,
    }
    return side_by_side.Subject(**facts | changes)


@pytest.fixture(scope="module")
def measured():
    found = side_by_side.measure(subject(most={"a loop": 100}, goals={"a loop": 2}), repeats=2)
    return found | {"peak_memory": {"ours": 2**20, "a loop": None}}


@pytest.fixture
def found(measured):
    return dict(measured)


def test_every_contestant_takes_every_turn_at_every_size(found):
    rounds = {
        name: {size: len(times) for size, times in of.items()}
        for name, of in found["seconds"].items()
    }
    assert rounds["ours"] == rounds["counting"] == {10: 2, 100: 2, 1000: 2}
    assert rounds["a loop"] == {10: 2, 100: 2}


def test_who_computes_something_else_is_refused():
    wrong = subject(contestants={"ours": sum, "another": lambda data: sum(data) + 1}, limit=None)
    with pytest.raises(SystemExit, match="'another' differs from that of 'ours' by 1, more than 0"):
        side_by_side.measure(wrong, repeats=1)


def test_an_answer_that_is_no_number_is_refused():
    wrong = subject(difference=lambda data, ours, other: float("nan"))
    with pytest.raises(SystemExit, match="'a loop' differs"):
        side_by_side.measure(wrong, repeats=1)


def test_the_limit_may_compute_less(found):
    assert found["differences"] == {"a loop": 0}


def test_the_order_of_turns_changes_from_round_to_round():
    turns = []
    contestants = {name: lambda data, name=name: turns.append(name) or 0 for name in "abc"}
    same = subject(contestants=contestants, ours="a", limit=None, sizes=(1,))
    side_by_side.measure(same, repeats=3)
    assert turns == ["a", "b", "c", "a", "b", "c", "b", "c", "a", "c", "a", "b"]


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_growth_is_the_power_of_the_size(power):
    times = {size: [3 * size**power] * 2 for size in (10, 100, 1000)}
    assert side_by_side.exponent(times) == pytest.approx(power, abs=1e-9)


def test_ratios_are_those_of_each_round():
    assert side_by_side.spread([2.0, 6.0, 8.0], [1.0, 2.0, 1.0]) == {
        "median": 3.0,
        "least": 2.0,
        "largest": 8.0,
    }


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_peak_memory_is_that_of_the_run_alone():
    grown = subject(prepare=lambda size: size, contestants={"ours": bytearray}, limit=None)
    size = 64 * 2**20
    peak = side_by_side.peak_memory(grown, "ours", size)
    assert size <= peak + 2**20 and peak < 2 * size


def test_parts_of_a_time_do_not_count_twice():
    clock = together.Clock()
    inner = clock.timed("inner", lambda: None)
    clock.timed("outer", inner)()
    assert clock.part == "everything else"
    assert set(clock.seconds) == {"everything else", "outer", "inner"}


def test_page_shows_ratio_limit_aim_and_picture(found):
    text = speed_pages.subject("sums", json.loads(json.dumps(found)))
    assert "| **ours** |" in text and "| counting (the limit) |" in text
    assert "a loop, at 100" in text
    assert "1 MiB" in text
    assert "times as fast as a loop" in text
    assert "_generated/figures/speed-sums-sums.png" in text


def test_an_aim_that_is_missed_is_said(found):
    found["goals"] = {"a loop": 1e9, "counting": 1e-9}
    text = "\n".join(speed_pages.aims(json.loads(json.dumps(found))))
    assert "at least 1e+09 times as fast as a loop" in text and "**missed**" in text
    assert "at most 1e+09 times as long as counting" in text
    found["goals"] = {"a loop": 1}
    text = "\n".join(speed_pages.aims(json.loads(json.dumps(found))))
    assert "at least as fast as a loop" in text


@pytest.mark.parametrize("value, text", [(2, "2 s"), (0.0123, "12.3 ms"), (4e-6, "4 µs")])
def test_times_come_in_the_unit_that_suits(value, text):
    assert speed_pages.seconds(value) == text


def test_recorded_benchmarks_make_a_page_with_their_pictures():
    texts = speed_pages.texts(speed_pages.recorded())
    page = texts.pop("_generated/speed.md").decode()
    assert all(f"_generated/figures/{Path(path).name}" in page for path in texts)
    assert all(picture.startswith(b"\x89PNG") for picture in texts.values())
