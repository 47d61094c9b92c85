from dlnotes.builders import dropout_lstm, dropout_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, padded, randomise, sigmoid

NONE = {"dropout": 0.0, "recurrent_dropout": 0.0, "output_dropout": 0.0}
LENGTHS = [5, 2, 4]


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


def states_in_training(x, layer="lstm", seed=0, **options):
    """What a layer of the model gives in training, with weights that are always the same."""
    keras.utils.set_random_seed(seed)
    model = dropout_lstm(x.shape[1:], 1, return_sequences=True, **NONE | options)
    randomise(model, np.random.default_rng(0))
    return model, np.asarray(
        keras.Model(model.inputs[0], model.get_layer(layer).output)(x, training=True)
    )


def space_without_masks(hp):
    space = dropout_lstm_space(hp)
    del space["same_mask_every_step"]
    return space


@pytest.mark.parametrize(
    ("choices", "space"),
    [({}, dropout_lstm_space), ({"same_mask_every_step": False}, space_without_masks)],
)
def test_contract(choices, space, tmp_path, rng):
    check_builder(
        dropout_lstm,
        {"input_shape": (4, 2), "outputs": 3, "mask_value": 0.0} | choices,
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=space,
        loss="mse",
        output_shape=(None, 3),
        parameters=4 * 32 * (2 + 32 + 1) + (32 + 1) * 3,
    )


@pytest.mark.parametrize("return_sequences", [False, True])
def test_predict_equals_the_lstm_written_out_whatever_the_rates(return_sequences, sequences, rng):
    model = dropout_lstm((None, 2), 2, units=3, return_sequences=return_sequences, mask_value=0.0)
    randomise(model, rng)
    *weights, kernel, bias = model.get_weights()
    for row, sequence in zip(
        model.predict(padded(sequences, 6), verbose=0), sequences, strict=True
    ):
        expected = lstm(sequence, *weights) @ kernel + bias
        if return_sequences:
            row = row[: len(sequence)]
        assert_equal(row, expected if return_sequences else expected[-1])


def lstm_with_masks(sequence, kernel, recurrent_kernel, bias, input_masks, state_masks):
    """Gal and Ghahramani, equation 7, with a mask for each gate: the same at each step."""
    state = memory = np.zeros(len(recurrent_kernel))
    parts = [np.split(weights, 4, axis=-1) for weights in (kernel, recurrent_kernel, bias)]
    states = []
    for step in sequence:
        i, f, candidate, o = (
            (step * input_mask) @ w + (state * state_mask) @ u + b
            for input_mask, state_mask, w, u, b in zip(
                input_masks, state_masks, *parts, strict=True
            )
        )
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
        state = sigmoid(o) * np.tanh(memory)
        states.append(state)
    return np.array(states)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_training_equals_the_equation_of_gal_and_ghahramani(rate, rng, monkeypatch):
    masks = {2: rng.integers(0, 2, (4, 1, 2)) * 2.0, 3: rng.integers(0, 2, (4, 1, 3)) * 2.0}
    cell = keras.layers.LSTMCell

    def known(self, step_input, rate):
        return [keras.ops.cast(mask, "float32") for mask in masks[step_input.shape[-1]]]

    monkeypatch.setattr(cell, "_create_dropout_mask", known)
    x = rng.normal(size=(1, 5, 2)).astype("float32")
    model, states = states_in_training(x, units=3, dropout=rate, recurrent_dropout=0.5)
    inputs = [np.ones(2)] * 4 if rate == 0 else masks[2][:, 0]
    weights = model.get_layer("lstm").get_weights()
    assert_equal(states[0], lstm_with_masks(x[0], *weights, inputs, masks[3][:, 0]))


def test_outputs_keep_one_mask_and_with_false_get_new_ones():
    x = np.ones((2, 6, 3), "float32")
    for same in (True, False):
        options = {"units": 40, "output_dropout": 0.5, "same_mask_every_step": same}
        _, dropped = states_in_training(x, "output_dropout", **options)
        kept = dropped != 0
        assert 0.3 < kept.mean() < 0.7
        assert (kept == kept[:, :1]).all() == same
        assert (kept[0] != kept[1]).any()


def test_with_false_the_inputs_are_dropped_by_a_layer_in_front():
    x = np.ones((2, 6, 40), "float32")
    options = {"dropout": 0.5, "same_mask_every_step": False}
    model, dropped = states_in_training(x, "input_dropout", **options)
    assert model.get_layer("lstm").dropout == 0
    assert np.unique(dropped).tolist() == [0, 2]
    assert not (dropped == dropped[:, :1]).all()


@pytest.mark.parametrize("same_mask_every_step", [True, False])
def test_one_feature_loses_whole_sequences_only_with_one_mask(same_mask_every_step):
    x = np.ones((40, 30, 1), "float32")
    options = {"dropout": 0.5, "same_mask_every_step": same_mask_every_step, "units": 2}
    model = dropout_lstm((30, 1), 1, **NONE | options)
    layer = model.get_layer("lstm")
    layer.set_weights([np.ones((1, 8)), np.zeros((2, 8)), np.zeros(8)])
    states = keras.Model(model.inputs[0], layer.output)(x, training=True)
    assert bool((np.asarray(states) == 0).all(axis=-1).any()) == same_mask_every_step


def test_dropout_acts_in_fit_and_not_in_predict():
    x = np.ones((4, 3, 2), "float32")
    for kind in NONE:
        model = dropout_lstm((3, 2), 1, units=4, **NONE | {kind: 0.9})
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        losses = model.fit(x, np.ones((4, 1)), epochs=4, verbose=0).history["loss"]
        assert len(set(losses)) > 1, kind
        first, second = (model.predict(x, verbose=0) for _ in range(2))
        assert np.array_equal(first, second)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_padded_batch_equals_unpadded_sequences(return_sequences, sequences, rng):
    model = dropout_lstm((None, 2), 2, units=3, return_sequences=return_sequences, mask_value=0.0)
    check_padding(randomise(model, rng), sequences, per_step=return_sequences)


def test_a_real_step_whose_inputs_are_dropped_is_no_padding():
    x = np.ones((8, 6, 1), "float32")
    options = {"dropout": 0.5, "same_mask_every_step": False, "mask_value": 0.0, "units": 1}
    model = dropout_lstm((6, 1), 1, return_sequences=True, **NONE | options)
    layer = model.get_layer("lstm")
    # every real step adds the same to the memory, whatever came in
    layer.set_weights([np.zeros((1, 4)), np.zeros((1, 4)), np.array([9.0, 9.0, 0.1, 9.0])])
    states = np.asarray(keras.Model(model.inputs[0], layer.output)(x, training=True))
    assert (np.diff(states, axis=1) > 0.01).all()


def test_the_mask_arrives_even_if_none_is_passed_on(sequences, rng, monkeypatch):
    for layer in (keras.layers.LSTM, keras.layers.Dropout):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    options = {"mask_value": 0.0, "same_mask_every_step": False}
    model = randomise(dropout_lstm((None, 2), 2, units=3, **options), rng)
    check_padding(model, sequences)


def test_mixed_precision(rng):
    check_mixed_precision(lambda: dropout_lstm((4, 2), 2, units=3), rng.normal(size=(3, 4, 2)))


@pytest.mark.parametrize("kind", NONE)
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_outside_of_its_range_is_refused_by_name(kind, rate):
    with pytest.raises(InputError, match=f"`{kind}` is {rate}, but must be a share from 0"):
        dropout_lstm((4, 2), 1, **{kind: rate})


def test_a_wrong_shape_is_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        dropout_lstm((4,), 1)
