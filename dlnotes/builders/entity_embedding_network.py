"""A network for tables that learns a vector for each level of each category."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.tables import NUMERIC, UNSEEN, embedding_name, embedding_sizes


@keras.saving.register_keras_serializable(package="dlnotes")
class RandomUnseen(keras.layers.Layer):
    """Replaces some codes by that of an unseen level, while training.

    No training row has an unseen level, so the vector of that code would stay as it was
    initialised. Here each level lends it a few rows: it learns what is best when nothing is known.
    Outside of training the codes pass through unchanged.

    Args:
        rate: Float in [0, 1), share of the codes to replace. Defaults to `0.02`.
        seed: Integer, for repeatable draws. Defaults to `None`.
        **kwargs: Passed on to `keras.layers.Layer`.

    Input shape:
        Any shape of integer codes, as `dlnotes.tables.EntityEncoder` makes them.

    Output shape:
        The same.

    Raises:
        InputError: If `rate` is out of its range.

    Example:

    >>> import numpy as np
    >>> from dlnotes.builders import RandomUnseen
    >>> codes = np.full((1000, 1), 7, dtype="int32")
    >>> layer = RandomUnseen(0.5, seed=0)
    >>> sorted(set(np.ravel(layer(codes, training=True)).tolist()))
    [1, 7]
    >>> bool(np.all(layer(codes) == codes))
    True
    """

    def __init__(self, rate=0.02, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise InputError(f"`rate` is {rate}, but must be at least 0 and below 1.")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, codes, training=False):
        if not training or not self.rate:
            return codes
        draws = keras.random.uniform(keras.ops.shape(codes), seed=self.seed_generator)
        return keras.ops.where(draws < self.rate, keras.ops.full_like(codes, UNSEEN), codes)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def entity_embedding_network(
    levels,
    numeric,
    outputs,
    *,
    sizes="fastai",
    units=128,
    layers=2,
    activation="relu",
    dropout=0.1,
    embedding_dropout=0.0,
    unseen_rate=0.02,
    name="entity_embedding_network",
):
    """Builds a network that embeds each category, joins them with the numbers and adds an MLP.

    For tables whose categories have many levels: each level becomes a point, and levels that act
    alike end up close. Its outputs are raw numbers: logits for a classifier (compile with
    `from_logits=True`), predictions for a regression. `dlnotes.tables.EntityEncoder` gives both
    the facts and the inputs, and `dlnotes.tables.embedding_tables` reads the learned vectors.

    Each category is an input of length 1. Its embedding has the shape `(batch, 1, size)` and is
    flattened; together the embeddings have `sum(levels * sizes)` parameters.

    Reference: Guo & Berkhahn 2016, https://arxiv.org/abs/1604.06737, section III; notes
    002:1284-1293.

    Args:
        levels: Dictionary of column to its number of codes, such as `EntityEncoder.code_counts_`.
        numeric: Integer, number of numeric features, such as `EntityEncoder.numeric_width_`. With
            `0` the model has no input `"numeric"`.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        sizes: Width of each embedding: `"fastai"`, `"half"` or `"fourth_root"` (see
            `dlnotes.tables.embedding_sizes`), or a dictionary of column to width. Defaults to
            `"fastai"`.
        units: Integer, width of each hidden layer. Defaults to `128`.
        layers: Integer, number of hidden layers. Defaults to `2`.
        activation: Name or function of the hidden activation. Defaults to `"relu"`.
        dropout: Float in [0, 1), share of units dropped after each hidden layer. Defaults to `0.1`.
        embedding_dropout: Float in [0, 1), share of the embeddings' features dropped. Defaults to
            `0.0`.
        unseen_rate: Float in [0, 1), share of the codes that count as unseen (code 1) while
            training, which gives that code a meaning. Set it to `0` for codes that are not those of
            an `EntityEncoder`. Defaults to `0.02`.
        name: String, name of the model. Defaults to `"entity_embedding_network"`.

    Input shape:
        Dictionary of each column to integer codes `(batch, 1)`, and of `"numeric"` to
        `(batch, numeric)`, as `EntityEncoder.inputs` makes it.

    Output shape:
        `(batch, outputs)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If a column cannot be the name of an input, or `sizes` does not fit.

    Example:

    >>> from dlnotes.builders import entity_embedding_network
    >>> model = entity_embedding_network({"weekday": 10, "carrier": 19}, 3, 1, sizes="half")
    >>> model.output_shape
    (None, 1)
    >>> tuple(model.get_layer("embedding_carrier").embeddings.shape)
    (19, 10)
    """
    check_at_least(0, numeric=numeric, layers=layers)
    least = UNSEEN + 1 if unseen_rate else 1
    check_at_least(least, **{f"levels[{column!r}]": count for column, count in levels.items()})
    _check_names(levels, numeric)
    inputs, features = {}, []
    for column, size in embedding_sizes(levels, sizes).items():
        inputs[column] = keras.Input((1,), dtype="int32", name=column)
        codes = RandomUnseen(unseen_rate)(inputs[column]) if unseen_rate else inputs[column]
        embedding = keras.layers.Embedding(levels[column], size, name=embedding_name(column))
        vector = keras.layers.Flatten()(embedding(codes))
        if embedding_dropout:
            vector = keras.layers.Dropout(embedding_dropout)(vector)
        features.append(vector)
    if numeric:
        inputs[NUMERIC] = keras.Input((numeric,), name=NUMERIC)
        features.append(inputs[NUMERIC])
    x = keras.layers.Concatenate()(features) if len(features) > 1 else features[0]
    for _ in range(layers):
        x = keras.layers.Dense(units, activation=activation)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _check_names(levels, numeric):
    if not levels and not numeric:
        raise InputError("`levels` is empty and `numeric` is 0: the network would have no input.")
    for column in levels:
        if not isinstance(column, str) or not column or "/" in column:
            raise InputError(
                f"`levels` has the column {column!r}, but a name must be a string without a slash: "
                "rename the column."
            )
    names = [*levels, *map(embedding_name, levels), NUMERIC, "outputs"]
    for column in levels:
        if names.count(column) > 1:
            raise InputError(
                f"`levels` has the column {column!r}, a name that the network uses itself: rename "
                "the column."
            )


def entity_embedding_network_space(hp):
    """The search space of `entity_embedding_network`: sizes, width, depth and both dropouts.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `entity_embedding_network`.
    """
    return {
        "sizes": hp.Choice("sizes", ["fastai", "half", "fourth_root"]),
        "units": hp.Int("units", 32, 512, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
        "embedding_dropout": hp.Float("embedding_dropout", 0.0, 0.5, step=0.1),
    }
