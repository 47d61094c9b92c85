"""The one type that loaders return: three parts, each with inputs and targets."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Split(NamedTuple):
    """Inputs and targets of one part of a data set; unpacks as `x, y = split`."""

    x: Any
    y: Any


@dataclass(frozen=True)
class Dataset:
    """Train, validation and test parts of a data set.

    Whatever is fitted (scale, vocabulary, threshold) is fitted on `train` alone, choices are made
    on `validation`, numbers are reported on `test`.

    Args:
        train: A `Split`.
        validation: A `Split`.
        test: A `Split`.

    Example:

    >>> import numpy as np
    >>> from dlnotes.datasets import Dataset, Split
    >>> part = Split(np.zeros((4, 2)), np.ones(4))
    >>> x, y = Dataset(part, part, part).train
    >>> x.shape
    (4, 2)
    """

    train: Split
    validation: Split
    test: Split
