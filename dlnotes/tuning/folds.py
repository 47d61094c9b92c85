"""Divides rows into folds: plain, by classes, by groups, or in order of time."""

from dlnotes.errors import InputError
from dlnotes.tuning.task import rows, take
import numpy as np
from sklearn import model_selection


def divide(task, folds, seed):
    """Pairs of a training part and a validation part.

    Args:
        task: A `tuning.Task`. Its `groups` and its `order` say how rows may be divided.
        folds: Integer, number of folds of the rows of `train` and `validation` together; `None`
            for the one division that the data set has.
        seed: Integer, seed of the shuffled divisions.

    Returns:
        List of pairs of `datasets.Split`, not prepared yet.

    Raises:
        InputError: If the rows cannot be divided so.
    """
    if folds is None:
        return [(task.data.train, task.data.validation)]
    if folds < 2:
        raise InputError(f"`folds` is {folds}, but must be at least 2, or None for no folds.")
    whole = task.all_rows()
    classes = whole.y if task.order == "classes" else np.zeros(rows(whole))
    try:
        pairs = list(
            _splitter(task, folds, seed).split(np.zeros(rows(whole)), classes, task.groups)
        )
    except ValueError as error:
        raise InputError(f"`folds` is {folds}, which these rows do not allow: {error}") from error
    return [(take(whole, train), take(whole, validation)) for train, validation in pairs]


def _splitter(task, folds, seed):
    if task.groups is not None:
        return model_selection.GroupKFold(folds, shuffle=True, random_state=seed)
    if task.order == "time":
        return model_selection.TimeSeriesSplit(folds)
    if task.order == "classes":
        return model_selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
    return model_selection.KFold(folds, shuffle=True, random_state=seed)
