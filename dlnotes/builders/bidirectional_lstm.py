"""Recurrent layers that read a sequence from both ends."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.masks import step_mask

MERGE_MODES = ("concat", "sum", "ave", "mul", None)


def bidirectional_lstm(
    input_shape,
    outputs,
    *,
    units=32,
    layers=1,
    merge_mode="concat",
    return_sequences=False,
    dropout=0.0,
    mask_value=None,
    name="bidirectional_lstm",
):
    """Builds a stack of LSTM layers that read the sequence forwards and backwards.

    For sequences that are there as a whole before the answer is due (tagging, classification of an
    utterance or a sentence): every step then knows what comes after it. Not for forecasting, where
    the steps that the backward half reads do not exist yet.

    `merge_mode` says what the next layer gets from the two halves of a layer: `"concat"` puts them
    side by side (twice the width), `"sum"`, `"ave"` and `"mul"` combine them element by element.
    With `None` the halves are never merged: one stack reads forwards and another one backwards
    through all layers, as in ELMo, and the head gets the two last results side by side. With a
    single layer this is the same function as `"concat"`; with more layers it is not, because no
    layer of one stack sees the other.

    Padded steps change nothing: the mask is computed from the inputs and handed to every recurrent
    layer explicitly, so it survives layers that drop masks. For targets per step, give the loss
    `sample_weight=dlnotes.masks.step_weights(x)`: Keras versions differ in whether the mask reaches
    the loss by itself.

    Reference: Schuster, Paliwal, "Bidirectional recurrent neural networks", 1997; for `None`:
    Peters et al., "Deep contextualized word representations", 2018, section 3.1; notes
    001:277-289, 002:902-917.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        units: Integer, width of each half of each layer. Defaults to `32`.
        layers: Integer, number of bidirectional layers. Defaults to `1`.
        merge_mode: `"concat"`, `"sum"`, `"ave"`, `"mul"` or `None`. Defaults to `"concat"`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`), made of the last state of both halves: the forward one at the last step, the
            backward one at the first. Defaults to `False`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"bidirectional_lstm"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `merge_mode` is none of the five, `input_shape` has not two entries, or
            `layers` is below 1.

    Example:

    >>> from dlnotes.builders import bidirectional_lstm
    >>> model = bidirectional_lstm((None, 12), 9, units=16, mask_value=0.0)
    >>> model.output_shape
    (None, 9)
    """
    _check(input_shape, layers, merge_mode)
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    sequences = [True] * (layers - 1) + [return_sequences]
    if merge_mode is None:
        forward = _one_way(inputs, mask, units, sequences, dropout, backwards=False)
        backward = _one_way(inputs, mask, units, sequences, dropout, backwards=True)
        x = keras.layers.Concatenate(name="halves")([forward, backward])
    else:
        x = _both_ways(inputs, mask, units, sequences, dropout, merge_mode)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _both_ways(x, mask, units, sequences, dropout, merge_mode):
    for number, return_sequences in enumerate(sequences, start=1):
        lstm = keras.layers.LSTM(units, return_sequences=return_sequences)
        layer = keras.layers.Bidirectional(lstm, merge_mode, name=f"bidirectional_{number}")
        x = layer(x, mask=mask)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return x


def _one_way(x, mask, units, sequences, dropout, backwards):
    for number, return_sequences in enumerate(sequences, start=1):
        x = keras.layers.LSTM(
            units,
            return_sequences=return_sequences,
            go_backwards=backwards,
            zero_output_for_mask=return_sequences,
            name=f"{'backward' if backwards else 'forward'}_{number}",
        )(x, mask=mask)
        if backwards and return_sequences:
            x = keras.ops.flip(x, axis=1)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return x


def _check(input_shape, layers, merge_mode):
    check_at_least(1, layers=layers)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(29, 12), or (None, 12) for sequences of any length."
        )
    if merge_mode not in MERGE_MODES:
        raise InputError(
            f"`merge_mode` is {merge_mode!r}, but must be one of "
            f"{', '.join(map(repr, MERGE_MODES))}."
        )


def bidirectional_lstm_space(hp):
    """The search space of `bidirectional_lstm`: width, depth, merge mode and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `bidirectional_lstm`.
    """
    return {
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "merge_mode": hp.Choice("merge_mode", [mode for mode in MERGE_MODES if mode]),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
