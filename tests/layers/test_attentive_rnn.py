from dlnotes.errors import InputError
from dlnotes.layers import AttentiveRNN
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_mixed_precision, check_saving
from loops import randomise, sigmoid

UNITS, WIDTH = 3, 4
LENGTHS = [5, 2, 4]
CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


def model_of(cell="gru", states=1):
    """A model of sequence, memory and state; the memory is its own keys, zeros are padding."""
    sequence, memory = keras.Input((None, 2)), keras.Input((None, WIDTH))
    first = [keras.Input((UNITS,)) for _ in range(states)]
    mask = keras.ops.any(keras.ops.not_equal(memory, 0), axis=-1)
    layer = AttentiveRNN(CELLS[cell](UNITS), name="attentive")
    outputs = layer(sequence, memory, memory, first, memory_mask=mask)
    return keras.Model([sequence, memory, *first], list(outputs))


def inputs_of(rng, states=1, steps=6):
    memory = rng.normal(size=(3, 5, WIDTH)).astype("float32")
    for row, length in zip(memory, LENGTHS, strict=True):
        row[length:] = 0
    first = [rng.normal(size=(3, UNITS)).astype("float32") for _ in range(states)]
    return [rng.normal(size=(3, steps, 2)).astype("float32"), memory, *first]


def gru_step(x, state, kernel, recurrent_kernel, bias):
    given = np.split(x @ kernel + bias[0], 3)
    kept = np.split(state @ recurrent_kernel + bias[1], 3)
    update, reset = (sigmoid(one + other) for one, other in zip(given[:2], kept[:2], strict=True))
    candidate = np.tanh(given[2] + reset * kept[2])
    return update * state + (1 - update) * candidate


def lstm_step(x, state, memory, kernel, recurrent_kernel, bias):
    i, f, candidate, o = np.split(x @ kernel + state @ recurrent_kernel + bias, 4)
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(memory), memory


def loop(cell, sequence, memory, states, weights):
    """Equations 4 to 6 of Bahdanau, step by step, for one sequence and its real memory."""
    *own, query, v = weights
    outputs, contexts, looked = [], [], []
    for x in sequence:
        scores = np.tanh(states[0] @ query + memory) @ v
        weight = np.exp(scores) / np.exp(scores).sum()
        context = weight @ memory
        read = np.concatenate([x, context])
        if cell == "gru":
            states = [gru_step(read, *states, *own)]
        else:
            states = lstm_step(read, *states, *own)
        outputs.append(states[0])
        contexts.append(context)
        looked.append(weight)
    return [*map(np.array, (outputs, contexts, looked)), *states]


@pytest.mark.parametrize(("cell", "states"), [("gru", 1), ("lstm", 2)])
def test_equals_a_loop(cell, states, rng):
    model = randomise(model_of(cell, states), rng)
    sequence, memory, *first = inputs = inputs_of(rng, states)
    results = model.predict(inputs, verbose=0)
    for row, length in enumerate(LENGTHS):
        real = memory[row, :length]
        expected = loop(
            cell, sequence[row], real, [state[row] for state in first], model.get_weights()
        )
        found = [result[row] for result in results]
        assert not found[2][:, length:].any()
        found[2] = found[2][:, :length]
        assert_equal(found, expected)


def test_goes_on_where_another_call_ended(rng):
    model = randomise(model_of("lstm", 2), rng)
    sequence, *more = inputs_of(rng, 2)
    whole = model([sequence, *more])
    begun = model([sequence[:, :2], *more])
    ended = model([sequence[:, 2:], more[0], *map(np.asarray, begun[3:])])
    for together, one, other in zip(whole[:3], begun[:3], ended[:3], strict=True):
        assert_equal(together, keras.ops.concatenate([one, other], axis=1))
    assert_equal(list(whole[3:]), list(ended[3:]))


def test_the_state_before_a_step_asks_and_the_step_itself_does_not(rng):
    model = randomise(model_of(), rng)
    inputs = inputs_of(rng)
    changed = [inputs[0].copy(), *inputs[1:]]
    changed[0][:, 2] += 1
    (outputs, _, before, _), (others, _, after, _) = (model(one) for one in (inputs, changed))
    assert_equal(before[:, :3], after[:, :3])
    assert np.abs(np.asarray(before[:, 3] - after[:, 3])).max() > 1e-3
    assert np.abs(np.asarray(outputs[:, 2] - others[:, 2])).max() > 1e-3


def test_padding_of_the_memory_changes_nothing(rng):
    model = randomise(model_of(), rng)
    sequence, memory, first = inputs_of(rng)
    longer = np.pad(memory, ((0, 0), (0, 3), (0, 0)))
    expected = model([sequence, memory, first])
    found = model([sequence, longer, first])
    assert_equal([found[0], found[1], found[3]], [expected[0], expected[1], expected[3]])
    assert not np.asarray(found[2])[..., 5:].any()


def test_without_a_mask_all_of_the_memory_is_seen(rng):
    layer = AttentiveRNN(keras.layers.GRUCell(UNITS))
    sequence, memory, first = inputs_of(rng)
    _, _, weights, _ = layer(sequence, memory, memory, [first])
    assert (np.asarray(weights) > 0).all()
    assert_equal(np.asarray(weights).sum(axis=-1), np.ones((3, 6), "float32"))


def test_trains_and_is_saved(rng, tmp_path):
    model = model_of()
    inputs = inputs_of(rng)
    trained = keras.Model(model.inputs, model.outputs[0])
    trained.compile("sgd", "mse")
    before = model.get_weights()
    trained.fit(inputs, np.ones((3, 6, UNITS)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(old, new)
    check_saving(model, inputs, tmp_path)


def test_mixed_precision(rng):
    x = rng.normal(size=(2, 4, WIDTH)).astype("float32")

    def build():
        memory = keras.Input((None, WIDTH))
        layer = AttentiveRNN(keras.layers.GRUCell(WIDTH))
        return keras.Model(memory, layer(memory, memory, memory, [memory[:, 0]])[0])

    check_mixed_precision(build, x)


def test_a_cell_with_dropout_is_refused():
    with pytest.raises(InputError, match="`layer` has dropout inside"):
        AttentiveRNN(keras.layers.GRUCell(3, recurrent_dropout=0.1))
