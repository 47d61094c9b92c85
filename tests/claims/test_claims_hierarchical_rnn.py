"""The entry about the examples of Keras changes its verdict when what it checks is broken."""

import functools
from importlib import metadata

from dlnotes import catalogue, claims
import keras
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("hierarchical_rnn").load_claims()


def verdict(module):
    (claim,) = claims.of_module(module)
    return claims.verdict(claim.findings())


def test_it_holds(module):
    assert verdict(module) == "holds"


def test_an_example_that_is_shipped_again(module, monkeypatch):
    files = metadata.files("keras")
    again = [*files, metadata.PackagePath("keras/examples/conv_lstm.py")]
    monkeypatch.setattr(metadata, "files", lambda name: again)
    assert verdict(module) == "contradicted"


def test_levels_that_read_backwards(module, monkeypatch):
    call = keras.layers.LSTM.call

    @functools.wraps(call)
    def backwards(self, sequences, *arguments, **options):
        return call(self, keras.ops.flip(sequences, axis=1), *arguments, **options)

    monkeypatch.setattr(keras.layers.LSTM, "call", backwards)
    assert verdict(module) == "contradicted"


def test_a_wrapper_that_loses_the_order_of_the_rows(module, monkeypatch):
    call = keras.layers.TimeDistributed.call

    @functools.wraps(call)
    def turned(self, inputs, *arguments, **options):
        return call(self, keras.ops.flip(inputs, axis=1), *arguments, **options)

    monkeypatch.setattr(keras.layers.TimeDistributed, "call", turned)
    assert verdict(module) == "contradicted"


def test_a_state_that_is_not_carried(module, monkeypatch):
    begin = keras.layers.LSTM.__init__

    def stateless(self, units, stateful=False, **options):
        begin(self, units, **options)

    monkeypatch.setattr(keras.layers.LSTM, "__init__", stateless)
    assert verdict(module) == "contradicted"
