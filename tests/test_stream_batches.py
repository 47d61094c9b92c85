"""Batches of short series: the epochs of the slow way, in one piece each."""

from dlnotes import layers, recurrent
from dlnotes.callbacks import AtomicCheckpoint, ResetStates
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal

BATCH, STEPS, EPOCHS = 2, 6, 4


def data(rows):
    """Windows of two steps with padding here and there, targets and weights; the rest at random."""
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 2, 1)), rng.normal(size=(rows, 1))
    x[::5, 0] = 0
    return x, y, rng.uniform(0.2, 2, rows)


TRAIN, VALIDATION = data(STEPS * BATCH), data(2 * BATCH)


@pytest.fixture(scope="module")
def models():
    """One network for single steps, one for executions of half an epoch, one of a whole one."""
    return {steps: compiled(steps) for steps in (1, STEPS // 2, STEPS)}


def compiled(steps_per_execution):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(batch_shape=(BATCH, 2, 1))
    is_real = keras.ops.any(keras.ops.not_equal(inputs, 0), axis=-1)
    hidden = layers.StatefulLSTM(2)(inputs, mask=is_real)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(
        keras.optimizers.SGD(0.1),
        "mse",
        weighted_metrics=["mae"],
        steps_per_execution=steps_per_execution,
    )
    model.beginning = model.get_weights()
    return model


def fresh(model):
    model.set_weights(model.beginning)
    recurrent.reset_states(model)
    return model


def reset_each_layer(model):
    for layer in model.layers:
        if hasattr(layer, "reset_states"):
            layer.reset_states()


def tutorial(model):
    """The histories of `fit` for one epoch after the other, with resets by hand."""
    epochs = []
    for _ in range(EPOCHS):
        options = {"batch_size": BATCH, "verbose": 0}
        x, y, weights = TRAIN
        history = model.fit(x, y, sample_weight=weights, epochs=1, shuffle=False, **options)
        reset_each_layer(model)
        x, y, weights = VALIDATION
        scores = model.evaluate(x, y, sample_weight=weights, return_dict=True, **options)
        reset_each_layer(model)
        logs = {name: values[0] for name, values in history.history.items()}
        epochs.append(logs | {f"val_{name}": value for name, value in scores.items()})
    return {name: [logs[name] for logs in epochs] for name in epochs[0]}


def streamed(model, *callbacks, epochs=EPOCHS, reset=None):
    return model.fit(
        recurrent.stream_batches(BATCH, *TRAIN),
        validation_data=recurrent.stream_batches(BATCH, *VALIDATION),
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[ResetStates() if reset is None else reset, *callbacks],
    ).history


@pytest.fixture(scope="module")
def slow_way(models):
    model = fresh(models[1])
    return tutorial(model), model.get_weights()


@pytest.mark.parametrize("steps", [1, STEPS // 2, STEPS])
def test_every_epoch_is_that_of_the_tutorial_loop(models, slow_way, steps):
    histories, weights = slow_way
    model = fresh(models[steps])
    assert_equal(streamed(model), histories)
    assert_equal(model.get_weights(), weights)


def test_without_resets_the_losses_are_others(models, slow_way):
    losses = streamed(fresh(models[STEPS]), reset=keras.callbacks.Callback())["loss"]
    assert np.abs(np.subtract(losses, slow_way[0]["loss"])[1:]).min() > 1e-4


def test_resets_inside_an_epoch_come_between_executions(models):
    half = STEPS // 2
    reset = {"every": half}
    expected = [
        fresh(models[1])
        .fit(*TRAIN[:2], batch_size=BATCH, shuffle=False, verbose=0, callbacks=callbacks)
        .history["loss"]
        for callbacks in ([ResetStates(**reset)], [ResetStates()])
    ]
    batches = recurrent.stream_batches(BATCH, *TRAIN[:2])
    options = {"shuffle": False, "verbose": 0, "callbacks": [ResetStates(**reset)]}
    history = fresh(models[half]).fit(batches, **options).history
    assert_equal(history["loss"], expected[0])
    assert np.abs(np.subtract(*expected)).max() > 1e-4
    with pytest.raises(InputError, match=f"the reset before batch {half} would be skipped"):
        models[STEPS].fit(batches, **options)


def test_early_stopping_sees_every_epoch(models, slow_way):
    gains = -np.diff(slow_way[0]["loss"])
    too_little = gains[:2].mean()
    stop = keras.callbacks.EarlyStopping("loss", min_delta=too_little, patience=1)
    losses = streamed(fresh(models[STEPS]), stop)["loss"]
    assert len(losses) == 2 + np.argmax(gains < too_little) < EPOCHS


def test_an_interrupted_fit_goes_on_from_its_checkpoint(models, slow_way, tmp_path):
    model = fresh(models[STEPS])
    streamed(model, AtomicCheckpoint(tmp_path), epochs=2)
    fresh(model)
    assert_equal(streamed(model, AtomicCheckpoint(tmp_path)), slow_way[0])
    assert_equal(model.get_weights(), slow_way[1])


def test_predictions_come_in_order(models):
    model, x = fresh(models[1]), TRAIN[0]
    options = {"verbose": 0, "callbacks": [ResetStates()]}
    expected = model.predict(x, batch_size=BATCH, **options)
    found = model.predict(recurrent.stream_batches(BATCH, x), **options)
    assert_equal(found, expected, tolerance=1e-6)


def test_batches_hold_the_rows_in_order_whatever_their_structure():
    x = {"step": np.arange(7), "pair": [np.arange(7.0) / 2, np.arange(14).reshape(7, 2)]}
    batches = recurrent.stream_batches(3, x, None, remainder="drop")
    assert len(batches) == 2
    for first, (inputs,) in zip((0, 3), batches.as_numpy_iterator(), strict=True):
        rows = slice(first, first + 3)
        assert inputs["step"].tolist() == list(range(7))[rows]
        assert inputs["step"].dtype == x["step"].dtype
        assert inputs["pair"][0].tolist() == [row / 2 for row in range(7)][rows]
        assert inputs["pair"][0].dtype == keras.config.floatx()
        assert inputs["pair"][1].tolist() == [[2 * row, 2 * row + 1] for row in range(7)][rows]
    assert batches.element_spec[0]["step"].shape == (3,)


def test_no_thread_of_its_own_waits_for_an_epoch():
    assert recurrent.stream_batches(1, np.ones(2)).options().autotune.enabled is False


def test_rows_left_over_are_named():
    with pytest.raises(InputError, match="12 rows came, but `batch_size` is 5"):
        recurrent.stream_batches(5, *TRAIN)
    with pytest.raises(InputError, match="equally many rows, but have 12, 4"):
        recurrent.stream_batches(2, TRAIN[0], VALIDATION[1])
