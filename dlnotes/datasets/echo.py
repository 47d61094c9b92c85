"""Streams of random bits and their echoes, generated."""

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import check_at_least
import numpy as np


def echo(streams=16, steps=480, delays=8, seed=0):
    """Generates streams of random bits; the target of a step are the last bits before it.

    Whoever is asked for the bit of `k` steps ago must remember `k` steps: nothing else helps, for
    the bits are independent. So the accuracy of each echo says how far a model's memory reaches.
    The first echoes of a stream repeat bits from before its beginning, which nobody has seen.

    Reference: notes 001:227, 002:844; Jaeger, "Short term memory in echo state networks", GMD
    Report 152, 2002, asks for the same delays.

    Args:
        streams: Integer, streams in each of the three parts. Defaults to `16`.
        steps: Integer, steps of each stream. Defaults to `480`.
        delays: Integer, echoes of each step: the bit of 1, 2, ... `delays` steps ago. Defaults to
            `8`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(streams, steps, 1)` and holds -1 and 1; `y` has shape
        `(streams, steps, delays)` and holds 0 and 1, the longest echo last. Both are float32.

    Raises:
        InputError: If an argument is below 1.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.echo(streams=1, steps=4, delays=2).train
    >>> bool(((x[0, :2, 0] > 0) == y[0, 2:, 1]).all())
    True
    """
    check_at_least(1, streams=streams, steps=steps, delays=delays)
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(3):
        bits = random.integers(2, size=(streams, delays + steps)).astype("float32")
        shifts = range(1, delays + 1)
        y = np.stack([bits[:, delays - k : delays + steps - k] for k in shifts], axis=-1)
        parts.append(Split(2 * bits[:, delays:, np.newaxis] - 1, y))
    return Dataset(*parts)
