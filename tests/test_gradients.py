from dlnotes.builders import bidirectional_lstm
from dlnotes.errors import InputError
from dlnotes.gradients import first_not_finite, gradient_by_step, gradient_norms
from dlnotes.recurrent import stateful_layers
import keras
import numpy as np
import pytest

from contracts import assert_equal
from loops import padded, randomise

BATCH, STEPS, FEATURES, UNITS = 4, 6, 2, 3


def compiled(inputs, outputs, rng, loss="mse"):
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss)
    return randomise(model, rng)


def simple_rnn(rng, **options):
    inputs = keras.Input((None, FEATURES))
    states = keras.layers.SimpleRNN(UNITS, name="rnn", **options)(inputs)
    return compiled(inputs, keras.layers.Dense(1, name="head")(states), rng)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(BATCH, STEPS, FEATURES))
    return x, rng.normal(size=(BATCH, 1))


def back_through_time(model, x, y):
    """Gradients of the squared error for inputs and weights, by the product of Pascanu et al."""
    kernel, recurrent_kernel, bias, head, head_bias = model.get_weights()
    states = [np.zeros((len(x), UNITS))]
    for step in range(x.shape[1]):
        states.append(np.tanh(x[:, step] @ kernel + states[-1] @ recurrent_kernel + bias))
    error = 2 * (states[-1] @ head + head_bias - y) / len(x)
    of_weights = [0 * kernel, 0 * recurrent_kernel, 0 * bias, states[-1].T @ error, error.sum(0)]
    of_inputs, of_state = np.zeros_like(x), error @ head.T
    for step in reversed(range(x.shape[1])):
        of_sum = of_state * (1 - states[step + 1] ** 2)
        of_inputs[:, step] = of_sum @ kernel.T
        of_weights[0] += x[:, step].T @ of_sum
        of_weights[1] += states[step].T @ of_sum
        of_weights[2] += of_sum.sum(0)
        of_state = of_sum @ recurrent_kernel.T
    return of_inputs, of_weights


def test_steps_and_weights_equal_backpropagation_through_time_written_out(data, rng):
    model = simple_rnn(rng)
    of_inputs, of_weights = back_through_time(model, *data)
    expected = [np.linalg.norm(of_inputs[:, step]) for step in range(STEPS)]
    assert_equal(gradient_by_step(model, *data), np.array(expected))
    norms = gradient_norms(model, *data)
    assert [path.rpartition("/")[2] for path in norms] == [
        *("kernel", "recurrent_kernel", "bias"),
        *("kernel", "bias"),
    ]
    assert_equal(list(norms.values()), [np.linalg.norm(gradient) for gradient in of_weights])


def test_a_decaying_memory_decays_and_a_growing_one_grows(data, rng):
    ratios = []
    for factor in (0.5, 1.0, 2.0):
        inputs = keras.Input((None, FEATURES))
        layer = keras.layers.SimpleRNN(FEATURES, activation="linear")
        model = compiled(inputs, layer(inputs), rng)
        layer.set_weights([np.eye(2), factor * np.eye(2), np.zeros(2)])
        norms = gradient_by_step(model, data[0], np.zeros((BATCH, FEATURES)))
        ratios.append(norms[0] / norms[-1])
    assert_equal(ratios, [0.5**5, 1.0, 2.0**5], 1e-4)


def test_padding_has_no_gradient(rng):
    model = bidirectional_lstm((None, 2), 1, units=3, mask_value=0.0)
    model.compile("sgd", "mse")
    x = padded([rng.normal(size=(length, 2)) for length in (3, 5)], 8)
    norms = gradient_by_step(model, x, np.ones((2, 1)))
    assert (norms[:5] > 0).all() and not norms[5:].any()


def test_weights_of_samples_count(data, rng):
    model, weight = simple_rnn(rng), np.array([1.0, 0.0, 0.0, 0.0])
    x, y = data
    alone = gradient_by_step(model, x[:1], y[:1]) / BATCH
    assert_equal(gradient_by_step(model, x, y, weight), alone, 1e-6)
    assert_equal(
        [norm / BATCH for norm in gradient_norms(model, x[:1], y[:1]).values()],
        list(gradient_norms(model, x, y, weight).values()),
        1e-6,
    )


def test_a_weight_without_influence_has_no_gradient(rng):
    inputs = {name: keras.Input((2,), name=name) for name in "ab"}
    outputs = [keras.layers.Dense(1, name=f"of_{name}")(x) for name, x in inputs.items()]
    model = compiled(inputs, outputs, rng, ["mse", None])
    x = {name: np.ones((3, 2)) for name in "ab"}
    norms = gradient_norms(model, x, [np.ones((3, 1)), np.ones((3, 1))])
    assert norms["of_a/kernel"] > 0 and norms["of_b/kernel"] == 0


