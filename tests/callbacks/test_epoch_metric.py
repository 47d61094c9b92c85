import copy
import functools

from dlnotes.builders import mlp
from dlnotes.callbacks import EpochMetric
from dlnotes.errors import InputError
from dlnotes.tuning import objective
import keras
import keras_tuner
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)).astype("float32")
    return x, (x[:, 0] + rng.normal(size=60) > 0).astype(int)


def classifier(**options):
    keras.utils.set_random_seed(0)
    model = mlp((2,), 1, units=3, layers=1)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), **options)
    return model


def auc_by_hand(y, scores):
    """Share of the pairs (one of each class) in which class 1 scores higher; ties count half."""
    pairs = [(p, n) for p in scores[y == 1] for n in scores[y == 0]]
    return sum((p > n) + 0.5 * (p == n) for p, n in pairs) / len(pairs)


class Follower(keras.callbacks.Callback):
    """Keeps the logits of each epoch, and the logs as a callback behind the metric sees them."""

    def __init__(self, x):
        super().__init__()
        self.x, self.logits, self.seen = x, [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logits.append(self.model.predict(self.x, verbose=0)[:, 0])
        self.seen.append(dict(logs))


def scripted(values):
    """A score that ignores the predictions and returns the values one after the other."""
    values = iter(values)
    return lambda y_true, y_score: next(values)


def test_is_the_score_of_the_whole_set_after_each_epoch(data):
    x, y = data
    model, follower = classifier(), Follower(x)
    callbacks = [EpochMetric("roc_auc_score", (x, y), batch_size=7), follower]
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks).history
    expected = [auc_by_hand(y, logits) for logits in follower.logits]
    np.testing.assert_allclose(history["val_roc_auc"], expected)
    assert [logs["val_roc_auc"] for logs in follower.seen] == history["val_roc_auc"]
    assert len(set(expected)) > 1


def test_keras_own_metric_is_an_approximation():
    """All predictions lie between two thresholds of Keras, which sees them as one."""
    x = np.linspace(-1, 1, 20).reshape(20, 1)
    y = (x[:, 0] > 0.1).astype(int)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[1e-3]])])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    auc = keras.metrics.AUC(from_logits=True, name="auc")
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[auc])
    whole = EpochMetric("roc_auc_score", (x, y))
    fitted = model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[whole])
    assert fitted.history["val_roc_auc"] == [1.0]
    assert fitted.history["val_auc"][0] < 0.6


def test_early_stopping_and_checkpoint_see_it(data, tmp_path):
    x, y = data
    metric = EpochMetric(scripted([0.5, 0.9, 0.7, 0.6, 1.0]), (x, y), name="s", direction="max")
    stop = keras.callbacks.EarlyStopping(metric.monitor, mode=metric.mode, patience=2)
    path = str(tmp_path / "{epoch}-{val_s:.1f}.keras")
    save = keras.callbacks.ModelCheckpoint(
        path, metric.monitor, mode=metric.mode, save_best_only=True
    )
    model = classifier(run_eagerly=True)
    history = model.fit(x, y, epochs=9, verbose=0, callbacks=[metric, stop, save]).history
    assert history["val_s"] == [0.5, 0.9, 0.7, 0.6]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1-0.5.keras", "2-0.9.keras"]


def test_behind_the_callback_that_monitors_it_keras_warns(data):
    metric = EpochMetric("roc_auc_score", data)
    stop = keras.callbacks.EarlyStopping(metric.monitor, mode=metric.mode)
    with pytest.warns(UserWarning, match="`val_roc_auc` which is not available"):
        classifier(run_eagerly=True).fit(*data, verbose=0, callbacks=[stop, metric])


def test_a_tuner_maximises_it(data, tmp_path):
    x, y = data

    def build(hp):
        """One weight orders the rows rightly, the other the wrong way round."""
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
        model.set_weights([np.array([[hp.Choice("weight", [-1.0, 1.0])], [0.0]])])
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        return model

    metric = EpochMetric("roc_auc_score", (x, y))
    tuner = keras_tuner.GridSearch(build, objective(metric), directory=tmp_path)
    tuner.search(x, y, epochs=1, verbose=0, callbacks=[metric])
    best = tuner.oracle.get_best_trials()[0]
    assert best.hyperparameters.get("weight") == 1.0
    assert best.score == pytest.approx(auc_by_hand(y, x[:, 0]))


@pytest.mark.parametrize(
    ("score", "monitor", "mode"),
    [
        ("roc_auc_score", "val_roc_auc", "max"),
        (sklearn.metrics.r2_score, "val_r2", "max"),
        ("log_loss", "val_log_loss", "min"),
        ("mean_absolute_error", "val_mean_absolute_error", "min"),
        ("mean_poisson_deviance", "val_mean_poisson_deviance", "min"),
        (functools.partial(sklearn.metrics.f1_score, average="macro"), "val_f1", "max"),
    ],
)
def test_name_and_direction_come_from_the_function(score, monitor, mode):
    metric = EpochMetric(score, ([0], [0]))
    assert (metric.monitor, metric.mode) == (monitor, mode)


def test_name_and_direction_given():
    metric = EpochMetric(max, ([0], [0]), name="largest", direction="min")
    assert (metric.monitor, metric.mode) == ("val_largest", "min")


