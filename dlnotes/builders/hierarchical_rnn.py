"""A recurrent layer over the parts of a sequence, and one over what it made of them."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.time_fold import TimeFold
from dlnotes.masks import step_mask

CELLS = {"lstm": "LSTM", "gru": "GRU"}


def hierarchical_rnn(
    input_shape,
    outputs,
    *,
    inner_units=32,
    outer_units=32,
    cell="lstm",
    dropout=0.0,
    mask_value=None,
    name="hierarchical_rnn",
):
    """Builds a network that reads sequences of sequences on two levels.

    For what consists of parts that are sequences themselves: pictures of rows of pixels, documents
    of sentences, days of hours. The inner layer reads each part for itself, with the same weights,
    and the outer layer reads what came of the parts. From the first step to the answer the way is
    as long as one part and the number of parts together, where one layer over all steps goes
    through their product.

    Both lengths may be unknown. Parts of unequal length and unequal numbers of parts are padded
    with `mask_value`: padded steps and padded parts change nothing. Both masks are computed from
    the inputs and passed explicitly.

    Reference: Li, Luong, Jurafsky, "A hierarchical neural autoencoder for paragraphs and
    documents", 2015, https://arxiv.org/abs/1506.01057, the encoder of the hierarchical LSTM; notes
    001:379-381, 002:1026-1028.

    Args:
        input_shape: Tuple of three integers: parts, steps of a part, and features. Parts and steps
            may be `None`: any number of them.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        inner_units: Integer, width of the layer that reads a part. Defaults to `32`.
        outer_units: Integer, width of the layer that reads the parts. Defaults to `32`.
        cell: `"lstm"` or `"gru"`, that of both layers. Defaults to `"lstm"`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding, and so is a part
            without any other step; `None` where nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"hierarchical_rnn"`.

    Input shape:
        `(batch, parts, steps, features)`.

    Output shape:
        `(batch, outputs)`.

    Returns:
        An uncompiled functional `keras.Model` whose layers are called `inner`, `outer` and
        `outputs`.

    Raises:
        InputError: If `input_shape` has not three entries, `cell` is neither of the two, or a width
            is below 1.

    Example:

    >>> from dlnotes.builders import hierarchical_rnn
    >>> model = hierarchical_rnn((None, None, 1), 10, inner_units=8, outer_units=16)
    >>> model.output_shape
    (None, 10)
    >>> model.get_layer("inner").count_params()
    320
    """
    _check(input_shape, inner_units, outer_units, cell)
    layer = getattr(keras.layers, CELLS[cell])
    inputs = keras.Input(input_shape, name="inputs")
    steps = parts = None
    if mask_value is not None:
        steps = keras.ops.any(keras.ops.not_equal(inputs, mask_value), axis=-1)
        parts = step_mask(inputs, mask_value)
    x = TimeFold(layer(inner_units), name="inner")(inputs, mask=steps)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    x = layer(outer_units, name="outer")(x, mask=parts)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _check(input_shape, inner_units, outer_units, cell):
    check_at_least(1, inner_units=inner_units, outer_units=outer_units)
    if len(input_shape) != 3:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (parts, steps, features), such as "
            "(8, 8, 1) for pictures of eight rows and eight columns, or (None, None, 50)."
        )
    if cell not in CELLS:
        raise InputError(f"`cell` is {cell!r}, but must be 'lstm' or 'gru'.")


def hierarchical_rnn_space(hp):
    """The search space of `hierarchical_rnn`: both widths, cell and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `hierarchical_rnn`.
    """
    return {
        "inner_units": hp.Int("inner_units", 8, 64, step=2, sampling="log"),
        "outer_units": hp.Int("outer_units", 8, 128, step=2, sampling="log"),
        "cell": hp.Choice("cell", list(CELLS)),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
