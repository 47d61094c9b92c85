"""The states of all steps are those of a plain loop."""

from dlnotes.errors import InputError
from dlnotes.inspection import states_at_each_step
import keras
import numpy as np
import pytest

from contracts import assert_equal
from loops import lstm_loop


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 5, 2)).astype("float32")


def with_weights(layer, x, rng):
    layer.build(x.shape)
    layer.set_weights([rng.normal(scale=0.7, size=weight.shape) for weight in layer.get_weights()])
    return layer


def test_of_an_lstm_they_are_hidden_state_and_cell(x, rng):
    layer = with_weights(keras.layers.LSTM(4), x, rng)
    hidden, cell = states_at_each_step(layer, x)
    for steps in range(1, 6):
        _, last, memory = lstm_loop(layer.get_weights(), x[:, :steps])
        assert_equal(hidden[:, steps - 1], last)
        assert_equal(cell[:, steps - 1], memory)


@pytest.mark.parametrize("kind", [keras.layers.GRU, keras.layers.SimpleRNN])
def test_of_a_cell_with_one_state_they_are_the_outputs(kind, x, rng):
    layer = with_weights(kind(4, return_sequences=True), x, rng)
    (states,) = states_at_each_step(layer, x)
    assert_equal(states, layer(x))


def test_of_a_stack_of_cells_they_are_those_of_each(x, rng):
    cells = [keras.layers.LSTMCell(4), keras.layers.GRUCell(3)]
    layer = with_weights(keras.layers.RNN(cells, return_sequences=True), x, rng)
    states = states_at_each_step(layer, x)
    assert [state.shape for state in states] == [(3, 5, 4), (3, 5, 4), (3, 5, 3)]
    assert_equal(states[-1], layer(x))


def test_a_layer_without_a_cell_is_named(x):
    both = keras.layers.Bidirectional(keras.layers.LSTM(4))
    with pytest.raises(InputError, match="a Bidirectional, which has no cell: give a recurrent"):
        states_at_each_step(both, x)
    assert np.shape(x) == (3, 5, 2)
