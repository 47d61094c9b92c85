"""Series: windows in the order of time, a scale from the past, forecasts and their error."""

import itertools

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError, check_at_least
import numpy as np

TARGETS = ("point", "sequence", "shifted")
KINDS = ("standard", "zero-one", "symmetric", "none")
TRANSFORMS = (None, "log", "sqrt")


def windows(series, past, ahead=1, *, target="sequence", lag=0):
    """Cuts one signal or several into windows and what is to be forecast from each.

    All signals of a window are cut at the same steps, and the window has ended before its first
    target begins. `lag` is the time between the two, for values that are known late: with `lag=2`
    a forecast is made without the two steps before its first target.

    What is forecast is one of three:

    - `"point"`: the step that lies `ahead` steps after the window;
    - `"sequence"`: the `ahead` steps after the window, all of them;
    - `"shifted"`: the window itself, `ahead` steps later: an answer for each step, for layers that
      return sequences.

    Neighbouring windows are one step apart and share most of their values, so they must not be
    divided at random: see `split`. `x[::every]` are windows that are further apart.

    Reference: notes 001:71, 002:636 (windows over several signals); 001:225, 002:842 (point,
    sequence, shifted sequence).

    Args:
        series: Array, `pandas.Series` or `DataFrame`, of shape `(steps,)` or `(steps, signals)`,
            the oldest step first.
        past: Integer, steps of a window.
        ahead: Integer, how far is forecast. Defaults to `1`.
        target: `"point"`, `"sequence"` or `"shifted"`. Defaults to `"sequence"`.
        lag: Integer, steps between the end of the window and the first target. Defaults to `0`.

    Returns:
        Tuple `(x, y)` of float32 arrays: `x` of shape `(windows, past, signals)`; `y` of shape
        `(windows, signals)` for a point, `(windows, ahead, signals)` for a sequence and
        `(windows, past, signals)` for a shifted window.

    Raises:
        InputError: If the series has more than two axes or is too short, or an argument is out of
            its range.

    Example:

    >>> from dlnotes.series import windows
    >>> x, y = windows([1, 2, 3, 4, 5, 6], past=3, ahead=2)
    >>> x[..., 0].tolist(), y[..., 0].tolist()
    ([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], [[4.0, 5.0], [5.0, 6.0]])
    """
    values, rows = _measured(series, past, ahead, target, lag)

    def cut(first, steps):
        view = np.lib.stride_tricks.sliding_window_view(values[first:], steps, axis=0)[:rows]
        return view.swapaxes(1, 2).copy()

    x = cut(0, past)
    if target == "shifted":
        return x, cut(ahead + lag, past)
    y = cut(past + lag, ahead)
    return x, y[:, -1] if target == "point" else y


def split(series, past, ahead=1, *, validation, test, target="sequence", lag=0):
    """Cuts a series into windows for training, validation and test, in the order of time.

    The targets of the test are the last `test` steps, those of the validation the `validation`
    steps before, and no step is the target of two parts. Windows may reach back into the part
    before, as they do when a forecast is made: the past is known by then. With
    `target="shifted"` it is the steps after the window that no two parts share.

    Nothing is scaled. Fit a `Scaling` on the steps before the validation,
    `series[: len(series) - validation - test]`, and apply it to the whole series first.

    Reference: notes 001:71, 002:636.

    Args:
        series: As for `windows`.
        past: Integer, steps of a window.
        ahead: Integer, how far is forecast. Defaults to `1`.
        validation: Integer, steps that are targets of the validation part.
        test: Integer, steps that are targets of the test part.
        target: `"point"`, `"sequence"` or `"shifted"`. Defaults to `"sequence"`.
        lag: Integer, steps between the end of the window and the first target. Defaults to `0`.

    Returns:
        A `dlnotes.datasets.Dataset`, whose parts hold what `windows` returns.

    Raises:
        InputError: If a part would have no window, or an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from dlnotes.series import split
    >>> data = split(np.arange(10), past=3, ahead=2, validation=2, test=2)
    >>> [part.y[..., 0].tolist() for part in (data.validation, data.test)]
    [[[6.0, 7.0]], [[8.0, 9.0]]]
    """
    x, y = windows(series, past, ahead, target=target, lag=lag)
    steps = len(series)
    for name, held_out in {"validation": validation, "test": test}.items():
        check_at_least(ahead, **{name: held_out})
    ends = [past + lag, steps - validation - test, steps - test, steps]
    if ends[1] - ends[0] < ahead:
        raise InputError(
            f"`series` has {steps} steps, but a window with its targets and the two other parts "
            f"need at least {past + lag + ahead + validation + test}. Shorten one of them."
        )
    parts = []
    for begin, end in itertools.pairwise(ends):
        rows = slice(begin - ends[0], end - ends[0] - ahead + 1)
        parts.append(Split(x[rows], y[rows]))
    return Dataset(*parts)


