"""One trial: a model for each fold, trained, judged by its best epoch."""

import gc
import math
import time

from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.tuning.folds import divide
import numpy as np


class TrialError(Exception):
    """Why a trial has no score, in one sentence."""


def evaluate(task, hp, *, seed=0, folds=None):
    """Trains a model for each fold with one set of hyper-parameters and judges it.

    Every trial starts from the same seed, so that trials differ in their hyper-parameters alone,
    and one that is run again gives the same score.

    Args:
        task: A `tuning.Task`.
        hp: A `keras_tuner.HyperParameters` with values.
        seed: Integer, seed of the first fold; the next one has the next seed. Defaults to `0`.
        folds: Integer, number of folds; `None` for the division that the data set has.

    Returns:
        Dictionary with the objective (the mean over folds of the best epoch), `"fold 1"`, ...,
        `"epochs"` (the mean number up to the best epoch) and `"seconds"`.

    Raises:
        TrialError: If a model cannot be built or trained, or the objective is not a number.
        InputError: If the model does not report the objective, or the rows allow no such folds.
    """
    started, scores, epochs = time.perf_counter(), [], []
    pairs = divide(task, folds, folds and seed)
    for number, (train, validation) in enumerate(pairs):
        try:
            history = _fit(task, hp, seed + number, train, validation)
        except Exception as error:
            raise TrialError(_reason(error)) from error
        finally:
            release()
        values = _values(task.objective.name, history)
        best = max if task.objective.direction == "max" else min
        scores.append(best(values))
        epochs.append(1 + values.index(scores[-1]))
    result = {task.objective.name: math.fsum(scores) / len(scores)}
    if folds:
        result |= {f"fold {n}": score for n, score in enumerate(scores, 1)}
    seconds = time.perf_counter() - started
    return result | {"epochs": sum(epochs) / len(epochs), "seconds": seconds}


def _fit(task, hp, seed, train, validation):
    keras.utils.set_random_seed(seed)
    train, validation = task.parts(hp, train, validation)
    model = task.compiled(hp, train)
    arguments = {"verbose": 0} | task.fit_arguments(hp)
    return model.fit(**named(train), validation_data=tuple(validation), **arguments).history


def named(part):
    """A part as arguments of `Model.fit` and `Model.evaluate`."""
    return dict(zip(("x", "y", "sample_weight"), part, strict=False))


def _values(name, history):
    """The objective in each epoch."""
    if name not in history:
        found = ", ".join(name for name in history if name.startswith("val_"))
        raise InputError(
            f"`objective` is {name!r}, which the model does not report. It reports {found}: choose "
            "one of these, or give the metric to `compile`."
        )
    if np.size(history[name][0]) != 1:
        raise InputError(
            f"`objective` is {name!r}, of which the model reports {np.size(history[name][0])} "
            "values, one for each class. Give the metric `average='macro'` or the like."
        )
    values = [float(np.ravel(value)[0]) for value in history[name]]
    for epoch, value in enumerate(values, 1):
        if not math.isfinite(value):
            raise TrialError(f"{name} is {value} in epoch {epoch}")
    return values


def _reason(error):
    text = " ".join(str(error).split())
    if "OOM" in text or isinstance(error, MemoryError):
        return f"out of memory ({text[:200]})"
    return f"{type(error).__name__}: {text[:500]}"


def release():
    """Frees what Keras and TensorFlow keep of the models of a trial."""
    keras.backend.clear_session(free_memory=False)
    gc.collect()
