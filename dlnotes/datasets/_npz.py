"""What the readers of a person's own `.npz` files share."""

from pathlib import Path
import zipfile
import zlib

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError
import numpy as np

LEAST_ROWS = 5
MEND = "Write it with `numpy.savez(path, x=x, y=y)`."


def read_arrays(path, axes, per_step=False):
    """The arrays `x`, numbers, and `y`, classes from 0, of a file.

    Args:
        path: Path of the file.
        axes: Names of the axes of `x`, the rows first.
        per_step: Boolean, whether `y` may also hold one class for each step. Defaults to `False`.

    Returns:
        `x` as float32, and `y`.

    Raises:
        InputError: If the file cannot be read, lacks an array, or the arrays do not fit.
    """
    x, y = _load(Path(path))
    rows, place = axes[0], f"in {str(path)!r}"
    if x.ndim != len(axes) or not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x):
        raise InputError(
            f"`x` {place} has shape {x.shape} and type {x.dtype}, but must be numbers of shape "
            f"({', '.join(axes)})."
        )
    shapes = [x.shape[:1], x.shape[:2]] if per_step else [x.shape[:1]]
    if y.shape not in shapes or not np.issubdtype(y.dtype, np.integer):
        steps = f", or for each of their {x.shape[1]} {axes[1]}" if per_step else ""
        raise InputError(
            f"`y` {place} has shape {y.shape} and type {y.dtype}, but must be one integer for each "
            f"of the {len(x)} {rows}{steps}."
        )
    if len(x) < LEAST_ROWS:
        raise InputError(
            f"{str(path)!r} has {len(x)} {rows}, but at least {LEAST_ROWS} are needed."
        )
    if y.min() < 0:
        raise InputError(f"`y` {place} holds the class {y.min()}, but classes count from 0.")
    if not np.isfinite(x).all():
        first = int(np.argwhere(~np.isfinite(x))[0][0])
        raise InputError(
            f"`x` {place} holds NaN or infinity, first in {rows.removesuffix('s')} {first}. Fill "
            "or drop these."
        )
    return x.astype("float32"), y


def _load(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            names = sorted(file.files)
            arrays = {name: file[name] for name in names if name in ("x", "y")}
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"cannot read {str(path)!r} as an .npz file ({error}). {MEND}") from error
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise InputError(
            f"{str(path)!r} has the arrays {names}, but lacks {' and '.join(missing)}. {MEND}"
        )
    return arrays["x"], arrays["y"]


def split(x, y, random):
    """Six tenths of the rows for training, two for validation, two for the test, shuffled."""
    order = random.permutation(len(x))
    parts = np.split(order, [len(x) * 6 // 10, len(x) * 8 // 10])
    return Dataset(*(Split(x[part], y[part]) for part in parts))