class Scaling:
    """Brings a series to a scale that is fitted on its beginning, and forecasts back from it.

    Fit it on the steps before the validation. The test then leaves the range, as the future does; a
    scale that is fitted on the whole series would tell the network how far.

    Nothing inside an LSTM asks for a certain range (its tanh acts on weighted sums): what counts is
    that signals are of comparable size, and that the last layer can reach the target.

    Reference: notes 001:235, 002:854 (scale to -1 to 1).

    Args:
        kind: `"standard"` (mean 0 and standard deviation 1), `"zero-one"` (smallest 0, largest 1),
            `"symmetric"` (smallest -1, largest 1) or `"none"`. Defaults to `"standard"`.
        transform: `"log"` or `"sqrt"`, taken before; for a series whose ups and downs grow with its
            level. Defaults to `None`.

    Example:

    >>> from dlnotes.series import Scaling
    >>> scaling = Scaling("symmetric").fit([10.0, 20.0])
    >>> scaling.apply([10.0, 20.0, 25.0]).tolist()
    [-1.0, 1.0, 2.0]
    >>> scaling.undo([2.0]).tolist()
    [25.0]
    """

    def __init__(self, kind="standard", transform=None):
        for name, value, known in (
            ("kind", kind, KINDS),
            ("transform", transform, TRANSFORMS),
        ):
            if value not in known:
                listed = ", ".join(map(repr, known))
                raise InputError(f"`{name}` is {value!r}, but must be one of {listed}.")
        self.kind, self.transform = kind, transform

    def fit(self, history):
        """Takes offset and scale of each signal from a history.

        Args:
            history: Array of shape `(steps,)` or `(steps, signals)`, or windows of such.

        Returns:
            The scaling itself.

        Raises:
            InputError: If the transform is not defined for a value.
        """
        values = self._transformed(history)
        values = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
        low, high = values.min(axis=0), values.max(axis=0)
        self.offset, self.scale = {
            "standard": (values.mean(axis=0), values.std(axis=0)),
            "zero-one": (low, high - low),
            "symmetric": ((low + high) / 2, (high - low) / 2),
            "none": (np.zeros_like(low), np.ones_like(low)),
        }[self.kind]
        self.scale = np.where(self.scale > 0, self.scale, 1.0)
        return self

    def apply(self, values):
        """The values on the scale.

        Args:
            values: Array, the signals on its last axis unless there is only one.

        Returns:
            Array of the same shape.

        Raises:
            InputError: If the transform is not defined for a value.
        """
        values = self._transformed(values)
        offset, scale = self._of(values)
        return (values - offset) / scale

    def undo(self, values):
        """Values on the scale, in the units of the series.

        Args:
            values: Array, the signals on its last axis unless there is only one; or the first ones
                of the signals.

        Returns:
            Array of the same shape.
        """
        values = np.asarray(values, "float64")
        offset, scale = self._of(values)
        values = values * scale + offset
        if self.transform == "log":
            return np.exp(values)
        return np.square(np.maximum(values, 0)) if self.transform == "sqrt" else values

    def _of(self, values):
        """Offset and scale that fit to the last axis of the values."""
        if len(self.offset) == 1:
            return self.offset[0], self.scale[0]
        signals = values.shape[-1]
        return self.offset[:signals], self.scale[:signals]

    def _transformed(self, values):
        values = np.asarray(values, "float64")
        least = values.min(initial=np.inf)
        if (self.transform and least < 0) or (self.transform == "log" and least == 0):
            raise InputError(
                f"`transform` {self.transform!r} is not defined for {least:g}, the smallest value. "
                "Take another one, or none."
            )
        if self.transform == "log":
            return np.log(values)
        return np.sqrt(values) if self.transform == "sqrt" else values


