import copy

from dlnotes import figures
from dlnotes.callbacks import LearningRateRangeTest, suggest_learning_rate
from dlnotes.errors import InputError
from dlnotes.layers import StatefulLSTM
import keras
import numpy as np
import pytest

x = np.linspace(-1, 1, 12).reshape(12, 1)
y = 3 * x + 1


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def linear_model(optimizer="sgd", **options):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **options)
    return model


def full_model(optimizer=None):
    """Everything that has state: batch statistics, seeds, recurrent states, moments."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(4, 3, 2))
    hidden = StatefulLSTM(2, dropout=0.5)(inputs)
    hidden = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(optimizer or keras.optimizers.Adam(0.02), "mse")
    return model


def state_of(model):
    states = [state for layer in model.layers for state in getattr(layer, "states", None) or []]
    return [np.array(v.value) for v in [*model.variables, *states, *model.optimizer.variables]]


def assert_same_bits(actual, expected):
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(1)
    return rng.normal(size=(12, 3, 2)), rng.normal(size=(12, 1))


def fit(model, data, epochs=1):
    return model.fit(*data, batch_size=4, epochs=epochs, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("fitted_before", [True, False])
def test_everything_is_put_back_bit_for_bit(sequences, fitted_before):
    model, untouched = full_model(), full_model()
    if fitted_before:
        fit(model, sequences)
        fit(untouched, sequences)
    test = LearningRateRangeTest(1e-4, 1.0)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(state_of(watch.model))
    )
    model.fit(*sequences, batch_size=4, epochs=2, verbose=0, callbacks=[test, watch])
    if not fitted_before:
        untouched.optimizer.build(untouched.trainable_variables)
    assert_same_bits(state_of(model), state_of(untouched))
    pairs = list(zip(seen[-1], state_of(model), strict=True))
    moved = [not np.array_equal(one, other) for one, other in pairs]
    assert sum(moved) > len(moved) / 2
    assert fit(model, sequences, epochs=2) == fit(untouched, sequences, epochs=2)
    assert_same_bits(state_of(model), state_of(untouched))


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.01, use_ema=True),
        keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01, momentum=0.5)),
    ],
    ids=["moving average", "accumulation", "loss scale"],
)
def test_optimizers_with_more_state_are_put_back(optimizer):
    model = linear_model(optimizer, run_eagerly=True)
    optimizer.build(model.trainable_variables)
    before = state_of(model)
    test = LearningRateRangeTest(1e-3, 1e-1)
    model.fit(x, y, batch_size=3, verbose=0, callbacks=[test])
    assert [rate for rate, _ in test.records] == pytest.approx(np.geomspace(1e-3, 1e-1, 4))
    assert_same_bits(state_of(model), before)


def test_records_are_the_losses_of_a_loop():
    model = linear_model()
    weight, bias = (float(np.squeeze(value)) for value in model.get_weights())
    test = LearningRateRangeTest(1e-3, 1.0)
    model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0, callbacks=[test])
    expected = []
    for step in range(12):
        rate = 1e-3 * (1.0 / 1e-3) ** (step / 11)
        rows = slice(2 * (step % 6), 2 * (step % 6) + 2)
        error = weight * x[rows, 0] + bias - y[rows, 0]
        expected.append((rate, np.mean(error**2)))
        weight -= rate * np.mean(2 * error * x[rows, 0])
        bias -= rate * np.mean(2 * error)
    np.testing.assert_allclose(test.records, expected, rtol=1e-4)


def test_steps_bound_the_run():
    test = LearningRateRangeTest(1e-3, 1e-2, steps=5)
    linear_model().fit(x, y, batch_size=4, epochs=9, verbose=0, callbacks=[test])
    assert [rate for rate, _ in test.records] == pytest.approx(np.geomspace(1e-3, 1e-2, 5))


@pytest.mark.parametrize("max_learning_rate", [1e3, 1e30])
def test_ends_on_divergence(max_learning_rate):
    model = linear_model()
    model.optimizer.build(model.trainable_variables)
    before = state_of(model)
    test = LearningRateRangeTest(1e-3, max_learning_rate)
    model.fit(x, y, batch_size=1, epochs=20, shuffle=False, verbose=0, callbacks=[test])
    losses = [loss for _, loss in test.records]
    assert 10 < len(losses) < 240
    assert not losses[-1] <= 3 * max(losses[:10])
    assert_same_bits(state_of(model), before)


def test_a_noisy_start_is_no_divergence():
    """The first batch is easy by chance, the others are not: the losses vary, nothing diverges."""
    targets = np.full((12, 1), 30.0)
    model = linear_model()
    targets[0] = model.predict(x[:1], verbose=0)
    test = LearningRateRangeTest(1e-6, 1e-5)
    model.fit(x, targets, batch_size=1, shuffle=False, verbose=0, callbacks=[test])
    assert len(test.records) == 12 and test.records[0][1] < 1e-6


def test_ends_on_nan():
    data = x.copy()
    data[5] = np.nan
    test = LearningRateRangeTest(1e-5, 1e-4)
    model = linear_model()
    model.fit(data, y, batch_size=1, shuffle=False, verbose=0, callbacks=[test])
    assert len(test.records) == 6 and np.isnan(test.records[-1][1])
    assert np.isfinite(np.concatenate([np.ravel(value) for value in state_of(model)])).all()


def test_restore_after_an_interrupt():
    def interrupt(batch, logs):
        if batch == 2:
            raise KeyboardInterrupt

    model = linear_model(keras.optimizers.Adam(0.01))
    model.optimizer.build(model.trainable_variables)
    before = state_of(model)
    test = LearningRateRangeTest(1e-3, 1e-1)
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=3, verbose=0, callbacks=[test, stop])
    test.restore()
    assert_same_bits(state_of(model), before)


def test_a_second_fit_and_a_copy_start_anew():
    model = linear_model(run_eagerly=True)
    test = LearningRateRangeTest(1e-3, 1e-2)
    for callback in (test, test, copy.deepcopy(LearningRateRangeTest(1e-3, 1e-2))):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[callback])
        assert len(callback.records) == 3
        assert callback.records == test.records


def unknown_length():
    for _ in range(3):
        yield x[:4], y[:4]


def test_data_of_unknown_length_needs_steps():
    with pytest.raises(InputError, match="`steps` is needed: the number of batches"):
        linear_model().fit(
            unknown_length(), shuffle=False, verbose=0, callbacks=[LearningRateRangeTest()]
        )
    test = LearningRateRangeTest(1e-3, 1e-2, steps=3)
    linear_model().fit(unknown_length(), shuffle=False, verbose=0, callbacks=[test])
    assert [rate for rate, _ in test.records] == pytest.approx(np.geomspace(1e-3, 1e-2, 3))


def test_refuses_a_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = linear_model(keras.optimizers.SGD(schedule))
    with pytest.raises(InputError, match=r"follows a schedule.*compile with a number"):
        model.fit(x, y, verbose=0, callbacks=[LearningRateRangeTest()])


def test_refuses_a_model_without_weights():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match=r"no weights yet.*`keras.Input`"):
        model.fit(x, y, verbose=0, callbacks=[LearningRateRangeTest()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_learning_rate": 0.0}, "0 < min_learning_rate < max_learning_rate must hold"),
        ({"min_learning_rate": 1.0, "max_learning_rate": 0.1}, "`max_learning_rate` 0.1"),
        ({"steps": 1}, "`steps` is 1, but must be at least 2"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        LearningRateRangeTest(**arguments)


class TestSuggestion:
    rates = np.geomspace(1e-6, 10, 71)

    def test_is_a_tenth_of_the_rate_of_the_lowest_loss(self):
        losses = (np.log10(self.rates) + 1.5) ** 2
        suggested = suggest_learning_rate(zip(self.rates, losses, strict=True))
        assert suggested == pytest.approx(10**-1.5 / 10)

    def test_noise_and_nan_do_not_move_it_far(self, rng):
        losses = np.abs(np.log10(self.rates) + 1) + rng.normal(scale=0.05, size=71)
        losses[-5:] = np.nan
        suggested = suggest_learning_rate(zip(self.rates, losses, strict=True))
        assert 0.005 < suggested < 0.02

    def test_of_the_callback_and_drawn(self):
        test = LearningRateRangeTest(1e-4, 10.0)
        linear_model().fit(x, y, batch_size=1, epochs=4, shuffle=False, verbose=0, callbacks=[test])
        assert test.suggestion() == suggest_learning_rate(test.records)
        assert 1e-4 < test.suggestion() < 1.0
        (axis,) = figures.learning_rate_range(test.records, test.suggestion()).axes
        np.testing.assert_array_equal(axis.lines[0].get_xydata(), test.records)

    @pytest.mark.parametrize(
        ("losses", "message"),
        [
            ([1.0, 2.0], "holds 2 finite losses, but at least 6"),
            ([np.nan] * 10, "holds 0 finite losses"),
            (range(10), "the loss never fell"),
        ],
    )
    def test_errors(self, losses, message):
        with pytest.raises(InputError, match=message):
            suggest_learning_rate([(rate, loss) for rate, loss in enumerate(losses, 1)])
