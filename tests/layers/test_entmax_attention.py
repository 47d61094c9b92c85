from dlnotes.errors import InputError
from dlnotes.layers import EntmaxAttention
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import randomise
from test_entmax import plain


def network(alpha="learned", features=6):
    """Attention on itself, which leaves steps of zeros out."""
    inputs = keras.Input((None, features))
    mask = keras.ops.any(keras.ops.not_equal(inputs, 0), axis=-1)
    attention = EntmaxAttention(2, 4, alpha=alpha, name="attention")
    return keras.Model(inputs, attention(inputs, inputs, value_mask=mask))


def loop(x, mask, weights, alphas):
    """Attention of one sequence, head by head and step by step."""
    *projections, (output_kernel, output_bias) = weights
    outputs = np.tile(output_bias, (len(x), 1)).astype("float64")
    for head, alpha in enumerate(alphas):
        query, key, value = (x @ kernel[:, head] + bias[head] for kernel, bias in projections)
        for step in range(len(x)):
            scores = np.array([query[step] @ key[other] / 2 for other in np.flatnonzero(mask)])
            shares = plain(scores[np.newaxis], alpha)[0]
            outputs[step] += (shares @ value[mask]) @ output_kernel[head]
    return outputs


@pytest.mark.parametrize("alpha", ["learned", 1.5, 2])
def test_equals_a_loop_over_heads_and_steps(alpha, rng):
    x = rng.normal(size=(3, 5, 6)).astype("float32")
    x[1, 3:] = 0
    model = randomise(network(alpha), rng)
    layer = model.get_layer("attention")
    dense = (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense)
    weights = [projection.get_weights() for projection in dense]
    alphas = np.asarray(layer.head_alphas())
    for row, found in zip(x, model.predict(x, verbose=0), strict=True):
        mask = row.any(axis=-1)
        assert_equal(found[mask], loop(row, mask, weights, alphas)[mask], 1e-4)


def test_saved_trained_and_loaded(tmp_path, rng):
    x = rng.normal(size=(4, 5, 6)).astype("float32")
    inputs = keras.Input((None, 6))
    outputs = EntmaxAttention(2, 4, dropout=0.1)(inputs, inputs)
    part = keras.Model(inputs, outputs)
    check_layer(part, x, tmp_path)


def test_the_weights_are_probabilities_with_zeros_which_softmax_lacks(rng):
    x = 3 * rng.normal(size=(2, 8, 6)).astype("float32")
    sparse, dense = EntmaxAttention(2, 4), keras.layers.MultiHeadAttention(2, 4)
    for layer, has_zeros in ((sparse, True), (dense, False)):
        _, weights = layer(x, x, return_attention_scores=True)
        np.testing.assert_allclose(np.asarray(weights).sum(axis=-1), 1, atol=1e-5)
        assert bool((np.asarray(weights) == 0).any()) == has_zeros


def test_heads_start_in_the_middle_and_learn_apart(rng):
    x = rng.normal(size=(8, 6, 6)).astype("float32")
    model = network()
    layer = model.get_layer("attention")
    assert_equal(layer.head_alphas(), np.array([1.5, 1.5]))
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(x, x, epochs=3, verbose=0)
    one, other = np.asarray(layer.head_alphas())
    assert one != other and min(one, other) > 1 and max(one, other) < 2


def test_padding_changes_nothing(rng):
    sequences = [rng.normal(size=(steps, 6)).astype("float32") for steps in (4, 2, 3)]
    check_padding(randomise(network(), rng), sequences, per_step=True)


def test_a_causal_mask_stops_the_future(rng):
    x = rng.normal(size=(2, 5, 6)).astype("float32")
    changed = x.copy()
    changed[:, 3:] += 1
    layer = EntmaxAttention(2, 4)
    before, after = (np.asarray(layer(v, v, use_causal_mask=True)) for v in (x, changed))
    assert_equal(before[:, :3], after[:, :3], 1e-6)
    assert np.abs(before[:, 3:] - after[:, 3:]).min() > 0


def test_mixed_precision(rng):
    check_mixed_precision(network, rng.normal(size=(3, 5, 6)).astype("float32"))


def test_wrong_arguments_are_refused(rng):
    for alpha in ("soft", 1, None):
        with pytest.raises(InputError, match=f"`alpha` is {alpha!r}, but must be 'learned' or a n"):
            EntmaxAttention(2, 4, alpha=alpha)
    with pytest.raises(InputError, match=r"`query` has shape \(2, 3, 4, 5\), but must be \(batch"):
        layer = EntmaxAttention(2, 4)
        layer(rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 5)))
