from dlnotes.builders import bidirectional_lstm, bidirectional_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder
from loops import lstm, padded, randomise

MODES = ["concat", "sum", "ave", "mul", None]
MERGE = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
}
LENGTHS = [5, 2, 4]


def weights_of_halves(model):
    """Kernel, recurrent kernel and bias of the forward and of the backward half of layer 1."""
    if any(layer.name == "halves" for layer in model.layers):
        return [model.get_layer(name).get_weights() for name in ("forward_1", "backward_1")]
    weights = model.get_layer("bidirectional_1").get_weights()
    return [weights[:3], weights[3:]]


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


def space_without_merge_mode(hp):
    return {
        key: value for key, value in bidirectional_lstm_space(hp).items() if key != "merge_mode"
    }


@pytest.mark.parametrize(
    ("choices", "space"),
    [({}, bidirectional_lstm_space), ({"merge_mode": None}, space_without_merge_mode)],
)
def test_contract(choices, space, tmp_path, rng):
    check_builder(
        bidirectional_lstm,
        {"input_shape": (4, 2), "outputs": 3, "mask_value": 0.0} | choices,
        rng.normal(size=(5, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=space,
        loss="mse",
        output_shape=(None, 3),
        parameters=2 * 4 * 32 * (2 + 32 + 1) + (64 + 1) * 3,
    )


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("merge_mode", MODES)
def test_one_layer_equals_two_lstm_loops(merge_mode, return_sequences, sequences, rng):
    model = bidirectional_lstm(
        (None, 2),
        2,
        units=3,
        merge_mode=merge_mode,
        return_sequences=return_sequences,
        mask_value=0.0,
    )
    randomise(model, rng)
    forward_weights, backward_weights = weights_of_halves(model)
    kernel, bias = model.get_layer("outputs").get_weights()
    prediction = model.predict(padded(sequences, 6), verbose=0)
    for row, sequence in zip(prediction, sequences, strict=True):
        forward = lstm(sequence, *forward_weights)
        backward = lstm(sequence[::-1], *backward_weights)[::-1]
        if return_sequences:
            row = row[: len(sequence)]
        else:
            forward, backward = forward[-1], backward[0]
        assert_equal(row, MERGE[merge_mode or "concat"](forward, backward) @ kernel + bias)


@pytest.mark.parametrize("merge_mode", MERGE)
def test_merging_is_arithmetic_on_the_halves_that_none_keeps_apart(merge_mode, sequences, rng):
    apart = bidirectional_lstm((5, 2), 1, units=3, merge_mode=None, return_sequences=True)
    merged = bidirectional_lstm((5, 2), 1, units=3, merge_mode=merge_mode, return_sequences=True)
    randomise(apart, rng)
    merged.get_layer("bidirectional_1").set_weights(
        [weight for half in weights_of_halves(apart) for weight in half]
    )
    x = padded(sequences, 5)
    halves = keras.Model(apart.inputs, apart.get_layer("halves").input).predict(x, verbose=0)
    layer = keras.Model(merged.inputs, merged.get_layer("bidirectional_1").output)
    assert_equal(layer.predict(x, verbose=0), MERGE[merge_mode](*halves))


def test_with_two_layers_the_halves_of_none_never_meet_before_the_head(sequences, rng):
    model = bidirectional_lstm((None, 2), 2, units=3, layers=2, merge_mode=None, mask_value=0.0)
    randomise(model, rng)
    kernel, bias = model.get_layer("outputs").get_weights()

    def two_layers(sequence, name):
        first, second = (model.get_layer(f"{name}_{n}").get_weights() for n in (1, 2))
        return lstm(lstm(sequence, *first), *second)[-1]

    prediction = model.predict(padded(sequences, 6), verbose=0)
    for row, sequence in zip(prediction, sequences, strict=True):
        forward = two_layers(sequence, "forward")
        backward = two_layers(sequence[::-1], "backward")
        assert_equal(row, np.concatenate([forward, backward]) @ kernel + bias)


@pytest.mark.parametrize("merge_mode", MODES)
def test_padded_batch_equals_unpadded_sequences(merge_mode, sequences, rng):
    model = bidirectional_lstm(
        (None, 2),
        2,
        units=3,
        layers=2,
        merge_mode=merge_mode,
        return_sequences=True,
        mask_value=0.0,
    )
    randomise(model, rng)
    alone = [model.predict(sequence[np.newaxis], verbose=0)[0] for sequence in sequences]
    for steps in (5, 6):
        together = model.predict(padded(sequences, steps), verbose=0)
        assert together.shape == (3, steps, 2)
        for row, expected in zip(together, alone, strict=True):
            assert_equal(row[: len(expected)], expected)


def test_without_a_mask_padding_does_change_the_outputs(sequences, rng):
    model = bidirectional_lstm((None, 2), 2, units=3)
    randomise(model, rng)
    together = model.predict(padded(sequences, 6), verbose=0)
    alone = model.predict(sequences[1][np.newaxis], verbose=0)
    assert np.abs(together[1] - alone[0]).max() > 1e-2


def test_every_layer_gets_the_mask_even_if_none_is_passed_on(sequences, rng, monkeypatch):
    for layer in (keras.layers.LSTM, keras.layers.Bidirectional):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    model = bidirectional_lstm((None, 2), 2, units=3, layers=2, dropout=0.5, mask_value=0.0)
    randomise(model, rng)
    together = model.predict(padded(sequences, 6), verbose=0)
    for row, sequence in zip(together, sequences, strict=True):
        assert_equal(row, model.predict(sequence[np.newaxis], verbose=0)[0])


def test_targets_on_padded_steps_change_neither_loss_nor_weights(sequences):
    x = padded(sequences, 6)
    weight = x.any(axis=-1).astype("float32")
    y = np.ones((3, 6, 1), "float32")
    trained = []
    for target_on_padding in (0.0, 100.0):
        keras.utils.set_random_seed(0)
        model = bidirectional_lstm((None, 2), 1, units=3, return_sequences=True, mask_value=0.0)
        model.compile("sgd", "mse")
        targets = np.where(weight[..., np.newaxis] == 1, y, target_on_padding)
        history = model.fit(x, targets, sample_weight=weight, batch_size=2, verbose=0)
        trained.append([history.history["loss"], *model.get_weights()])
    assert_equal(trained[0], trained[1], 1e-6)


@pytest.mark.parametrize("merge_mode", MODES)
def test_the_first_output_knows_the_last_step(merge_mode, rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    changed = x.copy()
    changed[:, -1] += 1
    model = bidirectional_lstm((4, 2), 1, units=3, merge_mode=merge_mode, return_sequences=True)
    randomise(model, rng)
    before, after = (model.predict(batch, verbose=0)[:, 0] for batch in (x, changed))
    assert np.abs(before - after).min() > 1e-4


@pytest.mark.parametrize(
    ("merge_mode", "layers", "width_of_inputs"),
    [("concat", 2, 8), ("sum", 2, 4), (None, 2, 4), ("mul", 1, None)],
)
def test_parameters(merge_mode, layers, width_of_inputs):
    model = bidirectional_lstm((None, 3), 2, units=4, layers=layers, merge_mode=merge_mode)
    expected = 2 * 4 * 4 * (3 + 4 + 1)
    if layers == 2:
        expected += 2 * 4 * 4 * (width_of_inputs + 4 + 1)
    expected += ((8 if merge_mode in ("concat", None) else 4) + 1) * 2
    assert model.count_params() == expected


def test_wrong_merge_mode_names_the_modes():
    with pytest.raises(InputError, match="'avg', but must be one of 'concat', 'sum', 'ave', 'mul'"):
        bidirectional_lstm((4, 2), 1, merge_mode="avg")


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\), but must be \(steps, feat"):
        bidirectional_lstm((4,), 1)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        bidirectional_lstm((4, 2), 1, layers=0)
