from dlnotes.errors import InputError
from dlnotes.layers import SelectiveAttention
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_mixed_precision, check_padding, check_saving
from loops import randomise, sigmoid

LENGTHS = [5, 2, 4]
KINDS = [{}, {"hard": True}, {"window": 1}, {"window": 1.5, "hard": True}]


@pytest.fixture
def tensors(rng):
    """Query, value and key of three sequences, and which steps are real."""
    shapes = ((3, 4, 3), (3, 5, 2), (3, 5, 3))
    real = np.arange(5) < np.array(LENGTHS)[:, np.newaxis]
    return [rng.normal(size=shape).astype("float32") for shape in shapes], real


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def loop(query, key, length, window=None, hard=False, place=None):
    """The weights of one sequence, query by query."""
    rows = []
    for one in query:
        weights = np.zeros(len(key))
        near = np.arange(length)
        if window is not None:
            first, second = place
            centre = length * sigmoid(np.tanh(one @ first) @ second)[0]
            near = near[np.abs(near + 1 - centre) <= window]
        weights[near] = softmax(key[near] @ one)
        if window is not None:
            sigma = window / 2
            weights[near] *= np.exp(-((near + 1 - centre) ** 2) / (2 * sigma**2))
        rows.append(np.eye(len(key))[weights.argmax()] if hard else weights)
    return np.array(rows)


def self_attention(**options):
    """A model of one input, which is query and value."""
    inputs = keras.Input((None, 3))
    mask = keras.ops.any(keras.ops.not_equal(inputs, 0), axis=-1)
    layer = SelectiveAttention(**options)
    return keras.Model(inputs, layer([inputs, inputs], mask=[None, mask]))


@pytest.mark.parametrize("options", KINDS)
def test_equals_a_loop(options, tensors, rng):
    (query, value, key), real = tensors
    layer = SelectiveAttention(**options)
    layer.build([query.shape, value.shape, key.shape])
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    context, weights = layer([query, value, key], mask=[None, real], return_attention_scores=True)
    expected = np.array(
        [
            loop(*one, **options, place=layer.get_weights())
            for one in zip(query, key, LENGTHS, strict=True)
        ]
    )
    assert_equal(np.asarray(weights), expected)
    assert_equal(np.asarray(context), expected @ value)


def test_soft_and_global_is_the_attention_of_keras(tensors):
    inputs, real = tensors
    options = {"mask": [None, real], "return_attention_scores": True}
    ours, keras_own = (
        layer(inputs, **options) for layer in (SelectiveAttention(), keras.layers.Attention())
    )
    assert_equal(ours, keras_own)


def test_the_weights_of_a_window_sum_to_less_than_one(tensors, rng):
    inputs, real = tensors
    layer = SelectiveAttention(window=2)
    _, weights = layer(inputs, mask=[None, real], return_attention_scores=True)
    sums = np.asarray(weights).sum(axis=-1)
    assert (sums < 1).all() and (sums > 0.1).all()


def test_a_hard_choice_is_drawn_in_training_with_the_soft_weights(rng):
    query, key = rng.normal(size=(1, 1, 3)), rng.normal(size=(1, 4, 3))
    real = np.array([[True, True, True, False]])
    layer = SelectiveAttention(hard=True, seed=0)
    batch = [np.repeat(array, 20000, axis=0).astype("float32") for array in (query, key)]
    mask = [None, np.repeat(real, 20000, axis=0)]
    _, drawn = layer(batch, mask=mask, training=True, return_attention_scores=True)
    drawn = np.asarray(drawn)[:, 0]
    assert (np.sort(drawn, axis=1) == [0, 0, 0, 1]).all()
    expected = [*softmax(key[0, :3] @ query[0, 0]), 0]
    np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=0.015)


def test_what_asks_for_a_hard_choice_learns_through_it(rng):
    """The value to be found is that of the largest key: a query that can learn finds it."""
    key = rng.normal(size=(600, 5, 1)).astype("float32")
    inputs = keras.Input((5, 1))
    query = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    asked = query(keras.ops.ones_like(inputs[:, :1]))
    chosen = SelectiveAttention(hard=True, seed=0)([asked, inputs])
    model = keras.Model(inputs, chosen[:, 0])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    target = key.max(axis=1)
    model.fit(key, target, epochs=3, batch_size=20, verbose=0)
    assert query.get_weights()[0][0, 0] > 1
    assert_equal(model.predict(key, verbose=0), target)


@pytest.mark.parametrize("options", [{"hard": True}, {"window": 1}])
def test_padding(options, rng):
    model = randomise(self_attention(**options), rng)
    sequences = [rng.normal(size=(length, 3)).astype("float32") for length in LENGTHS]
    check_padding(model, sequences, per_step=True)


@pytest.mark.parametrize("options", KINDS)
def test_saving(options, rng, tmp_path):
    model = randomise(self_attention(**options), rng)
    loaded = check_saving(model, rng.normal(size=(2, 4, 3)), tmp_path)
    (layer,) = (one for one in loaded.layers if isinstance(one, SelectiveAttention))
    assert (layer.hard, layer.window) == (options.get("hard", False), options.get("window"))


@pytest.mark.parametrize("options", KINDS[1:3])
def test_mixed_precision(options, rng):
    x = np.eye(3, dtype="float32")[[[0, 1, 2, 1]]] * 3

    def build():
        inputs = keras.Input((None, 3))
        same = keras.layers.Dense(3, kernel_initializer="identity")(inputs)
        return keras.Model(inputs, SelectiveAttention(**options)([same, same]))

    check_mixed_precision(build, x)


def test_half_precision_finds_the_place_in_a_long_sequence():
    query, key = np.ones((1, 1, 2), "float32"), np.ones((1, 1000, 2), "float32")
    exact, half = (SelectiveAttention(window=4, dtype=d) for d in ("float32", "mixed_bfloat16"))
    weights = []
    for layer in (exact, half):
        layer.build([query.shape, key.shape])
        layer.set_weights([np.full((2, 2), 0.3), np.full((2, 1), 0.6)])
        _, found = layer([query, key], return_attention_scores=True)
        weights.append(np.asarray(keras.ops.cast(found, "float32")))
    assert weights[0].max() > 0.1
    assert_equal(weights[1], weights[0], 0.01)


def test_the_mask_of_the_queries_is_passed_on(tensors):
    inputs, real = tensors
    layer = SelectiveAttention()
    assert layer.compute_mask(inputs, [None, real]) is None
    assert layer.compute_mask(inputs, [real, None]) is real


def test_wrong_arguments_are_refused(rng):
    with pytest.raises(InputError, match=r"`window` is 0\.5, but must be at least 1"):
        SelectiveAttention(window=0.5)
    with pytest.raises(InputError, match=r"must be a list \[query, value\]"):
        SelectiveAttention()(rng.normal(size=(2, 3, 4)))
