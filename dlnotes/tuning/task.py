"""What a search is about: a model with its space, the data, and how it is trained."""

from collections.abc import Callable
from dataclasses import dataclass
import hashlib
from typing import Any, Literal

from dlnotes.datasets import Dataset, Split
from dlnotes.errors import InputError
from dlnotes.tuning.objective import objective
import numpy as np


@dataclass(frozen=True)
class Task:
    """A model with its space, the data, and how it is trained: what `tuning.search` searches.

    Args:
        model: What `tuning.hypermodel` returns; or a function of a `keras_tuner.HyperParameters`
            and the prepared training part that returns a compiled `keras.Model`.
        data: A `datasets.Dataset`. Trials are trained on `train` and judged on `validation` (or on
            folds of both); the refitted best model is scored on `test`. Inputs and targets may be
            arrays, DataFrames, or dictionaries of them.
        objective: String such as `"val_f1_score"`, or whatever `tuning.objective` takes, or a
            `keras_tuner.Objective`: what is best, in the validation part. The best epoch counts.
        epochs: Integer, passes over the training part at most. Defaults to `20`.
        fit: Function of the hyper-parameters that returns further arguments of `Model.fit`:
            `batch_size`, `class_weight`, `callbacks`, `shuffle`, and `epochs` if these are
            searched too. Defaults to none.
        prepare: Function of the hyper-parameters and of parts `(x, y)`, the training part first,
            that returns as many prepared parts `(x, y)` or `(x, y, sample_weight)`. Scale,
            vocabulary and the like are fitted here, on the first part alone: once for each fold.
            Defaults to none.
        order: `"any"`, `"classes"` (folds have equal shares of each class) or `"time"` (rows are
            in order of time: a fold is judged on what comes after its training rows). Defaults to
            `"any"`.
        groups: Array, for each row of `train` and then of `validation` the group that must not be
            divided between folds, such as a person or a shop. Defaults to none.
        defaults: Dictionary of hyper-parameter values that one would use without a search: what
            the best is compared with. Defaults to those of the space.

    Example:

    >>> import numpy as np
    >>> from dlnotes import datasets, tuning
    >>> from dlnotes.builders import mlp, mlp_space
    >>> part = datasets.Split(np.zeros((8, 3)), np.zeros(8))
    >>> model = tuning.hypermodel(mlp, mlp_space, input_shape=(3,), outputs=1, loss="mse")
    >>> task = tuning.Task(model, datasets.Dataset(part, part, part), "val_loss", epochs=2)
    >>> task.objective.direction
    'min'
    """

    model: Any
    data: Dataset
    objective: Any
    epochs: int = 20
    fit: Callable | None = None
    prepare: Callable | None = None
    order: Literal["any", "classes", "time"] = "any"
    groups: Any = None
    defaults: dict | None = None

    def __post_init__(self):
        import keras_tuner

        if not isinstance(self.objective, keras_tuner.Objective):
            object.__setattr__(self, "objective", objective(self.objective))
        if self.order not in ("any", "classes", "time"):
            raise InputError(f"`order` is {self.order!r}, but must be any, classes or time.")
        if self.groups is not None and len(self.groups) != rows(self.all_rows()):
            raise InputError(
                f"`groups` has {len(self.groups)} entries, but `train` and `validation` have "
                f"{rows(self.all_rows())} rows together."
            )

    def compiled(self, hp, train):
        """A compiled model for one set of hyper-parameters and a prepared training part."""
        if hasattr(self.model, "compiled"):
            return self.model.compiled(hp)
        if hasattr(self.model, "build"):
            return self.model.build(hp)
        return self.model(hp, train)

    def parts(self, hp, *parts):
        """Parts as they are trained on, fitted on the first of them."""
        return tuple(self.prepare(hp, *parts)) if self.prepare else parts

    def fit_arguments(self, hp):
        """Arguments of `Model.fit`, beside the data."""
        arguments = {"epochs": self.epochs} | (self.fit(hp) if self.fit else {})
        if "tuner/epochs" in hp.values:  # Hyperband decides how long a trial is trained
            arguments["epochs"] = hp.values["tuner/epochs"]
        return arguments

    def all_rows(self):
        """The rows that folds are made of: those of `train`, then those of `validation`."""
        train, validation = self.data.train, self.data.validation
        return Split(joined(train.x, validation.x), joined(train.y, validation.y))


def rows(split):
    """The number of rows of a part."""
    sizes = []
    _mapped(lambda values: sizes.append(len(values)), split.y)
    return sizes[0]


def take(part, chosen):
    """Some rows of a part."""
    return Split(*(_mapped(lambda values: _rows_of(values, chosen), side) for side in part))


def joined(first, second):
    """The rows of two parts, one after the other."""
    if isinstance(first, dict):
        return {name: joined(first[name], second[name]) for name in first}
    if isinstance(first, (list, tuple)):
        return type(first)(joined(a, b) for a, b in zip(first, second, strict=True))
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat([first, second])
    return np.concatenate([first, second])


def digest(data):
    """A checksum of all values of a data set, by which a change is noticed."""
    seen = hashlib.sha256()
    for part in vars(data).values():
        _mapped(lambda values: seen.update(_bytes(values)), tuple(part))
    return seen.hexdigest()[:16]


def _bytes(values):
    if hasattr(values, "iloc"):
        import pandas as pd

        return pd.util.hash_pandas_object(values).to_numpy().tobytes()
    values = np.asarray(values)
    return repr(values.tolist()).encode() if values.dtype == object else values.tobytes()


def _mapped(function, values):
    if isinstance(values, dict):
        return {name: _mapped(function, value) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return type(values)(_mapped(function, value) for value in values)
    return function(values)


def _rows_of(values, chosen):
    return values.iloc[chosen] if hasattr(values, "iloc") else values[chosen]
