"""The claims about bidirectional layers change their verdict when what they check is broken."""

import functools

from dlnotes import catalogue, claims, datasets
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("bidirectional").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


def test_a_copy_that_reads_forwards(module, monkeypatch):
    assert verdict(module, "bidi-two-copies") == "holds"
    call = keras.layers.LSTM.call

    @functools.wraps(call)
    def forwards(self, *arguments, **options):
        self.go_backwards = False
        return call(self, *arguments, **options)

    monkeypatch.setattr(keras.layers.LSTM, "call", forwards)
    assert verdict(module, "bidi-two-copies") == "contradicted"


def test_two_forward_halves(module, monkeypatch):
    assert verdict(module, "bidi-sees-future") == "holds"

    def forward_twice(self, sequences, initial_state=None, mask=None, training=None):
        return keras.ops.concatenate([self.forward_layer(sequences)] * 2, axis=-1)

    monkeypatch.setattr(keras.layers.Bidirectional, "call", forward_twice)
    assert verdict(module, "bidi-sees-future") == "contradicted"


@pytest.mark.parametrize("name", ["bidi-merge-arithmetic", "bidi-two-copies", "outdated-45"])
def test_shuffled_weights(module, name, monkeypatch):
    assert verdict(module, name) == "holds"
    random, set_weights = np.random.default_rng(0), keras.Layer.set_weights

    def shuffled(self, weights):
        set_weights(self, [random.permuted(weight) for weight in weights])

    monkeypatch.setattr(keras.Layer, "set_weights", shuffled)
    assert verdict(module, name) == "contradicted"


def test_permuted_tags(module, monkeypatch):
    assert verdict(module, "bidi-context-helps", module.neighbours.run(0)) == "holds"
    random, tag_next = np.random.default_rng(0), datasets.tag_next

    def permuted(*arguments, **options):
        parts = vars(tag_next(*arguments, **options)).values()
        return datasets.Dataset(*(datasets.Split(x, random.permutation(y)) for x, y in parts))

    monkeypatch.setattr(datasets, "tag_next", permuted)
    assert verdict(module, "bidi-context-helps", module.neighbours.run(0)) == "not shown"
