from dlnotes.errors import InputError
from dlnotes.layers import BatchNormLSTM
from dlnotes.masks import step_mask
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import padded, randomise, sigmoid

UNITS, STEPS, EPSILON = 2, 4, 1e-3
LENGTHS = [4, 2, 3, 4]


def network(max_steps=STEPS, return_sequences=True, **options):
    inputs = keras.Input((None, 3))
    lstm = BatchNormLSTM(UNITS, max_steps, return_sequences=return_sequences, **options)
    return keras.Model(inputs, lstm(inputs, mask=step_mask(inputs)))


def loop(x, lengths, weights, moving=None):
    """The network of the paper; statistics of the real rows of each step, or given ones.

    Returns the outputs, and for each step its rows, means and variances.
    """
    kernel, recurrent, bias, gain_x, gain_h, gain_c, bias_c, *_ = weights
    hidden = memory = np.zeros((len(x), UNITS))
    outputs, statistics = [], []
    for step in range(x.shape[1]):
        real = np.array(lengths) > step
        given = [None] * 3
        if moving is not None:
            rows = [m[min(step, len(m) - 1)] for m in moving]
            given = list(zip(*(np.split(r, [4 * UNITS, 8 * UNITS]) for r in rows), strict=True))
        weighted, of_inputs = normalised(x[:, step] @ kernel, real, given[0])
        recurred, of_state = normalised(hidden @ recurrent, real, given[1])
        i, f, candidate, o = np.split(weighted * gain_x + recurred * gain_h + bias, 4, axis=1)
        new = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
        shown, of_memory = normalised(new, real, given[2])
        output = sigmoid(o) * np.tanh(shown * gain_c + bias_c)
        hidden = np.where(real[:, None], output, hidden)
        memory = np.where(real[:, None], new, memory)
        outputs.append(hidden)
        used = zip(of_inputs, of_state, of_memory, strict=True)
        statistics.append((real.sum(), *map(np.concatenate, used)))
    return np.array(outputs).swapaxes(0, 1), statistics


def normalised(values, real, given):
    """The values by given statistics, or by those of the real rows; and the statistics."""
    mean, variance = given or (values[real].mean(axis=0), values[real].var(axis=0))
    return (values - mean) / np.sqrt(variance + EPSILON), (mean, variance)


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 3)).astype("float32") for length in LENGTHS]


def randomised(model, rng):
    """Random weights, and moving statistics among which no variance is negative."""
    randomise(model, rng)
    layer = model.layers[-1]
    layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return model


def test_prediction_equals_the_loop_with_the_moving_statistics_of_each_step(sequences, rng):
    model = randomised(network(max_steps=3), rng)
    weights = model.get_weights()
    outputs, _ = loop(padded(sequences, 6), LENGTHS, weights, moving=weights[-2:])
    assert_equal(np.asarray(model(padded(sequences, 6))), outputs)


def test_training_equals_the_loop_with_the_statistics_of_the_batch(sequences, rng):
    model = randomised(network(), rng)
    outputs, _ = loop(padded(sequences, STEPS), LENGTHS, model.get_weights())
    assert_equal(np.asarray(model(padded(sequences, STEPS), training=True)), outputs)


def test_what_stands_in_padded_steps_counts_nowhere(sequences, rng):
    lstm = BatchNormLSTM(UNITS, STEPS)
    x, mask = padded(sequences, STEPS), np.arange(STEPS) < np.array(LENGTHS)[:, None]
    lstm(x)
    found = []
    for filled in (x, np.where(mask[..., None], x, 100)):
        lstm.moving_mean.assign(np.zeros((STEPS, 9 * UNITS)))
        outputs = lstm(filled.astype("float32"), mask=mask, training=True)
        found.append([np.asarray(outputs), np.asarray(lstm.moving_mean)])
    assert_equal(*found)


@pytest.mark.parametrize("max_steps", [STEPS, 2, 1, 6])
def test_fit_moves_the_statistics_of_each_step_and_predict_uses_them(max_steps, sequences, rng):
    model = randomised(network(max_steps, momentum=0.8), rng)
    x = padded(sequences, STEPS)
    weights = model.get_weights()
    _, statistics = loop(x, LENGTHS, weights)
    expected = [weights[-2].copy(), weights[-1].copy()]
    for place in range(min(max_steps, STEPS)):
        last = STEPS if place == max_steps - 1 else place + 1
        rows, *found = (np.array(part) for part in zip(*statistics[place:last], strict=True))
        for moving, values in zip(expected, found, strict=True):
            mean = (rows[:, None] * values).sum(axis=0) / rows.sum()
            moving[place] = 0.8 * moving[place] + 0.2 * mean
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, np.zeros((4, STEPS, UNITS)), batch_size=4, verbose=0)
    assert_equal(model.get_weights()[-2:], expected)
    outputs, _ = loop(x, LENGTHS, weights, moving=expected)
    assert_equal(model.predict(x, verbose=0), outputs)


def test_a_step_without_a_real_row_keeps_its_statistics(sequences):
    model = network(max_steps=6)
    model(padded(sequences, 6), training=True)
    mean, variance = model.get_weights()[-2:]
    assert not mean[4:].any() and (variance[4:] == 1).all()
    assert mean[:4].any(axis=1).all()


def test_nothing_moves_in_inference_or_when_frozen(sequences):
    model = network()
    before = model.get_weights()
    model(padded(sequences, STEPS))
    model.layers[-1].trainable = False
    frozen = np.asarray(model(padded(sequences, STEPS), training=True))
    assert_equal(model.get_weights(), before, 0)
    assert_equal(frozen, np.asarray(model(padded(sequences, STEPS))))


def test_padding_through_predict(sequences, rng):
    check_padding(randomised(network(), rng), sequences, per_step=True)


def test_the_last_output_is_that_of_the_last_real_step(sequences, rng):
    every, last = network(), network(return_sequences=False)
    randomised(every, rng)
    last.set_weights(every.get_weights())
    x = padded(sequences, 6)
    ends = np.asarray(every(x))[np.arange(4), np.array(LENGTHS) - 1]
    assert_equal(np.asarray(last(x)), ends)


def test_a_layer_like_others(rng, tmp_path):
    layer = BatchNormLSTM(UNITS, 5, kernel_initializer="he_normal", unit_forget_bias=False)
    check_layer(layer, rng.normal(size=(4, 5, 3)).astype("float32"), tmp_path)
    assert layer.compute_output_shape((None, 5, 3)) == (None, UNITS)
    assert BatchNormLSTM(2, 5, return_sequences=True)(keras.Input((None, 3))).shape == (
        None,
        None,
        2,
    )
    assert BatchNormLSTM.from_config(layer.get_config()).get_config() == layer.get_config()


def test_the_start():
    layer = BatchNormLSTM(UNITS, 5)
    layer.build((None, 5, 3))
    assert np.asarray(layer.bias).tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    for gain in (layer.input_gain, layer.recurrent_gain, layer.memory_gain):
        assert_equal(np.asarray(gain), np.full(gain.shape, 0.1, "float32"))


def test_mixed_precision(sequences):
    check_mixed_precision(network, padded(sequences, STEPS))


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`max_steps` is 0, but must be at least 1"):
        BatchNormLSTM(2, max_steps=0)
    with pytest.raises(InputError, match=r"`momentum` is 1\.5, but must be from 0 to 1"):
        BatchNormLSTM(2, 3, momentum=1.5)
