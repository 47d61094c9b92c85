"""The claims about Transformers change their verdict when what they check is broken."""

from dlnotes import catalogue, claims
from dlnotes.layers import TransformerBlock
import keras
import numpy as np
import pytest


@pytest.fixture
def module():
    return catalogue.find("transformer_mini").load_claims()


def verdict(module, name, *numbers):
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    return claims.verdict(claim.findings(*numbers))


def numbers_of_a_race(**changed):
    """Numbers of ten seeds in which the block is faster and better, but for what is changed."""
    found = {"steps": (200, 80), "seconds": (0.01, 0.01), "score": (0.8, 0.9)} | changed
    random = np.random.default_rng(0)
    return {
        f"{name}, {variant}, {task}": value * random.normal(1, 0.01, 10)
        for task in ("recall", "grammar")
        for name, values in found.items()
        for variant, value in zip(("LSTM", "Transformer"), values, strict=True)
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "holds"),
        ({"steps": (200, 150)}, "contradicted"),  # fewer steps, but not half as many
        ({"seconds": (0.01, 0.02)}, "contradicted"),  # half as many steps, each twice as long
        ({"score": (0.9, 0.8)}, "contradicted"),
        ({"score": (0.9, 0.9)}, "not shown"),
    ],
)
def test_faster_and_better_wants_both(module, changed, expected):
    assert verdict(module, "transformer-faster-better", numbers_of_a_race(**changed)) == expected


def test_steps_are_read_from_the_line_through_the_scores(module):
    assert module.steps_until([0.2, 0.8, 1.0], 40) == pytest.approx(100)
    assert module.steps_until([0.2, 0.95, 0.1], 40) == pytest.approx(40 + 40 * 0.7 / 0.75)
    assert module.steps_until([0.2, 0.3, 0.8], 40) == 120  # never there


def test_a_block_without_attention_cannot_recall(module, monkeypatch):
    monkeypatch.setattr(module.STORY, "VARIANTS", ("Transformer",))
    monkeypatch.setattr(module, "CHUNKS", 3)
    (_, found) = module.race("recall", 0, 0.03)["Transformer"]
    assert found["score"] > 0.9 and found["steps"] < 120

    def alone(self, inputs, mask=None, use_causal_mask=False, training=None):
        return inputs + self.shrink(self.expand(self.second_norm(inputs)))

    monkeypatch.setattr(TransformerBlock, "call", alone)
    monkeypatch.setattr(module, "network", module.reuse(module.network.__wrapped__))
    (_, found) = module.race("recall", 0, 0.03)["Transformer"]
    assert found["score"] < 0.3 and found["steps"] == 120


def test_a_layer_that_goes_missing(module, monkeypatch):
    assert verdict(module, "outdated-31") == "holds"
    monkeypatch.delattr(keras.layers, "RMSNormalization")
    assert verdict(module, "outdated-31") == "contradicted"


def test_groups_that_are_not_channels(module, monkeypatch):
    build = keras.layers.GroupNormalization.build

    def one_group(self, input_shape):
        self.groups = 1
        build(self, input_shape)

    monkeypatch.setattr(keras.layers.GroupNormalization, "build", one_group)
    assert verdict(module, "outdated-31") == "contradicted"
