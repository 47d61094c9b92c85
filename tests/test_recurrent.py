import subprocess
import sys

from dlnotes import builders, layers, recurrent, saving
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal
from loops import lstm_loop, randomise


def dense(weights, h):
    kernel, bias = (np.asarray(weight, "float64") for weight in weights)
    return h @ kernel + bias


def naive(model, x, mask=None, h=None, c=None):
    """The predictions of a one-layer `stateful_lstm` and its states afterwards, by the loop."""
    *lstm, kernel, bias = model.get_weights()
    outputs, h, c = lstm_loop(lstm, x, mask, h, c)
    return dense((kernel, bias), outputs), h, c


def states(model):
    return [np.asarray(s) for lstm in model.layers if hasattr(lstm, "states") for s in lstm.states]


@pytest.fixture(scope="module")
def shared_model():
    model = builders.stateful_lstm(3, (None, 2), 1, units=4, return_sequences=True)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return randomise(model, np.random.default_rng(1))


@pytest.fixture
def model(shared_model):
    recurrent.reset_states(shared_model)
    return shared_model


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 6, 2)).astype("float32")


def test_predict_carries_the_state_row_by_row_over_batches_and_calls(model, x):
    expected, h, c = naive(model, x)
    windows = recurrent.stream_windows(2, 3, x[:, :4])
    first = model.predict(windows, batch_size=3, verbose=0)
    assert first.shape == (6, 2, 1)
    assert_equal(first[:3], expected[:, :2])
    assert_equal(first[3:], expected[:, 2:4])
    last = [model.predict(x[:, t : t + 1], batch_size=3, verbose=0) for t in (4, 5)]
    assert_equal(np.concatenate(last, axis=1), expected[:, 4:])
    assert_equal(states(model), [h, c])


def test_reset_forgets(model, x):
    fresh = model.predict(x, batch_size=3, verbose=0)
    moved = model.predict(x, batch_size=3, verbose=0)
    assert_equal(moved, naive(model, x, None, *naive(model, x)[1:])[0])
    assert np.abs(moved - fresh).max() > 0.01
    recurrent.reset_states(model)
    assert not any(state.any() for state in states(model))
    assert_equal(model.predict(x, batch_size=3, verbose=0), fresh)


@pytest.mark.parametrize("rows", [1, [0, 2], np.array([2]), range(3), []])
def test_reset_of_single_rows_leaves_the_others(model, x, rows):
    model.predict(x, batch_size=3, verbose=0)
    _, h, c = naive(model, x)
    recurrent.reset_states(model, rows=rows)
    for row in np.atleast_1d(rows).astype(int):
        h[row] = c[row] = 0
    assert_equal(states(model), [h, c])
    assert_equal(model.predict(x, batch_size=3, verbose=0), naive(model, x, None, h, c)[0])


def test_evaluate_and_fit_move_the_state_too(model, x):
    y = np.zeros((3, 6, 1))
    _, h, c = naive(model, x)
    model.evaluate(x, y, batch_size=3, verbose=0)
    assert_equal(states(model), [h, c])
    _, h, c = naive(model, x, None, h, c)
    model.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    assert_equal(states(model), [h, c])


def test_a_reset_survives_states_that_are_not_finite(model, x):
    model.predict(np.full_like(x, np.nan), batch_size=3, verbose=0)
    recurrent.reset_states(model, rows=[0, 1])
    assert_equal(states(model)[0][:2], np.zeros((2, 4)))
    assert np.isnan(states(model)[0][2]).all()


