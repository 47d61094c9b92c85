"""The gated cells: equal to loops written from the papers, and usable wherever Keras' cells are."""

from dlnotes.errors import InputError
from dlnotes.layers import (
    CoupledLSTMCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    MinimalGatedCell,
    MutatedGRUCell,
    PeepholeLSTMCell,
    StatefulRNN,
)
from dlnotes.masks import step_mask
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import lstm, randomise, sigmoid

UNITS = 3
CELLS = {
    "coupled": CoupledLSTMCell,
    "peephole": PeepholeLSTMCell,
    "minimal": MinimalGatedCell,
    "mut1": lambda units, **options: MutatedGRUCell(units, 1, **options),
    "mut2": lambda units, **options: MutatedGRUCell(units, 2, **options),
    "mut3": lambda units, **options: MutatedGRUCell(units, 3, **options),
    "layer_norm_lstm": LayerNormLSTMCell,
    "layer_norm_gru": LayerNormGRUCell,
}
TWO_STATES = ("coupled", "peephole", "layer_norm_lstm")
each_cell = pytest.mark.parametrize("name", CELLS)


# One step each, from the equations of the papers; states are (output, memory) or (output,).


def coupled(x, h, c, kernel, recurrent_kernel, bias):
    (w_f, w_c, w_o), (u_f, u_c, u_o), (b_f, b_c, b_o) = cut(kernel, recurrent_kernel, bias)
    f = sigmoid(x @ w_f + h @ u_f + b_f)
    c = f * c + (1 - f) * np.tanh(x @ w_c + h @ u_c + b_c)
    return sigmoid(x @ w_o + h @ u_o + b_o) * np.tanh(c), c


def peephole(x, h, c, kernel, recurrent_kernel, bias, peepholes):
    (w_i, w_f, w_c, w_o), (u_i, u_f, u_c, u_o), (b_i, b_f, b_c, b_o) = cut(
        kernel, recurrent_kernel, bias
    )
    p_i, p_f, p_o = peepholes
    i = sigmoid(x @ w_i + h @ u_i + p_i * c + b_i)
    f = sigmoid(x @ w_f + h @ u_f + p_f * c + b_f)
    c = f * c + i * np.tanh(x @ w_c + h @ u_c + b_c)
    return sigmoid(x @ w_o + h @ u_o + p_o * c + b_o) * np.tanh(c), c


def minimal(x, h, kernel, recurrent_kernel, bias):
    (w_f, w_h), (u_f, u_h), (b_f, b_h) = cut(kernel, recurrent_kernel, bias)
    f = sigmoid(x @ w_f + h @ u_f + b_f)
    return ((1 - f) * h + f * np.tanh(x @ w_h + (f * h) @ u_h + b_h),)


def mut1(x, h, kernel, recurrent_kernel, bias):
    (w_z, w_r), (u_r, u_h), (b_z, b_r, b_h) = cut(kernel, recurrent_kernel, bias)
    z = sigmoid(x @ w_z + b_z)
    r = sigmoid(x @ w_r + h @ u_r + b_r)
    return (np.tanh((r * h) @ u_h + np.tanh(x) + b_h) * z + h * (1 - z),)


def mut2(x, h, kernel, recurrent_kernel, bias):
    (w_z, w_h), (u_z, u_r, u_h), (b_z, b_r, b_h) = cut(kernel, recurrent_kernel, bias)
    z = sigmoid(x @ w_z + h @ u_z + b_z)
    r = sigmoid(x + h @ u_r + b_r)
    return (np.tanh((r * h) @ u_h + x @ w_h + b_h) * z + h * (1 - z),)


def mut3(x, h, kernel, recurrent_kernel, bias):
    (w_z, w_r, w_h), (u_z, u_r, u_h), (b_z, b_r, b_h) = cut(kernel, recurrent_kernel, bias)
    z = sigmoid(x @ w_z + np.tanh(h) @ u_z + b_z)
    r = sigmoid(x @ w_r + h @ u_r + b_r)
    return (np.tanh((r * h) @ u_h + x @ w_h + b_h) * z + h * (1 - z),)


def layer_norm(values, gain):
    return gain * (values - values.mean()) / np.sqrt(values.var() + 1e-3)


def layer_norm_lstm(x, h, c, kernel, recurrent_kernel, bias, gain_x, gain_h, gain_c, bias_c):
    gates = layer_norm(x @ kernel, gain_x) + layer_norm(h @ recurrent_kernel, gain_h) + bias
    i, f, candidate, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(layer_norm(c, gain_c) + bias_c), c


