"""Sequences of numbers of which two have to be added, generated."""

from dlnotes.datasets._npz import split
from dlnotes.errors import check_at_least
import numpy as np


def adding(samples=1000, steps=30, seed=0):
    """Generates sequences of random numbers; the target is the sum of the two marked ones.

    One number of the first half is marked and one of the second half. Always to answer 1, the mean,
    has a squared error of 1/6: whoever is better has kept the first number until the second came.

    Reference: Hochreiter, Schmidhuber, "Long short-term memory", 1997, task 4; notes 001:199,
    002:62-63.

    Args:
        samples: Integer, number of sequences. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, steps of each sequence, at least 2. Defaults to `30`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(sequences, steps, 2)`: the number, from 0 to 1, and one where
        it is marked, else zero; `y` has shape `(sequences, 1)`. Both are float32.

    Raises:
        InputError: If an argument is below its minimum.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.adding(samples=20, steps=6).train
    >>> x.shape, x[..., 1].sum(axis=1).max()
    ((12, 6, 2), np.float32(2.0))
    """
    check_at_least(5, samples=samples)
    check_at_least(2, steps=steps)
    random = np.random.default_rng(seed)
    x = np.zeros((samples, steps, 2), "float32")
    x[..., 0] = random.random((samples, steps))
    rows, half = np.arange(samples), steps // 2
    x[rows, random.integers(half, size=samples), 1] = 1
    x[rows, random.integers(half, steps, size=samples), 1] = 1
    return split(x, x.prod(axis=-1).sum(axis=1, keepdims=True), random)
