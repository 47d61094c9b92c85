"""QRNN and SRU: equal to loops written from the papers, and usable wherever Keras' layers are."""

from dlnotes.errors import InputError
from dlnotes.layers import QRNN, SRU
from dlnotes.masks import step_mask
import keras
import numpy as np
import pytest

from contracts import (
    assert_equal,
    check_layer,
    check_mixed_precision,
    check_padding,
    check_saving,
)
from loops import padded, randomise, sigmoid

UNITS = 3
LAYERS = {
    "f": lambda **options: QRNN(UNITS, window=1, pooling="f", **options),
    "fo": lambda **options: QRNN(UNITS, **options),
    "ifo": lambda **options: QRNN(UNITS, window=3, pooling="ifo", **options),
    "sru": lambda **options: SRU(UNITS, highway_bias=-1.0, **options),
}
each_layer = pytest.mark.parametrize("name", LAYERS)
# as wide as the layer, and wider: SRU then projects its input
each_width = pytest.mark.parametrize("features", [UNITS, 4])


def qrnn(sequence, kernel, bias, pooling):
    """Equations 1 to 5 of Bradbury et al., step by step; the window is the kernel's length."""
    c, outputs = np.zeros(UNITS), []
    before = np.zeros((len(kernel) - 1, sequence.shape[1]))
    for step in range(len(sequence)):
        window = np.concatenate([before, sequence])[step : step + len(kernel)]
        gates = sum(x @ w for x, w in zip(window, kernel, strict=True)) + bias
        z, *gates = np.split(gates, 1 + len(pooling))
        gate = dict(zip(pooling, map(sigmoid, gates), strict=True))
        c = gate["f"] * c + gate.get("i", 1 - gate["f"]) * np.tanh(z)
        outputs.append(gate.get("o", 1) * c)
    return np.array(outputs)


def sru(sequence, kernel, forget_memory, forget_bias, reset_memory, reset_bias):
    """Equations 1 to 4 of Lei et al., step by step, with their scale of the highway."""
    w, w_f, w_r, *w_h = np.split(kernel, kernel.shape[1] // UNITS, axis=1)
    c, outputs = np.zeros(UNITS), []
    for x in sequence:
        f = sigmoid(x @ w_f + forget_memory * c + forget_bias)
        r = sigmoid(x @ w_r + reset_memory * c + reset_bias)
        c = f * c + (1 - f) * (x @ w)
        highway = x @ w_h[0] if w_h else x
        outputs.append(r * c + (1 - r) * highway * np.sqrt(1 + 2 * np.exp(-1.0)))
    return np.array(outputs)


def loop(name, sequence, weights):
    return sru(sequence, *weights) if name == "sru" else qrnn(sequence, *weights, name)


def network(name, features=UNITS, **options):
    """Every output of a layer, padded steps left out."""
    inputs = keras.Input((None, features))
    layer = LAYERS[name](return_sequences=True, **options)
    return keras.Model(inputs, layer(inputs, mask=step_mask(inputs)))


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(steps, UNITS)).astype("float32") for steps in (20, 2, 5)]


@each_width
@each_layer
def test_equals_the_loop_of_the_paper(name, features, rng):
    layer = LAYERS[name](return_sequences=True)
    layer.build((None, None, features))
    randomise(layer, rng)
    for steps in (1, 4, 40):
        x = rng.normal(size=(2, steps, features)).astype("float32")
        expected = [loop(name, sequence, layer.get_weights()) for sequence in x]
        assert_equal(layer(x), np.array(expected))


@each_layer
def test_last_output_and_backwards(name, sequences, rng):
    layer = LAYERS[name](go_backwards=True)
    layer.build((None, None, UNITS))
    randomise(layer, rng)
    mask = padded([np.ones((len(s), 1), bool) for s in sequences], 22)[..., 0]
    outputs = layer(padded(sequences, 22, value=9.0), mask=mask)
    for row, sequence in zip(outputs, sequences, strict=True):
        assert_equal(row, loop(name, sequence[::-1], layer.get_weights())[-1])


