"""The claims about layouts change their verdict when what they check is broken."""

import functools

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("rnn_patterns").load_claims()


def verdict(module, name):
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    return claims.verdict(claim.findings())


def test_a_layer_that_reads_backwards(module, monkeypatch):
    assert verdict(module, "seq-shapes-121-m21-m2m") == "holds"
    assert verdict(module, "delay-sees-all") == "holds"
    call = keras.layers.LSTM.call

    @functools.wraps(call)
    def backwards(self, sequences, *arguments, **options):
        return call(self, keras.ops.flip(sequences, axis=1), *arguments, **options)

    monkeypatch.setattr(keras.layers.LSTM, "call", backwards)
    assert verdict(module, "seq-shapes-121-m21-m2m") == "contradicted"
    assert verdict(module, "delay-sees-all") == "contradicted"


def test_a_layer_without_memory(module, monkeypatch):
    call = keras.layers.LSTM.call

    @functools.wraps(call)
    def forgets(self, sequences, *arguments, **options):
        steps = keras.ops.reshape(sequences, (-1, 1, sequences.shape[-1]))
        states = call(self, steps, *arguments, **options)
        return keras.ops.reshape(states, (*sequences.shape[:2], -1))

    monkeypatch.setattr(keras.layers.LSTM, "call", forgets)
    assert verdict(module, "delay-sees-all") == "contradicted"


@pytest.mark.parametrize("function", [keras.ops.sigmoid, keras.ops.relu])
def test_another_function_than_the_tangent(module, function, monkeypatch):
    assert verdict(module, "rnn-step-tanh") == "holds"
    begin = keras.layers.SimpleRNN.__init__

    def other(self, units, activation=function, **options):
        begin(self, units, activation=activation, **options)

    monkeypatch.setattr(keras.layers.SimpleRNN, "__init__", other)
    assert verdict(module, "rnn-step-tanh") == "contradicted"


def test_layouts_of_the_story(rng):
    story = catalogue.find("rnn_patterns").load()
    x, y = rng.normal(size=(3, 8, 8)).astype("float32"), np.array([4, 0, 9])
    inputs, targets = story.class_at_every_step(x, y)
    assert np.array_equal(inputs.argmax(axis=-1), np.repeat(y[:, None], 8, axis=1))
    assert np.array_equal(targets, x) and inputs.sum() == 24
    inputs, _ = story.class_at_the_first_step(x, y)
    assert np.array_equal(inputs[:, 0].argmax(axis=-1), y) and inputs.sum() == 3
    inputs, targets, weights = story.halves_delayed(x, y)
    assert np.array_equal(inputs[:, :4], x[:, :4]) and not inputs[:, 4:].any()
    assert np.array_equal(targets[:, 4:], x[:, 4:])
    assert np.array_equal(weights, np.tile([0, 0, 0, 0, 1, 1, 1, 1], (3, 1)))
    answers = x + np.where(weights[..., None], 0.5, 100)
    assert story.score(answers, x, weights)["rmse"] == pytest.approx(0.5, rel=1e-4)
