"""A small Transformer whose heads may leave steps out altogether."""

from dlnotes._keras import keras
from dlnotes.builders._sequence_inputs import sequence_inputs
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.entmax_attention import EntmaxAttention
from dlnotes.layers.position_embedding import PositionEmbedding


def sparse_transformer(
    input_shape,
    outputs,
    *,
    vocabulary=None,
    return_sequences=False,
    alpha="learned",
    units=32,
    layers=1,
    num_heads=4,
    positions="sinusoidal",
    dropout=0.1,
    name="sparse_transformer",
):
    """Builds a stack of Transformer blocks with alpha-entmax attention, and a dense layer on top.

    With softmax every step gets some weight, which adds up over long sequences and blurs what one
    looks at. Here most weights are exactly zero, and by default every head learns how sparse it is.
    By default there is one output for each sequence, from the mean over its steps; with
    `return_sequences` there is one for each step.

    The layers `attention_1`, `attention_2`, ... tell what the heads look at, `output[1]`, and how
    sparse each of them is, `head_alphas()`; see the example.

    Padded steps change nothing: they are token 0, or a step whose features are all zero; nobody
    looks at them and they are left out of the mean.

    Reference: Correia, Niculae, Martins, "Adaptively sparse transformers", 2019; notes
    002:1509-1515.

    Args:
        input_shape: Tuple: (steps, features), or (steps,) for tokens. The steps may be `None`: any
            length.
        outputs: Integer, width of the output: number of classes or of regression targets.
        vocabulary: Integer, number of tokens, 0 for padding included; `None` where the inputs are
            features. Defaults to `None`.
        return_sequences: Boolean, whether there is one output per step. Defaults to `False`.
        alpha: `"learned"`, one for each head; or a float for all of them: 1 is softmax, 2 is
            sparsemax, and the larger, the more zeros. Defaults to `"learned"`.
        units: Integer, width of the blocks; the first of the two dense layers of a block is four
            times as wide. Defaults to `32`.
        layers: Integer, number of blocks. Defaults to `1`.
        num_heads: Integer, heads of each block; must divide `units`. Defaults to `4`.
        positions: How the order of the steps is known: `"sinusoidal"` vectors for any length, or
            `None`: not at all. Defaults to `"sinusoidal"`.
        dropout: Float in [0, 1), share dropped of the attention weights and of what each half of a
            block adds. Defaults to `0.1`.
        name: String, name of the model. Defaults to `"sparse_transformer"`.

    Input shape:
        `(batch, steps, features)`, or `(batch, steps)` for tokens.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` does not fit `vocabulary`, `num_heads` does not divide `units`,
            `alpha` or `positions` is none of the allowed values, or a size is below 1.

    Example:

    >>> from dlnotes.builders import sparse_transformer
    >>> import keras
    >>> model = sparse_transformer((None,), 3, vocabulary=50, units=16, num_heads=2)
    >>> attention = model.get_layer("attention_1")
    >>> attention.head_alphas().numpy()
    array([1.5, 1.5], dtype=float32)
    >>> keras.Model(model.input, attention.output[1]).output_shape
    (None, 2, None, None)
    """
    _check(alpha, units, layers, num_heads, positions)
    inputs, mask, x = sequence_inputs(input_shape, vocabulary, units)
    if positions is not None:
        x = PositionEmbedding(name="positions")(x)
    for number in range(1, layers + 1):
        y = keras.layers.LayerNormalization(name=f"attention_norm_{number}")(x)
        options = {"dropout": dropout, "name": f"attention_{number}"}
        if alpha == 1:
            attention = keras.layers.MultiHeadAttention(num_heads, units // num_heads, **options)
        else:
            attention = EntmaxAttention(num_heads, units // num_heads, alpha, **options)
        y, _ = attention(y, y, attention_mask=mask[:, None], return_attention_scores=True)
        x = x + keras.layers.Dropout(dropout)(y)
        y = keras.layers.LayerNormalization(name=f"dense_norm_{number}")(x)
        y = keras.layers.Dense(4 * units, "relu", name=f"expand_{number}")(y)
        y = keras.layers.Dense(units, name=f"shrink_{number}")(y)
        x = x + keras.layers.Dropout(dropout)(y)
    x = keras.layers.LayerNormalization(name="norm")(x)
    if not return_sequences:
        x = keras.layers.GlobalAveragePooling1D(name="mean")(x, mask=mask)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _check(alpha, units, layers, num_heads, positions):
    check_at_least(1, units=units, layers=layers, num_heads=num_heads)
    if alpha != "learned" and not (isinstance(alpha, int | float) and alpha >= 1):
        raise InputError(f"`alpha` is {alpha!r}, but must be 'learned' or a number of at least 1.")
    if units % num_heads:
        raise InputError(
            f"`num_heads` is {num_heads}, but must divide `units`, {units}: every head gets an "
            "equal share of them."
        )
    if positions not in ("sinusoidal", None):
        raise InputError(f"`positions` is {positions!r}, but must be 'sinusoidal' or None.")


def sparse_transformer_space(hp):
    """The search space of `sparse_transformer`: sparsity, width, depth, heads and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `sparse_transformer`.
    """
    learned = hp.Boolean("alpha_learned", default=True)
    return {
        "alpha": "learned" if learned else hp.Float("alpha", 1.0, 2.0, step=0.25, default=1.5),
        "units": hp.Int("units", 16, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 3),
        "num_heads": hp.Choice("num_heads", [1, 2, 4, 8]),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
