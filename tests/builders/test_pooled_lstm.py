from dlnotes.builders import pooled_lstm, pooled_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, padded, randomise

POOLINGS = ["attention", "mean", "max", "last"]


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in (5, 2, 4)]


def test_contract(tmp_path, rng):
    check_builder(
        pooled_lstm,
        {"input_shape": (4, 2), "outputs": 3, "mask_value": 0.0},
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=pooled_lstm_space,
        loss="mse",
        output_shape=(None, 3),
        parameters=2 * 4 * 32 * (2 + 32 + 1) + 64 * 64 + 2 * 64 + 65 * 3,
    )


def attention(states, kernel, bias, query):
    scores = np.exp(np.tanh(states @ kernel + bias) @ query[:, 0])
    return (scores / scores.sum()) @ states


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_equals_loops_over_the_real_steps(pooling, bidirectional, sequences, rng):
    model = pooled_lstm(
        (None, 2), 2, pooling=pooling, units=3, bidirectional=bidirectional, mask_value=0.0
    )
    randomise(model, rng)
    *weights, kernel, bias = model.get_weights()
    answers = np.asarray(model(padded(sequences, 6)))
    for answer, sequence in zip(answers, sequences, strict=True):
        forward = lstm(sequence, *weights[:3])
        backward = lstm(sequence[::-1], *weights[3:6])[::-1] if bidirectional else forward[:, :0]
        states = np.concatenate([forward, backward], axis=1)
        pooled = {
            "attention": lambda states=states: attention(states, *weights[-3:]),
            "mean": lambda states=states: states.mean(axis=0),
            "max": lambda states=states: states.max(axis=0),
            "last": lambda f=forward, b=backward: np.concatenate([f[-1], b[0]]),
        }[pooling]()
        assert_equal(answer, pooled @ kernel + bias)


@pytest.mark.parametrize("pooling", ["attention", "max"])
def test_padded_batch_equals_unpadded_sequences(pooling, sequences, rng):
    model = pooled_lstm((None, 2), 2, pooling=pooling, units=3, mask_value=0.0)
    check_padding(randomise(model, rng), sequences)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_layer_gets_the_mask_even_if_none_is_passed_on(pooling, sequences, rng, monkeypatch):
    monkeypatch.setattr(keras.layers.Bidirectional, "compute_mask", lambda self, *arguments: None)
    model = pooled_lstm((None, 2), 2, pooling=pooling, units=3, mask_value=0.0)
    randomise(model, rng)
    together = np.asarray(model(padded(sequences, 6)))
    for row, sequence in zip(together, sequences, strict=True):
        assert_equal(row, np.asarray(model(sequence[np.newaxis]))[0])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_without_padding_no_mask_is_needed(pooling, rng):
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    plain, masked = (
        pooled_lstm((4, 2), 1, pooling=pooling, units=3, mask_value=value) for value in (None, 0.0)
    )
    masked.set_weights(randomise(plain, rng).get_weights())
    assert_equal(np.asarray(masked(x)), np.asarray(plain(x)))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_alone_gives_finite_outputs(pooling, rng):
    model = randomise(pooled_lstm((4, 2), 1, pooling=pooling, units=3, mask_value=0.0), rng)
    assert np.isfinite(np.asarray(model(np.zeros((2, 4, 2), "float32")))).all()


def test_the_weights_of_the_attention_are_an_output_of_its_layer(sequences, rng):
    model = randomise(pooled_lstm((None, 2), 1, units=3, mask_value=0.0), rng)
    weights = keras.Model(model.input, model.get_layer("attention").output[1])
    x = padded(sequences, 6)
    found = np.asarray(weights(x))
    assert_equal(found.sum(axis=1), np.ones(3), 1e-6)
    assert (found[~x.any(axis=-1)] == 0).all()


def test_mixed_precision(rng):
    x = rng.normal(size=(3, 5, 2))
    for pooling in POOLINGS:
        check_mixed_precision(lambda p=pooling: pooled_lstm((5, 2), 3, pooling=p, units=4), x)


def test_wrong_facts_and_choices_are_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        pooled_lstm((4,), 1)
    with pytest.raises(InputError, match="'avg', but must be one of 'attention', 'mean', 'max', "):
        pooled_lstm((4, 2), 1, pooling="avg")
