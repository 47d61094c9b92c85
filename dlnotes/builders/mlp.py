"""A stack of dense layers: the plain network that every other one is compared with."""

from dlnotes._keras import keras


def mlp(
    input_shape,
    outputs,
    *,
    units=64,
    layers=2,
    activation="relu",
    dropout=0.0,
    normalise=False,
    name="mlp",
):
    """Builds a multi-layer perceptron.

    The plain network for tables and flattened inputs, and the baseline for everything else. Its
    outputs are raw numbers: logits for a classifier (compile with `from_logits=True`), predictions
    for a regression.

    Reference: notes 002:8, 002:480.

    Args:
        input_shape: Tuple of integers, the shape of one example without the batch axis. More than
            one axis is flattened.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        units: Integer, width of each hidden layer. Defaults to `64`.
        layers: Integer, number of hidden layers. Defaults to `2`.
        activation: Name or function of the hidden activation. Defaults to `"relu"`.
        dropout: Float in [0, 1), share of units dropped after each hidden layer. Defaults to `0.0`.
        normalise: Boolean, whether batch normalisation follows each hidden activation. Defaults
            to `False`.
        name: String, name of the model. Defaults to `"mlp"`.

    Input shape:
        `(batch, *input_shape)`.

    Output shape:
        `(batch, outputs)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Example:

    >>> from dlnotes.builders import mlp
    >>> model = mlp((20,), 3, units=16)
    >>> model.output_shape
    (None, 3)
    """
    inputs = keras.Input(input_shape, name="inputs")
    x = keras.layers.Flatten()(inputs) if len(input_shape) > 1 else inputs
    for _ in range(layers):
        x = keras.layers.Dense(units, activation=activation)(x)
        if normalise:
            x = keras.layers.BatchNormalization()(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def mlp_space(hp):
    """The search space of `mlp`: width, depth, dropout and normalisation.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `mlp`.
    """
    return {
        "units": hp.Int("units", 16, 256, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
        "normalise": hp.Boolean("normalise"),
    }
