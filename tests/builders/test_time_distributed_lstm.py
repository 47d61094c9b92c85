from dlnotes.builders import time_distributed_lstm, time_distributed_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder
from loops import lstm, padded, randomise

FILL = -9.0


def test_contract(tmp_path, rng):
    check_builder(
        time_distributed_lstm,
        {"input_shape": (None, 3), "outputs": 2},
        rng.normal(size=(4, 3, 3)),
        np.zeros((4, 3, 2)),
        tmp_path,
        space=time_distributed_lstm_space,
        loss="mse",
        output_shape=(None, None, 2),
        parameters=4 * 32 * (3 + 32 + 1) + (32 + 1) * 2,
    )


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in (5, 1, 3)]


def loop(model, sequence, bidirectional):
    """What the model should give for one sequence without padding."""
    *layers, kernel, bias = model.get_weights()
    x = sequence
    width = 6 if bidirectional else 3
    for start in range(0, len(layers), width):
        weights = layers[start : start + width]
        states = [lstm(x, *weights[:3])]
        if bidirectional:
            states.append(lstm(x[::-1], *weights[3:])[::-1])
        x = np.concatenate(states, axis=-1)
    return x @ kernel + bias


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_real_step_equals_a_loop_over_the_unpadded_sequence(bidirectional, sequences, rng):
    model = time_distributed_lstm(
        (None, 2), 2, units=3, layers=2, bidirectional=bidirectional, mask_value=FILL
    )
    randomise(model, rng)
    for steps in (5, 7):
        prediction = model.predict(padded(sequences, steps, FILL), verbose=0)
        assert prediction.shape == (3, steps, 2)
        for row, sequence in zip(prediction, sequences, strict=True):
            assert_equal(row[: len(sequence)], loop(model, sequence, bidirectional))


def test_masks_are_passed_explicitly(sequences, rng, monkeypatch):
    # the next Keras no longer passes masks on after recurrent layers
    for layer in (keras.layers.RNN, keras.layers.LSTM, keras.layers.Bidirectional):
        monkeypatch.setattr(layer, "compute_mask", lambda *_: None)
    model = time_distributed_lstm(
        (None, 2), 1, units=2, layers=2, bidirectional=True, mask_value=FILL
    )
    randomise(model, rng)
    prediction = model.predict(padded(sequences, 5, FILL), verbose=0)
    for row, sequence in zip(prediction, sequences, strict=True):
        assert_equal(row[: len(sequence)], loop(model, sequence, bidirectional=True))


def test_the_head_has_units_plus_one_weights_per_output_at_any_length():
    for steps in (5, 50, None):
        head = time_distributed_lstm((steps, 1), 3, units=7).get_layer("outputs")
        assert head.count_params() == 3 * (7 + 1)


def test_wrong_shape_and_depth_are_refused():
    with pytest.raises(
        InputError, match=r"`input_shape` is \(5,\), but must be \(steps, features\)"
    ):
        time_distributed_lstm((5,), 1)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        time_distributed_lstm((5, 1), 1, layers=0)
