from dlnotes.builders import stacked_rnn, stacked_rnn_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, padded, randomise, sigmoid

LENGTHS = [5, 2, 4]


def gru(sequence, kernel, recurrent_kernel, bias):
    """All states of a GRU over one sequence, with the reset gate behind the recurrent matrix."""
    state, states = np.zeros(len(recurrent_kernel)), []
    for step in sequence:
        new = np.split(step @ kernel + bias[0], 3)
        old = np.split(state @ recurrent_kernel + bias[1], 3)
        update, reset = sigmoid(new[0] + old[0]), sigmoid(new[1] + old[1])
        state = update * state + (1 - update) * np.tanh(new[2] + reset * old[2])
        states.append(state)
    return np.array(states)


def simple_rnn(sequence, kernel, recurrent_kernel, bias):
    """All states of a simple recurrent layer over one sequence."""
    state, states = np.zeros(len(recurrent_kernel)), []
    for step in sequence:
        state = np.tanh(step @ kernel + state @ recurrent_kernel + bias)
        states.append(state)
    return np.array(states)


LOOPS = {"lstm": lstm, "gru": gru, "simple_rnn": simple_rnn}


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


def test_contract(tmp_path, rng):
    check_builder(
        stacked_rnn,
        {"input_shape": (4, 2), "outputs": 3, "mask_value": 0.0},
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=stacked_rnn_space,
        loss="mse",
        output_shape=(None, 3),
        parameters=4 * (32 * (2 + 32) + 32) + (32 + 1) * 3,
    )


def test_contract_with_every_choice(tmp_path, rng):
    choices = {"cell": "gru", "units": 6, "layers": 2, "return_sequences": True}
    choices |= {"dropout": 0.2, "mask_value": -1.0, "name": "rows"}
    check_builder(
        lambda **arguments: stacked_rnn(**(choices | arguments)),
        {"input_shape": (None, 3), "outputs": 2},
        rng.normal(size=(4, 5, 3)),
        np.zeros((4, 5, 2)),
        tmp_path,
        space=stacked_rnn_space,
        loss="mse",
        output_shape=(None, None, 2),
        parameters=3 * (6 * (6 + 3) + 12) + 3 * (6 * (6 + 6) + 12) + (6 + 1) * 2,
    )


@pytest.mark.parametrize(
    ("cell", "parameters"),
    [
        ("lstm", lambda n, m: 4 * (n * (n + m) + n)),
        ("gru", lambda n, m: 3 * (n * (n + m) + 2 * n)),
        ("simple_rnn", lambda n, m: n * (n + m) + n),
    ],
)
def test_weights_of_each_layer_follow_the_formula(cell, parameters):
    model = stacked_rnn((None, 3), 2, cell=cell, units=5, layers=2)
    assert model.get_layer("rnn_1").count_params() == parameters(5, 3)
    assert model.get_layer("rnn_2").count_params() == parameters(5, 5)


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("cell", LOOPS)
def test_two_layers_equal_two_loops(cell, return_sequences, sequences, rng):
    options = {"return_sequences": return_sequences, "mask_value": 0.0}
    model = randomise(stacked_rnn((None, 2), 2, cell=cell, units=3, layers=2, **options), rng)
    first, second = (model.get_layer(f"rnn_{number}").get_weights() for number in (1, 2))
    kernel, bias = model.get_layer("outputs").get_weights()
    prediction = np.asarray(model(padded(sequences, 6)))
    for row, sequence in zip(prediction, sequences, strict=True):
        states = LOOPS[cell](LOOPS[cell](sequence, *first), *second)
        if return_sequences:
            row = row[: len(sequence)]
        else:
            states = states[-1]
        assert_equal(row, states @ kernel + bias)


@pytest.mark.parametrize("cell", LOOPS)
def test_padded_batch_equals_unpadded_sequences(cell, sequences, rng):
    options = {"units": 3, "layers": 2, "return_sequences": True, "mask_value": 0.0}
    model = randomise(stacked_rnn((None, 2), 2, cell=cell, **options), rng)
    check_padding(model, sequences, per_step=True)


def test_every_layer_gets_the_mask_even_if_none_is_passed_on(sequences, rng, monkeypatch):
    monkeypatch.setattr(keras.layers.GRU, "compute_mask", lambda self, *arguments: None)
    options = {"units": 3, "layers": 2, "dropout": 0.5, "mask_value": 0.0}
    model = randomise(stacked_rnn((None, 2), 2, cell="gru", **options), rng)
    together = np.asarray(model(padded(sequences, 6)))
    for row, sequence in zip(together, sequences, strict=True):
        assert_equal(row, np.asarray(model(sequence[np.newaxis]))[0])


def test_without_a_mask_padding_does_change_the_outputs(sequences, rng):
    model = randomise(stacked_rnn((None, 2), 2, units=3), rng)
    together = np.asarray(model(padded(sequences, 6)))
    assert np.abs(together[1] - np.asarray(model(sequences[1][np.newaxis]))[0]).max() > 1e-2


def test_no_output_knows_a_later_step(rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    changed = x.copy()
    changed[:, 2] += 1
    model = randomise(stacked_rnn((4, 2), 1, units=3, layers=2, return_sequences=True), rng)
    before, after = (np.asarray(model(batch)) for batch in (x, changed))
    assert_equal(before[:, :2], after[:, :2])
    assert np.abs(before - after)[:, 2:].min() > 1e-4


def test_mixed_precision(rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    check_mixed_precision(lambda: stacked_rnn((4, 2), 2, units=3, layers=2, mask_value=0.0), x)


def test_an_unknown_cell_names_the_cells():
    with pytest.raises(InputError, match="'rnn', but must be one of 'lstm', 'gru', 'simple_rnn'"):
        stacked_rnn((4, 2), 1, cell="rnn")


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        stacked_rnn((4,), 1)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        stacked_rnn((4, 2), 1, layers=0)