@pytest.mark.parametrize(("name", "backwards"), [("ifo", False), ("fo", True), ("sru", False)])
def test_padded_batch_equals_sequences_alone(name, backwards, sequences, rng):
    model = randomise(network(name, go_backwards=backwards), rng)
    if backwards:
        outputs = keras.ops.flip(model.outputs[0], axis=1)
        model = keras.Model(model.inputs, outputs)
    check_padding(model, sequences, per_step=True)


@each_layer
def test_padding_in_front_changes_nothing(name, sequences, rng):
    model = randomise(network(name), rng)
    for sequence in sequences:
        outputs = np.asarray(model(np.pad(sequence, ((3, 0), (0, 0)))[np.newaxis]))[0]
        assert_equal(outputs[:3], np.zeros((3, UNITS)))
        assert_equal(outputs[3:], loop(name, sequence, model.get_weights()))


@each_layer
def test_both_ways_with_a_mask_equals_two_loops(name, sequences, rng):
    inputs = keras.Input((None, UNITS))
    both = keras.layers.Bidirectional(LAYERS[name](return_sequences=True))
    model = randomise(keras.Model(inputs, both(inputs, mask=step_mask(inputs))), rng)
    forward, backward = both.forward_layer.get_weights(), both.backward_layer.get_weights()
    outputs = np.asarray(model(padded(sequences, 22)))
    for row, sequence in zip(outputs, sequences, strict=True):
        expected = loop(name, sequence, forward), loop(name, sequence[::-1], backward)[::-1]
        assert_equal(row[: len(sequence)], np.concatenate(expected, axis=1))


@each_layer
def test_a_sequence_in_pieces_equals_the_whole(name, sequences, rng):
    layer = LAYERS[name](return_sequences=True, return_state=True)
    layer.build((None, None, UNITS))
    randomise(layer, rng)
    whole = loop(name, np.concatenate(sequences), layer.get_weights())
    parts, states = [], None
    for sequence in sequences:
        # some steps of padding in each piece
        x, mask = padded([sequence], 24), np.arange(24)[None] < len(sequence)
        outputs, *states = layer(x, initial_state=states, mask=mask)
        parts.append(np.asarray(outputs)[0, : len(sequence)])
    assert_equal(np.concatenate(parts), whole)
    x, *states = layer(sequences[0][np.newaxis])
    y, *_ = layer(sequences[1][np.newaxis], initial_state=states)
    expected = loop(name, np.concatenate(sequences[:2]), layer.get_weights())
    assert_equal(np.concatenate([x[0], y[0]]), expected)


@each_layer
def test_a_row_of_padding_alone_keeps_the_state(name, rng):
    layer = LAYERS[name](return_state=True)
    layer.build((None, None, UNITS))
    _, *states = layer(rng.normal(size=(1, 4, UNITS)))
    output, *after = layer(
        np.ones((1, 4, UNITS)), initial_state=states, mask=np.zeros((1, 4), bool)
    )
    assert_equal(output, np.zeros((1, UNITS)))
    assert_equal(after, states)


@pytest.mark.parametrize("name", ["ifo", "sru"])
def test_learns_in_fit_at_two_lengths(name, rng):
    """A step of gradient descent equals finite differences of the loop's loss."""
    model = randomise(network(name), rng)
    model.compile(keras.optimizers.SGD(1.0), lambda y, h: keras.ops.sum(y * h, (1, 2)))
    for steps in (5, 18):
        x, y = rng.normal(size=(2, 1, steps, UNITS)).astype("float32")
        before = [weight.astype("float64") for weight in model.get_weights()]
        model.fit(x, y, verbose=0)
        for number, after in enumerate(model.get_weights()):
            gradient = before[number] - after
            place = tuple(rng.permutation(np.argwhere(np.ones(gradient.shape)))[0])
            bumped = [[weight.copy() for weight in before] for _ in range(2)]
            bumped[0][number][place] += 1e-5
            bumped[1][number][place] -= 1e-5
            losses = [np.sum(y[0] * loop(name, x[0], weights)) for weights in bumped]
            expected = (losses[0] - losses[1]) / 2e-5
            assert gradient[place] == pytest.approx(expected, rel=1e-3, abs=1e-4)
        model.set_weights(before)


