"""Recurrent layers that compute the gates of all steps at once."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers import QRNN, SRU
from dlnotes.masks import step_mask


def fast_rnn(
    input_shape,
    outputs,
    *,
    layer="qrnn",
    units=64,
    layers=1,
    window=2,
    return_sequences=False,
    dropout=0.0,
    mask_value=None,
    name="fast_rnn",
):
    """Builds a stack of QRNN or SRU layers, where an LSTM is too slow.

    For long sequences: letters, signals, whole documents. Matrix products are done for all steps at
    once, and what is left from step to step is done unit by unit. Short sequences gain little, and
    what has to be tracked exactly over many steps, such as whether a count is odd, is better left
    to an LSTM: see `dlnotes.layers.QRNN`.

    Padded steps change nothing: the mask is computed from the inputs and handed to every layer.

    Reference: Bradbury, Merity, Xiong, Socher, "Quasi-recurrent neural networks", 2017; Lei, Zhang,
    Wang, Dai, Artzi, "Simple recurrent units for highly parallelizable recurrence", 2018; notes
    001:205, 317-321, 002:803, 949-951.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        layer: `"qrnn"` or `"sru"`. Defaults to `"qrnn"`.
        units: Integer, width of each layer. Defaults to `64`.
        layers: Integer, number of layers. Defaults to `1`.
        window: Integer, steps that a gate of the first QRNN layer looks at; further layers look at
            one or two. SRU looks at one. Defaults to `2`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`). Defaults to `False`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"fast_rnn"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `layer` is neither of the two, `input_shape` has not two entries, or `layers`
            is below 1.

    Example:

    >>> from dlnotes.builders import fast_rnn
    >>> model = fast_rnn((None, 12), 9, layer="sru", units=16, layers=2, mask_value=0.0)
    >>> model.output_shape
    (None, 9)
    """
    check_at_least(1, layers=layers)
    if layer not in ("qrnn", "sru"):
        raise InputError(f"`layer` is {layer!r}, but must be 'qrnn' or 'sru'.")
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(200, 12), or (None, 12) for sequences of any length."
        )
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    x = inputs
    for number in range(1, layers + 1):
        options = {"return_sequences": number < layers or return_sequences}
        options["name"] = f"{layer}_{number}"
        if layer == "qrnn":
            recurrent = QRNN(units, window if number == 1 else min(window, 2), **options)
        else:
            recurrent = SRU(units, **options)
        x = recurrent(x, mask=mask)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def fast_rnn_space(hp):
    """The search space of `fast_rnn`: kind of layer, width, depth, window and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `fast_rnn`.
    """
    return {
        "layer": hp.Choice("layer", ["qrnn", "sru"]),
        "units": hp.Int("units", 16, 256, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "window": hp.Int("window", 1, 4),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
