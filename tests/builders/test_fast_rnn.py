from dlnotes.builders import fast_rnn, fast_rnn_space
from dlnotes.errors import InputError
from dlnotes.layers import QRNN, SRU
import keras_tuner
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_padding
from loops import padded, randomise

LENGTHS = [5, 2, 4]


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [("qrnn", 3 * 64 * (2 * 2 + 1)), ("sru", 4 * 64 * 2 + 4 * 64)],
)
def test_contract(layer, parameters, tmp_path, rng):
    def space(hp):
        return {key: value for key, value in fast_rnn_space(hp).items() if key != "layer"}

    check_builder(
        fast_rnn,
        {"input_shape": (4, 2), "outputs": 3, "layer": layer, "mask_value": 0.0},
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=space,
        loss="mse",
        output_shape=(None, 3),
        parameters=parameters + (64 + 1) * 3,
    )


def test_the_space_chooses_the_layer():
    hp = keras_tuner.HyperParameters()
    hp.values["layer"] = "sru"
    model = fast_rnn((None, 2), 1, **fast_rnn_space(hp))
    assert isinstance(model.get_layer("sru_1"), SRU)


@pytest.mark.parametrize("layer", ["qrnn", "sru"])
def test_padded_batch_equals_sequences_alone(layer, sequences, rng):
    model = fast_rnn((None, 2), 2, layer=layer, units=3, layers=2, mask_value=0.0)
    check_padding(randomise(model, rng), sequences)


def test_without_a_mask_padding_does_change_the_outputs(sequences, rng):
    model = randomise(fast_rnn((None, 2), 2, units=3), rng)
    together, alone = np.asarray(model(padded(sequences, 6))), np.asarray(model(sequences[1][None]))
    assert np.abs(together[1] - alone[0]).max() > 1e-2


def test_every_layer_gets_the_mask_even_if_none_is_passed_on(sequences, rng, monkeypatch):
    for layer in (QRNN, SRU):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    for layer in ("qrnn", "sru"):
        model = fast_rnn((None, 2), 2, layer=layer, units=3, layers=3, dropout=0.5, mask_value=0.0)
        randomise(model, rng)
        for row, sequence in zip(model(padded(sequences, 6)), sequences, strict=True):
            assert_equal(row, model(sequence[np.newaxis])[0])


@pytest.mark.parametrize("layer", ["qrnn", "sru"])
def test_no_output_knows_a_later_step_and_each_knows_all_before(layer, rng):
    model = fast_rnn((6, 2), 1, layer=layer, units=3, layers=2, return_sequences=True)
    randomise(model, rng)
    x = rng.normal(size=(1, 6, 2)).astype("float32")
    for step in range(6):
        changed = x.copy()
        changed[:, step] += 1
        moved = np.abs(np.asarray(model(changed)) - np.asarray(model(x)))[0, :, 0]
        assert not moved[:step].any() and moved[step:].min() > 1e-6


@pytest.mark.parametrize(("window", "reach"), [(1, 1), (2, 3), (4, 5)])
def test_the_window_is_that_of_the_first_layer(window, reach, rng):
    """Without memory, two layers see as many steps as their windows give."""
    model = randomise(
        fast_rnn((8, 2), 1, units=3, layers=2, window=window, return_sequences=True), rng
    )
    for number in (1, 2):
        kernel, bias = model.get_layer(f"qrnn_{number}").get_weights()
        kernel[..., 3:6], bias[3:6] = 0, -100
        model.get_layer(f"qrnn_{number}").set_weights([kernel, bias])
    x = rng.normal(size=(1, 8, 2)).astype("float32")
    changed = x.copy()
    changed[:, 0] += 1
    moved = np.abs(np.asarray(model(changed)) - np.asarray(model(x)))[0, :, 0]
    assert moved[:reach].min() > 1e-6 and not moved[reach:].any()


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match="`layer` is 'lstm', but must be 'qrnn' or 'sru'"):
        fast_rnn((4, 2), 1, layer="lstm")
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        fast_rnn((4,), 1)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        fast_rnn((4, 2), 1, layers=0)
