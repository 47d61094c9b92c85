import copy
import math

from dlnotes.callbacks import OneCycle
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

MOMENTUM = pytest.mark.parametrize("momentum", [(0.9, 0.1), None], ids=["moving", "resting"])

x = np.linspace(-1, 1, 12).reshape(12, 1)
y = 3 * x


def linear_model(optimizer, **options):
    """One weight, which starts at 0."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, *callbacks, epochs=1, **options):
    return model.fit(
        x, y, batch_size=2, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **options
    )


def weight_of(model):
    return float(np.squeeze(model.get_weights()[0]))


def gradients(steps, update, weight=0.0):
    """A loop over the batches of `fit`; `update(weight, gradient, step)` gives the new weight."""
    for step in range(steps):
        rows = slice(2 * (step % 6), 2 * (step % 6) + 2)
        gradient = np.mean(2 * (weight * x[rows] - y[rows]) * x[rows])
        weight = update(weight, gradient, step)
    return weight


def by_hand(step, steps, start, peak, end, warm_up, annealing):
    """The value of a cycle, written out."""
    turn = round(warm_up * (steps - 1))
    if step < turn:
        low, high, share = start, peak, step / turn
    else:
        low, high, share = peak, end, (step - turn) / (steps - 1 - turn)
    if annealing == "linear":
        return low * (1 - share) + high * share
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


class Observer(keras.callbacks.Callback):
    """Reads the optimizer's learning rate at each batch."""

    def on_train_begin(self, logs=None):
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.mark.parametrize("annealing", ["cosine", "linear"])
@pytest.mark.parametrize("warm_up", [0.0, 0.3, 0.5])
@MOMENTUM
def test_every_step_equals_the_formula(momentum, annealing, warm_up):
    model = linear_model(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    cycle = OneCycle(0.2, warm_up=warm_up, annealing=annealing, momentum=momentum)
    observer = Observer()
    fit(model, cycle, observer, epochs=2)
    rates = [by_hand(i, 12, 0.2 / 25, 0.2, 0.2 / 25 / 1e4, warm_up, annealing) for i in range(12)]
    np.testing.assert_allclose(cycle.learning_rates, rates, rtol=1e-9)
    np.testing.assert_allclose(observer.rates, rates, rtol=1e-6)
    assert max(cycle.learning_rates) == 0.2
    if momentum:
        momenta = [by_hand(i, 12, 0.9, 0.1, 0.9, warm_up, annealing) for i in range(12)]
        np.testing.assert_allclose(cycle.momenta, momenta, rtol=1e-9)
        assert min(cycle.momenta) == pytest.approx(0.1)
        assert cycle.learning_rates.index(0.2) == cycle.momenta.index(min(cycle.momenta))


@pytest.mark.parametrize("compiled_before", [False, True])
@MOMENTUM
def test_sgd_follows_rate_and_momentum_in_graph_mode(momentum, compiled_before):
    model = linear_model(keras.optimizers.SGD(0.0, momentum=0.9))
    if compiled_before:
        fit(model)
    cycle = OneCycle(0.3, momentum=momentum)
    fit(model, cycle, epochs=2)
    velocity = 0.0

    def update(weight, gradient, step):
        nonlocal velocity
        rate = by_hand(step, 12, 0.3 / 25, 0.3, 0.3 / 25e4, 0.3, "cosine")
        share = by_hand(step, 12, 0.9, 0.1, 0.9, 0.3, "cosine") if momentum else 0.9
        velocity = share * velocity - rate * gradient
        return weight + velocity

    assert weight_of(model) == pytest.approx(gradients(12, update), abs=1e-5)


def test_adam_follows_beta_1_in_graph_mode():
    model = linear_model(keras.optimizers.Adam(0.01))
    fit(model, OneCycle(0.3, momentum=(0.95, 0.5)))
    mean = square = 0.0

    def update(weight, gradient, step):
        nonlocal mean, square
        rate = by_hand(step, 6, 0.3 / 25, 0.3, 0.3 / 25e4, 0.3, "cosine")
        beta = by_hand(step, 6, 0.95, 0.5, 0.95, 0.3, "cosine")
        mean = beta * mean + (1 - beta) * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = mean / (1 - beta ** (step + 1))
        return weight - rate * corrected / (np.sqrt(square / (1 - 0.999 ** (step + 1))) + 1e-7)

    assert weight_of(model) == pytest.approx(gradients(6, update), abs=1e-5)


@MOMENTUM
def test_the_next_fit_goes_on_as_compiled(momentum):
    model = linear_model(keras.optimizers.SGD(0.02, momentum=0.5))
    variables = len(model.optimizer.variables)
    fit(model, OneCycle(0.3, momentum=momentum))
    assert float(model.optimizer.learning_rate) == np.float32(0.02)
    assert model.optimizer.momentum == 0.5
    assert len(model.optimizer.variables) == variables + 1
    for momenta in model.optimizer.momentums:
        momenta.assign(np.zeros_like(momenta))
    start, velocity = weight_of(model), 0.0
    fit(model)

    def update(weight, gradient, step):
        nonlocal velocity
        velocity = 0.5 * velocity - 0.02 * gradient
        return weight + velocity

    assert weight_of(model) == pytest.approx(gradients(6, update, start), abs=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.RMSprop(0.01, momentum=0.9),
        keras.optimizers.SGD(0.01),
        keras.optimizers.Adafactor(0.01),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_optimizers_without_a_momentum_to_move_keep_theirs(optimizer):
    before = optimizer.get_config()
    cycle = OneCycle(0.1)
    fit(linear_model(optimizer), cycle)
    assert cycle.momenta == [] and len(cycle.learning_rates) == 6
    assert optimizer.get_config() == before


@pytest.mark.parametrize("name", ["AdamW", "Nadam", "Adamax", "Lion", "Lamb", "Muon"])
def test_other_optimizers_feel_the_momentum(name, rng):
    inputs, targets = rng.normal(size=(2, 12, 2))

    def trained(momentum):
        dense = keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=0))
        model = keras.Sequential([keras.Input((2,)), dense])
        model.compile(getattr(keras.optimizers, name)(0.01), "mse")
        cycle = OneCycle(0.1, momentum=momentum)
        model.fit(inputs, targets, batch_size=2, shuffle=False, verbose=0, callbacks=[cycle])
        return model.get_weights()[0]

    assert np.abs(trained((0.2, 0.6)) - trained(None)).max() > 1e-3


