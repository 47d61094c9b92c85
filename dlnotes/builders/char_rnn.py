"""A recurrent network that predicts the next character."""

from dlnotes._keras import keras
from dlnotes.builders.stacked_rnn import CELLS
from dlnotes.errors import InputError, check_at_least


def char_rnn(
    vocabulary,
    *,
    cell="lstm",
    units=128,
    layers=1,
    embedding=32,
    dropout=0.0,
    name="char_rnn",
):
    """Builds a language model: at each step it predicts the token that comes next.

    For text as a stream of characters, or any stream of tokens: the targets are the inputs, one
    step later. The loss, divided by `log(2)`, is the number of bits that each character costs. The
    model keeps no state between batches; `dlnotes.recurrent.rebatch(model, 1, stateful=True)` gives
    the same network as one that does, and `dlnotes.generation.generate` writes with it.

    There is no mask: cut streams into windows of equal length.

    Reference: Graves, "Generating sequences with recurrent neural networks", 2013,
    https://arxiv.org/abs/1308.0850, section 3; notes 000:56-58, 001:197, 002:55.

    Args:
        vocabulary: Integer, number of tokens.
        cell: `"lstm"`, `"gru"` or `"simple_rnn"`. Defaults to `"lstm"`.
        units: Integer, width of each recurrent layer. Defaults to `128`.
        layers: Integer, number of recurrent layers. Defaults to `1`.
        embedding: Integer, width of the vectors of the tokens. Defaults to `32`.
        dropout: Float in [0, 1), share of units dropped after each recurrent layer. Defaults to
            `0.0`.
        name: String, name of the model. Defaults to `"char_rnn"`.

    Input shape:
        `(batch, steps)`, integers from 0 to `vocabulary - 1`.

    Output shape:
        `(batch, steps, vocabulary)`: logits of the next token, after each step.

    Returns:
        An uncompiled functional `keras.Model` whose recurrent layers are called `rnn_1`, `rnn_2`,
        ...

    Raises:
        InputError: If `cell` is none of the three, `vocabulary` is below 2 or a width below 1.

    Example:

    >>> from dlnotes.builders import char_rnn
    >>> char_rnn(96, units=64, layers=2).output_shape
    (None, None, 96)
    """
    check_at_least(2, vocabulary=vocabulary)
    check_at_least(1, units=units, layers=layers, embedding=embedding)
    if cell not in CELLS:
        raise InputError(f"`cell` is {cell!r}, but must be one of {', '.join(map(repr, CELLS))}.")
    layer = getattr(keras.layers, CELLS[cell])
    inputs = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(vocabulary, embedding, name="vectors")(inputs)
    for number in range(1, layers + 1):
        x = layer(units, return_sequences=True, name=f"rnn_{number}")(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(vocabulary, name="next")(x), name=name)


def char_rnn_space(hp):
    """The search space of `char_rnn`: cell, widths, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `char_rnn`.
    """
    return {
        "cell": hp.Choice("cell", list(CELLS)),
        "units": hp.Int("units", 32, 256, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "embedding": hp.Int("embedding", 16, 64, step=2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
