from dlnotes.errors import InputError
from dlnotes.layers import PositionEmbedding
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision


@pytest.mark.parametrize("features", [4, 5])
def test_waves_equal_the_formula(features, rng):
    x = rng.normal(size=(2, 7, features)).astype("float32")
    expected = np.zeros((7, features))
    for position in range(7):
        for channel in range(features):
            angle = position / 10_000 ** (2 * (channel // 2) / features)
            expected[position, channel] = np.cos(angle) if channel % 2 else np.sin(angle)
    assert_equal(PositionEmbedding()(x), x + expected)


def test_learned_vectors_are_the_rows_of_the_table_at_any_length(rng):
    inputs = keras.Input((None, 3))
    layer = PositionEmbedding(6)
    model = keras.Model(inputs, layer(inputs))
    (table,) = layer.get_weights()
    for steps in (6, 4):
        x = rng.normal(size=(2, steps, 3)).astype("float32")
        assert_equal(model.predict(x, verbose=0), x + table[:steps])


@pytest.mark.parametrize("max_steps", [None, 5])
def test_contract(max_steps, rng, tmp_path):
    x = rng.normal(size=(4, 5, 6)).astype("float32")
    check_layer(PositionEmbedding(max_steps), x, tmp_path)


@pytest.mark.parametrize("max_steps", [None, 5])
def test_mixed_precision(max_steps, rng):
    def build():
        inputs = keras.Input((5, 6))
        dense = keras.layers.Dense(6)  # a layer without weights cannot take any
        return keras.Model(inputs, PositionEmbedding(max_steps)(dense(inputs)))

    check_mixed_precision(build, rng.normal(size=(4, 5, 6)).astype("float32"))


def test_too_long_a_sequence_is_refused():
    with pytest.raises(InputError, match=r"got a sequence of 9 steps, but .* `max_steps` = 8"):
        PositionEmbedding(8)(keras.Input((9, 4)))
    with pytest.raises(InputError, match="`max_steps` is 0, but must be at least 1"):
        PositionEmbedding(0)
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, PositionEmbedding(8)(inputs))
    with pytest.raises(Exception):  # noqa: B017  each backend has its own
        model.predict(np.zeros((1, 9, 4)), verbose=0)