def test_momentum_none_leaves_it_alone():
    model = linear_model(keras.optimizers.SGD(0.01, momentum=0.7))
    function = model.make_train_function() or model.train_function
    cycle = OneCycle(0.1, momentum=None)
    fit(model, cycle)
    assert cycle.momenta == [] and model.optimizer.momentum == 0.7
    assert model.train_function is function


@MOMENTUM
def test_reaches_the_optimizer_inside_loss_scaling(momentum):
    inner = keras.optimizers.SGD(0.01, momentum=0.9)
    model = linear_model(keras.optimizers.LossScaleOptimizer(inner), run_eagerly=True)
    observer = Observer()
    fit(model, OneCycle(0.1, momentum=momentum), observer)
    expected = [by_hand(i, 6, 0.1 / 25, 0.1, 0.1 / 25e4, 0.3, "cosine") for i in range(6)]
    np.testing.assert_allclose(observer.rates, expected, rtol=1e-6)
    assert inner.momentum == 0.9 and float(inner.learning_rate) == np.float32(0.01)


def test_a_checkpoint_in_between_holds_plain_numbers(tmp_path):
    model = linear_model(keras.optimizers.Adam(0.01, beta_1=0.8))
    paths = [tmp_path / name for name in ("epoch.keras", "batch.keras")]
    cycle = OneCycle(0.1)
    epoch = keras.callbacks.ModelCheckpoint(paths[0])
    batch = keras.callbacks.ModelCheckpoint(paths[1], save_freq=4)
    fit(model, cycle, epoch, batch)
    for path in paths:
        assert keras.saving.load_model(path).optimizer.get_config()["beta_1"] == 0.8


