"""A network with several named inputs and several named outputs."""

from dlnotes._keras import keras
from dlnotes._names import did_you_mean, listing
from dlnotes.errors import InputError, check_at_least


def multi_io_network(
    inputs,
    outputs,
    *,
    shared=None,
    units=32,
    layers=1,
    trunk_units=64,
    trunk_layers=1,
    activation="relu",
    dropout=0.0,
    name="multi_io_network",
):
    """Builds a network that takes a dictionary of inputs and returns a dictionary of outputs.

    Every input has an extractor of its own, a stack of dense layers; inputs of the same kind can
    share one, which then has one set of weights and learns from all of them. What the extractors
    give is joined, goes through a trunk, and every output has a linear head on the trunk. The
    outputs are raw numbers: logits for a classifier (compile with `from_logits=True`), predictions
    for a regression. Compile with `dlnotes.outputs.compile_checked`.

    Reference: notes 002:438-440, 002:500-505, 001:247.

    Args:
        inputs: Dictionary of input name to shape, a tuple of integers without the batch axis. More
            than one axis is flattened.
        outputs: Dictionary of output name to width: number of classes, or of regression targets.
        shared: Dictionary of extractor name to a tuple of the inputs that share it, such as
            `{"weather": ("weather_before", "weather_now")}`. Their shapes must be equal. Defaults
            to none.
        units: Integer, width of each extractor layer. Defaults to `32`.
        layers: Integer, layers of an extractor. Defaults to `1`.
        trunk_units: Integer, width of each trunk layer. Defaults to `64`.
        trunk_layers: Integer, layers of the trunk. Defaults to `1`.
        activation: Name or function of the hidden activation. Defaults to `"relu"`.
        dropout: Float in [0, 1), share of units dropped after each hidden layer. Defaults to `0.0`.
        name: String, name of the model. Defaults to `"multi_io_network"`.

    Input shape:
        Dictionary of `(batch, *shape)`.

    Output shape:
        Dictionary of `(batch, width)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If there is no input or output, a name is used twice, or `shared` names no
            input, one input twice, or inputs of different shapes.

    Example:

    >>> from dlnotes.builders import multi_io_network
    >>> model = multi_io_network(
    ...     {"weather_before": (4,), "weather_now": (4,), "plane": (2,)},
    ...     {"delay": 1, "late": 1},
    ...     shared={"weather": ("weather_before", "weather_now")},
    ... )
    >>> sorted(model.output)
    ['delay', 'late']
    >>> model.get_layer("weather").count_params()
    160
    """
    _check_names(inputs, outputs)
    check_at_least(1, **{f"outputs[{output!r}]": width for output, width in outputs.items()})
    extractor_of = _extractors(inputs, outputs, shared or {})

    def hidden(units, layers):
        for _ in range(layers):
            yield keras.layers.Dense(units, activation=activation)
            if dropout:
                yield keras.layers.Dropout(dropout)

    extractors = {
        extractor: keras.Sequential(
            [keras.layers.Flatten(), *hidden(units, layers)], name=extractor
        )
        for extractor in dict.fromkeys(extractor_of.values())
    }
    tensors = {key: keras.Input(shape, name=key) for key, shape in inputs.items()}
    features = [extractors[extractor_of[key]](tensor) for key, tensor in tensors.items()]
    x = keras.layers.Concatenate(name="joined")(features) if len(features) > 1 else features[0]
    for layer in hidden(trunk_units, trunk_layers):
        x = layer(x)
    heads = {key: keras.layers.Dense(width, name=key)(x) for key, width in outputs.items()}
    return keras.Model(tensors, heads, name=name)


def multi_io_network_space(hp):
    """The search space of `multi_io_network`: width and depth of extractors and trunk, dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `multi_io_network`.
    """
    return {
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "trunk_units": hp.Int("trunk_units", 16, 256, step=2, sampling="log"),
        "trunk_layers": hp.Int("trunk_layers", 1, 3),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }


def _check_names(inputs, outputs):
    for argument, value in (("inputs", inputs), ("outputs", outputs)):
        if not isinstance(value, dict) or not value:
            kind = "shape" if argument == "inputs" else "width"
            raise InputError(f"`{argument}` is {value!r}, but must be a dictionary name: {kind}.")
    for both in inputs.keys() & outputs.keys():
        raise InputError(f"`outputs` names {both!r}, which is an input too. Give it another name.")


def _extractors(inputs, outputs, shared):
    """The name of the extractor of every input."""
    extractor_of = {}
    for group, members in shared.items():
        if group in inputs or group in outputs:
            raise InputError(
                f"`shared` calls an extractor {group!r}, as an input or output is called. Give it "
                "another name."
            )
        if isinstance(members, str) or not len(members):
            raise InputError(f"`shared`: {group!r} must be a tuple of input names.")
        for member in members:
            if member not in inputs:
                raise InputError(
                    f"`shared`: {group!r} names {member!r}.{did_you_mean(member, inputs)} "
                    f"The inputs are {listing(inputs)}."
                )
            if member in extractor_of:
                raise InputError(f"`shared` names the input {member!r} twice.")
            if tuple(inputs[member]) != tuple(inputs[members[0]]):
                raise InputError(
                    f"`shared`: {group!r} joins inputs of different shapes, {members[0]!r} with "
                    f"{tuple(inputs[members[0]])} and {member!r} with {tuple(inputs[member])}."
                )
            extractor_of[member] = group
    return {key: extractor_of.get(key, f"{key}_extractor") for key in inputs}
