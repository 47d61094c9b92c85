"""A dense network with dropout before every weight layer, to be sampled with its dropout on."""

from dlnotes._keras import keras
from dlnotes.errors import InputError

KINDS = {
    "dropout": keras.layers.Dropout,
    "gaussian": keras.layers.GaussianDropout,
    "alpha": keras.layers.AlphaDropout,
}


def mc_dropout_network(
    input_shape,
    outputs,
    *,
    units=64,
    layers=2,
    activation="relu",
    dropout=0.2,
    input_dropout=None,
    kind="dropout",
    name="mc_dropout_network",
):
    """Builds a dense network whose dropout can be sampled for uncertainty.

    Dropout stands before every dense layer, the last one included, and never after it: there it
    would set predictions to zero. In `fit` and `predict` it behaves like any dropout; sample it
    with `dlnotes.uncertainty.mc_predict`. The outputs are raw numbers: logits for a classifier
    (compile with `from_logits=True`, sample with `activation="softmax"`), predictions for a
    regression.

    Reference: Gal and Ghahramani 2016, https://arxiv.org/abs/1506.02142, section 3 (dropout before
        every weight layer); notes 001:75-107, 002:640-678.

    Args:
        input_shape: Tuple of integers, the shape of one example without the batch axis. More than
            one axis is flattened.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        units: Integer, width of each hidden layer. Defaults to `64`.
        layers: Integer, number of hidden layers. Defaults to `2`.
        activation: Name or function of the hidden activation; `"selu"` goes with
            `kind="alpha"`. Defaults to `"relu"`.
        dropout: Float between 0 and 1, share of units dropped before each dense layer. For a
            regression 0.005 to 0.1 is usual, for a classification up to 0.5. Defaults to `0.2`.
        input_dropout: Float in [0, 1), share of inputs dropped. With a handful of inputs `0.0` is
            better: dropping one of them is no small disturbance. Defaults to `None`, the same as
            `dropout`.
        kind: `"dropout"` (units set to zero), `"gaussian"` (multiplied by noise around one) or
            `"alpha"` (keeps mean and variance, for `"selu"`). Defaults to `"dropout"`.
        name: String, name of the model. Defaults to `"mc_dropout_network"`.

    Input shape:
        `(batch, *input_shape)`.

    Output shape:
        `(batch, outputs)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If a rate or the kind is out of range.

    Example:

    >>> from dlnotes.builders import mc_dropout_network
    >>> model = mc_dropout_network((20,), 3, units=16)
    >>> model.output_shape
    (None, 3)
    """
    if kind not in KINDS:
        raise InputError(f"`kind` is {kind!r}, but must be one of {', '.join(KINDS)}.")
    if not 0 < dropout < 1:
        raise InputError(
            f"`dropout` is {dropout}, but must lie between 0 and 1: without dropout there is "
            "nothing to sample. `dlnotes.builders.mlp` builds the plain network."
        )
    if input_dropout is None:
        input_dropout = dropout
    if not 0 <= input_dropout < 1:
        raise InputError(f"`input_dropout` is {input_dropout}, but must be at least 0 and below 1.")
    inputs = keras.Input(input_shape, name="inputs")
    x = keras.layers.Flatten()(inputs) if len(input_shape) > 1 else inputs
    rate = input_dropout
    for _ in range(layers):
        x = KINDS[kind](rate)(x)
        x = keras.layers.Dense(units, activation=activation)(x)
        rate = dropout
    x = KINDS[kind](rate)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def mc_dropout_network_space(hp):
    """The search space of `mc_dropout_network`: width, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `mc_dropout_network`.
    """
    return {
        "units": hp.Int("units", 16, 256, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "dropout": hp.Float("dropout", 0.005, 0.5, sampling="log"),
    }
