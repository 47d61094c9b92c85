from dlnotes import masks
from dlnotes.errors import InputError
from dlnotes.layers import AttentionPooling
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import padded, randomise

LENGTHS = [5, 2, 4]


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 3)).astype("float32") for length in LENGTHS]


def loop(sequence, kernel, bias, query):
    """Equations 5 to 7 of Yang et al., one step after the other."""
    scores = []
    for step in sequence:
        hidden = np.tanh(step @ kernel + bias)
        scores.append(np.exp(hidden @ query[:, 0]))
    weights = np.array(scores) / sum(scores)
    pooled = np.zeros(sequence.shape[1])
    for weight, step in zip(weights, sequence, strict=True):
        pooled += weight * step
    return pooled, weights


def pooling(units=None, return_attention_scores=False):
    inputs = keras.Input((None, 3))
    mask = masks.step_mask(inputs)
    layer = AttentionPooling(units)
    return keras.Model(
        inputs, layer(inputs, mask=mask, return_attention_scores=return_attention_scores)
    )


@pytest.mark.parametrize("units", [None, 5])
def test_predict_equals_the_equations_of_the_paper(units, sequences, rng):
    model = randomise(pooling(units, return_attention_scores=True), rng)
    kernel = model.get_weights()[0]
    assert kernel.shape == (3, units or 3)
    for steps in (5, 7):
        together, weights = model.predict(padded(sequences, steps), verbose=0)
        assert together.shape == (3, 3) and weights.shape == (3, steps)
        for row, sequence in enumerate(sequences):
            expected = loop(sequence, *model.get_weights())
            assert_equal((together[row], weights[row, : len(sequence)]), expected)


def test_weights_sum_to_one_and_padded_steps_get_exactly_zero(sequences, rng):
    model = randomise(pooling(return_attention_scores=True), rng)
    x = padded(sequences, 9)
    _, weights = model.predict(x, verbose=0)
    real = masks.step_weights(x) > 0
    assert_equal(weights.sum(axis=1), np.ones(3), 1e-6)
    assert (weights[~real] == 0).all() and (weights[real] > 0).all()


@pytest.mark.parametrize("filling", [1e6, -1e6, np.nan, np.inf])
def test_whatever_stands_on_padded_steps_changes_nothing(filling, sequences, rng):
    layer = AttentionPooling()
    layer.build((None, None, 3))
    randomise(layer, rng)
    x = padded(sequences, 6)
    mask = masks.step_weights(x) > 0
    filled = np.where(mask[..., None], x, np.float32(filling))
    assert_equal(np.asarray(layer(filled, mask=mask)), np.asarray(layer(x, mask=mask)), 0)


def test_without_a_mask_padding_is_looked_at(sequences, rng):
    layer = AttentionPooling()
    layer.build((None, None, 3))
    randomise(layer, rng)
    _, weights = layer(padded(sequences, 6), return_attention_scores=True)
    assert np.asarray(weights)[1, 2:].min() > 0.01


def test_a_sequence_of_padding_alone_gives_zeros_and_no_gradient_that_is_not_finite(sequences):
    model = pooling()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = padded(sequences, 6)
    x[1] = 0
    assert (model.predict(x, verbose=0)[1] == 0).all()
    model.fit(x, np.ones((3, 3)), verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_order_of_the_steps_does_not_matter_and_weights_move_along(rng):
    layer = AttentionPooling()
    x = rng.normal(size=(2, 6, 3)).astype("float32")
    order = rng.permutation(6)
    pooled, weights = layer(x, return_attention_scores=True)
    again, moved = layer(x[:, order], return_attention_scores=True)
    assert_equal(np.asarray(again), np.asarray(pooled))
    assert_equal(np.asarray(moved), np.asarray(weights)[:, order])


def test_a_query_of_zero_gives_the_mean_and_a_long_one_the_best_step(rng):
    layer = AttentionPooling()
    x = rng.normal(size=(4, 6, 3)).astype("float32")
    layer.build(x.shape)
    kernel, bias, query = layer.get_weights()
    layer.set_weights([kernel, bias, 0 * query])
    assert_equal(np.asarray(layer(x)), x.mean(axis=1))
    layer.set_weights([kernel, bias, 1e4 * query])
    best = (np.tanh(x @ kernel + bias) @ query)[..., 0].argmax(axis=1)
    assert_equal(np.asarray(layer(x)), x[np.arange(4), best])


def test_fit_learns_which_step_counts(rng):
    keras.utils.set_random_seed(0)
    x = rng.normal(size=(64, 5, 3)).astype("float32")
    x[..., 0] = 0
    marked = rng.integers(5, size=64)
    x[np.arange(64), marked, 0] = 1
    y = x[np.arange(64), marked]
    model = pooling(return_attention_scores=False)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    loss = model.fit(x, y, epochs=40, batch_size=64, verbose=0).history["loss"]
    assert loss[-1] < 0.1 * loss[0]


def test_padded_batch_equals_unpadded_sequences(sequences, rng):
    check_padding(randomise(pooling(), rng), sequences)


def test_saving(rng, tmp_path):
    check_layer(AttentionPooling(4), rng.normal(size=(2, 5, 3)), tmp_path)


def test_mixed_precision(rng):
    check_mixed_precision(pooling, rng.normal(size=(3, 5, 3)))


def test_too_few_units_are_refused():
    with pytest.raises(InputError, match="`units` is 0, but must be at least 1"):
        AttentionPooling(0)
