"""Small written digits, row by row."""

from dlnotes.datasets._npz import split
import numpy as np

BRIGHTEST = 16


def digit_rows(seed=0):
    """Loads 1797 written digits of eight rows with eight pixels each.

    A picture read from top to bottom is a sequence of rows, a row read from left to right a
    sequence of pixels. Pixels are counts from 0 to 16, divided by 16, so nothing is fitted. The
    writers are not told apart: each may be in all parts.

    Reference: Alpaydin, Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998,
    CC BY 4.0; as shipped with scikit-learn.

    Args:
        seed: Integer, seed of the division into 60 % training, 20 % validation and 20 % test.
            Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(digits, 8, 8, 1)`, that is rows, columns and one channel, and
        type float32, between 0 and 1; `y` holds the digit, `0` to `9`.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.digit_rows().train
    >>> x.shape
    (1078, 8, 8, 1)
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = (digits.images[..., None] / BRIGHTEST).astype("float32")
    return split(x, digits.target, np.random.default_rng(seed))
