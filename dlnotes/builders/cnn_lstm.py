"""A convolutional network that looks at each frame, and an LSTM that follows the film."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.time_fold import TimeFold
from dlnotes.masks import step_mask

FOLDS = ("whole", "layers")


def cnn_lstm(
    input_shape,
    classes,
    *,
    filters=8,
    blocks=2,
    units=32,
    dropout=0.0,
    fold="whole",
    mask_value=None,
    name="cnn_lstm",
):
    """Builds a classifier of films: the same CNN on every frame, then an LSTM over the frames.

    For short films whose class lies in the motion, with frames small enough to be learned from
    nothing. Each block of the CNN is a 3x3 convolution and a 2x2 maximum; its last feature map is
    flattened, so that where something is in the frame is not lost.

    The CNN is wrapped by `TimeFold`, as one model (`fold="whole"`) or layer by layer
    (`fold="layers"`): the same weights and the same function. The number of frames may be unknown.
    Films of unequal length are padded with frames of `mask_value`; these change no output and no
    loss, since the LSTM skips them.

    Reference: Donahue et al., "Long-term recurrent convolutional networks for visual recognition
    and description", 2015, section 3; notes 001:223, 002:838.

    Args:
        input_shape: Tuple of four integers: frames, height, width and channels. The frames may be
            `None`: films of any length.
        classes: Integer, number of classes.
        filters: Integer, filters of the first block; each further block has twice as many. Defaults
            to `8`.
        blocks: Integer, number of blocks; each halves height and width. Defaults to `2`.
        units: Integer, width of the LSTM. Defaults to `32`.
        dropout: Float in [0, 1), share of units dropped after the CNN and after the LSTM. Defaults
            to `0.0`.
        fold: `"whole"` or `"layers"`: what `TimeFold` wraps. Defaults to `"whole"`.
        mask_value: Float, a frame whose pixels all have this value is padding; `None` where nothing
            is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"cnn_lstm"`.

    Input shape:
        `(batch, frames, height, width, channels)`.

    Output shape:
        `(batch, classes)`, logits.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` has not four entries or lacks the size of a frame, if the
            frames are too small for `blocks`, or if `fold` is neither of the two.

    Example:

    >>> from dlnotes.builders import cnn_lstm
    >>> model = cnn_lstm((None, 8, 8, 1), 4, filters=2, units=4)
    >>> model.output_shape
    (None, 4)
    """
    _check(input_shape, blocks, fold)
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    frame_layers = _frame_layers(filters, blocks)
    if fold == "whole":
        frame_layers = [_as_model(frame_layers, input_shape[1:])]
    x = inputs
    for layer in frame_layers:
        x = TimeFold(layer, name=f"fold_{layer.name}")(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.LSTM(units, name="lstm")(x, mask=mask)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="outputs")(x), name=name)


def _frame_layers(filters, blocks):
    layers = []
    for number in range(blocks):
        layers += [
            keras.layers.Conv2D(
                filters * 2**number, 3, padding="same", activation="relu", name=f"conv_{number + 1}"
            ),
            keras.layers.MaxPooling2D(name=f"pool_{number + 1}"),
        ]
    return [*layers, keras.layers.Flatten(name="flatten")]


def _as_model(layers, frame_shape):
    frame = x = keras.Input(frame_shape, name="frame")
    for layer in layers:
        x = layer(x)
    return keras.Model(frame, x, name="cnn")


def _check(input_shape, blocks, fold):
    check_at_least(1, blocks=blocks)
    if len(input_shape) != 4 or None in tuple(input_shape)[1:]:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (frames, height, width, "
            "channels), such as (10, 12, 12, 1); only the number of frames may be None."
        )
    if min(input_shape[1:3]) < 2**blocks:
        raise InputError(
            f"`blocks` is {blocks}, which needs frames of at least {2**blocks} x {2**blocks} "
            f"pixels, but `input_shape` says {input_shape[1]} x {input_shape[2]}. Take fewer."
        )
    if fold not in FOLDS:
        raise InputError(f"`fold` is {fold!r}, expected one of {', '.join(map(repr, FOLDS))}.")


def cnn_lstm_space(hp):
    """The search space of `cnn_lstm`: filters, depth of the CNN, width of the LSTM and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `cnn_lstm`.
    """
    return {
        "filters": hp.Int("filters", 4, 32, step=2, sampling="log"),
        "blocks": hp.Int("blocks", 1, 2),
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
