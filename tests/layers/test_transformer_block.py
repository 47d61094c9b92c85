from dlnotes.errors import InputError
from dlnotes.layers import TransformerBlock
import keras
import numpy as np
import pytest

from attention_loops import attention, block, everything, normalise, the_past
from contracts import assert_equal, check_layer, check_mixed_precision
from loops import padded, randomise

LENGTHS = [5, 2, 4]
FEATURES = 6


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, FEATURES)).astype("float32") for length in LENGTHS]


def block_with_weights(rng, **options):
    layer = TransformerBlock(2, 8, **options)
    layer.build((None, None, FEATURES))
    return randomise(layer, rng)


@pytest.mark.parametrize("normalize_first", [True, False])
@pytest.mark.parametrize("max_distance", [None, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_a_padded_batch_equals_a_loop_over_each_sequence(
    normalize_first, max_distance, causal, sequences, rng
):
    layer = block_with_weights(rng, normalize_first=normalize_first, max_distance=max_distance)
    looks_at = the_past if causal else everything
    for steps in (5, 7):
        x = padded(sequences, steps)
        outputs = layer(x, mask=x.any(axis=-1), use_causal_mask=causal)
        for row, sequence in zip(outputs, sequences, strict=True):
            expected = block(sequence, layer, looks_at(len(sequence)))
            assert_equal(row[: len(sequence)], expected, 1e-4)


@pytest.mark.parametrize("max_distance", [None, 2])
def test_scores_are_the_weights_of_the_attention(max_distance, sequences, rng):
    layer = block_with_weights(rng, max_distance=max_distance)
    x = padded(sequences, 6)
    mask = x.any(axis=-1)
    outputs, scores = layer(x, mask=mask, return_attention_scores=True)
    assert scores.shape == (3, 2, 6, 6)
    assert_equal(np.asarray(scores).sum(axis=-1), np.ones((3, 2, 6)))
    assert not np.asarray(scores)[~np.broadcast_to(mask[:, None, None], scores.shape)].any()
    assert_equal(outputs, layer(x, mask=mask))
    first = normalise(sequences[0], layer.first_norm)
    expected = attention(first, layer.attention, everything(5), max_distance)[1]
    assert_equal(scores[0, :, :5, :5], expected)


@pytest.mark.parametrize("max_distance", [None, 2])
def test_no_step_sees_a_later_one_through_predict(max_distance, rng):
    inputs = keras.Input((None, FEATURES))
    x = inputs
    for _ in range(2):
        x = TransformerBlock(2, 8, max_distance=max_distance)(x, use_causal_mask=True)
    model = randomise(keras.Model(inputs, x), rng)
    x = rng.normal(size=(2, 7, FEATURES)).astype("float32")
    changed = x.copy()
    changed[:, 4:] += 100
    before, after = model.predict(x, verbose=0), model.predict(changed, verbose=0)
    assert_equal(before[:, :4], after[:, :4], 0)
    assert np.abs(before[:, 4:] - after[:, 4:]).max(axis=(0, 2)).min() > 1e-3


def test_without_distances_it_does_not_know_the_order(rng):
    layer = block_with_weights(rng)
    x = rng.normal(size=(1, 5, FEATURES)).astype("float32")
    order = [3, 0, 4, 2, 1]
    assert_equal(layer(x[:, order]), np.asarray(layer(x))[:, order])
    layer = block_with_weights(rng, max_distance=2)
    assert np.abs(layer(x[:, order]) - np.asarray(layer(x))[:, order]).max() > 1e-3


def test_with_normalisation_first_a_block_that_adds_nothing_lets_everything_through(rng):
    layer = block_with_weights(rng)
    for last in (layer.attention.output_dense, layer.shrink):
        last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    x = rng.normal(size=(2, 5, FEATURES)).astype("float32")
    assert_equal(layer(x), x, 0)


def test_dropout_drops_in_training_alone_and_in_every_half(rng):
    layer = block_with_weights(rng, dropout=0.5)
    x = rng.normal(size=(1, 5, FEATURES)).astype("float32")
    assert_equal(layer(x), layer(x))
    for silent in (layer.shrink, layer.attention.output_dense):
        weights = silent.get_weights()
        silent.set_weights([np.zeros_like(weight) for weight in weights])
        assert np.abs(layer(x, training=True) - layer(x, training=True)).max() > 1e-3
        silent.set_weights(weights)


def test_contract(rng, tmp_path):
    x = rng.normal(size=(4, 5, FEATURES)).astype("float32")
    layer = TransformerBlock(2, 8, 0.1, "gelu", normalize_first=False, max_distance=3)
    check_layer(layer, x, tmp_path)


@pytest.mark.parametrize("max_distance", [None, 2])
def test_mixed_precision(max_distance, rng):
    def build():
        inputs = keras.Input((5, FEATURES))
        layer = TransformerBlock(2, 8, max_distance=max_distance)
        return keras.Model(inputs, layer(inputs, use_causal_mask=True))

    check_mixed_precision(build, rng.normal(size=(4, 5, FEATURES)).astype("float32"))


def test_parameters():
    features, wide = FEATURES, 8
    attention_weights = 4 * features * (features + 1)
    dense = features * wide + wide + wide * features + features
    assert block_with_weights(np.random.default_rng(0)).count_params() == (
        attention_weights + dense + 2 * 2 * features
    )
    with_distances = block_with_weights(np.random.default_rng(0), max_distance=2)
    assert with_distances.count_params() == (
        attention_weights + dense + 2 * 2 * features + 2 * (2 * 2 + 1) * features // 2
    )


def test_wrong_sizes_are_refused():
    with pytest.raises(InputError, match="`num_heads` is 4, but must divide the number of feat"):
        TransformerBlock(4, 8)(keras.Input((None, FEATURES)))
    with pytest.raises(InputError, match="`intermediate_dim` is 0, but must be at least 1"):
        TransformerBlock(2, 0)
