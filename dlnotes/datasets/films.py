"""Short films of a moving square, generated, or your own."""

from dlnotes.datasets._npz import read_arrays, split
from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import check_at_least
import numpy as np

DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


def films(samples=1000, frames=8, size=10, noise=0.2, seed=0):
    """Generates films in which only the motion tells the class.

    A bright 2x2 square moves one pixel per frame to the left, to the right, up or down and comes
    back on the other side. It starts anywhere, so one frame says nothing about the class, and the
    average of the frames says horizontal or vertical but not which way: a film shown backwards has
    the same average. Films have between half of `frames` and `frames` frames; the rest is padded
    with zeros. Real frames carry noise, so no real frame is all zeros.

    Args:
        samples: Integer, number of films. 60 % are for training, 20 % each for validation and test.
            Defaults to `1000`.
        frames: Integer, frames of the longest film, at least 4. Defaults to `8`.
        size: Integer, height and width in pixels, at least 4. Defaults to `10`.
        noise: Float, standard deviation of the noise in each pixel; the square has brightness 1.
            Defaults to `0.2`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(films, frames, size, size, 1)` and type float32, `y` holds the
        class, `0` to `3` for left, right, up, down.

    Raises:
        InputError: If an argument is below its minimum.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.films(samples=20, frames=6, size=8).train
    >>> x.shape
    (12, 6, 8, 8, 1)
    """
    check_at_least(5, samples=samples)
    check_at_least(4, frames=frames, size=size)
    random = np.random.default_rng(seed)
    y = random.integers(len(DIRECTIONS), size=samples)
    start = random.integers(size, size=(samples, 1, 2))
    steps = np.array(list(DIRECTIONS.values()))[y][:, None, :]
    corners = (start + np.arange(frames)[:, None] * steps) % size
    x = random.normal(scale=noise, size=(samples, frames, size, size))
    film, frame = np.ogrid[:samples, :frames]
    for offset in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = np.moveaxis((corners + offset) % size, -1, 0)
        x[film, frame, row, column] += 1
    lengths = random.integers(frames // 2, frames + 1, size=samples)
    x[np.arange(frames) >= lengths[:, None]] = 0
    return split(x[..., None].astype("float32"), y, random)


def read_films(path, seed=0):
    """Reads films of your own from an `.npz` file.

    Args:
        path: Path of a file with two arrays: `x`, numbers of shape
            `(films, frames, height, width, channels)`, shorter films padded with zeros, and `y`,
            one class for each film, integers from 0. Written by `numpy.savez(path, x=x, y=y)`.
        seed: Integer, seed of the division into 60 % training, 20 % validation and 20 % test.
            Defaults to `0`.

    Returns:
        A `Dataset`; `x` is float32, divided by the largest magnitude in the training part, so that
        padding stays zero.

    Raises:
        InputError: If the file cannot be read, lacks an array, or the arrays do not fit.
    """
    axes = ("films", "frames", "height", "width", "channels")
    data = split(*read_arrays(path, axes), np.random.default_rng(seed))
    scale = np.abs(data.train.x).max() or 1
    return Dataset(*(Split(part.x / scale, part.y) for part in vars(data).values()))
