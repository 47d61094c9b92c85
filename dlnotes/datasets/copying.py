"""Sequences of tokens to be repeated, reversed or sorted, generated."""

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError, check_at_least
import numpy as np

ORDERS = ("same", "reverse", "sorted")


def copying(samples=1000, steps=10, shortest=None, symbols=8, order="same", seed=0):
    """Generates sequences of tokens and what they become: themselves, reversed, or sorted.

    For networks that turn one sequence into another: the right answer is known, so is the place
    where each token of it stands in the source, and every token counts, so nothing can be guessed.
    Tokens are independent and equally likely, and so are the lengths.

    Sequences are drawn independently, so very short ones occur in more than one part.

    Reference: Sutskever, Vinyals, Le, "Sequence to sequence learning with neural networks", 2014,
    section 3.3 (reversing); notes 002:1467-1473.

    Args:
        samples: Integer, number of sequences. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, tokens of the longest sequence. Defaults to `10`.
        shortest: Integer, tokens of the shortest sequence; `None` for half of `steps`. Give `steps`
            for sequences of one length. Defaults to `None`.
        symbols: Integer, number of different tokens, at least 2. Defaults to `8`.
        order: `"same"`, `"reverse"` or `"sorted"` (smallest first). Defaults to `"same"`.
        seed: Integer; the sources of a seed are the same for every order. Defaults to `0`.

    Returns:
        A `Dataset`; `x` and `y` have shape `(sequences, steps)` and type int32 and hold tokens from
        1 to `symbols`, filled up with 0 at the end.

    Raises:
        InputError: If an argument is out of its range.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.copying(samples=20, steps=4, order="reverse").train
    >>> x[2], y[2]
    (array([2, 7, 0, 0], dtype=int32), array([7, 2, 0, 0], dtype=int32))
    """
    check_at_least(5, samples=samples)
    check_at_least(1, steps=steps)
    check_at_least(2, symbols=symbols)
    shortest = (steps + 1) // 2 if shortest is None else shortest
    if not 1 <= shortest <= steps:
        raise InputError(f"`shortest` is {shortest}, but must lie between 1 and `steps` ({steps}).")
    if order not in ORDERS:
        raise InputError(f"`order` is {order!r}, but must be 'same', 'reverse' or 'sorted'.")
    random = np.random.default_rng(seed)
    x = random.integers(1, symbols + 1, size=(samples, steps), dtype="int32")
    lengths = random.integers(shortest, steps + 1, size=samples)
    x[np.arange(steps) >= lengths[:, np.newaxis]] = 0
    y = np.zeros_like(x)
    for source, target, length in zip(x, y, lengths, strict=True):
        target[:length] = _answer(source[:length], order)
    ends = [samples * 6 // 10, samples * 8 // 10]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return Dataset(*(Split(*part) for part in parts))


def _answer(source, order):
    if order == "reverse":
        return source[::-1]
    return np.sort(source) if order == "sorted" else source
