"""Reading padded sequences of your own."""

from pathlib import Path

from dlnotes.datasets.films import _read, _split
from dlnotes.errors import InputError
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
    x, y = _read(Path(path))
    if x.ndim != 3 or not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x):
        raise InputError(
            f"`x` in {str(path)!r} has shape {x.shape} and type {x.dtype}, but must be numbers of "
            "shape (sequences, steps, features)."
        )
    if y.shape not in (x.shape[:1], x.shape[:2]) or not np.issubdtype(y.dtype, np.integer):
        raise InputError(
            f"`y` in {str(path)!r} has shape {y.shape} and type {y.dtype}, but must be one integer "
            f"for each of the {len(x)} sequences, or for each of their {x.shape[1]} steps."
        )
    if len(x) < 5:
        raise InputError(f"{str(path)!r} has {len(x)} sequences, but at least 5 are needed.")
    if y.min() < 0:
        raise InputError(
            f"`y` in {str(path)!r} holds the class {y.min()}, but classes count from 0."
        )
    if not np.isfinite(x).all():
        sequence = int(np.argwhere(~np.isfinite(x))[0][0])
        raise InputError(
            f"`x` in {str(path)!r} holds NaN or infinity, first in sequence {sequence}. Fill or "
            "drop these."
        )
    return _split(x.astype("float32"), y, np.random.default_rng(seed))