def test_one_output_of_several(data):
    x, y = data
    inputs = keras.Input((2,))
    left, right = (keras.layers.Dense(1, name=name)(inputs) for name in ("left", "right"))
    models = [
        keras.Model(inputs, [left, right]),
        keras.Model(inputs, {"left": left, "right": right}),
    ]
    for model in models:
        predictions = model.predict(x, verbose=0)
        right_logits = predictions["right"] if isinstance(predictions, dict) else predictions[1]
        expected = auc_by_hand(y, right_logits[:, 0])
        for truth in (y, {"left": 1 - y, "right": y}):
            metric = EpochMetric("roc_auc_score", (x, truth), output="right")
            assert metric.evaluate(model) == pytest.approx(expected)
        with pytest.raises(InputError, match="`output` is needed: the model has left, right"):
            EpochMetric("roc_auc_score", (x, y)).evaluate(model)
        with pytest.raises(InputError, match="`validation_data` has no entry 'right', but left"):
            EpochMetric("roc_auc_score", (x, {"left": y}), output="right").evaluate(model)
        with pytest.raises(InputError, match="`output` is 'rigth', but the model has left, right"):
            EpochMetric("roc_auc_score", (x, y), output="rigth").evaluate(model)


class Subclassed(keras.Model):
    """Keras does not know the names of its outputs."""

    def call(self, inputs):
        return {"first": inputs[:, :1], "second": -inputs[:, :1]}


def test_a_subclassed_model_with_named_outputs(data):
    x, y = data
    expected = auc_by_hand(y, x[:, 0])
    for output, score in (("first", expected), ("second", 1 - expected)):
        metric = EpochMetric("roc_auc_score", (x, y), output=output)
        assert metric.evaluate(Subclassed()) == pytest.approx(score)


class Batches(keras.utils.PyDataset):
    def __init__(self, *columns):
        super().__init__()
        self.columns = columns

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return tuple(column[15 * index : 15 * index + 15] for column in self.columns)


def test_datasets_give_what_arrays_give(data):
    x, y = data
    model = classifier(run_eagerly=True)
    expected = EpochMetric("roc_auc_score", data).evaluate(model)
    shuffled = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(60).batch(7)
    for dataset in (shuffled, Batches(x, y)):
        assert EpochMetric("roc_auc_score", dataset).evaluate(model) == pytest.approx(expected)


def test_sample_weights_reach_the_score(data):
    x, y = data
    weights = np.arange(60.0)
    model = classifier(run_eagerly=True)
    predictions = model.predict(x, verbose=0)[:, 0]
    expected = np.sum(weights * (predictions - y) ** 2) / weights.sum()
    for validation_data in ((x, y, weights), Batches(x, y, weights)):
        metric = EpochMetric("mean_squared_error", validation_data)
        assert metric.evaluate(model) == pytest.approx(expected)


def test_activation_turns_logits_into_what_the_score_takes(data):
    x, _ = data
    y = np.arange(60) % 3
    model = mlp((2,), 3, units=2)
    logits = model.predict(x, verbose=0)
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(probabilities[np.arange(60), y]))
    metric = EpochMetric("log_loss", (x, y), activation="softmax")
    assert metric.evaluate(model) == pytest.approx(expected, abs=1e-5)
    accuracy = EpochMetric("accuracy_score", (x, y), activation=lambda z: z.argmax(axis=-1))
    assert accuracy.evaluate(model) == np.mean(logits.argmax(axis=1) == y)


def test_predictions_that_are_not_finite_score_nan(data):
    model = classifier(run_eagerly=True)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    assert np.isnan(EpochMetric("roc_auc_score", data).evaluate(model))


def test_the_model_is_left_as_it_was():
    inputs = keras.Input(batch_shape=(4, 3, 2))
    lstm = keras.layers.LSTM(2, stateful=True, dropout=0.5)
    hidden = keras.layers.Bidirectional(lstm)(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(1)(hidden)))
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(8, 3, 2))
    model.fit(x, x[:, 0, :1], batch_size=4, verbose=0)

    def state():
        wrapper = model.layers[1]
        states = [*wrapper.forward_layer.states, *wrapper.backward_layer.states]
        return [np.array(v.value) for v in model.variables + model.optimizer.variables + states]

    before = state()
    metric = EpochMetric("mean_squared_error", (x, x[:, 0, :1]), batch_size=4)
    first = metric.evaluate(model)
    for one, other in zip(state(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert metric.evaluate(model) == first
    model.predict(x, batch_size=4, verbose=0)
    assert any(not np.array_equal(one, other) for one, other in zip(state(), before, strict=True))


def test_training_is_the_same_with_and_without_it(data):
    histories = []
    for callbacks in ([], [EpochMetric("roc_auc_score", data)]):
        model = classifier()
        histories.append(model.fit(*data, epochs=2, verbose=0, callbacks=callbacks).history["loss"])
    assert histories[0] == histories[1]


def test_a_copy_and_a_second_fit_work(data):
    metric = EpochMetric("roc_auc_score", data)
    model = classifier(run_eagerly=True)
    for callback in (metric, copy.deepcopy(metric), metric):
        history = model.fit(*data, verbose=0, callbacks=[callback]).history
        assert len(history["val_roc_auc"]) == 1


def test_refuses_a_name_that_is_taken(data):
    model = classifier(metrics=["accuracy"], run_eagerly=True)
    metric = EpochMetric("roc_auc_score", data, name="accuracy")
    with pytest.raises(InputError, match="'val_accuracy' is in the logs already"):
        model.fit(*data, validation_data=data, verbose=0, callbacks=[metric])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": "roc"}, "`score` is 'roc', but must be a function or the name of one"),
        ({"score": max}, "`direction` is None, but must be 'max' or 'min': the name of 'max'"),
        ({"direction": "up"}, "`direction` is 'up', but must be 'max' or 'min'"),
        ({"validation_data": ([0],)}, r"must be a tuple \(x, y\).*but is a tuple of 1"),
        ({"validation_data": None}, "or a dataset of such batches, but is a NoneType"),
        ({"validation_data": ([0, 1], [0])}, "have 1, 2 rows, but must have equally many"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        EpochMetric(**{"score": "roc_auc_score", "validation_data": ([0], [0])} | arguments)
