"""Recurrent layers of any gated cell."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers import (
    CoupledLSTMCell,
    MinimalGatedCell,
    MutatedGRUCell,
    PeepholeLSTMCell,
)
from dlnotes.masks import step_mask

CELLS = ("lstm", "gru", "coupled", "peephole", "minimal", "mut1", "mut2", "mut3")
# these add their input to their state, which takes an input of the state's width
ADDING = ("mut1", "mut2")


def gated_rnn(
    input_shape,
    outputs,
    *,
    cell="lstm",
    units=32,
    layers=1,
    return_sequences=False,
    dropout=0.0,
    mask_value=None,
    name="gated_rnn",
):
    """Builds a stack of recurrent layers whose cell is chosen by name.

    For sequences that are read forwards: classification, regression, forecasting, or an output for
    every step. `"lstm"` and `"gru"` are the layers of Keras, which are fast on a GPU; the others
    are cells of `dlnotes.layers`:

    - `"coupled"`: `CoupledLSTMCell`, an LSTM that lets in as much as it forgets
    - `"peephole"`: `PeepholeLSTMCell`, an LSTM whose gates see its memory
    - `"minimal"`: `MinimalGatedCell`, a GRU with a single gate
    - `"mut1"`, `"mut2"`, `"mut3"`: `MutatedGRUCell`, found by a search. The first two add their
      input to their state, so where the input is not `units` wide, a linear layer without bias
      brings it there.

    At equal `units` the cells differ in size: an LSTM has twice the weights of a minimal cell. To
    compare cells, give them widths with equally many weights.

    Padded steps change nothing: the mask is computed from the inputs and handed to every recurrent
    layer explicitly. For targets per step, give the loss
    `sample_weight=dlnotes.masks.step_weights(x)`.

    Reference:

    - Greff et al. 2017, https://arxiv.org/abs/1503.04069; Jozefowicz et al. 2015,
      https://proceedings.mlr.press/v37/jozefowicz15.html; Zhou et al. 2016,
      https://arxiv.org/abs/1603.09420.
    - Notes 001:217, 001:249-253, 002:820-821, 002:868-872.

    Args:
        input_shape: Pair of steps and features. `None` for the steps allows sequences of any
            length.
        outputs: Integer, width of the linear head: number of classes, or of regression targets.
        cell: `"lstm"`, `"gru"`, `"coupled"`, `"peephole"`, `"minimal"`, `"mut1"`, `"mut2"` or
            `"mut3"`. Defaults to `"lstm"`.
        units: Integer, width of each layer. Defaults to `32`.
        layers: Integer, number of recurrent layers. Defaults to `1`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`). Defaults to `False`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"gated_rnn"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `cell` is none of the names, `input_shape` has not two entries, or `layers`
            is below 1.

    Example:

    >>> from dlnotes.builders import gated_rnn
    >>> gated_rnn((None, 3), 1, cell="minimal", units=8).count_params()
    201
    >>> gated_rnn((None, 3), 1, cell="lstm", units=8).count_params()
    393
    """
    _check(input_shape, layers, cell)
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    x = inputs
    for number in range(1, layers + 1):
        if cell in ADDING and x.shape[-1] != units:
            x = keras.layers.Dense(units, use_bias=False, name=f"projection_{number}")(x)
        sequences = return_sequences or number < layers
        x = _recurrent(cell, units, sequences, f"recurrent_{number}")(x, mask=mask)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _recurrent(cell, units, return_sequences, name):
    options = {"return_sequences": return_sequences, "name": name}
    if cell == "lstm":
        return keras.layers.LSTM(units, **options)
    if cell == "gru":
        return keras.layers.GRU(units, **options)
    cells = {
        "coupled": CoupledLSTMCell,
        "peephole": PeepholeLSTMCell,
        "minimal": MinimalGatedCell,
    }
    one = cells[cell](units) if cell in cells else MutatedGRUCell(units, variant=int(cell[-1]))
    return keras.layers.RNN(one, **options)


def _check(input_shape, layers, cell):
    check_at_least(1, layers=layers)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(30, 2), or (None, 2) for sequences of any length."
        )
    if cell not in CELLS:
        raise InputError(f"`cell` is {cell!r}, but must be one of {', '.join(map(repr, CELLS))}.")


def gated_rnn_space(hp):
    """The search space of `gated_rnn`: cell, width, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `gated_rnn`.
    """
    return {
        "cell": hp.Choice("cell", list(CELLS)),
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
