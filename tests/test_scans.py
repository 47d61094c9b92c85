"""The blockwise recurrence equals a loop, with its gradients, at any length."""

from dlnotes.errors import InputError
from dlnotes.scans import linear_recurrence
import keras
import numpy as np
import pytest

from contracts import assert_equal

# within one block, one block, one step more, several blocks and a rest
LENGTHS = [1, 15, 16, 17, 40]


def loop(decay, inputs, state, mask=None):
    states = []
    for step in range(inputs.shape[1]):
        new = decay[:, step] * state + inputs[:, step]
        state = new if mask is None else np.where(mask[:, step, None], new, state)
        states.append(state)
    return np.stack(states, axis=1)


def tensors(rng, steps):
    decay, inputs, weights = rng.normal(size=(3, 2, steps, 4))
    return np.tanh(decay), inputs, rng.normal(size=(2, 4)), weights


@pytest.mark.parametrize("steps", LENGTHS)
def test_equals_a_loop(steps, rng):
    decay, inputs, state, _ = tensors(rng, steps)
    mask = rng.uniform(size=(2, steps)) < 0.7
    assert_equal(linear_recurrence(decay, inputs), loop(decay, inputs, np.zeros((2, 4))))
    assert_equal(linear_recurrence(decay, inputs, state, mask), loop(decay, inputs, state, mask))


def test_a_decay_of_zero_forgets_and_one_sums_up(rng):
    _, inputs, state, _ = tensors(rng, 20)
    assert_equal(linear_recurrence(np.zeros_like(inputs), inputs, state), inputs)
    expected = state[:, None] + np.cumsum(inputs, axis=1)
    assert_equal(linear_recurrence(np.ones_like(inputs), inputs, state), expected)


class Weighted(keras.layers.Layer):
    """Decay, inputs and first state as weights, so that a step of `fit` shows their gradients."""

    def __init__(self, values):
        super().__init__()
        self.values = [self.add_weight(value.shape, "zeros") for value in values]
        for weight, value in zip(self.values, values, strict=True):
            weight.assign(value)

    def call(self, real):
        decay, inputs, state = self.values
        return linear_recurrence(decay, inputs, state, real)

    def compute_output_shape(self, real_shape):
        return (2, real_shape[1], 4)


@pytest.mark.parametrize("steps", [1, 17, 40])
def test_its_gradients_are_those_of_a_loop_in_fit(steps, rng):
    *values, weights = tensors(rng, steps)
    mask = rng.uniform(size=(2, steps)) < 0.7
    inputs = keras.Input(batch_shape=(2, steps), dtype="bool")
    layer = Weighted([value.astype("float32") for value in values])
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(1.0), lambda y, states: keras.ops.sum(y * states, (1, 2)))
    model.fit(mask, weights.astype("float32"), batch_size=2, shuffle=False, verbose=0)
    moved = [2 * (value - np.asarray(w)) for value, w in zip(values, layer.values, strict=True)]

    def loss(*values):
        return np.sum(weights * loop(*values, mask))

    for number, gradient in enumerate(moved):
        for place in rng.permutation(np.argwhere(np.ones(gradient.shape)))[:12]:
            bumped = [[value.copy() for value in values] for _ in range(2)]
            bumped[0][number][tuple(place)] += 1e-5
            bumped[1][number][tuple(place)] -= 1e-5
            expected = (loss(*bumped[0]) - loss(*bumped[1])) / 2e-5
            assert gradient[tuple(place)] == pytest.approx(expected, abs=1e-4)


def test_nothing_overflows_where_a_state_grows(rng):
    states = linear_recurrence(np.full((1, 300, 1), 1.01), np.ones((1, 300, 1)))
    assert float(states[0, -1, 0]) == pytest.approx((1.01**300 - 1) / 0.01, rel=1e-4)


def test_shapes_that_differ_are_refused():
    with pytest.raises(InputError, match=r"\(1, 2, 3\) and \(1, 2, 1\), but both must be"):
        linear_recurrence(np.zeros((1, 2, 3)), np.zeros((1, 2, 1)))
    with pytest.raises(InputError, match=r"must be \(batch, steps, units\)"):
        linear_recurrence(np.zeros((2, 3)), np.zeros((2, 3)))
