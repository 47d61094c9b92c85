"""A recurrent network whose states become one vector by attention, or by plainer means."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.layers import AttentionPooling
from dlnotes.masks import step_mask

ops = keras.ops

POOLINGS = ("attention", "mean", "max", "last")


def pooled_lstm(
    input_shape,
    outputs,
    *,
    pooling="attention",
    units=32,
    bidirectional=True,
    dropout=0.0,
    mask_value=None,
    name="pooled_lstm",
):
    """Builds an LSTM that reads a sequence and gives one answer for all of it.

    The four ways of making one vector of the states:

    - `"attention"`: a weighted mean, by weights that a learned query gives
      (`dlnotes.layers.AttentionPooling`);
    - `"mean"` and `"max"`: over the real steps, feature by feature;
    - `"last"`: the last state of each direction. What came early must have survived until then.

    The weights of the attention say which steps were looked at. They are the second output of the
    layer `"attention"`: `keras.Model(model.input, model.get_layer("attention").output[1])`.

    Padded steps change nothing: the mask is computed from the inputs and handed on explicitly, to
    the pooling too. (`keras.layers.GlobalMaxPooling1D` takes no mask: here padded steps get the
    least value that an LSTM can have before.) A sequence without any real step gives finite
    outputs.

    Reference: [Yang et al. 2016](https://aclanthology.org/N16-1174), equations 5 to 7; notes
    002:1464, 1476-1478, 1486.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        pooling: `"attention"`, `"mean"`, `"max"` or `"last"`. Defaults to `"attention"`.
        units: Integer, width of the LSTM in each direction. Defaults to `32`.
        bidirectional: Boolean, whether a second LSTM reads backwards. Defaults to `True`.
        dropout: Float in [0, 1), share of the pooled vector dropped. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"pooled_lstm"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `pooling` is none of the four, or `input_shape` has not two entries.

    Example:

    >>> from dlnotes.builders import pooled_lstm
    >>> model = pooled_lstm((None, 12), 9, units=16, mask_value=0.0)
    >>> model.get_layer("attention").output[1].shape
    (None, None)
    """
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(29, 12), or (None, 12) for sequences of any length."
        )
    if pooling not in POOLINGS:
        raise InputError(
            f"`pooling` is {pooling!r}, but must be one of {', '.join(map(repr, POOLINGS))}."
        )
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    layer = keras.layers.LSTM(units, return_sequences=pooling != "last", name="lstm")
    if bidirectional:
        layer = keras.layers.Bidirectional(layer, name="bidirectional")
    x = layer(inputs, mask=mask)
    if pooling == "attention":
        attention = AttentionPooling(name="attention")
        x, _ = attention(x, mask=mask, return_attention_scores=True)
    elif pooling == "mean":
        x = keras.layers.GlobalAveragePooling1D()(x) if mask is None else _masked_mean(x, mask)
    elif pooling == "max":
        if mask is not None:
            x = ops.where(mask[..., None], x, -1.0)
        x = keras.layers.GlobalMaxPooling1D()(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _masked_mean(x, mask):
    """The mean over the real steps; zero where there is none, which in Keras' own layer is NaN."""
    real = ops.cast(mask, x.dtype)[..., None]
    return ops.sum(x * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)


def pooled_lstm_space(hp):
    """The search space of `pooled_lstm`: pooling, width, direction and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `pooled_lstm`.
    """
    return {
        "pooling": hp.Choice("pooling", list(POOLINGS)),
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "bidirectional": hp.Boolean("bidirectional", default=True),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
