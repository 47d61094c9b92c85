"""A recurrent network that forecasts the next steps of one signal or several."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers import Rollout

STRATEGIES = ("direct", "recursive", "encoder_decoder")


def forecaster(
    input_shape,
    ahead,
    *,
    strategy="direct",
    units=32,
    dropout=0.0,
    level=None,
    targets=None,
    name="forecaster",
):
    """Builds an LSTM that reads a window and forecasts the steps after it.

    There are three strategies for more than one step:

    - `"direct"`: one output for each step ahead, all from the same state. Nothing is fed back, so
      no error is carried on; the number of steps is fixed.
    - `"recursive"`: one step ahead, and the forecast is read as if it had come true. The weights do
      not depend on `ahead`: trained with `ahead=1` they forecast any number of steps, but have
      never seen their own errors; trained with the `ahead` that they are used with, they have.
    - `"encoder_decoder"`: one LSTM reads, a second one starts from its state and goes on with its
      own forecasts.

    Inputs should be scaled, by what is known before the test. A series without a fixed level wants
    `level` too: the network then works with distances from the mean of the last steps, and so can
    forecast what lies above all that it was trained on. For a series whose season grows with its
    level take the logarithm first.

    Reference: [Ben Taieb et al. 2012](https://doi.org/10.1016/j.eswa.2012.01.039), section 2
    (`"direct"` is their MIMO); [Sutskever et al. 2014](https://arxiv.org/abs/1409.3215);
    `level`: [Kim et al. 2022](https://openreview.net/forum?id=cGDAkQo1C0p), equations 1 and 3,
    without the scale; notes 001:71, 001:225, 002:636, 002:842.

    Args:
        input_shape: Tuple of two integers, steps of the window and signals. The steps may be
            `None`: windows of any length.
        ahead: Integer, steps to forecast.
        strategy: `"direct"`, `"recursive"` or `"encoder_decoder"`. Defaults to `"direct"`.
        units: Integer, width of each LSTM. Defaults to `32`.
        dropout: Float in [0, 1), share of the units dropped before the outputs. Defaults to `0.0`.
        level: Integer, over how many of the last steps the mean is taken from which distances are
            counted; a whole season, or `1` for the last step. Defaults to `None`: none.
        targets: Integer, how many of the signals are forecast, the first ones. Defaults to `None`:
            all of them, which `"recursive"` needs.
        name: String, name of the model. Defaults to `"forecaster"`.

    Input shape:
        `(batch, steps, signals)`.

    Output shape:
        `(batch, ahead, targets)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `strategy` is none of the three, `input_shape` has not two entries, `ahead`,
            `level` or `targets` are out of their range, or `"recursive"` would lack a signal to
            read.

    Example:

    >>> from dlnotes.builders import forecaster
    >>> model = forecaster((24, 1), 12, strategy="encoder_decoder", units=16)
    >>> model.output_shape
    (None, 12, 1)
    """
    _check(input_shape, ahead, strategy, level, targets)
    targets = targets or input_shape[-1]
    inputs = keras.Input(input_shape, name="inputs")
    x = inputs
    if level:
        mean = keras.ops.mean(inputs[:, -level:], axis=1, keepdims=True)
        x = inputs - mean
    if strategy == "direct":
        x = keras.layers.LSTM(units, name="lstm")(x)
        x = keras.layers.Dropout(dropout)(x)
        x = keras.layers.Dense(ahead * targets, name="steps")(x)
        x = keras.layers.Reshape((ahead, targets), name="outputs")(x)
    elif strategy == "recursive":
        cell = keras.layers.LSTMCell(units)
        x = Rollout(cell, ahead, dropout, name="rollout")(x)
    else:
        _, *states = keras.layers.LSTM(units, return_state=True, name="encoder")(x)
        cell = keras.layers.LSTMCell(units)
        decoder = Rollout(cell, ahead, dropout, name="decoder")
        x = decoder(x[:, -1:, :targets], initial_state=states)
    if level:
        x = x + mean[..., :targets]
    return keras.Model(inputs, x, name=name)


def _check(input_shape, ahead, strategy, level, targets):
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, signals), such as "
            "(24, 1), or (None, 1) for windows of any length."
        )
    if strategy not in STRATEGIES:
        raise InputError(
            f"`strategy` is {strategy!r}, but must be one of {', '.join(map(repr, STRATEGIES))}."
        )
    steps, signals = input_shape
    level, targets = level if level is not None else 1, targets if targets is not None else signals
    check_at_least(1, ahead=ahead, level=level, targets=targets)
    if steps is not None and level > steps:
        raise InputError(
            f"`level` is {level}, but a window has {steps} steps. Give a longer window."
        )
    if targets > signals:
        raise InputError(f"`targets` is {targets}, but there are {signals} signals.")
    if strategy == "recursive" and targets < signals:
        raise InputError(
            f"`targets` is {targets}, but strategy 'recursive' reads its own forecasts and so has "
            f"to forecast all {signals} signals. Leave `targets` out, or take another strategy."
        )


def forecaster_space(hp):
    """The search space of `forecaster`: strategy, width and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `forecaster`.
    """
    return {
        "strategy": hp.Choice("strategy", list(STRATEGIES)),
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
