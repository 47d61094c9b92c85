"""A score of the whole validation set after each epoch, such as ROC-AUC."""

from dlnotes._keras import keras
from dlnotes._snapshot import Snapshot, changed_by_predict
from dlnotes.errors import InputError
import numpy as np


class EpochMetric(keras.callbacks.Callback):
    """Computes any scikit-learn style score on the whole validation set after each epoch.

    A metric of Keras is updated batch by batch. For a ranking score such as ROC-AUC that is an
    approximation (`keras.metrics.AUC` sorts predictions into 200 thresholds by default), and
    many scores cannot be had that way at all. This callback predicts the whole validation set and
    hands it to the score in one piece. The result is written into the epoch's logs, so the history,
    `EarlyStopping`, `ModelCheckpoint`, `ReduceLROnPlateau` and a tuner's objective find it under
    `monitor`, with the direction `mode`.

    Callbacks run in the order of their list: **put this one before those that monitor it**. Behind
    them it comes too late, and Keras only warns that the metric is not available.

    The model is left as it was, seeds and recurrent states included. A stateful model is scored
    from the state that it is in after the epoch; pass a `batch_size` that fits it.

    Reference: notes 002:472 (ROC-AUC from a callback).

    Args:
        score: Function `score(y_true, y_score)`, also with `sample_weight=` if the validation data
            has weights; or the name of a function in `sklearn.metrics`, such as `"roc_auc_score"`,
            `"average_precision_score"` or `"log_loss"`.
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)` of arrays or dictionaries of
            arrays; or a `tf.data.Dataset` or `PyDataset` that ends and yields such batches.
        name: String, the name in the logs, without `val_`. Defaults to the function's name without
            `_score`: `roc_auc_score` is logged as `val_roc_auc`.
        direction: `"max"` or `"min"`, which scores are better. By default taken from the function's
            name by scikit-learn's convention: `_score` is to be maximised; `_error`, `_loss` and
            `_deviance` to be minimised.
        output: String, the output to score, for a model with several. Defaults to `None`.
        activation: Name of a Keras activation or function of the whole prediction array, applied
            before scoring. A model that returns logits needs `"sigmoid"` or `"softmax"` for a score
            of probabilities, and `lambda logits: logits.argmax(axis=-1)` for a score of classes.
            ROC-AUC of two classes ranks, so logits will do. Defaults to `None`.
        batch_size: Integer, rows predicted at a time, for arrays. Defaults to Keras' `32`.

    Attributes:
        monitor: String, the key in the logs.
        mode: `"max"` or `"min"`.

    Raises:
        InputError: If the score, its direction, the validation data or the output is unclear.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes import builders
    >>> from dlnotes.callbacks import EpochMetric
    >>> x = np.linspace(-1, 1, 20).reshape(20, 1)
    >>> y = (x[:, 0] > 0).astype(int)
    >>> model = builders.mlp((1,), 1, units=2)
    >>> model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    >>> auc = EpochMetric("roc_auc_score", (x, y))
    >>> stop = keras.callbacks.EarlyStopping(monitor=auc.monitor, mode=auc.mode, patience=2)
    >>> history = model.fit(x, y, epochs=1, verbose=0, callbacks=[auc, stop])
    >>> sorted(history.history)
    ['loss', 'val_roc_auc']
    """

    def __init__(
        self,
        score,
        validation_data,
        *,
        name=None,
        direction=None,
        output=None,
        activation=None,
        batch_size=None,
    ):
        super().__init__()
        self.score = _find_score(score)
        self.validation_data = _check_validation_data(validation_data)
        self.monitor = f"val_{name or _function_name(self.score).removesuffix('_score')}"
        self.mode = _find_direction(self.score, direction)
        self.output = output
        self.activation = keras.activations.get(activation) if activation else None
        self.batch_size = batch_size

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor in logs:
            raise InputError(
                f"`name`: {self.monitor!r} is in the logs already, from a compiled metric or "
                "another callback. Give this one a `name` of its own."
            )
        logs[self.monitor] = self.evaluate(self.model)

    def evaluate(self, model):
        """Scores a model on the validation set, and leaves it as it was.

        Args:
            model: A `keras.Model`.

        Returns:
            Float; NaN if a prediction is not finite.
        """
        before = Snapshot(changed_by_predict(model))
        if isinstance(self.validation_data, tuple):
            x, *truth = self.validation_data
            predictions = model.predict(x, batch_size=self.batch_size, verbose=0)
            predictions, *truth = self._one_output(model, predictions, truth)
        else:
            predictions, *truth = self._predict_batches(model)
        before.restore()
        if not np.isfinite(predictions).all():
            return float("nan")
        if self.activation:
            predictions = keras.ops.convert_to_numpy(self.activation(predictions))
        y, *sample_weight = (_without_last_axis_of_one(value) for value in truth)
        weights = {"sample_weight": sample_weight[0]} if sample_weight else {}
        return float(self.score(y, _without_last_axis_of_one(predictions), **weights))

    def _predict_batches(self, model):
        """Predictions, truth and weights of a dataset, read once: shuffling does no harm."""
        data = self.validation_data
        batches = (data[i] for i in range(len(data))) if _is_py_dataset(data) else data
        parts = []
        for x, *truth in batches:
            if keras.backend.backend() != "tensorflow":  # which alone reads tensors of `tf.data`
                x = keras.tree.map_structure(np.asarray, x)
            chosen = self._one_output(model, model.predict_on_batch(x), truth)
            parts.append([np.asarray(values) for values in chosen])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _one_output(self, model, predictions, truth):
        """The chosen output's part of predictions, targets and weights."""
        names = _output_names(model, predictions)
        if self.output is None and len(names) > 1:
            raise InputError(f"`output` is needed: the model has {', '.join(names)}.")
        name = self.output or names[0]
        if name not in names:
            raise InputError(f"`output` is {name!r}, but the model has {', '.join(names)}.")
        return [_of_output(name, names, values) for values in (predictions, *truth)]


