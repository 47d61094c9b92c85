from dlnotes.errors import InputError
from dlnotes.layers import RelativeAttention
import keras
import numpy as np
import pytest

from attention_loops import attention, everything, the_past
from contracts import assert_equal, check_layer, check_mixed_precision
from loops import padded, randomise

LENGTHS = [5, 2, 4]


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 6)).astype("float32") for length in LENGTHS]


def layer_with_weights(rng, max_distance=2, **options):
    layer = RelativeAttention(2, 3, max_distance, **options)
    layer.build((None, None, 6))
    return randomise(layer, rng)


# distances that are all different, that are clipped, and that are none: before and behind alone
@pytest.mark.parametrize("max_distance", [0, 1, 2, 9])
@pytest.mark.parametrize("causal", [False, True])
def test_the_shift_equals_the_sums_of_the_paper(max_distance, causal, sequences, rng):
    layer = layer_with_weights(rng, max_distance)
    looks_at = the_past if causal else everything
    x = padded(sequences, 6)
    mask = x.any(axis=-1)
    outputs, scores = layer(
        x, attention_mask=mask[:, None], use_causal_mask=causal, return_attention_scores=True
    )
    for row, weights, sequence in zip(outputs, scores, sequences, strict=True):
        steps = len(sequence)
        expected = attention(sequence, layer, looks_at(steps), max_distance)
        assert_equal((row[:steps], weights[:, :steps, :steps]), expected)
        assert not np.asarray(weights)[:, :, steps:].any()


def test_with_vectors_of_zero_it_is_keras_own_attention(rng):
    layer = layer_with_weights(rng)
    for table in (layer.key_distances, layer.value_distances):
        table.assign(keras.ops.zeros_like(table))
    plain = keras.layers.MultiHeadAttention(2, 3)
    plain.build((None, None, 6), (None, None, 6))
    for name in ("query_dense", "key_dense", "value_dense", "output_dense"):
        getattr(plain, name).set_weights(getattr(layer, name).get_weights())
    x = rng.normal(size=(3, 5, 6)).astype("float32")
    for causal in (False, True):
        assert_equal(layer(x, use_causal_mask=causal), plain(x, x, use_causal_mask=causal))


@pytest.mark.parametrize("table", ["key_distances", "value_distances"])
def test_beyond_the_clip_distance_all_steps_are_equally_far(table, rng):
    layer = layer_with_weights(rng, 2)
    x = rng.normal(size=(1, 6, 6)).astype("float32")
    swapped = x[:, [0, 1, 2, 3, 5, 4]]
    assert_equal(layer(x)[:, :3], layer(swapped)[:, :3])
    assert np.abs(layer(x)[:, 3] - layer(swapped)[:, 3]).max() > 1e-3
    without = keras.ops.zeros_like(getattr(layer, table))
    getattr(layer, table).assign(without)  # either kind of vector is enough to tell them apart
    assert np.abs(layer(x)[:, 3] - layer(swapped)[:, 3]).max() > 1e-3


def test_all_that_counts_is_the_distance(rng):
    layer = layer_with_weights(rng, 3)
    x = rng.normal(size=(1, 4, 6)).astype("float32")
    moved = np.pad(x, ((0, 0), (2, 3), (0, 0)))
    mask = moved.any(axis=-1)
    assert_equal(layer(moved, attention_mask=mask[:, None])[:, 2:6], layer(x))


def test_no_step_sees_a_later_one_through_predict(rng):
    inputs = keras.Input((None, 6))
    layer = RelativeAttention(2, 3, 2)
    model = randomise(keras.Model(inputs, layer(inputs, use_causal_mask=True)), rng)
    x = rng.normal(size=(2, 7, 6)).astype("float32")
    changed = x.copy()
    changed[:, 4:] += 100
    before, after = model.predict(x, verbose=0), model.predict(changed, verbose=0)
    assert_equal(before[:, :4], after[:, :4], 0)
    assert np.abs(before[:, 4:] - after[:, 4:]).min() > 1e-3
    assert_equal(model.predict(x[:, :4], verbose=0), before[:, :4])


def test_the_vectors_of_all_distances_that_occur_are_trained(rng):
    inputs = keras.Input((None, 6))
    layer = RelativeAttention(2, 3, 4)
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", "mse")
    before = [np.asarray(table) for table in (layer.key_distances, layer.value_distances)]
    x = rng.normal(size=(8, 4, 6))
    model.fit(x, np.ones_like(x), verbose=0)
    after = [np.asarray(table) for table in (layer.key_distances, layer.value_distances)]
    for old, new in zip(before, after, strict=True):
        moved = (old != new).any(axis=-1)
        assert moved.tolist() == [False] + [True] * 7 + [False]  # distances -3 to 3 of -4 to 4


def test_dropout_drops_weights_in_training_alone(rng):
    layer = layer_with_weights(rng, dropout=0.5)
    x = rng.normal(size=(1, 5, 6)).astype("float32")
    assert_equal(layer(x), layer(x))
    assert np.abs(layer(x, training=True) - layer(x, training=True)).max() > 1e-3


def test_contract(rng, tmp_path):
    x = rng.normal(size=(4, 5, 6)).astype("float32")
    check_layer(RelativeAttention(2, 3, 4, dropout=0.1), x, tmp_path)


def test_mixed_precision(rng):
    def build():
        inputs = keras.Input((5, 6))
        return keras.Model(inputs, RelativeAttention(2, 3, 2)(inputs, use_causal_mask=True))

    check_mixed_precision(build, rng.normal(size=(4, 5, 6)).astype("float32"))


def test_wrong_sizes_are_refused():
    with pytest.raises(InputError, match="`max_distance` is -1, but must be at least 0"):
        RelativeAttention(2, 3, -1)
    with pytest.raises(InputError, match="`num_heads` is 0, but must be at least 1"):
        RelativeAttention(0, 3, 1)
