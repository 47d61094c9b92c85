"""A convolutional LSTM that predicts the next frame of a film."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.masks import step_mask


def conv_lstm(
    input_shape,
    *,
    filters=8,
    layers=1,
    kernel_size=3,
    dropout=0.0,
    return_sequences=True,
    mask_value=None,
    name="conv_lstm",
):
    """Builds a predictor of the next frame: an LSTM whose gates are convolutions, and a head.

    For films, radar pictures, maps of sensors: what happens at one place depends on what happened
    around it a moment ago, and in the same way everywhere. State and memory are pictures too, as
    large as a frame. At each step `kernel_size // 2` pixels around a place are seen in each
    direction, so with one layer nothing that moves faster can be followed. With `kernel_size=1` it
    is an LSTM for each pixel, all with the same weights.

    There is a prediction after each frame; the one after the last frame is what comes next. Give
    `x[:, :-1]` as inputs and `x[:, 1:]` as targets. Appended to the film, a prediction makes the
    next one. Outputs are unbounded: for pixels that are 0 or 1 take a loss with `from_logits=True`.

    The number of frames may be unknown, height and width may not. The mask of padded frames is
    handed to every recurrent layer explicitly.

    Reference: Shi et al., "Convolutional LSTM network: a machine learning approach for
    precipitation nowcasting", 2015, equation 3, without the peepholes, which Keras does not have;
    notes 002:468.

    Args:
        input_shape: Tuple of four integers: frames, height, width and channels. The frames may be
            `None`: films of any length.
        filters: Integer, channels of the states of each layer. Defaults to `8`.
        layers: Integer, number of recurrent layers. Defaults to `1`.
        kernel_size: Odd integer, height and width of the convolutions. Defaults to `3`.
        dropout: Float in [0, 1), share of the inputs of each recurrent layer that is dropped, the
            same ones in all frames. Defaults to `0.0`.
        return_sequences: Boolean, whether there is a prediction after each frame (`True`) or after
            the last one only (`False`). Defaults to `True`.
        mask_value: Float, a frame whose pixels all have this value is padding; `None` where nothing
            is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"conv_lstm"`.

    Input shape:
        `(batch, frames, height, width, channels)`.

    Output shape:
        `(batch, frames, height, width, channels)`, or `(batch, height, width, channels)` without
        `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` has not four entries or leaves height or width open,
            `kernel_size` is even, `layers` is below 1, or a `mask_value` is given on JAX, where
            Keras cannot mask frames.

    Example:

    >>> from dlnotes.builders import conv_lstm
    >>> model = conv_lstm((None, 16, 16, 1), filters=4)
    >>> model.output_shape
    (None, None, 16, 16, 1)
    """
    _check(input_shape, layers, kernel_size, mask_value)
    x = inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    for number in range(1, layers + 1):
        x = keras.layers.ConvLSTM2D(
            filters,
            kernel_size,
            padding="same",
            dropout=dropout,
            return_sequences=return_sequences or number < layers,
            name=f"conv_lstm_{number}",
        )(x, mask=mask)
    # On the last axis alone, so it is the same for each pixel of each frame.
    outputs = keras.layers.Dense(input_shape[-1], name="frame")(x)
    return keras.Model(inputs, outputs, name=name)


def _check(input_shape, layers, kernel_size, mask_value):
    check_at_least(1, layers=layers, kernel_size=kernel_size)
    if len(input_shape) != 4 or None in input_shape[1:]:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (frames, height, width, "
            "channels), of which only the frames may be unknown, such as (None, 16, 16, 1)."
        )
    if kernel_size % 2 == 0:
        raise InputError(
            f"`kernel_size` is {kernel_size}, but must be odd, such as 3: an even one looks "
            "further to one side than to the other."
        )
    if mask_value is not None and keras.config.backend() == "jax":
        raise InputError(
            f"`mask_value` is {mask_value}, but on the JAX backend Keras cannot mask the frames of "
            "a film. Give films of one length and `mask_value=None`, or choose another backend "
            "before Keras is imported, with the environment variable KERAS_BACKEND=tensorflow."
        )


def conv_lstm_space(hp):
    """The search space of `conv_lstm`: filters, depth, size of the convolutions and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `conv_lstm`.
    """
    return {
        "filters": hp.Int("filters", 2, 32, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "kernel_size": hp.Int("kernel_size", 1, 7, step=2),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
