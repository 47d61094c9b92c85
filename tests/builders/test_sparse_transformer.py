from dlnotes.builders import sparse_transformer, sparse_transformer_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from attention_loops import normalise
from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import padded, randomise
from test_entmax import plain

LENGTHS = [5, 2, 4]
SMALL = {"units": 8, "num_heads": 2, "dropout": 0.0}
BLOCK = 4 * 32 * 33 + 4 + 32 * 128 + 128 + 128 * 32 + 32 + 4 * 32


@pytest.fixture
def sentences(rng):
    return [rng.integers(1, 9, size=length).astype("int32") for length in LENGTHS]


@pytest.mark.parametrize(
    ("facts", "shape", "parameters"),
    [
        ({"input_shape": (5, 3), "outputs": 2}, (None, 2), 32 * 4 + BLOCK + 64 + 33 * 2),
        (
            {"input_shape": (5,), "outputs": 9, "vocabulary": 9, "return_sequences": True},
            (None, 5, 9),
            9 * 32 + BLOCK + 64 + 33 * 9,
        ),
    ],
)
def test_contract(facts, shape, parameters, tmp_path, rng):
    tokens = "vocabulary" in facts
    check_builder(
        sparse_transformer,
        facts,
        rng.integers(1, 9, (4, 5)) if tokens else rng.normal(size=(4, 5, 3)),
        np.zeros((4, *shape[1:])),
        tmp_path,
        space=sparse_transformer_space,
        loss="mse",
        output_shape=shape,
        parameters=parameters,
    )


def loop(x, model, alphas):
    """The block of one sequence, head by head and step by step."""
    y = normalise(x, model.get_layer("attention_norm_1"))
    attention = model.get_layer("attention_1")
    dense = (attention.query_dense, attention.key_dense, attention.value_dense)
    output_kernel, output_bias = attention.output_dense.get_weights()
    attended = np.tile(output_bias, (len(x), 1)).astype("float64")
    for head, alpha in enumerate(alphas):
        query, key, value = (
            y @ kernel[:, head] + bias[head]
            for kernel, bias in (layer.get_weights() for layer in dense)
        )
        for step in range(len(x)):
            scores = np.array([query[step] @ other / 2 for other in key])
            shares = plain(scores[np.newaxis], alpha)[0]
            attended[step] += shares @ value @ output_kernel[head]
    x = x + attended
    y = normalise(x, model.get_layer("dense_norm_1"))
    for name in ("expand_1", "shrink_1"):
        kernel, bias = model.get_layer(name).get_weights()
        y = y @ kernel + bias
        y = np.maximum(y, 0) if name == "expand_1" else y
    return normalise(x + y, model.get_layer("norm")).mean(axis=0)


@pytest.mark.parametrize("alpha", [1.5, "learned"])
def test_equals_a_loop(alpha, sentences, rng):
    model = sparse_transformer((None,), 3, vocabulary=9, alpha=alpha, positions=None, **SMALL)
    randomise(model, rng)
    (table,) = model.get_layer("tokens").get_weights()
    kernel, bias = model.get_layer("outputs").get_weights()
    alphas = np.asarray(model.get_layer("attention_1").head_alphas())
    prediction = model.predict(padded(sentences, 6), verbose=0)
    for row, sentence in zip(prediction, sentences, strict=True):
        x = loop(table[sentence] * 8**0.5, model, alphas)
        assert_equal(row, x @ kernel + bias, 1e-3)


def test_zeros_where_softmax_has_none(sentences, rng):
    x = padded(sentences, 5)
    for alpha, has_zeros in ((1, False), (2, True)):
        model = randomise(sparse_transformer((None,), 3, vocabulary=9, alpha=alpha, **SMALL), rng)
        looking = keras.Model(model.input, model.get_layer("attention_1").output[1])
        weights = looking.predict(x, verbose=0)[0]
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
        assert (weights == 0).any() == has_zeros


@pytest.mark.parametrize("alpha", [1, "learned"])
def test_padded_tokens_change_nothing(alpha, sentences, rng):
    model = sparse_transformer((None,), 2, vocabulary=9, alpha=alpha, layers=2, **SMALL)
    check_padding(randomise(model, rng), sentences)


def test_padded_features_change_nothing(rng):
    sequences = [rng.normal(size=(length, 3)).astype("float32") for length in LENGTHS]
    model = sparse_transformer((None, 3), 2, return_sequences=True, **SMALL)
    check_padding(randomise(model, rng), sequences, per_step=True)


def test_mixed_precision(sentences):
    x = padded(sentences, 5)
    check_mixed_precision(lambda: sparse_transformer((5,), 2, vocabulary=9, **SMALL), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (12,)}, r"`input_shape` is \(12,\), but must be \(steps, features\)"),
        ({"input_shape": (12, 3), "vocabulary": 9}, r"but must be \(steps,\), such as \(12,"),
        ({"alpha": 0.5}, "`alpha` is 0.5, but must be 'learned' or a number of at least 1"),
        ({"alpha": "sparse"}, "`alpha` is 'sparse', but must be"),
        ({"positions": "learned"}, "`positions` is 'learned', but must be 'sinusoidal' or None"),
        ({"num_heads": 5}, "`num_heads` is 5, but must divide `units`, 32"),
        ({"layers": 0}, "`layers` is 0, but must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        sparse_transformer(**{"input_shape": (5, 3), "outputs": 2} | arguments)
