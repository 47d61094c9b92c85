"""Reading padded sequences of your own."""

from dlnotes.datasets._npz import read_arrays, split
import numpy as np


def read_sequences(path, seed=0):
    """Reads padded sequences and their classes from an `.npz` file.

    Args:
        path: Path of a file with two arrays: `x`, numbers of shape `(sequences, steps, features)`,
            shorter sequences padded with zeros at the end, and `y`, integers from 0, one class for
            each sequence or one for each step. Written by `numpy.savez(path, x=x, y=y)`.
        seed: Integer, seed of the division into 60 % training, 20 % validation and 20 % test.
            Defaults to `0`.

    Returns:
        A `Dataset`; `x` is float32.

    Raises:
        InputError: If the file cannot be read, lacks an array, or the arrays do not fit.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from dlnotes import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "own.npz"
    >>> np.savez(path, x=np.ones((10, 4, 2)), y=np.arange(10) % 2)
    >>> datasets.read_sequences(path).train.x.shape
    (6, 4, 2)
    """
    axes = ("sequences", "steps", "features")
    return split(*read_arrays(path, axes, per_step=True), np.random.default_rng(seed))