def layer_norm_gru(x, h, kernel, recurrent_kernel, bias, gain_x, gain_h):
    w_gates, w = kernel[:, : 2 * UNITS], kernel[:, 2 * UNITS :]
    u_gates, u = recurrent_kernel[:, : 2 * UNITS], recurrent_kernel[:, 2 * UNITS :]
    b_gates, b, b_inside = np.split(bias, [2 * UNITS, 3 * UNITS])
    gates = layer_norm(x @ w_gates, gain_x[: 2 * UNITS]) + b_gates
    gates = gates + layer_norm(h @ u_gates, gain_h[: 2 * UNITS])
    z, r = np.split(sigmoid(gates), 2)
    inside = layer_norm(h @ u, gain_h[2 * UNITS :]) + b_inside
    candidate = np.tanh(layer_norm(x @ w, gain_x[2 * UNITS :]) + b + r * inside)
    replaced = 1 - z  # the z of the paper, which says how much is replaced
    return ((1 - replaced) * h + replaced * candidate,)


def cut(*weights):
    return [np.split(w, w.shape[-1] // UNITS, axis=-1) for w in weights]


STEPS = {
    step.__name__: step
    for step in (coupled, peephole, minimal, mut1, mut2, mut3, layer_norm_lstm, layer_norm_gru)
}


def loop(name, sequence, weights):
    """The outputs of all steps over one sequence."""
    states = [np.zeros(UNITS)] * (2 if name in TWO_STATES else 1)
    outputs = []
    for x in sequence:
        states = STEPS[name](x, *states, *weights)
        outputs.append(states[0])
    return np.array(outputs)


def network(name, backwards=False, **options):
    """Every output of a cell, padded steps left out."""
    inputs = keras.Input((None, UNITS))
    rnn = keras.layers.RNN(
        CELLS[name](UNITS, **options), return_sequences=True, go_backwards=backwards
    )
    return keras.Model(inputs, rnn(inputs, mask=step_mask(inputs)))


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(steps, UNITS)).astype("float32") for steps in (5, 2, 4)]


@each_cell
def test_equals_the_loop_of_the_paper(name, sequences, rng):
    model = randomise(network(name), rng)
    for sequence in sequences:
        outputs = np.asarray(model(sequence[np.newaxis]))[0]
        assert_equal(outputs, loop(name, sequence, model.get_weights()))


@pytest.mark.parametrize("name", ["peephole", "layer_norm_gru"])
def test_padded_batch_equals_sequences_alone(name, sequences, rng):
    check_padding(randomise(network(name), rng), sequences, per_step=True)


@each_cell
def test_both_ways_with_a_mask_equals_two_loops(name, sequences, rng):
    inputs = keras.Input((None, UNITS))
    rnn = keras.layers.RNN(CELLS[name](UNITS))
    outputs = keras.layers.Bidirectional(rnn)(inputs, mask=step_mask(inputs))
    model = randomise(keras.Model(inputs, outputs), rng)
    forward, backward = np.split(np.array(model.get_weights(), object), 2)
    x = np.zeros((3, 6, UNITS), "float32")
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    for row, sequence in zip(np.asarray(model(x)), sequences, strict=True):
        ends = loop(name, sequence, forward)[-1], loop(name, sequence[::-1], backward)[-1]
        assert_equal(row, np.concatenate(ends))


@each_cell
def test_the_state_goes_on_from_batch_to_batch(name, sequences, rng):
    inputs = keras.Input(batch_shape=(1, None, UNITS))
    rnn = StatefulRNN(CELLS[name](UNITS), return_sequences=True)
    model = randomise(keras.Model(inputs, rnn(inputs)), rng)
    parts = [np.asarray(model(s[np.newaxis]))[0] for s in sequences]
    expected = loop(name, np.concatenate(sequences), model.get_weights())
    assert_equal(np.concatenate(parts), expected)


@each_cell
def test_settings(name):
    cell = CELLS[name](
        UNITS,
        recurrent_activation="hard_sigmoid",
        kernel_initializer="he_normal",
        recurrent_regularizer=keras.regularizers.L2(0.1),
        bias_constraint="non_neg",
        dropout=0.2,
        recurrent_dropout=0.3,
        seed=1,
    )
    again = type(cell).from_config(cell.get_config())
    assert again.get_config() == cell.get_config()
    layer = keras.layers.RNN(cell)
    layer.build((None, 5, UNITS))
    penalty = 0.1 * np.sum(np.square(np.asarray(cell.recurrent_kernel)))
    assert float(layer.losses[0]) == pytest.approx(penalty, rel=1e-5)


@pytest.mark.parametrize("name", ["mut1", "layer_norm_lstm"])
def test_fitting_and_saving_with_dropout(name, rng, tmp_path):
    layer = keras.layers.RNN(CELLS[name](UNITS, dropout=0.2, recurrent_dropout=0.3))
    check_layer(layer, rng.normal(size=(4, 5, UNITS)).astype("float32"), tmp_path)


