from dlnotes import builders, session
from dlnotes.report import Report
import keras
import numpy as np
import pytest


class Screen:
    """A progress display that remembers what it was told."""

    def __init__(self):
        self.told = []

    def begin(self, label, epochs):
        self.told.append((label, epochs))

    def advance(self):
        self.told.append("an epoch")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = builders.mlp((3,), 1, units=4)
    model.compile(keras.optimizers.SGD(0.125), "mse", run_eagerly=True)
    return model


@pytest.fixture
def report():
    return Report("topic", metric="loss", better="lower")


def fit(model, report, epochs=2, **label):
    x, y = np.ones((8, 3)), np.zeros((8, 1))
    watch = report.watch("network", **label)
    return model.fit(x, y, epochs=epochs, validation_split=0.5, verbose=0, callbacks=[watch])


def test_history_goes_on_over_several_fits(model, report):
    first = fit(model, report, seed=3).history
    second = fit(model, report, epochs=1, seed=3).history
    assert [row["epoch"] for row in report.history] == [1, 2, 3]
    assert [row["loss"] for row in report.history] == first["loss"] + second["loss"]
    assert [row["val_loss"] for row in report.history] == first["val_loss"] + second["val_loss"]
    assert {row["learning_rate"] for row in report.history} == {0.125}
    assert {(row["variant"], row["seed"]) for row in report.history} == {("network", 3)}


def test_the_trained_model_is_kept_for_saving(model, report, tmp_path):
    fit(model, report, task="a task/with a slash")
    report.add("network", task="a task/with a slash", baseline=True, loss=1)
    files = report.save(tmp_path / "run")
    (saved,) = [path for path in files if path.suffix == ".keras"]
    assert saved.name == "a_task_with_a_slash-network.keras"
    assert keras.saving.load_model(saved).count_params() == model.count_params()


def test_progress_is_told_task_variant_seed_and_epochs(model, report):
    screen = Screen()
    with session.opened(session.Session(None, screen)):
        fit(model, report, task="echo", seed=3)
    assert screen.told == [("echo · network · seed 3", 2), "an epoch", "an epoch"]


def test_tensorboard_logs_hold_every_number_of_the_history(model, report, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    import tensorflow as tf

    with session.opened(session.Session(None, tensorboard=tmp_path)):
        history = fit(model, report, seed=3).history
    (folder,) = tmp_path.iterdir()
    assert folder.name == "network-3"
    events = EventAccumulator(str(folder))
    events.Reload()
    values = [tf.make_ndarray(event.tensor_proto) for event in events.Tensors("val_loss")]
    np.testing.assert_allclose(values, history["val_loss"], rtol=1e-6)
    assert {"loss", "val_loss", "learning_rate"} <= set(events.Tags()["tensors"])


@pytest.mark.parametrize("known_inputs", [True, False])
def test_watched_training_equals_unwatched(report, known_inputs):
    def train(callbacks):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((3,))] * known_inputs + [keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(0.1), "mse")
        model.fit(np.ones((8, 3)), np.zeros((8, 1)), epochs=2, verbose=0, callbacks=callbacks)
        return model.get_weights()

    for one, other in zip(train([report.watch("network")]), train([]), strict=True):
        np.testing.assert_array_equal(one, other)