def test_train_on_eight_rows_and_forecast_one(rng):
    model = randomise(builders.stateful_lstm(8, (None, 2), 1, units=4, layers=2), rng)
    x = rng.normal(size=(8, 5, 2)).astype("float32")
    model.predict(x, batch_size=8, verbose=0)
    weights, before = model.get_weights(), states(model)

    single = recurrent.rebatch(model, 1)

    assert single.input_shape == (1, None, 2) and single.name == model.name
    assert_equal([*model.get_weights(), *states(model)], [*weights, *before], tolerance=0)
    assert_equal(single.get_weights(), weights, tolerance=0)
    recurrent.reset_states(model)
    many = [model.predict(x[:, :3], batch_size=8, verbose=0)]
    many += [model.predict(x[:, 3:], batch_size=8, verbose=0)]
    for row in range(8):
        recurrent.reset_states(single)
        one = [single.predict(x[row : row + 1, :3], batch_size=1, verbose=0)]
        one += [single.predict(x[row : row + 1, 3:], batch_size=1, verbose=0)]
        assert_equal(np.concatenate(one), np.stack([m[row] for m in many]))
    first, _, _ = lstm_loop(weights[:3], x)
    second, _, _ = lstm_loop(weights[3:6], first)
    assert_equal(many[1], dense(weights[6:], second[:, -1]))


def test_the_stateless_twin_starts_every_window_fresh(model, x):
    twin = recurrent.rebatch(model, None, stateful=False)
    windows = recurrent.stream_windows(3, 3, x)
    expected, _, _ = naive(model, windows)
    assert twin.input_shape == (None, None, 2)
    assert_equal(twin.predict(windows, batch_size=4, verbose=0), expected)
    assert_equal(twin.predict(windows[:5], batch_size=2, verbose=0), expected[:5])
    back = recurrent.rebatch(twin, 3, stateful=True)
    back.predict(windows[:3], batch_size=3, verbose=0)
    continued = naive(model, windows[3:], None, *naive(model, windows[:3])[1:])[0]
    assert_equal(back.predict(windows[3:], batch_size=3, verbose=0), continued)


def test_the_weights_are_copied_not_shared(model, x):
    twin = recurrent.rebatch(model, 1)
    weights = model.get_weights()
    twin.compile("sgd", "mse", run_eagerly=True)
    twin.fit(x[:1], np.ones((1, 6, 1)), batch_size=1, verbose=0)
    assert_equal(model.get_weights(), weights, tolerance=0)
    assert not np.array_equal(twin.get_weights()[0], weights[0])


def test_padded_steps_change_neither_output_nor_state(rng):
    model = builders.stateful_lstm(
        3, (None, 2), 1, units=4, layers=1, return_sequences=True, mask_value=0.0
    )
    randomise(model, rng)
    x = rng.normal(size=(3, 6, 2)).astype("float32")
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1]], bool)
    x[~mask] = 0
    h = c = None
    for start in (0, 3):
        window, real = x[:, start : start + 3], mask[:, start : start + 3]
        expected, h, c = naive(model, window, real, h, c)
        assert_equal(model.predict(window, batch_size=3, verbose=0), expected)
        assert_equal(states(model), [h, c])
    _, h_short, c_short = naive(model, x[1:2, [0, 2]])
    assert_equal([h[1:2], c[1:2]], [h_short, c_short])


def test_padded_steps_change_nothing_in_two_layers_and_in_training(rng):
    model = builders.stateful_lstm(2, (None, 2), 1, units=3, layers=2, mask_value=0.0)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x, y = rng.normal(size=(2, 3, 2)).astype("float32"), np.ones((2, 1))
    padded = np.concatenate([x[:, :2], np.zeros((2, 2, 2), "float32"), x[:, 2:]], axis=1)
    start, results = model.get_weights(), []
    for inputs in (x, padded):
        model.set_weights(start)
        recurrent.reset_states(model)
        history = model.fit(inputs, y, batch_size=2, shuffle=False, verbose=0)
        results.append([*model.get_weights(), *states(model), history.history["loss"]])
    assert_equal(results[0], results[1])
    assert not np.array_equal(results[0][0], start[0])