def seasonal_naive(history, ahead, season=1):
    """Forecasts that the last season comes again: the least that a model has to beat.

    With a season of one step the last value stays as it is (persistence).

    Reference: Hyndman, Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition,
    section 5.2.

    Args:
        history: Array of shape `(steps,)` or `(steps, signals)`, the oldest step first.
        ahead: Integer, steps to forecast.
        season: Integer, steps of a season. Defaults to `1`.

    Returns:
        Array of shape `(ahead,)` or `(ahead, signals)`.

    Raises:
        InputError: If the history is shorter than a season.

    Example:

    >>> from dlnotes.series import seasonal_naive
    >>> seasonal_naive([1, 2, 3, 4, 5], ahead=4, season=3).tolist()
    [3, 4, 5, 3]
    """
    check_at_least(1, ahead=ahead, season=season)
    history = np.asarray(history)
    _check_season(history, season)
    return history[len(history) - season + np.arange(ahead) % season]


def walk_forward(forecast, series, ends, steps):
    """Asks for a forecast again and again, each time with what is known until then.

    Give every contestant the same ends. Whatever is fitted (parameters, scale, number of lags) is
    fitted before the first of them; or inside of `forecast`, which sees nothing but the past.

    Args:
        forecast: Function of the history, an array that ends where a forecast begins, and of the
            steps to forecast; returns an array of so many steps.
        series: Array of shape `(steps,)` or `(steps, signals)`, the oldest step first.
        ends: Sequence of integers, the positions of the first step of each forecast.
        steps: Integer, steps to forecast.

    Returns:
        Array of shape `(ends, steps)`, or `(ends, steps, signals)`.

    Raises:
        InputError: If an end is not inside the series, or a forecast has another length.

    Example:

    >>> from dlnotes.series import seasonal_naive, walk_forward
    >>> walk_forward(seasonal_naive, [1, 2, 3, 4, 5], ends=[2, 3], steps=2).tolist()
    [[2, 2], [3, 3]]
    """
    series, forecasts = np.asarray(series), []
    for end in ends:
        if not 0 < end <= len(series):
            raise InputError(
                f"`ends` holds {end}, but must lie between 1 and {len(series)}, the steps of the "
                "series."
            )
        forecasts.append(np.asarray(forecast(series[:end], steps)))
        if len(forecasts[-1]) != steps:
            raise InputError(
                f"`forecast` gave {len(forecasts[-1])} steps where {steps} were asked for."
            )
    return np.stack(forecasts)


