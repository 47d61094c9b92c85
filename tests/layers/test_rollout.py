from dlnotes import masks
from dlnotes.errors import InputError
from dlnotes.layers import Rollout
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import lstm_loop, randomise


def rollout(ahead=3, features=2, units=4, **options):
    inputs = keras.Input((None, features))
    mask = masks.step_mask(inputs)
    layer = Rollout(keras.layers.LSTMCell(units), ahead, **options)
    return keras.Model(inputs, layer(inputs, mask=mask))


def loop(weights, x, ahead, state=(None, None)):
    """Reads the rows of `x`, then its own answers, one step after the other."""
    *cell, kernel, bias = weights
    outputs, h, c = lstm_loop(cell, x, h=state[0], c=state[1])
    values = [outputs[:, -1] @ kernel + bias]
    while len(values) < ahead:
        outputs, h, c = lstm_loop(cell, values[-1][:, None], h=h, c=c)
        values.append(outputs[:, -1] @ kernel + bias)
    return np.stack(values, axis=1)


@pytest.mark.parametrize("ahead", [1, 5])
def test_predict_equals_a_loop_that_feeds_back(ahead, rng):
    model = randomise(rollout(ahead), rng)
    assert model.output_shape == (None, ahead, 2)
    for shape in ((2, 5, 2), (5, 3, 2)):
        x = rng.normal(size=shape).astype("float32")
        assert_equal(model.predict(x, verbose=0), loop(model.get_weights(), x, ahead))


def test_as_a_decoder_it_goes_on_from_a_given_state(rng):
    inputs = [keras.Input((1, 2)), keras.Input((4,)), keras.Input((4,))]
    layer = Rollout(keras.layers.LSTMCell(4), 3)
    model = randomise(keras.Model(inputs, layer(inputs[0], initial_state=inputs[1:])), rng)
    x, h, c = (rng.normal(size=shape).astype("float32") for shape in ((5, 1, 2), (5, 4), (5, 4)))
    expected = loop(model.get_weights(), x, 3, (h.astype("float64"), c.astype("float64")))
    assert_equal(model.predict([x, h, c], verbose=0), expected)


def test_another_cell_forecasts_what_reading_the_forecasts_gives(rng):
    one, four = (Rollout(keras.layers.GRUCell(3), ahead) for ahead in (1, 4))
    for layer in (one, four):
        layer.build((None, None, 1))
    four.set_weights(randomise(one, rng).get_weights())
    x = rng.normal(size=(3, 6, 1)).astype("float32")
    for _ in range(4):
        x = np.concatenate([x, np.asarray(one(x))], axis=1)
    assert_equal(np.asarray(four(x[:, :6])), x[:, 6:])


def test_fit_equals_gradient_descent_through_its_own_answers(rng):
    model = randomise(rollout(ahead=3, features=1, units=2), rng)
    x, y = rng.normal(size=(4, 3, 1)).astype("float32"), rng.normal(size=(4, 3, 1))
    weights = [weight.astype("float64") for weight in model.get_weights()]
    expected = []
    for weight in weights:
        gradient = np.zeros_like(weight)
        for index in np.ndindex(weight.shape):
            losses = []
            for change in (1e-5, -2e-5):
                weight[index] += change
                losses.append(np.mean((loop(weights, x, 3) - y) ** 2))
            weight[index] += 1e-5
            gradient[index] = (losses[0] - losses[1]) / 2e-5
        expected.append(weight - 0.1 * gradient)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, verbose=0)
    assert_equal(model.get_weights(), expected)


def test_padded_steps_are_not_read(rng):
    model = randomise(rollout(), rng)
    sequences = [rng.normal(size=(length, 2)).astype("float32") for length in (5, 2, 4)]
    check_padding(model, sequences)


def test_saving(rng, tmp_path):
    layer = Rollout(keras.layers.LSTMCell(4), 3, dropout=0.2)
    check_layer(layer, rng.normal(size=(2, 5, 2)), tmp_path)


def test_mixed_precision(rng):
    check_mixed_precision(rollout, rng.normal(size=(3, 5, 2)))


def test_dropout_drops_the_same_units_in_all_steps_of_a_sequence():
    layer = Rollout(keras.layers.SimpleRNNCell(8), 4, dropout=0.5)
    layer.build((None, 1, 1))
    kernel, recurrent, bias, _, last = layer.get_weights()
    # every output of the cell is tanh(1), and each unit has its own digit in the sum
    powers = 2.0 ** np.arange(8)[:, None]
    layer.set_weights([0 * kernel, 0 * recurrent, bias + 1, powers, last])
    x = np.ones((20, 1, 1), "float32")
    plain, dropped = (np.asarray(layer(x, training=training)) for training in (False, True))
    assert_equal(plain, np.full((20, 4, 1), np.tanh(1) * 255), 1e-3)
    digits = np.round(dropped / np.tanh(1) / 2)
    assert (digits == digits[:, :1]).all()
    assert len(np.unique(digits[:, 0])) > 10


def test_too_few_steps_are_refused():
    with pytest.raises(InputError, match="`ahead` is 0, but must be at least 1"):
        Rollout(keras.layers.LSTMCell(2), 0)