def bidirectional(batch_size, stateful=True):
    inputs = keras.Input(batch_shape=(batch_size, 4, 2))
    layer = keras.layers.Bidirectional(keras.layers.GRU(3, stateful=stateful))
    return keras.Model(inputs, layer(inputs))


def time_distributed(batch_size, stateful=True):
    inputs = keras.Input(batch_shape=(batch_size, 4, 2))
    words = keras.layers.Reshape((4, 2, 1))(inputs)
    lstm = keras.layers.LSTM(3, stateful=stateful)
    return keras.Model(inputs, keras.layers.TimeDistributed(lstm)(words))


def time_fold(batch_size, stateful=True):
    inputs = keras.Input(batch_shape=(batch_size, 4, 2))
    words = keras.layers.Reshape((4, 2, 1))(inputs)
    rows = batch_size and batch_size * 4
    inner = keras.Input(batch_shape=(rows, 2, 1))
    encoder = keras.Model(inner, keras.layers.SimpleRNN(3, stateful=stateful)(inner))
    return keras.Model(inputs, layers.TimeFold(encoder)(words))


def nested_functional(batch_size, stateful=True):
    inner = keras.Input(batch_shape=(batch_size, 4, 2))
    part = keras.Model(inner, keras.layers.LSTM(3, stateful=stateful)(inner))
    inputs = keras.Input(batch_shape=(batch_size, 4, 2))
    return keras.Model(inputs, keras.layers.Dense(2)(part(inputs)))


def nested_sequential(batch_size, stateful=True):
    lstm = keras.layers.LSTM(3, stateful=stateful, return_sequences=True)
    part = keras.Sequential([keras.Input(batch_shape=(batch_size, 4, 2)), lstm])
    last = keras.layers.GRU(2, stateful=stateful)
    return keras.Sequential([keras.Input(batch_shape=(batch_size, 4, 2)), part, last])


def stacked_cells(batch_size, stateful=True):
    inputs = keras.Input(batch_shape=(batch_size, 4, 2))
    cells = [keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]
    return keras.Model(inputs, keras.layers.RNN(cells, stateful=stateful)(inputs))


def two_branches(batch_size, stateful=True):
    """Branches of equal shapes: weights in the wrong order would not be noticed."""
    inputs = keras.Input(batch_shape=(batch_size, 4, 2))
    first, second = (keras.layers.LSTM(3, stateful=stateful)(inputs) for _ in range(2))
    third = keras.layers.LSTM(3, stateful=stateful)(inputs[:, ::-1])
    return keras.Model(inputs, keras.layers.Concatenate()([third, 2 * first, -second]))


EVERY_PLACE = [
    bidirectional,
    time_distributed,
    time_fold,
    nested_functional,
    nested_sequential,
    stacked_cells,
    two_branches,
]


@pytest.mark.parametrize("build", EVERY_PLACE)
def test_reset_and_rebatch_reach_every_place(build, rng, tmp_path):
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    model = randomise(build(3), rng)
    fresh = np.asarray(model(x))
    moved = np.asarray(model(x))
    assert np.abs(moved - fresh).max() > 1e-3
    recurrent.reset_states(model)
    assert_equal(model(x), fresh)

    pair = recurrent.rebatch(model, 2)
    assert_equal(pair(x[:2]), fresh[:2])
    assert_equal(pair(x[:2]), moved[:2])
    assert_equal(model(x), moved)
    stateless = build(None, stateful=False)
    stateless.set_weights(model.get_weights())
    twin = recurrent.rebatch(model, None, stateful=False)
    assert_equal(twin.predict(x, verbose=0), stateless(x))

    pair.save(tmp_path / "pair.keras")
    loaded = saving.load_model(tmp_path / "pair.keras")
    assert_equal(loaded(x[:2]), fresh[:2])
    assert_equal(loaded(x[:2]), moved[:2])