def mase(truth, forecast, history, season=1):
    """The mean absolute error, measured by that of the seasonal naive forecast of one season ahead.

    Below 1 the forecast is better than repeating the last season was, on average, in the history.
    Unlike percentages it does not care where zero is, and unlike squared errors it does not depend
    on a few months; forecasts of several series can be averaged.

    Reference: [Hyndman, Koehler 2006](https://doi.org/10.1016/j.ijforecast.2006.03.001), equation
    for the scaled error in section 4, with a season in place of one step.

    Args:
        truth: Array of any shape.
        forecast: Array of the same shape.
        history: Array of shape `(steps,)`, the series before the test: what the scale is taken
            from. Never the test itself.
        season: Integer, steps of a season. Defaults to `1`.

    Returns:
        Float.

    Raises:
        InputError: If the shapes differ, the history is not longer than a season, or repeats
            itself exactly.

    Example:

    >>> from dlnotes.series import mase
    >>> mase([7.0, 8.0], [6.0, 6.0], history=[1.0, 3.0, 5.0])
    0.75
    """
    truth, forecast = np.asarray(truth, "float64"), np.asarray(forecast, "float64")
    if truth.shape != forecast.shape:
        raise InputError(
            f"`forecast` has shape {forecast.shape}, but `truth` has {truth.shape}: both must be "
            "the same, or one would be stretched over the other."
        )
    history = np.asarray(history, "float64")
    _check_season(history[1:], season)
    scale = np.abs(history[season:] - history[:-season]).mean()
    if scale == 0:
        raise InputError(
            f"`history` repeats itself after {season} steps exactly, so there is no error to "
            "measure by. Take another `season`."
        )
    return float(np.abs(truth - forecast).mean() / scale)


def roll_forward(model, history, steps):
    """Forecasts any number of steps by reading the model's own forecasts as if they had come true.

    The model gives the steps after its window; they are put at the end of the window, and it gives
    the next ones, until there are enough. What lies further ahead than `ahead` steps of the model
    was never trained, and errors add up.

    Reference: notes 001:225, 002:842 (full sequence).

    Args:
        model: Keras model from `(batch, past, signals)` to `(batch, ahead, signals)`, such as
            `dlnotes.builders.forecaster` makes. One that forecasts fewer signals than it reads goes
            as far as one forecast.
        history: Array of shape `(batch, past, signals)`, the last window of each series.
        steps: Integer, steps to forecast.

    Returns:
        Array of shape `(batch, steps, signals)`.

    Raises:
        InputError: If the model would have to read a signal that it does not forecast.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes.series import roll_forward
    >>> doubles = keras.Sequential([keras.Input((1, 1)), keras.layers.Rescaling(2.0)])
    >>> roll_forward(doubles, np.ones((1, 1, 1)), 3).ravel().tolist()
    [2.0, 4.0, 8.0]
    """
    check_at_least(1, steps=steps)
    history = np.asarray(history)
    past, forecast = history.shape[1], np.asarray(model.predict_on_batch(history))
    forecasts = [forecast]
    while sum(part.shape[1] for part in forecasts) < steps:
        if forecast.shape[-1] != history.shape[-1]:
            raise InputError(
                f"`model` forecasts {forecast.shape[-1]} of the {history.shape[-1]} signals that "
                f"it reads, so it can go no further than {forecast.shape[1]} steps: `steps` is "
                f"{steps}. Build it so that it forecasts all of them."
            )
        history = np.concatenate([history, forecast], axis=1)[:, -past:]
        forecast = np.asarray(model.predict_on_batch(history))
        forecasts.append(forecast)
    return np.concatenate(forecasts, axis=1)[:, :steps]


def _measured(series, past, ahead, target, lag):
    """The values as float32 with an axis for the signals, and how many windows there are."""
    check_at_least(1, past=past, ahead=ahead)
    check_at_least(0, lag=lag)
    if target not in TARGETS:
        raise InputError(
            f"`target` is {target!r}, but must be one of {', '.join(map(repr, TARGETS))}."
        )
    values = np.asarray(series, "float32")
    if values.ndim not in (1, 2):
        raise InputError(
            f"`series` has shape {values.shape}, but must be (steps,) or (steps, signals)."
        )
    rows = len(values) - past - lag - ahead + 1
    if rows < 1:
        raise InputError(
            f"`series` has {len(values)} steps, but one window with its targets needs "
            f"{past + lag + ahead}. Shorten `past` or `ahead`."
        )
    return values.reshape(len(values), -1), rows


def _check_season(history, season):
    check_at_least(1, season=season)
    if len(history) < season:
        raise InputError(
            f"`season` is {season}, but the history allows {len(history)} at most. Give a longer "
            "history."
        )
