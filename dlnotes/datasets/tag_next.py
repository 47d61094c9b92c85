"""Sequences of symbols whose tags depend on the symbol that comes next, generated."""

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError, check_at_least
import numpy as np

DIRECTIONS = ("next", "previous")


def tag_next(samples=1000, steps=15, symbols=6, tags=3, depends_on="next", seed=0):
    """Generates sequences with one tag per step, which depends on a neighbour.

    Symbols are independent and equally likely. The tag of a step is `(symbol + neighbour) % tags`,
    where the neighbour is the symbol of the next step (0 after the last one): whoever has not seen
    it can only guess, at one in `tags`. With `depends_on="previous"` the neighbour is the symbol of
    the step before (0 before the first one): the control in which nothing but the past counts.
    Sequences have between half of `steps` and `steps` steps; the rest is padding.

    Reference: notes 001:281, 002:906 (letters before and after the current one).

    Args:
        samples: Integer, number of sequences. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, steps of the longest sequence, at least 2. Defaults to `15`.
        symbols: Integer, number of symbols, a multiple of `tags`. Defaults to `6`.
        tags: Integer, number of tags, at least 2. Defaults to `3`.
        depends_on: `"next"` or `"previous"`. Defaults to `"next"`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(sequences, steps, symbols)` and type float32, one-hot and zero
        on padded steps; `y` has shape `(sequences, steps)` and holds the tags, zero on padded
        steps.

    Raises:
        InputError: If an argument is out of its range.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.tag_next(samples=20, steps=5).train
    >>> x.shape, y.shape
    ((12, 5, 6), (12, 5))
    """
    check_at_least(5, samples=samples)
    check_at_least(2, steps=steps, tags=tags)
    if depends_on not in DIRECTIONS:
        raise InputError(f"`depends_on` is {depends_on!r}, but must be 'next' or 'previous'.")
    if symbols < tags or symbols % tags:
        raise InputError(
            f"`symbols` is {symbols}, but must be a multiple of `tags` ({tags}): only then are all "
            "tags equally likely."
        )
    random = np.random.default_rng(seed)
    sequences = random.integers(symbols, size=(samples, steps))
    lengths = random.integers((steps + 1) // 2, steps + 1, size=(samples, 1))
    real = np.arange(steps) < lengths
    sequences[~real] = 0
    neighbours = np.zeros_like(sequences)
    if depends_on == "next":
        neighbours[:, :-1] = sequences[:, 1:]
    else:
        neighbours[:, 1:] = sequences[:, :-1]
    x = np.eye(symbols, dtype="float32")[sequences] * real[..., np.newaxis]
    y = np.where(real, (sequences + neighbours) % tags, 0)
    ends = [samples * 6 // 10, samples * 8 // 10]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return Dataset(*(Split(*part) for part in parts))
