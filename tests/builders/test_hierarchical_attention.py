from dlnotes.builders import hierarchical_attention, hierarchical_attention_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision
from loops import padded, randomise, sigmoid

MATRIX = np.random.default_rng(0).normal(size=(9, 2))
MATRIX[0] = 0
DOCUMENTS = [[[1, 2, 3], [4]], [[5, 6]], [[7, 8], [1], [2, 3, 4]]]


def batch(documents, sentences, words):
    """Documents of unequal size as one array of ids, filled up with zeros."""
    rows = [np.stack([padded([np.array(s)], words)[0] for s in one]) for one in documents]
    return padded(rows, sentences)


def gru(sequence, kernel, recurrent_kernel, bias):
    """All states of Keras' GRU (reset after the product) over one sequence."""
    state, states = np.zeros(len(recurrent_kernel)), []
    for step in sequence:
        inputs = np.split(step @ kernel + bias[0], 3)
        memory = np.split(state @ recurrent_kernel + bias[1], 3)
        z, r = (sigmoid(inputs[gate] + memory[gate]) for gate in (0, 1))
        state = z * state + (1 - z) * np.tanh(inputs[2] + r * memory[2])
        states.append(state)
    return np.array(states)


def read(sequence, weights):
    """One level: equations 1 to 7, or 8 to 10 and the two before."""
    both = gru(sequence, *weights[:3]), gru(sequence[::-1], *weights[3:6])[::-1]
    states, (kernel, bias, query) = np.concatenate(both, axis=1), weights[6:]
    scores = np.exp(np.tanh(states @ kernel + bias) @ query[:, 0])
    shares = scores / scores.sum()
    return shares @ states, shares


def expected(model, document):
    """The logits, and the weights of words and sentences, as loops over the document."""
    table, *weights = model.get_layer("sentences").layer.get_weights()
    sentences, looks = zip(*(read(table[sentence], weights) for sentence in document), strict=True)
    layers = [model.get_layer(name) for name in ("sentence_gru", "sentence_attention")]
    upper = [weight for layer in layers for weight in layer.get_weights()]
    pooled, shares = read(np.array(sentences), upper)
    kernel, bias = model.get_layer("outputs").get_weights()
    return pooled @ kernel + bias, looks, shares


@pytest.fixture(scope="module")
def model():
    model = hierarchical_attention(MATRIX, 2, units=3, trainable=True)
    return randomise(model, np.random.default_rng(1))


def test_contract(tmp_path, rng):
    level = {2: 2 * 3 * 32 * (2 + 32 + 2), 64: 2 * 3 * 32 * (64 + 32 + 2)}
    check_builder(
        hierarchical_attention,
        {"matrix": MATRIX, "classes": 3},
        rng.integers(9, size=(4, 3, 2)),
        np.zeros((4, 3)),
        tmp_path,
        space=hierarchical_attention_space,
        loss="mse",
        output_shape=(None, 3),
        parameters=9 * 2 + level[2] + level[64] + 2 * (64 * 64 + 2 * 64) + 65 * 3,
    )


def test_predict_equals_the_equations_of_the_paper_at_any_padding(model):
    for sentences, words in ((3, 3), (5, 4)):
        logits = model.predict(batch(DOCUMENTS, sentences, words), verbose=0)
        for row, document in zip(logits, DOCUMENTS, strict=True):
            assert_equal(row, expected(model, document)[0])


def test_both_weights_can_be_looked_at_and_leave_padding_out(model):
    outputs = [model.get_layer(n).output[1] for n in ("sentences", "sentence_attention")]
    words, sentences = keras.Model(model.input, outputs)(batch(DOCUMENTS, 4, 5))
    for row, document in enumerate(DOCUMENTS):
        _, looks, shares = expected(model, document)
        assert_equal(np.asarray(sentences)[row], padded([shares], 4)[0])
        for place in range(4):
            look = looks[place] if place < len(document) else np.zeros(0)
            assert_equal(np.asarray(words)[row, place], padded([look], 5)[0])


def test_documents_of_padding_alone_give_finite_logits_and_gradients(model):
    x = batch(DOCUMENTS, 3, 3)
    x[1] = 0
    assert np.isfinite(np.asarray(model(x))).all()
    small = hierarchical_attention(MATRIX, 2, units=2, trainable=True)
    small.compile("sgd", "mse")
    small.fit(x, np.ones((3, 2)), verbose=0)
    assert all(np.isfinite(weight).all() for weight in small.get_weights())


def test_a_padded_sentence_between_two_real_ones_changes_nothing(model):
    apart = [[DOCUMENTS[0][0], [0], DOCUMENTS[0][1]]]
    assert_equal(
        np.asarray(model(batch(apart, 3, 3))), np.asarray(model(batch(DOCUMENTS[:1], 2, 3)))
    )


def test_the_order_of_sentences_matters(model):
    first, second = (
        np.asarray(model(batch([d], 2, 3))) for d in (DOCUMENTS[0], DOCUMENTS[0][::-1])
    )
    assert np.abs(first - second).max() > 1e-3


def test_vectors_are_frozen_unless_they_are_to_be_trained():
    x, y = batch(DOCUMENTS, 3, 3), np.ones((3, 2))
    for trainable in (False, True):
        model = hierarchical_attention(MATRIX, 2, units=2, trainable=trainable)
        model.compile("sgd", "mse", run_eagerly=True)
        model.fit(x, y, verbose=0)
        table = model.get_layer("sentences").layer.get_layer("vectors").get_weights()[0]
        assert np.allclose(table, MATRIX, atol=1e-7) != trainable


def test_mixed_precision():
    def build():
        return hierarchical_attention(MATRIX, 2, units=4)

    check_mixed_precision(build, batch(DOCUMENTS, 3, 3))


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match=r"`matrix` has shape \(9,\), but must be a table"):
        hierarchical_attention(MATRIX[:, 0], 2)
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(sentences, wo"):
        hierarchical_attention(MATRIX, 2, input_shape=(4,))