def test_the_rate_is_logged_at_the_end_of_each_epoch():
    model = linear_model(keras.optimizers.SGD(0.01), run_eagerly=True)
    cycle = OneCycle(0.1)
    history = fit(model, cycle, epochs=2).history
    np.testing.assert_allclose(
        history["learning_rate"], [cycle.learning_rates[5], cycle.learning_rates[11]], rtol=1e-6
    )


def test_continuing_a_run_makes_a_cycle_of_the_epochs_that_remain():
    model = linear_model(keras.optimizers.SGD(0.01), run_eagerly=True)
    whole, rest = OneCycle(0.1), OneCycle(0.1)
    fit(model, whole, epochs=2)
    fit(model, rest, epochs=5, initial_epoch=3)
    assert rest.learning_rates == whole.learning_rates


def test_after_its_steps_the_last_values_stay():
    model = linear_model(keras.optimizers.SGD(0.01), run_eagerly=True)
    cycle = OneCycle(0.1, steps=4)
    fit(model, cycle)
    expected = [by_hand(min(i, 3), 4, 0.1 / 25, 0.1, 0.1 / 25e4, 0.3, "cosine") for i in range(6)]
    np.testing.assert_allclose(cycle.learning_rates, expected)


def test_a_single_step_is_the_peak():
    assert OneCycle(0.1).learning_rate_at(0, 1) == pytest.approx(0.1)


@MOMENTUM
def test_reuse_and_copies_start_anew(momentum):
    cycle = OneCycle(0.1, momentum=momentum)
    model = linear_model(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    fit(model, cycle)
    first = list(cycle.learning_rates)
    twin = copy.deepcopy(OneCycle(0.1, momentum=momentum))
    fit(model, cycle)
    fit(model, twin)
    assert cycle.learning_rates == twin.learning_rates == first


@MOMENTUM
def test_restore_after_an_interrupt(momentum):
    def interrupt(batch, logs):
        if batch == 3:
            raise KeyboardInterrupt

    model = linear_model(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    cycle = OneCycle(0.1, momentum=momentum)
    stop = keras.callbacks.LambdaCallback(on_train_batch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(model, cycle, stop)
    assert float(model.optimizer.learning_rate) != np.float32(0.01)
    cycle.restore()
    assert float(model.optimizer.learning_rate) == np.float32(0.01)
    assert model.optimizer.momentum == 0.9


def test_data_of_unknown_length_needs_steps():
    def batches():
        yield x[:4], y[:4]

    model = linear_model("sgd", run_eagerly=True)
    with pytest.raises(InputError, match="`steps` is needed: the number of batches"):
        model.fit(batches(), shuffle=False, verbose=0, callbacks=[OneCycle(0.1)])


def test_refuses_a_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    with pytest.raises(InputError, match="follows a schedule"):
        fit(linear_model(keras.optimizers.SGD(schedule)), OneCycle(0.1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_learning_rate": 0}, "`max_learning_rate` is 0, but must be above 0"),
        ({"warm_up": 1.0}, r"`warm_up` is 1.0, but must be in \[0, 1\)"),
        ({"annealing": "exponential"}, "must be 'cosine' or 'linear'"),
        ({"momentum": (0.9, 1.5)}, r"`momentum` is \(0.9, 1.5\), but both"),
        ({"start_divisor": 0.5}, "`start_divisor` is 0.5, but must be at least 1"),
        ({"steps": 0}, "`steps` is 0, but must be at least 1"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        OneCycle(**{"max_learning_rate": 0.1} | arguments)
