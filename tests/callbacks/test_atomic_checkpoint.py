"""A fit that was interrupted goes on bit for bit, whatever an interruption left on the disk."""

import json
import random
import resource

from dlnotes.callbacks import AtomicCheckpoint, EpochMetric, ResetStates, _plain
from dlnotes.errors import InputError, TrainingError
from dlnotes.layers import StatefulLSTM
import keras
import numpy as np
import pytest

from contracts import assert_equal

X = np.random.default_rng(0).normal(size=(24, 4, 2)).astype("float32")
Y = X.sum(axis=(1, 2))[:, None]


class PowerFailure(Exception):  # noqa: N818
    pass


class FailAt(keras.callbacks.Callback):
    """Ends the process, so to speak, in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise PowerFailure


class Noise(keras.callbacks.Callback):
    """Draws from every global generator, and from one of its own."""

    def __init__(self):
        super().__init__()
        self.drawn, self.generator = [], np.random.default_rng(5)

    def on_epoch_begin(self, epoch, logs=None):
        drawn = [random.random(), np.random.random(), self.generator.random()]
        self.drawn.append([*drawn, float(keras.random.uniform(()))])


def everything_kept(model):
    return [np.array(v.value) for v in [*model.variables, *model.optimizer.variables]]


def full(folder, epochs, fail_at=None, eagerly=False):
    """A training with all that can differ after an interruption."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(batch_shape=(4, 4, 2))
    hidden = StatefulLSTM(3)(inputs)
    hidden = keras.layers.Dropout(0.4)(keras.layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.05), "mse", run_eagerly=eagerly)
    stop = keras.callbacks.EarlyStopping(min_delta=0.3, patience=4, restore_best_weights=True)
    noise = Noise()
    callbacks = [
        EpochMetric("mean_squared_error", (X[16:], Y[16:]), name="error", batch_size=4),
        ResetStates(every=2),
        keras.callbacks.ReduceLROnPlateau("val_error", mode="min", min_delta=0.5, patience=1),
        stop,
        noise,
        *([FailAt(fail_at)] if fail_at is not None else []),
    ]
    history = model.fit(
        X[:16],
        Y[:16],
        batch_size=4,
        epochs=epochs,
        validation_data=(X[16:], Y[16:]),
        validation_batch_size=4,
        verbose=0,
        callbacks=[*callbacks, AtomicCheckpoint(folder, callbacks)],
    )
    told = [history.epoch, history.history, noise.drawn, stop.wait, stop.best, stop.stopped_epoch]
    return everything_kept(model), told, [random.random(), np.random.random()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return full(tmp_path_factory.mktemp("whole") / "checkpoints", epochs=30)


def same(one, other):
    for value, expected in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(value, expected)
    assert one[1:] == other[1:]


def test_an_interrupted_training_ends_bit_for_bit_as_the_whole_one(uninterrupted, tmp_path):
    epochs = len(uninterrupted[1][0])
    assert 4 < epochs < 30
    for fail_at in (0, 1, epochs // 2, epochs - 1):
        with pytest.raises(PowerFailure):
            full(tmp_path, epochs=30, fail_at=fail_at)
    same(full(tmp_path, epochs=30), uninterrupted)


def test_a_training_that_a_callback_ended_is_given_back_and_not_repeated(uninterrupted, tmp_path):
    first = full(tmp_path, epochs=30)
    names = sorted(path.name for path in tmp_path.iterdir())
    again = full(tmp_path, epochs=40)
    same(first, uninterrupted)
    same(again, uninterrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert names[-1] == f"epoch-{len(first[1][0]):06d}" and len(names) == 2


def test_more_epochs_go_on_from_the_end(uninterrupted, tmp_path):
    full(tmp_path, epochs=2)
    same(full(tmp_path, epochs=30), uninterrupted)


def small(folder, epochs, *, y=None, units=3, rate=0.01, others=(), layers=1, **options):
    """A short eager training, its model and its callback."""
    keras.utils.set_random_seed(2)
    hidden = [keras.layers.Dense(units) for _ in range(layers)]
    model = keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "mse", run_eagerly=True)
    checkpoint = AtomicCheckpoint(folder, others, **options)
    history = model.fit(
        X[:, 0],
        Y if y is None else y,
        batch_size=12,
        epochs=epochs,
        verbose=0,
        callbacks=[*others, checkpoint],
    )
    return history, model, checkpoint


def test_the_state_holds_what_is_needed_to_judge_it(tmp_path):
    _, model, checkpoint = small(tmp_path, 2)
    assert checkpoint.path == tmp_path / "epoch-000002"
    state = json.loads((checkpoint.path / "state.json").read_text())
    assert state["epoch"] == 2 and len(state["sha256"]) == 64
    assert [name for name, _, _ in state["variables"][:2]] == [
        variable.path for variable in model.variables[:2]
    ]
    assert state["versions"]["keras"] == keras.__version__


@pytest.mark.parametrize("damage", ["truncated", "changed", "state", "missing"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, damage):
    whole, _, _ = small(tmp_path / "whole", 4)
    small(tmp_path / "kept", 3)
    path = tmp_path / "kept" / "epoch-000003"
    data = (path / "variables.npz").read_bytes()
    if damage == "truncated":
        (path / "variables.npz").write_bytes(data[:-10])
    elif damage == "changed":
        (path / "variables.npz").write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    elif damage == "state":
        (path / "state.json").write_text((path / "state.json").read_text()[:100])
    else:
        (path / "variables.npz").unlink()
    with pytest.warns(UserWarning, match=r"damaged, the one before is used \(epoch-000002\)"):
        history, _, _ = small(tmp_path / "kept", 4)
    assert history.history == whole.history
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert names == ["epoch-000003", "epoch-000004"]


def test_metadata_without_weights_never_begins_with_fresh_ones(tmp_path):
    small(tmp_path, 1)
    (tmp_path / "epoch-000001" / "variables.npz").unlink()
    with pytest.raises(InputError, match=r"None of the checkpoints .* variables\.npz is missing"):
        small(tmp_path, 2)


def test_remains_of_a_killed_write_do_no_harm(tmp_path):
    whole, _, _ = small(tmp_path / "whole", 3)
    small(tmp_path / "kept", 2)
    part = tmp_path / "kept" / ".epoch-000003.part"
    part.mkdir()
    (part / "variables.npz").write_bytes(b"PK")
    history, _, _ = small(tmp_path / "kept", 3)
    assert history.history == whole.history and not part.exists()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"units": 4}, r"holds \S*/kernel of shape \(2, 3\) and .* of shape \(2, 4\)"),
        ({"layers": 2}, r"holds \S*/kernel of shape \(3, 1\) and .* of shape \(3, 3\)"),
    ],
)
def test_another_model_is_refused_with_the_difference(tmp_path, other, message):
    small(tmp_path, 1)
    with pytest.raises(InputError, match=message):
        small(tmp_path, 2, **other)


