"""The claims about fast recurrences change their verdict when what they check is broken."""

import time

from dlnotes import catalogue, claims
from dlnotes.layers import RWACell
from dlnotes.reuse import reuse
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("fast_rnn").load_claims()


def verdict(module, name, numbers):
    """The verdict for ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    noise = np.random.default_rng(0).normal(0, 0.005, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


READ = {f"{name} accuracy": 0.7 for name in ("LSTM", "QRNN", "SRU", "attention")}
READ |= {"QRNN 256": 3.0, "SRU 256": 2.5, "QRNN 64": 2.0, "attention 256": 1.0, "attention 64": 1.0}


@pytest.mark.parametrize(
    ("name", "broken", "after"),
    [
        ("parallel-rnn-speed", {"SRU 256": 1.9}, "contradicted"),
        ("parallel-rnn-speed", {"QRNN accuracy": 0.6}, "contradicted"),
        ("qrnn-as-good-as-attention", {"attention accuracy": 0.8}, "contradicted"),
        ("qrnn-quicker-than-attention", {"attention 64": 2.5}, "contradicted"),
    ],
)
def test_speed_and_quality_both_count(module, name, broken, after):
    random = np.random.default_rng(1)
    numbers = {key: value + random.normal(0, 0.005, 10) for key, value in READ.items()}
    assert verdict(module, name, numbers) == "holds"
    assert verdict(module, name, numbers | broken) == after


def test_to_be_equal_is_not_to_be_better(module):
    assert verdict(module, "sru-better-than-lstm", READ) == "not shown"
    better = READ | {"QRNN accuracy": 0.75, "SRU accuracy": 0.75}
    random = np.random.default_rng(1)
    better = {key: value + random.normal(0, 0.005, 10) for key, value in better.items()}
    assert verdict(module, "sru-better-than-lstm", better) == "holds"


def test_times_are_those_of_the_layers_by_turns(module, monkeypatch):
    clock, turns = [0.0], []
    costs = dict(zip(module.READERS, (8.0, 2.0, 4.0, 1.0), strict=True))

    class Reader:
        def __init__(self, name):
            self.name = name

        def train_on_batch(self, x, y):
            turns.append(self.name)
            clock[0] += costs[self.name]

    monkeypatch.setattr(module, "reader", lambda seed, name: Reader(name))
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert module.step_times(5, 0, turns=3) == costs
    assert turns == 4 * list(module.READERS)


def test_readers_have_about_the_same_weights(module):
    weights = {name: module.reader(0, name).count_params() for name in ("QRNN", "attention")}
    assert weights["attention"] == pytest.approx(weights["QRNN"], rel=0.02)


def test_the_average_of_a_cell_that_forgets_learns_no_first_symbol(module, monkeypatch):
    parts = module.tasks(0)["first symbol"]
    accuracy, epochs = module.remembered("RWA", parts, 0, epochs=6)
    assert accuracy > 0.9 and epochs < 7
    call = RWACell.call

    def forgets(self, inputs, states):
        return call(self, inputs, [keras.ops.zeros_like(state) for state in states])

    monkeypatch.setattr(RWACell, "call", forgets)
    monkeypatch.setattr(module, "remembering", reuse(module.remembering.__wrapped__))
    accuracy, epochs = module.remembered("RWA", parts, 0, epochs=6)
    assert accuracy < 0.3 and epochs == 7


def test_both_cells_have_about_the_same_weights(module):
    for features, outputs in ((9, 8), (2, 1), (1, 2)):
        weights = [
            module.remembering(0, c, features, outputs).count_params() for c in ("RWA", "LSTM")
        ]
        assert weights[0] == pytest.approx(weights[1], rel=0.05)


def test_gains_on_one_task_alone_do_not_hold(module):
    found = {"a": 0.3, "b": 0.3, "c": -0.5} | {f"{name}, epochs": 2.0 for name in "abc"}
    assert verdict(module, "rwa-faster-higher", found) == "holds"
    assert verdict(module, "rwa-faster-higher", found | {"b": 0.0}) == "not shown"
    assert verdict(module, "rwa-faster-higher", found | {"b": -0.2}) == "contradicted"
