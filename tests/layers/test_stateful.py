"""States that go on from batch to batch, on every backend."""

from dlnotes import recurrent, saving
from dlnotes.callbacks import ResetStates
from dlnotes.errors import InputError
from dlnotes.layers import StatefulGRU, StatefulLSTM, StatefulRNN, StatefulSimpleRNN
import keras
from keras import layers
import numpy as np
import pytest

from contracts import assert_equal
from loops import lstm_loop, randomise

ON_JAX = pytest.mark.skipif(keras.config.backend() != "jax", reason="how JAX behaves")


def model_of(layer, batch_size=2, steps=None):
    inputs = keras.Input(batch_shape=(batch_size, steps, 3))
    return keras.Model(inputs, layer(inputs))


def states(model):
    found = [layer.states for layer in recurrent.stateful_layers(model)]
    return [np.asarray(state) for state in keras.tree.flatten(found)]


@pytest.fixture
def stream(rng):
    """Two streams of six steps, and the same as three windows of two."""
    x = rng.normal(size=(2, 6, 3)).astype("float32")
    return x, recurrent.stream_windows(2, 2, x)


def own_lstm():
    return StatefulLSTM(4)


def own_rnn():
    return StatefulRNN(layers.LSTMCell(4))


@pytest.mark.parametrize("build", [own_lstm, own_rnn])
def test_predict_and_fit_carry_the_state_like_a_loop_over_the_windows(build, stream, rng):
    """Plain Keras on JAX fails here: its state stays zero."""
    model = randomise(model_of(build()), rng)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    outputs, h, c = lstm_loop(model.get_weights(), stream[0])
    expected = np.concatenate([outputs[:, step] for step in (1, 3, 5)])

    assert_equal(model.predict(stream[1], batch_size=2, verbose=0), expected)
    assert_equal(states(model), [h, c])

    recurrent.reset_states(model)
    history = model.fit(stream[1], expected + 1, batch_size=2, shuffle=False, verbose=0)
    assert_equal(history.history["loss"], [1.0])
    assert_equal(states(model), [h, c])

    _, h, c = lstm_loop(model.get_weights(), stream[0], None, h, c)
    model.evaluate(stream[1], expected, batch_size=2, verbose=0)
    assert_equal(states(model), [h, c])


@ON_JAX
def test_plain_keras_carries_no_state(stream, rng):
    """The trap that these layers are for; if this fails, Keras has mended it."""
    model = randomise(model_of(layers.LSTM(4, stateful=True)), rng)
    first, second = (model.predict(stream[1][:2], batch_size=2, verbose=0) for _ in range(2))
    assert_equal(first, second, tolerance=0)
    assert not np.any(states(model))
    with pytest.raises(InputError, match=r"state of layer 'lstm.*StatefulLSTM.*rebatch.*KERAS_B"):
        model.predict(stream[1], batch_size=2, verbose=0, callbacks=[ResetStates()])
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match=r"On the JAX backend Keras does not carry the state"):
        model.fit(stream[1], np.zeros((6, 4)), batch_size=2, verbose=0, callbacks=[ResetStates()])


PLAIN = {
    "LSTM": lambda **options: layers.LSTM(4, **options),
    "GRU": lambda **options: layers.GRU(4, **options),
    "SimpleRNN": lambda **options: layers.SimpleRNN(4, **options),
    "cells": lambda **options: layers.RNN([layers.LSTMCell(4), layers.GRUCell(2)], **options),
}
OWN = {
    "LSTM": lambda **options: StatefulLSTM(4, **options),
    "GRU": lambda **options: StatefulGRU(4, **options),
    "SimpleRNN": lambda **options: StatefulSimpleRNN(4, **options),
    "cells": lambda **options: StatefulRNN([layers.LSTMCell(4), layers.GRUCell(2)], **options),
}


