"""What the attention heads of a trained Transformer look at."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.layers.transformer_block import TransformerBlock


def attention_scores(model, x, batch_size=None):
    """Returns the attention weights of every head of a model, as it answers.

    The model is left as it is. Weights on padded steps are zero; rows of padded steps mean nothing.

    Reference: notes 002:1493-1495, 1561-1563.

    Args:
        model: Functional model with `dlnotes.layers.TransformerBlock` layers, such as
            `dlnotes.builders.transformer` returns.
        x: Inputs of the model, arrays.
        batch_size: Integer. Defaults to what `predict` takes.

    Returns:
        List with one array for each block, in the order in which they are called, of shape
        `(rows, heads, steps, steps)`: how much the step of the third axis looks at that of the
        fourth. What a step gives out sums to one.

    Raises:
        InputError: If the model has no such block.

    Example:

    >>> from dlnotes.attention import attention_scores
    >>> from dlnotes.builders import transformer
    >>> import numpy as np
    >>> model = transformer((None,), 9, vocabulary=9, causal=True, units=8, num_heads=2)
    >>> (scores,) = attention_scores(model, np.array([[3, 5, 1]]))
    >>> scores.shape, bool(scores[0, :, 0, 1:].any())
    ((1, 2, 3, 3), False)
    """
    blocks, scores = [], []

    def clone(layer):
        return type(layer).from_config(layer.get_config()) if _is_block(layer) else layer

    def call(layer, *arguments, **options):
        if not _is_block(layer):
            return layer(*arguments, **options)
        outputs, weights = layer(*arguments, **options | {"return_attention_scores": True})
        blocks.append(layer)
        scores.append(weights)
        return outputs

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    if not scores:
        raise InputError(
            f"`model` {model.name!r} has no `TransformerBlock` whose attention could be told. "
            "Attention of other layers is returned by `return_attention_scores=True` in the call."
        )
    for block in blocks:
        block.set_weights(model.get_layer(block.name).get_weights())
    found = keras.Model(copy.inputs, scores).predict(x, batch_size=batch_size, verbose=0)
    return found if isinstance(found, list) else [found]


def _is_block(layer):
    return isinstance(layer, TransformerBlock)
