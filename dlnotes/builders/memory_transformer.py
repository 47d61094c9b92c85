"""A small Transformer with a large memory that is read by keys."""

from dlnotes._keras import keras
from dlnotes.builders._sequence_inputs import sequence_inputs
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.position_embedding import PositionEmbedding
from dlnotes.layers.product_key_memory import ProductKeyMemory
from dlnotes.layers.transformer_block import TransformerBlock


def memory_transformer(
    input_shape,
    outputs,
    *,
    vocabulary=None,
    units=32,
    layers=2,
    num_heads=4,
    keys=32,
    memory_heads=4,
    top_k=8,
    dropout=0.1,
    name="memory_transformer",
):
    """Builds Transformer blocks and, before the last of them, a memory of `keys * keys` values.

    For what has to be known by heart, such as facts about many things: the blocks put together what
    is asked for, the memory looks it up. Only the values that are read are touched, so a memory
    with many more weights than the blocks costs about as much as one of them. There is one output
    for each sequence, from the mean over its steps.

    The layer `memory` tells which values were read: call it with `return_places=True`.

    Padded steps change nothing: they are token 0, or a step whose features are all zero; nobody
    looks at them and they are left out of the mean.

    Reference: Lample et al., "Large memory layers with product keys", 2019; notes 002:1508.

    Args:
        input_shape: Tuple: (steps, features), or (steps,) for tokens. The steps may be `None`: any
            length.
        outputs: Integer, width of the output: number of classes or of regression targets.
        vocabulary: Integer, number of tokens, 0 for padding included; `None` where the inputs are
            features. Defaults to `None`.
        units: Integer, width of the blocks and of the values, even; the first of the two dense
            layers of a block is four times as wide. Defaults to `32`.
        layers: Integer, number of blocks. Defaults to `2`.
        num_heads: Integer, attention heads of each block; must divide `units`. Defaults to `4`.
        keys: Integer, half keys in each of the two tables of the memory, which has `keys * keys`
            values. Defaults to `32`.
        memory_heads: Integer, queries of each step to the memory. Defaults to `4`.
        top_k: Integer, values that a query reads, at most `keys`. Defaults to `8`.
        dropout: Float in [0, 1), share dropped in the blocks. Defaults to `0.1`.
        name: String, name of the model. Defaults to `"memory_transformer"`.

    Input shape:
        `(batch, steps, features)`, or `(batch, steps)` for tokens.

    Output shape:
        `(batch, outputs)`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` does not fit `vocabulary`, `units` is odd, `num_heads` does not
            divide `units`, `top_k` is above `keys`, or a size is below 1.

    Example:

    >>> from dlnotes.builders import memory_transformer
    >>> model = memory_transformer((6,), 16, vocabulary=100, keys=64)
    >>> tuple(model.get_layer("memory").values.shape)
    (4096, 32)
    """
    check_at_least(1, units=units, layers=layers)
    if units % 2:
        raise InputError(
            f"`units` is {units}, but must be even: a key of the memory has two halves."
        )
    inputs, mask, x = sequence_inputs(input_shape, vocabulary, units)
    x = PositionEmbedding(name="positions")(x)
    for number in range(1, layers + 1):
        if number == layers:
            y = keras.layers.LayerNormalization(name="memory_norm")(x)
            x = x + ProductKeyMemory(units, keys, units, memory_heads, top_k, name="memory")(y)
        block = TransformerBlock(num_heads, 4 * units, dropout=dropout, name=f"block_{number}")
        x = block(x, mask=mask)
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x, mask=mask)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def memory_transformer_space(hp):
    """The search space of `memory_transformer`: width, depth, memory, how it is read, dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `memory_transformer`.
    """
    return {
        "units": hp.Int("units", 16, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "keys": hp.Int("keys", 16, 128, step=2, sampling="log"),
        "memory_heads": hp.Choice("memory_heads", [1, 2, 4]),
        "top_k": hp.Choice("top_k", [4, 8, 16]),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
