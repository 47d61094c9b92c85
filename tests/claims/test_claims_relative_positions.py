"""The claims about relative positions change their verdict when what they check is broken."""

import functools

from dlnotes import catalogue, claims
from dlnotes.layers import relative_attention
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("relative_positions").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.002, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


def test_attention_that_was_told_the_order(module, monkeypatch):
    assert verdict(module, "attn-no-order") == "holds"
    call = keras.layers.MultiHeadAttention.call

    @functools.wraps(call)
    def with_places(self, query, value, **options):
        places = np.arange(query.shape[1], dtype="float32")[:, None]
        return call(self, query + places, value + places, **options)

    monkeypatch.setattr(keras.layers.MultiHeadAttention, "call", with_places)
    assert verdict(module, "attn-no-order") == "contradicted"


def test_a_recurrent_layer_that_forgets_everything(module, monkeypatch):
    assert verdict(module, "rnn-position-differs") == "holds"

    def each_step_alone(self, sequences, initial_state=None, mask=None, training=False):
        return keras.ops.tanh(keras.ops.matmul(sequences, self.cell.kernel))

    monkeypatch.setattr(keras.layers.LSTM, "call", each_step_alone)
    assert verdict(module, "rnn-position-differs") == "contradicted"


def test_distances_that_reach_nothing(module, monkeypatch):
    parts = module.STORY.load(module.STORY.TAGS, 1000, 0)
    network = module.network(0, "relative", module.STORY.TAGS)
    learned = module.accuracy(network, parts, 5)
    assert learned > 0.9
    for name in ("_distances_to_steps", "_steps_to_distances"):
        plain = getattr(relative_attention, name)
        monkeypatch.setattr(relative_attention, name, lambda x, plain=plain: 0 * plain(x))
    broken = module.STORY.build("relative", module.STORY.TAGS)
    assert module.accuracy(broken, parts, 5) < 0.6


FIXED = {"no positions": 0.5, "relative": 0.95}
CLIPPED = {"clip 4": 0.99, "clip 8": 0.99, "clip 16": 0.99, "no positions": 0.85}
CLIPPED |= {"longest dependency": 9, "echo, clip 4": 0.5, "echo, clip 8": 0.8}
LONGER = {"relative, 32": 1, "learned, 32": 0.8, "relative, 64": 1, "learned, 64": 0.5}


@pytest.mark.parametrize(
    ("name", "numbers", "broken", "expected"),
    [
        ("relpos-fixes", FIXED, {"relative": 0.5}, "contradicted"),
        ("relpos-fixes", FIXED, {"no positions": 0.6}, "contradicted"),
        ("relpos-clip-enough", CLIPPED, {"clip 4": 0.9}, "contradicted"),
        ("relpos-clip-enough", CLIPPED, {"no positions": 0.99}, "not shown"),
        ("relpos-clip-enough", CLIPPED, {"longest dependency": 4}, "contradicted"),
        ("relpos-clip-enough", CLIPPED, {"echo, clip 8": 0.5}, "not shown"),
        ("relpos-longer", LONGER, {"relative, 64": 0.4}, "contradicted"),
        ("relpos-longer", LONGER, {"learned, 32": 0.95}, "not shown"),
    ],
)
def test_numbers_that_say_otherwise(module, name, numbers, broken, expected):
    random = np.random.default_rng(1)
    spread = {key: value + random.normal(0, 0.002, 10) for key, value in numbers.items()}
    assert verdict(module, name, spread) == "holds"
    spread |= {key: value + random.normal(0, 0.002, 10) for key, value in broken.items()}
    assert verdict(module, name, spread) == expected


def test_half_of_the_sentences_have_two_neighbours_swapped(module):
    for x, y, _ in module.STORY.load(module.STORY.ORDER, 500, 0):
        assert 0.3 < y.mean() < 0.7 and (x[:, 0] == 1).all()
    right = module.datasets.grammar(500, seed=0).train.x
    x, y, _ = module.STORY.load(module.STORY.ORDER, 500, 0)[0]
    np.testing.assert_array_equal(np.sort(x), np.sort(right))
    assert set(zip(y, (x != right).sum(axis=1), strict=True)) == {(0, 0), (1, 2)}
