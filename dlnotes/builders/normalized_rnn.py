"""Recurrent layers with normalisation."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers import BatchNormLSTM, LayerNormGRUCell, LayerNormLSTMCell
from dlnotes.masks import step_mask

CELLS = ("lstm", "gru")
NORMALIZATIONS = ("layer", "inputs", "steps", None)


def normalized_rnn(
    input_shape,
    outputs,
    *,
    cell="gru",
    normalization="layer",
    units=32,
    layers=1,
    return_sequences=False,
    dropout=0.0,
    mask_value=None,
    name="normalized_rnn",
):
    """Builds a stack of LSTM or GRU layers with a normalisation of choice.

    - `"layer"`: layer normalisation inside the cell, `LayerNormLSTMCell` or `LayerNormGRUCell`. It
      treats every row and step by itself, so it is the one for small batches and streams. It
      forgets the scale of what it normalises; a constant feature beside the inputs keeps it.
    - `"inputs"`: batch normalisation of what enters each layer, over rows and steps, with the
      layers of Keras; nothing between one step and the next.
    - `"steps"`: batch normalisation inside an LSTM with statistics for each step, `BatchNormLSTM`.
    - `None`: the layers of Keras as they are, the only ones that are fast on a GPU.

    Padded steps change nothing, neither outputs nor statistics: the mask is computed from the
    inputs and handed to every layer explicitly. For targets per step, give the loss
    `sample_weight=dlnotes.masks.step_weights(x)`.

    Reference:

    - Ba et al. 2016, https://arxiv.org/abs/1607.06450; Laurent et al. 2016,
      https://arxiv.org/abs/1510.01378, for the inputs; Cooijmans et al. 2017,
      https://arxiv.org/abs/1603.09025, for the steps.
    - Notes 001:201, 001:249, 002:188-195, 002:202, 002:868.

    Args:
        input_shape: Pair of steps and features. `None` for the steps allows sequences of any
            length, but not with `"steps"`.
        outputs: Integer, width of the linear head: number of classes, or of regression targets.
        cell: `"lstm"` or `"gru"`. Defaults to `"gru"`.
        normalization: `"layer"`, `"inputs"`, `"steps"` (with `"lstm"` alone) or `None`. Defaults to
            `"layer"`.
        units: Integer, width of each layer. Defaults to `32`.
        layers: Integer, number of recurrent layers. Defaults to `1`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`). Defaults to `False`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"normalized_rnn"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `cell` or `normalization` is none of the names or they do not go together,
            `input_shape` has not two entries, or `layers` is below 1.

    Example:

    >>> from dlnotes.builders import normalized_rnn
    >>> normalized_rnn((None, 1), 1, units=8).output_shape
    (None, 1)
    """
    _check(input_shape, layers, cell, normalization)
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    x = inputs
    if normalization == "layer":
        x = keras.ops.pad(x, [[0, 0], [0, 0], [0, 1]], constant_values=1.0)
    for number in range(1, layers + 1):
        if normalization == "inputs":
            normalize = keras.layers.BatchNormalization(momentum=0.9, name=f"inputs_{number}")
            x = normalize(x, mask=mask)
        options = {
            "return_sequences": return_sequences or number < layers,
            "name": f"recurrent_{number}",
        }
        x = _recurrent(cell, normalization, units, input_shape[0], options)(x, mask=mask)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _recurrent(cell, normalization, units, steps, options):
    if normalization == "steps":
        return BatchNormLSTM(units, max_steps=steps, **options)
    if normalization == "layer":
        cells = {"lstm": LayerNormLSTMCell, "gru": LayerNormGRUCell}
        return keras.layers.RNN(cells[cell](units), **options)
    return {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](units, **options)


def _check(input_shape, layers, cell, normalization):
    check_at_least(1, layers=layers)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(30, 2), or (None, 2) for sequences of any length."
        )
    for argument, value, known in (
        ("cell", cell, CELLS),
        ("normalization", normalization, NORMALIZATIONS),
    ):
        if value not in known:
            raise InputError(
                f"`{argument}` is {value!r}, but must be one of {', '.join(map(repr, known))}."
            )
    if normalization == "steps" and (cell != "lstm" or input_shape[0] is None):
        raise InputError(
            "`normalization` is 'steps', which keeps statistics for each step of an LSTM, but "
            f"`cell` is {cell!r} and `input_shape` is {tuple(input_shape)}: it needs cell='lstm' "
            "and a known number of steps."
        )


def normalized_rnn_space(hp):
    """The search space of `normalized_rnn`: cell, normalisation, width, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `normalized_rnn`.
    """
    normalization = hp.Choice("normalization", ["layer", "inputs", "none"])
    return {
        "cell": hp.Choice("cell", list(CELLS)),
        "normalization": None if normalization == "none" else normalization,
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
