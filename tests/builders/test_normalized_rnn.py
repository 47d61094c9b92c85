from dlnotes.builders import normalized_rnn, normalized_rnn_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, padded, randomise

KINDS = [
    ("lstm", "layer"),
    ("gru", "layer"),
    ("lstm", "inputs"),
    ("gru", "inputs"),
    ("lstm", "steps"),
    ("lstm", None),
    ("gru", None),
]
each_kind = pytest.mark.parametrize(("cell", "normalization"), KINDS)


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in (5, 2, 4)]


def randomised(model, rng):
    """Random weights, and moving statistics among which no variance is negative."""
    randomise(model, rng)
    for weight in model.weights:
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return model


def test_contract(tmp_path, rng):
    check_builder(
        normalized_rnn,
        {"input_shape": (4, 2), "outputs": 3, "mask_value": 0.0},
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=normalized_rnn_space,
        loss="mse",
        output_shape=(None, 3),
        # kernel with a constant feature, recurrent kernel, biases, two gains; head
        parameters=32 * (3 * 3 + 3 * 32 + 4 + 3 + 3) + 33 * 3,
    )


@each_kind
def test_padding_and_masks_that_are_not_passed_on(cell, normalization, sequences, rng, monkeypatch):
    for layer in (keras.layers.RNN, keras.layers.LSTM, keras.layers.GRU):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    options = {"cell": cell, "normalization": normalization, "units": 3, "layers": 2}
    model = randomised(normalized_rnn((6, 2), 1, dropout=0.5, mask_value=0.0, **options), rng)
    together = np.asarray(model(padded(sequences, 6)))
    shorter = normalized_rnn((5, 2), 1, mask_value=0.0, **options)
    # statistics for each step are as many as there are steps
    weights = [w[:5] if len(w) == 6 and w.ndim == 2 else w for w in model.get_weights()]
    shorter.set_weights(weights)
    assert_equal(together, np.asarray(shorter(padded(sequences, 5))))


@pytest.mark.parametrize("normalization", ["layer", "inputs"])
def test_padded_batch_equals_sequences_alone(normalization, sequences, rng):
    model = normalized_rnn((None, 2), 1, normalization=normalization, units=3, mask_value=0.0)
    check_padding(randomised(model, rng), sequences)


def test_batch_norm_of_the_inputs_equals_the_loop(sequences, rng):
    model = normalized_rnn((None, 2), 1, cell="lstm", normalization="inputs", units=3)
    gamma, beta, mean, variance = randomised(model, rng).get_layer("inputs_1").get_weights()
    weights = model.get_layer("recurrent_1").get_weights()
    kernel, bias = model.get_layer("outputs").get_weights()
    for sequence in sequences:
        x = (sequence - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        expected = lstm(x, *weights)[-1] @ kernel + bias
        assert_equal(np.asarray(model(sequence[np.newaxis]))[0], expected)


def test_padded_steps_enter_no_statistic(sequences):
    found = []
    for steps in (5, 9):
        model = normalized_rnn((None, 2), 1, normalization="inputs", units=3, mask_value=0.0)
        model(padded(sequences, steps), training=True)
        found.append(model.get_layer("inputs_1").get_weights()[2])
    assert_equal(*found)
    assert_equal(found[0], 0.1 * np.concatenate(sequences).mean(axis=0))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_layer_normalisation_keeps_the_scale_of_a_single_feature(cell, rng):
    model = randomise(normalized_rnn((4, 1), 1, cell=cell, units=3), rng)
    x = rng.uniform(0.5, 1, size=(2, 4, 1)).astype("float32")
    assert np.abs(np.asarray(model(x)) - np.asarray(model(5 * x))).min() > 1e-3


def test_mixed_precision(sequences):
    for cell, normalization in (("gru", "layer"), ("lstm", "steps")):
        check_mixed_precision(
            lambda c=cell, n=normalization: normalized_rnn((5, 2), 1, cell=c, normalization=n),
            sequences[0][np.newaxis],
        )


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match="`cell` is 'minimal', but must be one of 'lstm', 'gru'"):
        normalized_rnn((4, 2), 1, cell="minimal")
    with pytest.raises(InputError, match="`normalization` is 'batch', but must be one of 'layer'"):
        normalized_rnn((4, 2), 1, normalization="batch")
    for facts in ({"cell": "gru"}, {"cell": "lstm", "input_shape": (None, 2)}):
        with pytest.raises(InputError, match="needs cell='lstm' and a known number of steps"):
            normalized_rnn(
                **{"input_shape": (4, 2), "outputs": 1, "normalization": "steps"} | facts
            )
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        normalized_rnn((4,), 1)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        normalized_rnn((4, 2), 1, layers=0)
