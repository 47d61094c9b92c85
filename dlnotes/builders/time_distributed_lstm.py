"""A recurrent network with one output for every step of a sequence."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.masks import step_mask


def time_distributed_lstm(
    input_shape,
    outputs,
    *,
    units=32,
    layers=1,
    bidirectional=False,
    dropout=0.0,
    mask_value=None,
    name="time_distributed_lstm",
):
    """Builds a many-to-many LSTM: one output for every step, from one shared head.

    For tagging, frame-wise prediction and echoes: inputs and targets have the same steps. The head
    is applied to each step with the same weights, so it needs `units + 1` weights per output (twice
    the units if bidirectional), however long the sequence, where flattening first would need
    `steps * outputs * (steps * units + 1)`. It is a plain `Dense` on the last axis: the same as
    `TimeDistributed(Dense)`, and right for lengths that are unknown.

    Padded steps change no output of a real step: the mask is computed from the inputs and handed to
    every recurrent layer explicitly. They change no loss either where `sample_weight` comes from
    `dlnotes.masks.step_weights` and the loss is averaged with
    `reduction="mean_with_sample_weight"`.

    Reference: notes 001:219-223, 001:273-275, 002:829-837.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, width of the output of a step: number of classes, or of regression
            targets.
        units: Integer, width of each recurrent layer (of each half, if bidirectional). Defaults to
            `32`.
        layers: Integer, number of recurrent layers. Defaults to `1`.
        bidirectional: Boolean, whether a step may see those that come after it. Defaults to
            `False`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"time_distributed_lstm"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, steps, outputs)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` has not two entries, or `layers` is below 1.

    Example:

    >>> from dlnotes.builders import time_distributed_lstm
    >>> model = time_distributed_lstm((None, 1), 1, units=5)
    >>> model.output_shape
    (None, None, 1)
    >>> model.get_layer("outputs").count_params()
    6
    """
    check_at_least(1, layers=layers)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(5, 1), or (None, 1) for sequences of any length."
        )
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    x = inputs
    for number in range(1, layers + 1):
        layer = keras.layers.LSTM(units, return_sequences=True, name=f"lstm_{number}")
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"bidirectional_{number}")
        x = layer(x, mask=mask)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def time_distributed_lstm_space(hp):
    """The search space of `time_distributed_lstm`: width, depth, direction and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `time_distributed_lstm`.
    """
    return {
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "bidirectional": hp.Boolean("bidirectional"),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
