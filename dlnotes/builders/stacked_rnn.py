"""Recurrent layers on top of each other, of any of Keras' three cells."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.masks import step_mask

CELLS = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}


def stacked_rnn(
    input_shape,
    outputs,
    *,
    cell="lstm",
    units=32,
    layers=1,
    return_sequences=False,
    dropout=0.0,
    mask_value=None,
    name="stacked_rnn",
):
    """Builds a stack of LSTM, GRU or simple recurrent layers that read a sequence forwards.

    The usual first network for sequences, and the place to exchange one cell for another. Every
    layer but the last hands the hidden state of each step on; the head gets the last state of the
    last layer, or its state at each step.

    With `n` units and `m` inputs a layer has `4 (n (n + m) + n)` weights as an LSTM,
    `3 (n (n + m) + 2 n)` as a GRU and `n (n + m) + n` as a simple recurrent layer.

    Padded steps change nothing: the mask is computed from the inputs and handed to every recurrent
    layer explicitly, so it survives layers that drop masks. For targets per step, give the loss
    `sample_weight=dlnotes.masks.step_weights(x)`: Keras versions differ in whether the mask reaches
    the loss by itself.

    Reference: Hochreiter, Schmidhuber, "Long short-term memory", 1997, with the forget gate of Gers
    et al., 2000; Cho et al., 2014, https://arxiv.org/abs/1406.1078, equations 5 to 8 (GRU; Keras
    puts the reset gate behind the matrix); Pascanu et al., 2014, https://arxiv.org/abs/1312.6026,
    section 3.3.3 (stacks); notes 001:217, 243-245, 271, 299-305; 002:818-827, 862-864, 892-896,
    930-935.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        cell: `"lstm"`, `"gru"` or `"simple_rnn"`. Defaults to `"lstm"`.
        units: Integer, width of each layer. Defaults to `32`.
        layers: Integer, number of recurrent layers. Defaults to `1`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`). Defaults to `False`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"stacked_rnn"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model` whose recurrent layers are called `rnn_1`, `rnn_2`,
        ... and whose head is called `outputs`.

    Raises:
        InputError: If `cell` is none of the three, `input_shape` has not two entries, or `layers`
            is below 1.

    Example:

    >>> from dlnotes.builders import stacked_rnn
    >>> model = stacked_rnn((None, 12), 9, cell="gru", units=16, layers=2, mask_value=0.0)
    >>> model.output_shape
    (None, 9)
    >>> model.get_layer("rnn_1").count_params()
    1440
    """
    _check(input_shape, layers, cell)
    layer = getattr(keras.layers, CELLS[cell])
    x = inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    for number in range(1, layers + 1):
        sequences = return_sequences or number < layers
        x = layer(units, return_sequences=sequences, name=f"rnn_{number}")(x, mask=mask)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _check(input_shape, layers, cell):
    check_at_least(1, layers=layers)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(29, 12), or (None, 12) for sequences of any length."
        )
    if cell not in CELLS:
        raise InputError(f"`cell` is {cell!r}, but must be one of {', '.join(map(repr, CELLS))}.")


def stacked_rnn_space(hp):
    """The search space of `stacked_rnn`: cell, width, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `stacked_rnn`.
    """
    return {
        "cell": hp.Choice("cell", list(CELLS)),
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