def test_embeddings_have_dense_gradients(rng):
    inputs = keras.Input((3,), dtype="int32")
    words = keras.layers.Embedding(5, 2, name="words")(inputs)
    model = compiled(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(words)), rng)
    assert gradient_norms(model, np.array([[1, 1, 4]]), np.ones((1, 1)))["words/embeddings"] > 0


def test_the_model_is_left_as_it_was(rng):
    inputs = keras.Input(batch_shape=(BATCH, None, FEATURES))
    states = keras.layers.LSTM(UNITS, stateful=True)(inputs)
    outputs = [keras.layers.Dense(1, name=name)(keras.layers.Dropout(0.5)(states)) for name in "ab"]
    model = compiled(inputs, outputs, rng, ["mse", "mse"])
    x, y = rng.normal(size=(BATCH, 3, FEATURES)), [np.ones((BATCH, 1))] * 2
    model.fit(x, y, batch_size=BATCH, verbose=0)

    def everything():
        states = [state for layer in stateful_layers(model) for state in layer.states]
        return [np.array(v) for v in (*model.variables, *states, *model.metrics_variables)]

    before = everything()
    gradient_by_step(model, x, y)
    gradient_norms(model, x, y)
    assert first_not_finite(model, x, y) is None
    assert all(np.array_equal(*pair) for pair in zip(before, everything(), strict=True))


def test_nothing_changes_in_training_either(data, rng):
    histories = []
    for looked_at in (False, True):
        model = simple_rnn(np.random.default_rng(0))
        if looked_at:
            first_not_finite(model, *data)
            gradient_norms(model, *data)
        fits = [model.fit(*data, batch_size=2, shuffle=False, verbose=0) for _ in range(2)]
        histories.append([fit.history["loss"] for fit in fits])
    assert_equal(*histories)


def broken(kind, rng):
    """A model, inputs and targets, in which something is not finite."""
    inputs, x, y = keras.Input((2,)), np.ones((3, 2)), np.ones((3, 1))
    hidden = keras.layers.Dense(2, name="hidden")(inputs)
    if kind == "output":
        hidden = keras.layers.Activation(keras.ops.log, name="logarithm")(hidden)
    if kind == "gradient":
        hidden = keras.layers.Activation(keras.ops.sqrt, name="root")(hidden)
    model = compiled(inputs, keras.layers.Dense(1, name="head")(hidden), rng)
    model.get_layer("hidden").set_weights([-np.ones((2, 2)), np.zeros(2)])
    if kind == "gradient":
        model.get_layer("hidden").set_weights([np.zeros((2, 2)), np.zeros(2)])
    if kind == "inputs":
        x[1, 0] = np.nan
    if kind == "targets":
        y[2] = np.inf
    if kind == "weight":
        model.get_layer("head").set_weights([np.full((2, 1), np.nan), np.zeros(1)])
    if kind == "loss":
        y[:] = 1e30
    return model, x, y


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("nothing", None),
        ("inputs", "inputs"),
        ("targets", "targets"),
        ("weight", "weight head/kernel"),
        ("output", "output of layer logarithm"),
        ("loss", "loss"),
        ("gradient", "gradient of hidden/kernel"),
    ],
)
def test_names_what_is_not_finite_first(kind, found, rng):
    assert first_not_finite(*broken(kind, rng)) == found


def test_without_targets_neither_loss_nor_gradients_are_looked_at(rng):
    for kind in ("loss", "gradient"):
        model, x, _ = broken(kind, rng)
        assert first_not_finite(model, x) is None


def test_words_and_sequential_models_are_looked_at_too():
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(4, 2, name="words"),
            keras.layers.Flatten(),
        ]
    )
    assert first_not_finite(model, np.zeros((2, 3), int)) is None
    model.layers[0].set_weights([np.full((4, 2), np.inf)])
    assert first_not_finite(model, np.zeros((2, 3), int)).endswith("words/embeddings")


def test_wrong_facts_are_refused(data, rng):
    model = simple_rnn(rng)
    with pytest.raises(InputError, match=r"`x` is int64 of shape \(4, 6\), but must be floating"):
        gradient_by_step(model, np.ones((4, 6), int), data[1])
    with pytest.raises(InputError, match=r"`x` is float64 of shape \(4, 6\), but must be floating"):
        gradient_by_step(model, np.ones((4, 6)), data[1])
    uncompiled = keras.Model(model.inputs[0], model.outputs[0])
    with pytest.raises(InputError, match="has no loss: compile it"):
        gradient_norms(uncompiled, *data)


def test_another_backend_is_refused(data, rng, monkeypatch):
    model = simple_rnn(rng)
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(InputError, match="'tensorflow' and 'jax', but KERAS_BACKEND is 'torch'"):
        gradient_norms(model, *data)
