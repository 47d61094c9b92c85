"""Sequences whose first symbol has to be told at the end, generated."""

from dlnotes.datasets._npz import split
from dlnotes.errors import check_at_least
import numpy as np


def recall(samples=1000, steps=20, symbols=8, seed=0):
    """Generates sequences of random symbols; the target is the first one.

    All later symbols are distractors, so whoever answers better than one in `symbols` has carried
    the first symbol over `steps - 1` steps: the number of steps says how far a memory reaches.

    Reference: Hochreiter, Schmidhuber, "Long short-term memory", 1997, task 2; notes 001:199,
    002:62-63.

    Args:
        samples: Integer, number of sequences. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, steps of each sequence. Defaults to `20`.
        symbols: Integer, number of symbols, at least 2. Defaults to `8`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(sequences, steps, symbols + 1)` and type float32, one-hot, with
        one in the last channel at the first step; `y` holds the first symbol.

    Raises:
        InputError: If an argument is below its minimum.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.recall(samples=20, steps=5).train
    >>> x.shape, bool((x[:, 0, :-1].argmax(axis=-1) == y).all())
    ((12, 5, 9), True)
    """
    check_at_least(5, samples=samples)
    check_at_least(1, steps=steps)
    check_at_least(2, symbols=symbols)
    random = np.random.default_rng(seed)
    sequences = random.integers(symbols, size=(samples, steps))
    x = np.eye(symbols + 1, dtype="float32")[sequences]
    x[:, 0, -1] = 1
    return split(x, sequences[:, 0], random)
