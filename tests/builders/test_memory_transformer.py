from dlnotes.builders import memory_transformer, memory_transformer_space
from dlnotes.errors import InputError
import numpy as np
import pytest

from attention_loops import block, everything, normalise, waves
from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import padded, randomise

LENGTHS = [5, 2, 4]
SMALL = {"units": 8, "num_heads": 2, "keys": 5, "top_k": 3, "memory_heads": 2, "dropout": 0.0}
BLOCK = 4 * 32 * 33 + 32 * 128 + 128 + 128 * 32 + 32 + 4 * 32
MEMORY = 64 + 4 * 32 * 33 + 64 + 2 * 4 * 32 * 16 + 32**2 * 32


@pytest.fixture
def sentences(rng):
    return [rng.integers(1, 9, size=length).astype("int32") for length in LENGTHS]


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({"input_shape": (5, 3), "outputs": 2}, 32 * 4),
        ({"input_shape": (5,), "outputs": 2, "vocabulary": 9}, 9 * 32),
    ],
)
def test_contract(facts, first, tmp_path, rng):
    tokens = "vocabulary" in facts
    check_builder(
        memory_transformer,
        facts,
        rng.integers(1, 9, (4, 5)) if tokens else rng.normal(size=(4, 5, 3)),
        np.zeros((4, 2)),
        tmp_path,
        space=memory_transformer_space,
        loss="mse",
        output_shape=(None, 2),
        parameters=first + 2 * BLOCK + MEMORY + 64 + 33 * 2,
    )


def read(memory, row):
    """What the queries of one step read, after a comparison with every pair of half keys."""
    kernel, bias = memory.query_dense.get_weights()
    query = (row @ kernel + bias).reshape(memory.heads, memory.key_dim)
    query = normalise(query, memory.query_norm).reshape(memory.heads, 2, -1)
    found = np.zeros(memory.units)
    for head, (one, other) in enumerate(query):
        first, second = np.asarray(memory.half_keys)[:, head]
        scores = np.array([one @ a + other @ b for a in first for b in second])
        best = np.argsort(-scores)[: memory.top_k]
        share = np.exp(scores[best]) / np.exp(scores[best]).sum()
        found += share @ np.asarray(memory.values)[best]
    return found


def test_equals_a_loop_over_the_steps(sentences, rng):
    model = memory_transformer((None,), 3, vocabulary=9, **SMALL)
    randomise(model, rng)
    (table,) = model.get_layer("tokens").get_weights()
    kernel, bias = model.get_layer("outputs").get_weights()
    prediction = model.predict(padded(sentences, 6), verbose=0)
    for row, sentence in zip(prediction, sentences, strict=True):
        steps = len(sentence)
        x = table[sentence] * 8**0.5 + waves(steps, 8)
        x = block(x, model.get_layer("block_1"), everything(steps))
        asked = normalise(x, model.get_layer("memory_norm"))
        x = x + np.array([read(model.get_layer("memory"), step) for step in asked])
        x = block(x, model.get_layer("block_2"), everything(steps))
        x = normalise(x, model.get_layer("norm")).mean(axis=0)
        assert_equal(row, x @ kernel + bias, 1e-3)


def test_padded_tokens_change_nothing(sentences, rng):
    model = memory_transformer((None,), 2, vocabulary=9, **SMALL)
    check_padding(randomise(model, rng), sentences)


def test_padded_features_change_nothing(rng):
    sequences = [rng.normal(size=(length, 3)).astype("float32") for length in LENGTHS]
    check_padding(randomise(memory_transformer((None, 3), 2, **SMALL), rng), sequences)


def test_mixed_precision(sentences):
    x = padded(sentences, 5)
    check_mixed_precision(lambda: memory_transformer((5,), 2, vocabulary=9, **SMALL), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (12,)}, r"`input_shape` is \(12,\), but must be \(steps, features\)"),
        ({"input_shape": (12, 3), "vocabulary": 9}, r"but must be \(steps,\), such as \(12,"),
        ({"units": 9, "num_heads": 3}, "`units` is 9, but must be even: a key of the memory"),
        ({"num_heads": 5}, "`num_heads` is 5, but must divide the number of features, 32"),
        ({"keys": 4}, "`top_k` is 8, but there are only 4 half keys"),
        ({"layers": 0}, "`layers` is 0, but must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        memory_transformer(**{"input_shape": (5, 3), "outputs": 2} | arguments)