@pytest.mark.parametrize("name", ["ifo", "sru"])
def test_saving_and_mixed_precision(name, rng, tmp_path):
    x = rng.normal(size=(2, 5, 4)).astype("float32")
    check_layer(LAYERS[name](), x, tmp_path)
    inputs = keras.Input((None, 4))
    both = keras.layers.Bidirectional(LAYERS[name](return_sequences=True, return_state=True))
    outputs, *states = both(inputs)
    check_saving(keras.Model(inputs, [outputs, *states]), x, tmp_path)
    check_mixed_precision(lambda: network(name, 4), x)
    config = LAYERS[name](go_backwards=True, name="rnn").get_config()
    assert LAYERS[name]().from_config(config).get_config() == config


def test_zoneout_keeps_some_memories_in_training_and_their_mean_in_inference(rng):
    x = rng.normal(size=(1, 1, 3)).astype("float32")
    state = [np.ones((1, 1000), "float32"), np.zeros((1, 1, 3), "float32")]
    layer = QRNN(1000, pooling="f", zoneout=0.4)
    plain = QRNN(1000, pooling="f")
    plain.build(x.shape), layer.build(x.shape)
    plain.set_weights(layer.get_weights())
    moved = np.asarray(plain(x, initial_state=state)) - 1
    zoned = np.asarray(layer(x, initial_state=state, training=True)) - 1
    assert 0.35 < np.mean(zoned == 0) < 0.45
    assert_equal(zoned[zoned != 0], moved[zoned != 0])
    assert_equal(layer(x, initial_state=state) - 1, 0.6 * moved)


def test_qrnn_gates_do_not_see_the_state_and_those_of_sru_do(rng):
    x = rng.normal(size=(1, 1, UNITS)).astype("float32")
    for name, linear in {"f": True, "fo": True, "ifo": True, "sru": False}.items():
        layer = LAYERS[name]()
        layer.build(x.shape)
        states = layer.get_initial_state(1)
        outputs = [
            np.asarray(layer(x, initial_state=[states[0] + memory, *states[1:]]))
            for memory in (0.0, 1.0, 2.0)
        ]
        apart = np.abs(outputs[2] - 2 * outputs[1] + outputs[0]).max()
        assert (apart < 1e-5) == linear


def test_forget_gates_start_open_as_those_of_an_lstm_do():
    for name, place in {"f": 1, "fo": 1, "ifo": 2}.items():
        layer = LAYERS[name]()
        layer.build((None, None, UNITS))
        bias = np.split(layer.get_weights()[1], 1 + len(name))
        assert [part.tolist() for part in bias] == [
            [float(number == place)] * UNITS for number in range(len(bias))
        ]
    layer = LAYERS["sru"]()
    layer.build((None, None, UNITS))
    assert_equal(layer.forget_bias, np.ones(UNITS))
    assert_equal(layer.reset_bias, -np.ones(UNITS))


def test_the_highway_keeps_the_variance_of_a_deep_stack_at_the_start(rng):
    x = rng.normal(size=(16, 30, 64)).astype("float32")
    for _ in range(6):
        x = np.asarray(SRU(64, return_sequences=True)(x))
    assert 0.4 < x[:, 5:].var() < 2.5


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`pooling` is 'of', but must be 'f', 'fo' or 'ifo'"):
        QRNN(2, pooling="of")
    with pytest.raises(InputError, match="`zoneout` is 1, but must be at least 0 and below 1"):
        QRNN(2, zoneout=1)
    with pytest.raises(InputError, match="`window` is 0, but must be at least 1"):
        QRNN(2, window=0)
    with pytest.raises(InputError, match="`units` is 0, but must be at least 1"):
        SRU(0)
    with pytest.raises(
        InputError, match=r"`SRU` keeps no state between batches\. Use `return_state"
    ):
        SRU(2, stateful=True)