def _output_names(model, predictions):
    """The names of a model's outputs. Only functional models know them beforehand."""
    if isinstance(predictions, dict):
        return list(predictions)
    numbers = range(len(predictions)) if isinstance(predictions, (list, tuple)) else [0]
    return getattr(model, "output_names", [str(number) for number in numbers])


def _of_output(name, names, values):
    if isinstance(values, dict):
        if name not in values:
            raise InputError(
                f"`validation_data` has no entry {name!r}, but {', '.join(map(str, values))}."
            )
        return values[name]
    if isinstance(values, (list, tuple)):
        return values[names.index(name)]
    return values


def _find_score(score):
    if callable(score):
        return score
    import sklearn.metrics

    found = getattr(sklearn.metrics, str(score), None)
    if not callable(found):
        raise InputError(
            f"`score` is {score!r}, but must be a function or the name of one in "
            "`sklearn.metrics`, such as 'roc_auc_score'."
        )
    return found


def _function_name(score):
    """A function's name, also behind `functools.partial`."""
    function = getattr(score, "func", score)
    return getattr(function, "__name__", type(function).__name__)


def _find_direction(score, direction):
    if direction in ("max", "min"):
        return direction
    name = _function_name(score)
    if direction is None and name.endswith("_score"):
        return "max"
    if direction is None and name.endswith(("_error", "_loss", "_deviance")):
        return "min"
    raise InputError(
        f"`direction` is {direction!r}, but must be 'max' or 'min': the name of {name!r} does not "
        "say which scores are better."
    )


def _check_validation_data(data):
    if _is_py_dataset(data) or (hasattr(data, "__iter__") and not isinstance(data, (tuple, list))):
        return data
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise InputError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight), or a dataset of "
            f"such batches, but is a {type(data).__name__}"
            f"{f' of {len(data)}' if hasattr(data, '__len__') else ''}."
        )
    data = tuple(_as_array(part) for part in data)
    rows = {len(leaf) for part in data for leaf in keras.tree.flatten(part)}
    if len(rows) != 1:
        raise InputError(
            f"`validation_data`: its arrays have {', '.join(map(str, sorted(rows)))} rows, but "
            "must have equally many."
        )
    return data


def _as_array(values):
    """An array for a list of numbers; anything else as it is."""
    is_list_of_numbers = isinstance(values, (list, tuple)) and all(map(np.isscalar, values))
    return np.asarray(values) if is_list_of_numbers else values


def _is_py_dataset(data):
    return isinstance(data, keras.utils.PyDataset)


def _without_last_axis_of_one(values):
    values = np.asarray(values)
    return values[..., 0] if values.ndim > 1 and values.shape[-1] == 1 else values
