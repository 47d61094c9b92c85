"""Sequences of bits whose ones have to be counted, generated."""

from dlnotes.datasets._npz import split
from dlnotes.errors import check_at_least
import numpy as np

SHORTEST = 5


def counting(samples=1000, steps=40, modulus=2, every_step=False, seed=0):
    """Generates bits in sequences of unequal length; the target is the number of ones, modulo.

    Every bit counts, so an answer that misses one of them is worth nothing. With a modulus of 2 it
    is the parity. Sequences have from 5 steps (all of them, where `steps` is less) to `steps`; the
    rest is padding.

    Reference: notes 001:209, 002:807-809; Hochreiter, Schmidhuber, "LSTM can solve hard long time
    lag problems", 1996, on parity.

    Args:
        samples: Integer, number of sequences. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, steps of the longest sequence. Defaults to `40`.
        modulus: Integer, number of classes, at least 2. Defaults to `2`.
        every_step: Boolean, whether there is a target for every step, the count so far. Defaults to
            `False`: one for each sequence.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(sequences, steps, 2)` and type float32, each bit one-hot, and
        zeros on padded steps, at the end; `y` has shape `(sequences,)`, or `(sequences, steps)`
        with zeros on padded steps, and holds the class.

    Raises:
        InputError: If an argument is below its minimum.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.counting(samples=20, steps=9, modulus=3).train
    >>> bool((x[..., 1].sum(axis=1) % 3 == y).all())
    True
    """
    check_at_least(5, samples=samples)
    check_at_least(1, steps=steps)
    check_at_least(2, modulus=modulus)
    random = np.random.default_rng(seed)
    bits = random.integers(2, size=(samples, steps))
    lengths = random.integers(min(SHORTEST, steps), steps + 1, size=(samples, 1))
    real = np.arange(steps) < lengths
    x = np.eye(2, dtype="float32")[bits] * real[..., np.newaxis]
    counts = np.where(real, (bits * real).cumsum(axis=1) % modulus, 0)
    last = np.take_along_axis(counts, lengths - 1, axis=1)[:, 0]
    return split(x, counts if every_step else last, random)