@pytest.mark.parametrize("build", [bidirectional, nested_functional, nested_sequential])
def test_a_stateless_model_becomes_stateful(build, rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    model = randomise(build(None, stateful=False), rng)
    twin = recurrent.rebatch(model, 2, stateful=True)
    expected = randomise(build(2), rng)
    expected.set_weights(model.get_weights())
    for _ in range(2):
        assert_equal(twin(x), expected(x))
    assert_equal(recurrent.rebatch(model, 2)(x), model(x))


def test_inside_a_wrapper_stateful_true_changes_nothing(rng):
    model = randomise(time_fold(None, stateful=False), rng)
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    with pytest.raises(InputError, match="has no recurrent layer"):
        recurrent.rebatch(model, 2, stateful=True)
    assert_equal(recurrent.rebatch(model, 2)(x), model(x))


def test_rows_are_reset_inside_bidirectional_and_nested_models(rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    for build in (bidirectional, nested_sequential, stacked_cells, time_distributed):
        model = build(2)
        fresh, moved = np.asarray(model(x)), np.asarray(model(x))
        recurrent.reset_states(model)
        model(x)
        recurrent.reset_states(model, rows=0)
        assert_equal(model(x), np.stack([fresh[0], moved[1]]))


class Doubled(keras.layers.Layer):
    """A layer of a user who registered nothing, with layers of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [layers.StatefulLSTM(3, return_sequences=True) for _ in range(2)]

    def build(self, input_shape):
        self.parts[0].build(input_shape)
        self.parts[1].build((*input_shape[:2], 3))

    def call(self, x):
        return self.parts[1](self.parts[0](x))


def test_rebatch_knows_unregistered_layers_and_copies_statistics(rng):
    x = rng.normal(loc=5, size=(3, 4, 2)).astype("float32")
    scale = keras.layers.Normalization()
    scale.adapt(x)
    inputs = keras.Input(batch_shape=(3, 4, 2), name="series")
    model = keras.Model({"series": inputs}, {"out": Doubled()(scale(inputs))})
    fresh = np.asarray(model({"series": x})["out"])
    twin = recurrent.rebatch(model, 1)
    assert_equal(twin({"series": x[:1]})["out"], fresh[:1])
    recurrent.reset_states(twin)
    assert_equal(twin({"series": x[:1]})["out"], fresh[:1])


def test_rebatch_keeps_what_is_frozen(model):
    model.layers[2].trainable = False
    try:
        assert len(recurrent.rebatch(model, 1).trainable_weights) == 2
    finally:
        model.layers[2].trainable = True


def test_reset_without_anything_stateful_says_so():
    with pytest.raises(InputError, match=r"`model` \('plain'\) has no state to reset"):
        recurrent.reset_states(builders.mlp((3,), 1, name="plain"))


@pytest.mark.parametrize("rows", [3, -1, [0, 7], 0.5])
def test_reset_of_a_row_outside_the_batch_says_so(model, rows):
    with pytest.raises(InputError, match=r"`rows` names row .* has 3 rows: .* from 0 to 2"):
        recurrent.reset_states(model, rows=rows)


def test_rows_that_cannot_be_told_apart_are_refused():
    inputs = keras.Input(batch_shape=(2, 4, 2, 1))
    x = layers.TimeFold(keras.layers.GRU(3, stateful=True))(inputs)
    model = keras.Model(inputs, keras.layers.GRU(3, stateful=True)(x))
    with pytest.raises(InputError, match=r"keep states of .* rows. Reset all rows"):
        recurrent.reset_states(model, rows=0)


def test_rebatch_says_what_does_not_fit(model):
    with pytest.raises(InputError, match=r"`batch_size` is None, but a stateful model needs"):
        recurrent.rebatch(model, None)
    with pytest.raises(InputError, match=r"`batch_size` is 0, but must be at least 1"):
        recurrent.rebatch(model, 0)
    with pytest.raises(InputError, match=r"`stateful` is True, but .*'mlp'.* has no recurrent"):
        recurrent.rebatch(builders.mlp((3,), 1), 2, stateful=True)
    with pytest.raises(InputError, match=r"is a Sequential without symbolic inputs"):
        recurrent.rebatch(keras.Sequential([keras.layers.LSTM(2)]), 2)
    inputs = keras.Input(batch_shape=(4, 2, 3))
    fixed = keras.Model(inputs, keras.ops.reshape(inputs, (4, -1)))
    with pytest.raises(InputError, match=r"fixes the rows of its batch: with `batch_size` 2"):
        recurrent.rebatch(fixed, 2)
    dense = keras.layers.Dense(3)
    part = keras.Sequential([keras.Input((3,)), dense])
    shared = keras.Input((3,))
    with pytest.raises(InputError, match=r"uses a layer in several nested models"):
        recurrent.rebatch(keras.Model(shared, dense(part(shared))), 2)


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(InputError, match=r"is a Own without symbolic inputs"):
        recurrent.rebatch(Own(), 2)


def test_whole_batches_refuses_or_drops_the_rest():
    x, y = np.arange(21), {"a": np.arange(42).reshape(21, 2)}
    with pytest.raises(
        InputError, match=r"21 rows came, but `batch_size` is 8: 2 whole batches and 5 rows left"
    ):
        recurrent.whole_batches(8, x, y)
    kept, others = recurrent.whole_batches(8, x, y, remainder="drop")
    assert_equal(kept, x[:16])
    assert_equal(others, {"a": y["a"][:16]})
    assert recurrent.whole_batches(7, x) is not None
    assert_equal(recurrent.whole_batches(7, x), x)
    with pytest.raises(InputError, match=r"0 whole batches and 3 rows left"):
        recurrent.whole_batches(4, x[:3], remainder="drop")
    with pytest.raises(InputError, match=r"have 21, 20"):
        recurrent.whole_batches(7, x, x[:20])
    with pytest.raises(InputError, match=r"`remainder` is 'pad'"):
        recurrent.whole_batches(7, x, remainder="pad")


def test_stream_windows_continue_row_by_row():
    streams = np.arange(4 * 6 * 2).reshape(4, 6, 2)
    windows, labels = recurrent.stream_windows(3, 2, streams, streams[..., 0])
    expected = []
    for group in (0, 2):
        for start in (0, 3):
            for row in (0, 1):
                expected.append(streams[group + row, start : start + 3])
    assert_equal(windows, np.array(expected), tolerance=0)
    assert_equal(labels, np.array(expected)[..., 0], tolerance=0)
    with pytest.raises(InputError, match=r"shape \(4, 6, 2\), .* `window` \(4\) divides"):
        recurrent.stream_windows(4, 2, streams)
    with pytest.raises(InputError, match=r"4 rows came, but `batch_size` is 3"):
        recurrent.stream_windows(3, 3, streams)


LOAD = """
import sys
import numpy as np
from dlnotes import saving
model = saving.load_model(sys.argv[1])
x = np.load(sys.argv[2])
outputs = [model.predict(x, batch_size=2, verbose=0) for _ in range(2)]
np.save(sys.argv[3], outputs)
try:
    model.predict(x[:1], batch_size=2, verbose=0)
except Exception as error:
    print(error)
"""


@pytest.mark.slow
def test_a_rebatched_model_is_loaded_in_another_process(model, x, tmp_path):
    pair = recurrent.rebatch(model, 2)
    pair.save(tmp_path / "pair.keras")
    np.save(tmp_path / "x.npy", x[:2])
    paths = [str(tmp_path / name) for name in ("pair.keras", "x.npy", "outputs.npy")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *paths], capture_output=True, text=True, check=True
    )
    first, h, c = naive(model, x[:2])
    second, _, _ = naive(model, x[:2], None, h, c)
    assert_equal(np.load(tmp_path / "outputs.npy"), np.stack([first, second]))
    assert "A batch of size 1 came, but this stateful model takes batches of size 2" in done.stdout
