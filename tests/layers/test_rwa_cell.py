from dlnotes.errors import InputError
from dlnotes.layers import RWACell, StatefulRNN
from dlnotes.masks import step_mask
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import padded, randomise

UNITS = 3


def loop(sequence, kernel, recurrent_kernel, bias, first_average):
    """The equations of Ostmeyer and Cowell with their two sums, in double precision."""
    w_u, w_g, w_a = np.split(kernel.astype("float64"), 3, axis=1)
    u_g, u_a = np.split(recurrent_kernel, 2, axis=1)
    b_u, b_g = np.split(bias, 2)
    h, numerator, denominator, outputs = np.tanh(first_average), 0, 0, []
    for x in sequence:
        z = (x @ w_u + b_u) * np.tanh(x @ w_g + h @ u_g + b_g)
        weight = np.exp(x @ w_a + h @ u_a)
        numerator, denominator = numerator + z * weight, denominator + weight
        h = np.tanh(numerator / denominator)
        outputs.append(h)
    return np.array(outputs)


def network(**options):
    inputs = keras.Input((None, 4))
    rnn = keras.layers.RNN(RWACell(UNITS), return_sequences=True, **options)
    return keras.Model(inputs, rnn(inputs, mask=step_mask(inputs)))


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(steps, 4)).astype("float32") for steps in (7, 2, 4)]


def test_equals_the_loop_of_the_paper(sequences, rng):
    model = randomise(network(), rng)
    for sequence in sequences:
        outputs = np.asarray(model(sequence[np.newaxis]))[0]
        assert_equal(outputs, loop(sequence, *model.get_weights()))


def test_large_scores_do_not_overflow(sequences, rng):
    model = randomise(network(), rng)
    kernel, *weights = model.get_weights()
    kernel[:, 2 * UNITS :] *= 80
    model.set_weights([kernel, *weights])
    assert np.abs(sequences[0] @ kernel[:, 2 * UNITS :]).max() > 90
    assert_equal(model(sequences[0][np.newaxis])[0], loop(sequences[0], kernel, *weights))


def test_without_scores_the_state_is_the_plain_mean_however_long_ago(rng):
    cell = RWACell(UNITS)
    model = keras.Sequential([keras.Input((None, 4)), keras.layers.RNN(cell)])
    randomise(model, rng)
    cell.kernel.assign(np.asarray(cell.kernel) * np.repeat([1, 1, 0], UNITS))
    cell.recurrent_kernel.assign(np.zeros((UNITS, 2 * UNITS)))
    x = rng.normal(size=(1, 50, 4)).astype("float32")
    value, gate, _ = np.split(x[0] @ np.asarray(cell.kernel), 3, axis=1)
    value_bias, gate_bias = np.split(np.asarray(cell.bias), 2)
    values = (value + value_bias) * np.tanh(gate + gate_bias)
    for order in (slice(None), slice(None, None, -1)):
        assert_equal(model(x[:, order])[0], np.tanh(values.mean(axis=0)))


def test_padded_batch_equals_sequences_alone(sequences, rng):
    check_padding(randomise(network(), rng), sequences, per_step=True)


def test_both_ways_with_a_mask_equals_two_loops(sequences, rng):
    inputs = keras.Input((None, 4))
    both = keras.layers.Bidirectional(keras.layers.RNN(RWACell(UNITS)))
    model = randomise(keras.Model(inputs, both(inputs, mask=step_mask(inputs))), rng)
    forward, backward = both.forward_layer.get_weights(), both.backward_layer.get_weights()
    for row, sequence in zip(np.asarray(model(padded(sequences, 8))), sequences, strict=True):
        ends = loop(sequence, *forward)[-1], loop(sequence[::-1], *backward)[-1]
        assert_equal(row, np.concatenate(ends))


def test_the_average_goes_on_from_batch_to_batch_until_it_is_reset(sequences, rng):
    inputs = keras.Input(batch_shape=(1, None, 4))
    rnn = StatefulRNN(RWACell(UNITS), return_sequences=True)
    model = randomise(keras.Model(inputs, rnn(inputs)), rng)
    for _ in range(2):
        parts = [np.asarray(model(s[np.newaxis]))[0] for s in sequences]
        expected = loop(np.concatenate(sequences), *model.get_weights())
        assert_equal(np.concatenate(parts), expected)
        rnn.reset_state()


def test_all_weights_learn_in_fit(sequences, rng):
    model = randomise(network(), rng)
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit(padded(sequences, 8), np.ones((3, 8, UNITS)), verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old != new).all()


def test_saving_and_mixed_precision(rng, tmp_path):
    x = rng.normal(size=(2, 5, 4)).astype("float32")
    check_layer(keras.layers.RNN(RWACell(UNITS)), x, tmp_path)
    check_mixed_precision(network, x)
    config = RWACell(UNITS, name="cell").get_config()
    assert RWACell.from_config(config).get_config() == config


def test_no_units_are_refused():
    with pytest.raises(InputError, match="`units` is 0, but must be at least 1"):
        RWACell(0)
