from dlnotes.builders import gated_rnn, gated_rnn_space
from dlnotes.builders.gated_rnn import CELLS
from dlnotes.errors import InputError
from dlnotes.layers import MinimalGatedCell, MutatedGRUCell
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, randomise

LENGTHS = [5, 2, 4]
# columns of the kernel, columns of the recurrent kernel and other weights, in widths of the state
SIZES = {
    "lstm": (4, 4, 4),
    "gru": (3, 3, 6),
    "coupled": (3, 3, 3),
    "peephole": (4, 4, 4 + 3),
    "minimal": (2, 2, 2),
    "mut1": (2, 2, 3),
    "mut2": (2, 3, 3),
    "mut3": (3, 3, 3),
}


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


def test_contract(tmp_path, rng):
    check_builder(
        gated_rnn,
        {"input_shape": (4, 2), "outputs": 3, "cell": "mut1", "mask_value": 0.0},
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=lambda hp: {k: v for k, v in gated_rnn_space(hp).items() if k != "cell"},
        loss="mse",
        output_shape=(None, 3),
        parameters=2 * 32 + 32 * (2 * 32 + 2 * 32 + 3) + 33 * 3,
    )


@pytest.mark.parametrize("cell", CELLS)
def test_parameters(cell):
    width_of_inputs, adds = 2, cell in ("mut1", "mut2")
    kernel, recurrent, others = SIZES[cell]
    expected = 2 * 4 if adds else 0
    for features in (4 if adds else width_of_inputs, 4):
        expected += 4 * (features * kernel + 4 * recurrent + others)
    model = gated_rnn((None, 2), 3, cell=cell, units=4, layers=2)
    assert model.count_params() == expected + 5 * 3


def test_two_layers_equal_two_loops_through_predict(sequences, rng):
    model = randomise(gated_rnn((None, 2), 2, units=3, layers=2, mask_value=0.0), rng)
    first, second, (kernel, bias) = (
        model.get_layer(name).get_weights() for name in ("recurrent_1", "recurrent_2", "outputs")
    )
    expected = [lstm(lstm(s, *first), *second)[-1] @ kernel + bias for s in sequences]
    for row, sequence in zip(expected, sequences, strict=True):
        assert_equal(np.asarray(model(sequence[np.newaxis]))[0], row)
    check_padding(model, sequences)


@pytest.mark.parametrize("cell", ["gru", "mut2"])
def test_padding_changes_no_step(cell, sequences, rng):
    model = gated_rnn((None, 2), 1, cell=cell, units=3, return_sequences=True, mask_value=0.0)
    check_padding(randomise(model, rng), sequences, per_step=True)


@pytest.mark.parametrize("cell", CELLS)
def test_every_layer_gets_the_mask_even_if_none_is_passed_on(cell, sequences, rng, monkeypatch):
    for layer in (keras.layers.RNN, keras.layers.LSTM, keras.layers.GRU):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    model = gated_rnn((None, 2), 1, cell=cell, units=3, layers=2, dropout=0.5, mask_value=0.0)
    randomise(model, rng)
    x = np.zeros((1, 6, 2), "float32")
    x[0, :2] = sequences[1]
    assert_equal(np.asarray(model(x)), np.asarray(model(x[:, :2])))


def test_each_name_is_its_cell():
    def cell(name):
        return gated_rnn((None, 2), 1, cell=name, units=2).get_layer("recurrent_1").cell

    assert type(cell("lstm")) is keras.layers.LSTMCell
    assert type(cell("minimal")) is MinimalGatedCell
    for variant in (1, 2, 3):
        found = cell(f"mut{variant}")
        assert type(found) is MutatedGRUCell and found.variant == variant


def test_the_projection_is_there_only_where_widths_differ():
    def names(features, cell):
        return [layer.name for layer in gated_rnn((4, features), 1, cell=cell, units=3).layers]

    assert "projection_1" in names(2, "mut1") and "projection_1" in names(2, "mut2")
    assert "projection_1" not in names(3, "mut1") + names(2, "mut3") + names(2, "lstm")


def test_mixed_precision(sequences):
    check_mixed_precision(
        lambda: gated_rnn((None, 2), 1, cell="mut1", units=3, mask_value=0.0),
        sequences[0][np.newaxis],
    )


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match="`cell` is 'mgu', but must be one of 'lstm', 'gru', 'c"):
        gated_rnn((4, 2), 1, cell="mgu")
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        gated_rnn((4,), 1)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        gated_rnn((4, 2), 1, layers=0)
