from dlnotes.errors import InputError
from dlnotes.layers import ProductKeyMemory
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import randomise


def network(**choices):
    inputs = keras.Input((None, 6))
    options = {"units": 5, "keys": 7, "key_dim": 4, "heads": 2, "top_k": 3}
    memory = ProductKeyMemory(name="memory", **options | choices)
    return keras.Model(inputs, memory(inputs))


def queries(layer, rows):
    """The queries of each row and head, in two halves."""
    kernel, bias = layer.query_dense.get_weights()
    gamma, beta = layer.query_norm.get_weights()
    query = (rows @ kernel + bias).reshape(len(rows), layer.heads, layer.key_dim)
    spread = np.sqrt(query.var(axis=-1, keepdims=True) + layer.query_norm.epsilon)
    query = (query - query.mean(axis=-1, keepdims=True)) / spread * gamma + beta
    return query.reshape(len(rows), layer.heads, 2, -1)


def brute_force(layer, rows):
    """Every query against every pair of half keys: places, weights and what is read."""
    first, second = np.asarray(layer.half_keys)
    values = np.asarray(layer.values)
    places = np.zeros((len(rows), layer.heads, layer.top_k), int)
    weights = np.zeros(places.shape)
    outputs = np.zeros((len(rows), layer.units))
    for row, of_heads in enumerate(queries(layer, rows)):
        for head, (one, other) in enumerate(of_heads):
            scores = np.array([one @ a + other @ b for a in first[head] for b in second[head]])
            best = np.argsort(-scores)[: layer.top_k]
            share = np.exp(scores[best]) / np.exp(scores[best]).sum()
            places[row, head], weights[row, head] = best, share
            outputs[row] += share @ values[best]
    return outputs, places, weights


@pytest.mark.parametrize("top_k", [1, 3, 7])
def test_equals_a_comparison_with_all_keys(top_k, rng):
    layer = network(top_k=top_k).get_layer("memory")
    randomise(layer, rng)
    x = rng.normal(size=(4, 9, 6)).astype("float32")
    found = [np.asarray(part) for part in layer(x, return_places=True)]
    expected = brute_force(layer, x.reshape(-1, 6))
    assert_equal(found[0], expected[0].reshape(4, 9, 5), 1e-4)
    np.testing.assert_array_equal(found[1], expected[1].reshape(4, 9, 2, top_k))
    assert_equal(found[2], expected[2].reshape(4, 9, 2, top_k), 1e-4)


def test_only_the_values_that_were_read_are_trained(rng):
    model = network(keys=9)
    layer = model.get_layer("memory")
    x = rng.normal(size=(1, 4, 6)).astype("float32")
    _, places, _ = layer(x, return_places=True)
    model.compile("sgd", "mse")
    before = np.array(layer.values)
    model.fit(x, np.ones((1, 4, 5)), verbose=0)
    moved = np.flatnonzero(np.any(np.asarray(layer.values) != before, axis=-1))
    assert set(moved) == set(np.asarray(places).ravel())
    assert len(moved) < 81


def test_saved_trained_and_loaded(tmp_path, rng):
    layer = ProductKeyMemory(5, keys=7, key_dim=4, heads=2, top_k=3)
    check_layer(layer, rng.normal(size=(4, 3, 6)).astype("float32"), tmp_path)


def test_a_step_depends_on_itself_alone(rng):
    sequences = [rng.normal(size=(steps, 6)).astype("float32") for steps in (4, 2, 3)]
    check_padding(randomise(network(), rng), sequences, per_step=True)


def test_mixed_precision(rng):
    exact_in_bfloat16 = rng.integers(-8, 9, size=(3, 4, 6)).astype("float32") / 4
    check_mixed_precision(network, exact_in_bfloat16)


def test_weights_grow_with_the_square_of_the_keys_and_half_keys_with_the_keys():
    small, large = (network(keys=keys).get_layer("memory") for keys in (8, 16))
    assert large.values.shape[0] == 4 * small.values.shape[0] == 256
    assert large.half_keys.shape[2] == 2 * small.half_keys.shape[2] == 16


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`key_dim` is 5, but must be even"):
        ProductKeyMemory(4, key_dim=5)
    with pytest.raises(InputError, match="`top_k` is 9, but there are only 4 half keys"):
        ProductKeyMemory(4, keys=4, top_k=9)
    with pytest.raises(InputError, match="`heads` is 0, but must be at least 1"):
        ProductKeyMemory(4, heads=0)
