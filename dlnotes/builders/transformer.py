"""A small Transformer: classifies sequences, answers for every step, or predicts the next token."""

from dlnotes._keras import keras
from dlnotes.builders._sequence_inputs import sequence_inputs
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.position_embedding import PositionEmbedding
from dlnotes.layers.transformer_block import TransformerBlock

POSITIONS = ("learned", "sinusoidal", "relative", None)


def transformer(
    input_shape,
    outputs,
    *,
    vocabulary=None,
    return_sequences=False,
    causal=False,
    units=32,
    layers=1,
    num_heads=4,
    positions="sinusoidal",
    max_distance=16,
    dropout=0.1,
    name="transformer",
):
    """Builds a stack of Transformer blocks that normalise first, with a dense layer on top.

    Every step sees every other one in one hop, however far away, and all steps are computed at
    once, where an LSTM goes from one to the next. The price grows with the square of the length.

    By default there is one output for each sequence, from the mean over its steps. With
    `return_sequences` there is one for each step. With `causal` too, but no step sees later ones:
    for language models, whose targets are the next tokens.

    Padded steps change nothing: they are token 0, or a step whose features are all zero; nobody
    looks at them and they are left out of the mean. For targets per step give the loss weights that
    are zero there, such as `sample_weight=x != 0` or `dlnotes.masks.step_weights(x)`.

    Reference: Vaswani et al., "Attention is all you need", 2017; `positions="relative"`: Shaw,
    Uszkoreit, Vaswani, 2018; notes 002:1222-1230, 1446-1447, 1452, 1498.

    Args:
        input_shape: Tuple: (steps, features), or (steps,) for tokens. The steps may be `None`: any
            length.
        outputs: Integer, width of the output: number of classes, of regression targets or, for a
            language model, of tokens.
        vocabulary: Integer, number of tokens, 0 for padding included; `None` where the inputs are
            features. Defaults to `None`.
        return_sequences: Boolean, whether there is one output per step. Defaults to `False`.
        causal: Boolean, whether there is one output per step, which sees no later step. Defaults to
            `False`.
        units: Integer, width of the blocks; the first of the two dense layers of a block is four
            times as wide. Defaults to `32`.
        layers: Integer, number of blocks. Defaults to `1`.
        num_heads: Integer, heads of each block; must divide `units`. Defaults to `4`.
        positions: How the order of the steps is known: `"learned"` vectors for as many steps as
            `input_shape` says, `"sinusoidal"` ones for any length, `"relative"` distances in every
            block, or `None`: not at all. Defaults to `"sinusoidal"`.
        max_distance: Integer, distance beyond which relative ones are all the same. Defaults to
            `16`.
        dropout: Float in [0, 1), share dropped in the blocks. Defaults to `0.1`.
        name: String, name of the model. Defaults to `"transformer"`.

    Input shape:
        `(batch, steps, features)`, or `(batch, steps)` for tokens.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences` or `causal`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `positions` is none of the four, `input_shape` does not fit `vocabulary` or
            `positions`, `num_heads` does not divide `units`, or a size is below 1.

    Example:

    >>> from dlnotes.builders import transformer
    >>> model = transformer((None,), 500, vocabulary=500, causal=True, units=16, num_heads=2)
    >>> model.output_shape
    (None, None, 500)
    """
    check_at_least(1, layers=layers, units=units)
    inputs, mask, x = sequence_inputs(input_shape, vocabulary, units)
    _check_positions(positions, input_shape)
    if positions in ("learned", "sinusoidal"):
        longest = input_shape[0] if positions == "learned" else None
        x = PositionEmbedding(longest, name="positions")(x)
    for number in range(1, layers + 1):
        x = TransformerBlock(
            num_heads,
            4 * units,
            dropout=dropout,
            max_distance=max_distance if positions == "relative" else None,
            name=f"block_{number}",
        )(x, mask=mask, use_causal_mask=causal)
    x = keras.layers.LayerNormalization(name="norm")(x)
    if not (return_sequences or causal):
        x = keras.layers.GlobalAveragePooling1D(name="mean")(x, mask=mask)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _check_positions(positions, input_shape):
    if positions not in POSITIONS:
        raise InputError(
            f"`positions` is {positions!r}, but must be one of {', '.join(map(repr, POSITIONS))}."
        )
    if positions == "learned" and input_shape[0] is None:
        raise InputError(
            "`positions` is 'learned', which needs to know the longest sequence: give the steps in "
            "`input_shape`, or take 'sinusoidal' or 'relative' for any length."
        )


def transformer_space(hp):
    """The search space of `transformer`: width, depth, heads, positions and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `transformer`.
    """
    return {
        "units": hp.Int("units", 16, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "num_heads": hp.Choice("num_heads", [1, 2, 4, 8]),
        "positions": hp.Choice("positions", ["sinusoidal", "relative"]),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