@each_cell
def test_without_a_bias(name, sequences, rng):
    model = randomise(network(name, use_bias=False), rng)
    kernel, recurrent_kernel, *others = model.get_weights()
    bias = np.zeros(model.layers[-1].cell.bias_blocks * UNITS)
    expected = loop(name, sequences[0], [kernel, recurrent_kernel, bias, *others])
    assert_equal(np.asarray(model(sequences[0][np.newaxis]))[0], expected)


@each_cell
def test_mixed_precision(name, sequences):
    check_mixed_precision(lambda: network(name), sequences[0][np.newaxis])


@each_cell
def test_dropout_masks_are_held_for_all_steps_and_off_in_inference(name, rng):
    cell = CELLS[name](UNITS, dropout=0.5, recurrent_dropout=0.5, seed=0)
    x = rng.normal(size=(1, UNITS)).astype("float32")
    zero = cell.get_initial_state(1)
    plain, _ = cell(x, zero)
    assert_equal(plain, cell(x, zero)[0])
    kept = np.asarray(cell.get_dropout_mask(x))
    assert set(np.unique(kept)) <= {0, 2}
    # before the first step there is no state to drop, so only the mask of the inputs counts
    dropped = [np.asarray(cell(x, zero, training=True)[0]) for _ in range(2)]
    assert_equal(dropped[0], dropped[1])
    assert_equal(dropped[0], cell(x * kept, zero)[0])


@pytest.mark.parametrize(
    ("name", "forget"), [("coupled", 0), ("peephole", 1), ("layer_norm_lstm", 1)]
)
@pytest.mark.parametrize("unit_forget_bias", [False, True])
def test_the_forget_bias_starts_at_one(name, forget, unit_forget_bias):
    cell = CELLS[name](UNITS, unit_forget_bias=unit_forget_bias, bias_initializer="random_normal")
    cell.build((None, UNITS))
    ones = [bool((block == 1).all()) for block in np.split(np.asarray(cell.bias), cell.bias_blocks)]
    assert ones == [unit_forget_bias and block == forget for block in range(cell.bias_blocks)]


def test_without_peepholes_it_is_an_lstm(sequences, rng):
    model = network("peephole")
    assert not np.asarray(model.layers[-1].cell.peepholes).any()
    weights = [rng.normal(size=w.shape) for w in model.get_weights()[:3]]
    model.layers[-1].set_weights([*weights, np.zeros((3, UNITS))])
    assert_equal(np.asarray(model(sequences[0][np.newaxis]))[0], lstm(sequences[0], *weights))


def test_the_memory_of_a_coupled_cell_stays_between_minus_one_and_one(rng):
    cell = CoupledLSTMCell(UNITS, kernel_initializer=keras.initializers.RandomNormal(0, 9))
    rnn = keras.layers.RNN(cell, return_state=True)
    *_, memory = rnn(rng.normal(size=(20, 50, 2)).astype("float32"))
    assert 0.5 < np.abs(memory).max() <= 1


def test_the_gate_of_a_minimal_cell_forgets_when_it_is_open(rng):
    cell = MinimalGatedCell(UNITS)
    cell.build((None, 2))
    x, state = rng.normal(size=(1, 2)).astype("float32"), rng.normal(size=(1, UNITS))
    for gate in (-50, 50):
        cell.bias.assign(np.repeat([gate, 0], UNITS))
        kept = np.allclose(cell(x, [state.astype("float32")])[0], state, atol=1e-5)
        assert kept == (gate < 0)


@pytest.mark.parametrize("name", ["layer_norm_lstm", "layer_norm_gru"])
def test_layer_normalisation_forgets_the_scale_and_a_constant_feature_keeps_it(name, rng):
    def outputs(x):
        return np.asarray(keras.layers.RNN(cell)(x.astype("float32")))

    x = rng.uniform(0.5, 1, size=(4, 5, 1))
    cell = CELLS[name](UNITS, epsilon=1e-12)
    assert_equal(outputs(x), outputs(7 * x), 1e-4)
    assert_equal(outputs(x), outputs(np.ones_like(x)), 1e-4)
    cell = CELLS[name](UNITS, epsilon=1e-12)
    one = np.ones_like(x)
    moved = outputs(np.concatenate([x, one], -1)) - outputs(np.concatenate([7 * x, one], -1))
    assert np.abs(moved).max() > 1e-2


@pytest.mark.parametrize("variant", [1, 2])
def test_an_input_of_another_width_is_refused_where_it_is_added_to_the_state(variant):
    with pytest.raises(InputError, match=r"3 features, but must have .* 4\. Put `keras.layers.Den"):
        keras.layers.RNN(MutatedGRUCell(4, variant))(keras.Input((None, 3)))
    assert keras.layers.RNN(MutatedGRUCell(4, 3))(keras.Input((None, 3))).shape == (None, 4)


def test_an_unknown_variant_is_refused():
    with pytest.raises(InputError, match="`variant` is 4, but must be 1, 2 or 3"):
        MutatedGRUCell(4, variant=4)