def test_another_optimizer_is_refused(tmp_path):
    _, model, checkpoint = small(tmp_path, 1)
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match=r"it has \S*momentum of shape .* which this model lacks"):
        checkpoint.restore(model)


def test_restore_gives_the_variables_outside_of_a_fit(tmp_path):
    _, trained, checkpoint = small(tmp_path, 2)
    twin = keras.models.clone_model(trained)
    twin.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    assert checkpoint.restore(twin) == 2
    assert_equal(everything_kept(twin), everything_kept(trained), 0)
    with pytest.raises(InputError, match="There is no checkpoint in"):
        AtomicCheckpoint(tmp_path / "none").restore(twin)


def test_a_loss_that_is_not_finite_names_epoch_batch_and_what_is_kept(tmp_path):
    y = np.where(np.arange(24)[:, None] == 0, np.nan, Y)
    with pytest.raises(TrainingError, match=r"loss is nan at batch \d of epoch 1\. There is no"):
        small(tmp_path, 2, y=y)
    small(tmp_path, 2)
    kept = tmp_path / "epoch-000002"
    files = {path.name: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(TrainingError, match=rf"batch \d of epoch 3\. The last good .* {kept}\."):
        small(tmp_path, 4, y=y)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == files
    nan = keras.callbacks.TerminateOnNaN()
    history, _, _ = small(tmp_path / "other", 4, y=y, others=[nan])
    assert np.isnan(history.history["loss"]).all()


def test_a_full_disk_is_one_sentence_and_leaves_the_older_checkpoint(tmp_path):
    small(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"Cannot write a .*/epoch-000001 is kept\.$"):
            small(tmp_path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-000001"]
    assert small(tmp_path, 3)[0].epoch == [0, 1, 2]


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write checkpoints to .*file/here \(Not a dir"):
        small(tmp_path / "file" / "here", 1)


def test_the_others_of_a_shared_training_only_read(tmp_path):
    small(tmp_path, 2)
    before = sorted(tmp_path.rglob("*"))
    history, _, _ = small(tmp_path, 3, write=False)
    assert history.epoch == [0, 1, 2] and sorted(tmp_path.rglob("*")) == before
    small(tmp_path / "none", 1, write=False)
    assert not (tmp_path / "none").exists()


def test_the_last_epoch_is_written_however_long_the_pause(tmp_path):
    small(tmp_path, 3, every_seconds=3600)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-000003"]


def test_callbacks_that_come_behind_it_are_refused(tmp_path):
    stop = keras.callbacks.EarlyStopping("loss")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    for behind in ([stop], []):
        with pytest.raises(InputError, match="EarlyStopping must stand before AtomicCheckpoint"):
            callbacks = [AtomicCheckpoint(tmp_path, [stop]), *behind]
            model.fit(X[:, 0], Y, verbose=0, callbacks=callbacks)


def test_the_next_fit_of_the_model_begins_at_its_first_epoch(tmp_path):
    small(tmp_path, 2)
    _, model, _ = small(tmp_path, 3)
    assert model.fit(X[:, 0], Y, epochs=1, verbose=0).epoch == [0]
    _, model, _ = small(tmp_path, 3)
    assert model.fit(X[:, 0], Y, epochs=1, verbose=0).epoch == [0]


def test_a_model_without_variables_is_refused(tmp_path):
    small(tmp_path, 1)
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(InputError, match="has no variables yet"):
        AtomicCheckpoint(tmp_path).restore(model)


def test_settings_of_callbacks_are_those_of_the_script(tmp_path):
    small(tmp_path, 2, others=[keras.callbacks.EarlyStopping("loss", patience=5)])
    stop = keras.callbacks.EarlyStopping("loss", patience=9)
    small(tmp_path, 3, others=[stop])
    assert stop.patience == 9 and stop.best is not None


@pytest.mark.parametrize(
    "value",
    [
        [1, 2.5, "text", None, True, (1, [2]), {3, 4}, {"a": {5: np.float32(0.1)}, (1, 2): None}],
        float("inf"),
        {"numbers": np.arange(6).reshape(2, 3), "words": np.array(["ab", "c"])},
        [keras.ops.less, keras.ops.greater],
    ],
)
def test_plain_values_come_back_as_they_were(value):
    arrays = []
    text = json.dumps(_plain.encode(value, arrays))
    back = _plain.decode(json.loads(text), arrays)
    np.testing.assert_equal(back, value)
    assert (
        [type(item) for item in back] == [type(item) for item in value]
        if value != float("inf")
        else True
    )


def test_what_is_not_plain_is_left_out():
    with pytest.raises(_plain.NotPlainError, match="a object"):
        _plain.encode([object()], [])
    assert set(_plain.attributes(keras.callbacks.EarlyStopping())) >= {"wait", "best", "patience"}
    assert "_model" not in _plain.attributes(full_of_objects())


def full_of_objects():
    callback = keras.callbacks.Callback()
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    return callback


def test_types_that_numpy_lacks_are_kept(tmp_path):
    def train(epochs):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((2,))
        model = keras.Model(inputs, keras.layers.Dense(1, dtype="bfloat16")(inputs))
        model.compile("sgd", "mse", run_eagerly=True)
        history = model.fit(
            X[:, 0], Y, epochs=epochs, verbose=0, callbacks=[AtomicCheckpoint(tmp_path)]
        )
        return history, model

    _, first = train(1)
    history, again = train(1)
    assert first.layers[-1].kernel.dtype == "bfloat16" and history.epoch == [0]
    assert_equal(
        [v.astype("float32") for v in everything_kept(again)],
        [v.astype("float32") for v in everything_kept(first)],
        0,
    )
