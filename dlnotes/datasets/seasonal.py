"""Windows of a seasonal series and the value after each, generated."""

import itertools

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import check_at_least
import numpy as np

PERSISTENCE = 0.7


def seasonal(samples=1000, steps=24, period=12, noise=0.2, seed=0):
    """Generates a seasonal series in windows; the target is the value after the window.

    The series is a season whose height rises and falls over eight periods, plus an autoregressive
    process of first order (each value is 0.7 of the one before, plus noise). So there is something
    to learn from far back and something from the last step. The parts follow each other in time and
    share no value, as in forecasting; mean and spread are those of the training part.

    Reference: notes 001:71, 001:225-237, 002:842-856.

    Args:
        samples: Integer, number of windows. 60 % are for training, 20 % each for validation and
            test. Defaults to `1000`.
        steps: Integer, steps of a window. Defaults to `24`.
        period: Integer, steps of a season, at least 2. Defaults to `12`.
        noise: Float, standard deviation of what is new in each step; the season is of height 0.5 to
            1.5. Defaults to `0.2`.
        seed: Integer, decides the noise and where the season begins. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(windows, steps, 1)`, `y` has shape `(windows, 1)`. Both are
        float32. Neighbouring windows of a part are one step apart.

    Raises:
        InputError: If an argument is below its minimum.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.seasonal(samples=20, steps=6).train
    >>> x.shape, bool((x[1:, -1] == y[:-1]).all())
    ((12, 6, 1), True)
    """
    check_at_least(5, samples=samples)
    check_at_least(1, steps=steps)
    check_at_least(2, period=period)
    check_at_least(0, noise=noise)
    random = np.random.default_rng(seed)
    ends = [0, samples * 6 // 10, samples * 8 // 10, samples]
    time = np.arange(samples + 3 * steps) + random.integers(8 * period)
    height = 1 + 0.5 * np.sin(2 * np.pi * time / (8 * period))
    rest = random.normal(scale=noise, size=len(time))
    for step in range(1, len(rest)):
        rest[step] += PERSISTENCE * rest[step - 1]
    series = height * np.sin(2 * np.pi * time / period) + rest
    train = series[: ends[1] + steps]
    series = ((series - train.mean()) / train.std()).astype("float32")
    parts = []
    for number, (begin, end) in enumerate(itertools.pairwise(ends)):
        values = series[begin + number * steps : end + (number + 1) * steps, np.newaxis]
        windows = np.lib.stride_tricks.sliding_window_view(values, steps, axis=0)[:-1]
        parts.append(Split(windows.swapaxes(1, 2).copy(), values[steps:]))
    return Dataset(*parts)
