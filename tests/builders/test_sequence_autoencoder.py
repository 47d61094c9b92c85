from dlnotes.builders import sequence_autoencoder, sequence_autoencoder_space
from dlnotes.errors import InputError
from dlnotes.masks import step_weights
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, padded, randomise

SHAPE = (None, 2)


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in (5, 2, 4)]


def encoder_of(model):
    return keras.Model(model.input, model.get_layer("code").output)


@pytest.mark.parametrize("attention", [False, True])
def test_contract(attention, tmp_path, rng):
    x = rng.normal(size=(5, 4, 2)).astype("float32")
    lstms = 4 * 64 * (2 + 64 + 1) + 4 * 64 * (16 + 64 + 1)
    outputs = (64 * (1 + attention) + 1) * 2 + 64 * attention
    check_builder(
        sequence_autoencoder,
        {"input_shape": (4, 2), "attention": attention, "mask_value": 0.0},
        x,
        x,
        tmp_path,
        space=sequence_autoencoder_space,
        loss="mse",
        output_shape=(None, 4, 2),
        parameters=lstms + (64 + 1) * 16 + outputs,
    )


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("attention", [False, True])
def test_equals_loops_with_padding(attention, reverse, sequences, rng):
    options = {"attention": attention, "reverse": reverse, "mask_value": 0.0}
    model = randomise(sequence_autoencoder(SHAPE, code=3, units=4, **options), rng)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    codes = encoder_of(model).predict(padded(sequences, 6), verbose=0)
    outputs = model.predict(padded(sequences, 6), verbose=0)
    for code, row, sequence in zip(codes, outputs, sequences, strict=True):
        states = lstm(sequence, *weights["encoder"])
        kernel, bias = weights["code"]
        assert_equal(code, states[-1] @ kernel + bias)
        written = lstm(np.tile(code, (len(sequence), 1)), *weights["decoder"])
        if reverse:
            written = written[::-1]
        if attention:
            pairs = np.tanh(written[:, None] + states[None])
            shares = softmax(pairs @ weights["attention"][0])
            written = np.concatenate([written, shares @ states], axis=1)
        kernel, bias = weights["outputs"]
        assert_equal(row[: len(sequence)], written @ kernel + bias)


def test_padded_batch_equals_sequences_alone(sequences, rng):
    model = sequence_autoencoder(SHAPE, code=3, units=4, attention=True, mask_value=0.0)
    check_padding(randomise(model, rng), sequences, per_step=True)


def test_every_layer_gets_the_mask_even_if_none_is_passed_on(sequences, rng, monkeypatch):
    for layer in (keras.layers.LSTM, keras.layers.AdditiveAttention):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    model = sequence_autoencoder(SHAPE, code=3, units=4, attention=True, mask_value=0.0)
    randomise(model, rng)
    for row, sequence in zip(model(padded(sequences, 6)), sequences, strict=True):
        assert_equal(row[: len(sequence)], model(sequence[np.newaxis])[0])


def test_without_attention_everything_goes_through_the_code(sequences, rng):
    """Two sequences with one code are written alike, and with attention they are not."""
    x = padded(sequences, 5, value=1.0)
    for attention in (False, True):
        model = sequence_autoencoder((5, 2), code=1, units=4, attention=attention)
        randomise(model, rng)
        kernel, bias = model.get_layer("code").get_weights()
        model.get_layer("code").set_weights([np.zeros_like(kernel), bias])
        written = np.asarray(model(x))
        assert (np.ptp(written, axis=0).max() > 1e-3) == attention


def test_reverse_writes_the_last_step_first(rng):
    """The first step that is written depends on the code by way of one step of the decoder."""
    for reverse, first in ((False, 0), (True, -1)):
        model = sequence_autoencoder((4, 2), code=3, units=4, reverse=reverse)
        randomise(model, rng)
        kernel, _, bias = model.get_layer("decoder").get_weights()
        x = rng.normal(size=(1, 4, 2)).astype("float32")
        before = np.asarray(model(x))
        model.get_layer("decoder").set_weights([kernel, rng.normal(size=(4, 16)), bias])
        moved = np.abs(np.asarray(model(x)) - before)[0].max(axis=1)
        assert moved[first] < 1e-6 and np.delete(moved, first % 4).min() > 1e-4


def test_what_stands_on_padded_targets_changes_nothing_in_fit(sequences):
    x = padded(sequences, 6)
    weight, trained = step_weights(x), []
    for target_on_padding in (0.0, 100.0):
        keras.utils.set_random_seed(0)
        model = sequence_autoencoder(SHAPE, code=3, units=4, dropout=0.2, mask_value=0.0)
        model.compile("sgd", "mse")
        targets = np.where(weight[..., np.newaxis] == 1, x, target_on_padding)
        model.fit(x, targets, sample_weight=weight, verbose=0)
        trained.append(model.get_weights())
    assert_equal(*trained, 1e-6)


def test_mixed_precision(rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    check_mixed_precision(lambda: sequence_autoencoder(SHAPE, attention=True, mask_value=0.0), x)


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        sequence_autoencoder((4,))
    with pytest.raises(InputError, match="`code` is 0, but must be at least 1"):
        sequence_autoencoder((4, 2), code=0)