@pytest.mark.parametrize("kind", OWN)
def test_windows_equal_the_whole_stream(kind, stream, rng, tmp_path):
    """Also mended by `rebatch`, and loaded from a file."""
    x, windows = stream
    whole = randomise(model_of(PLAIN[kind](return_sequences=True), None), rng)
    expected = np.concatenate([whole.predict(x, verbose=0)[:, step] for step in (1, 3, 5)])
    model = model_of(OWN[kind]())
    assert len(model.weights) == len(whole.weights)
    assert model.count_params() == whole.count_params()
    model.set_weights(whole.get_weights())

    assert_equal(model.predict(windows, batch_size=2, verbose=0), expected)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert_equal(loaded.predict(windows, batch_size=2, verbose=0), expected)

    plain = model_of(PLAIN[kind](stateful=True))
    plain.set_weights(whole.get_weights())
    for source in (plain, recurrent.rebatch(model, None, stateful=False), whole):
        single = recurrent.rebatch(source, 1, stateful=True)
        if source is whole:
            single = keras.Model(single.inputs, single.outputs[0][:, -1])
        answers = single.predict(windows[::2], batch_size=1, verbose=0)
        assert_equal(answers, expected[::2])
        recurrent.reset_states(single)
        assert_equal(single.predict(windows[::2], batch_size=1, verbose=0), expected[::2])


def test_two_epochs_with_a_reset_equal_two_fresh_starts(stream, rng):
    windows, targets = stream[1], rng.normal(size=(6, 4))
    options = {"batch_size": 2, "shuffle": False, "verbose": 0}

    def compiled(weights=None):
        model = model_of(StatefulLSTM(4))
        model.compile(keras.optimizers.SGD(0.5), "mse")
        return randomise(model, rng) if weights is None else model.set_weights(weights) or model

    model = compiled()
    start = model.get_weights()
    reset = model.fit(windows, targets, epochs=2, callbacks=[ResetStates()], **options)
    losses, weights = [], start
    for _ in range(2):
        fresh = compiled(weights)
        losses += fresh.fit(windows, targets, **options).history["loss"]
        weights = fresh.get_weights()
    assert_equal(reset.history["loss"], losses)
    assert_equal(model.get_weights(), weights)
    assert_equal(states(model), states(fresh))
    carried = compiled(start).fit(windows, targets, epochs=2, **options).history["loss"]
    assert abs(carried[1] - losses[1]) > 1e-3


def test_both_directions_keep_their_state(stream, rng):
    """A backward layer starts each window with its state at the begin of the window before."""
    x, windows = stream
    model = randomise(model_of(layers.Bidirectional(StatefulLSTM(2))), rng)
    weights = model.get_weights()
    outputs = model.predict(windows, batch_size=2, verbose=0)
    forward, _, _ = lstm_loop(weights[:3], x)
    backward, _, _ = lstm_loop(weights[3:], x[:, [1, 0, 3, 2, 5, 4]])
    expected = np.concatenate([forward, backward], axis=-1)
    assert_equal(outputs, np.concatenate([expected[:, step] for step in (1, 3, 5)]))


def test_masked_steps_leave_the_state_alone(stream, rng):
    inputs = keras.Input(batch_shape=(2, None, 3))
    mask = keras.ops.any(keras.ops.not_equal(inputs, 0.0), axis=-1)
    model = randomise(keras.Model(inputs, StatefulLSTM(4)(inputs, mask=mask)), rng)
    x = stream[0].copy()
    x[0, 1:3] = x[1, 4:] = 0
    _, h, c = lstm_loop(model.get_weights(), x, mask=x.any(axis=-1))
    model.predict(recurrent.stream_windows(2, 2, x), batch_size=2, verbose=0)
    assert_equal(states(model), [h, c])


def test_it_is_stateful_unless_told_otherwise():
    assert StatefulGRU(2).stateful and not StatefulGRU(2, stateful=False).stateful
    assert model_of(StatefulGRU(2, stateful=False), None).output_shape == (None, 2)


@ON_JAX
def test_a_layer_that_rebatch_cannot_exchange_is_named():
    inputs = keras.Input(batch_shape=(2, 4, 5, 1))
    convolution = layers.ConvLSTM1D(2, 1, stateful=True, name="convolution")
    model = keras.Model(inputs, convolution(inputs))
    with pytest.raises(InputError, match=r"the state of layer 'convolution' over"):
        recurrent.rebatch(model, 1)
