"""Sparse probabilities: alpha-entmax, from softmax to sparsemax and beyond."""

from dlnotes._keras import keras
from dlnotes.errors import InputError

ops = keras.ops
BISECTIONS = 20


def entmax(scores, alpha=1.5, axis=-1):
    """Turns scores into probabilities of which the small ones are exactly zero.

    Between softmax (`alpha` towards 1), which never gives zero, and sparsemax (`alpha` 2): the
    larger `alpha`, the more zeros. It can be learned, for its gradient is exact as well: one value
    for all, or one for each head of an attention layer.

    The threshold below which everything is zero is found by bisection and one Newton step.
    Gradients go through the Newton step alone, which by the implicit function theorem is the exact
    gradient and costs no more than that of softmax. Everything is computed in float32 at least.

    Reference: Peters, Niculae, Martins, "Sparse sequence-to-sequence models", 2019, equation 8 and
    algorithm 1; Correia, Niculae, Martins, "Adaptively sparse transformers", 2019, proposition 1
    for the gradient with respect to `alpha`; notes 002:1509-1515.

    Args:
        scores: Tensor of floats. A score of `-1e9` or less is left out: its probability is zero.
        alpha: Float above 1, or a tensor of such floats whose shape broadcasts to that of `scores`
            with a 1 at `axis`. Defaults to `1.5`.
        axis: Integer, the axis over which probabilities sum to one. Defaults to `-1`.

    Returns:
        Tensor of the shape and type of `scores`.

    Raises:
        InputError: If `alpha` is a number that is not above 1.

    Example:

    >>> import numpy as np
    >>> from dlnotes.entmax import entmax
    >>> np.asarray(entmax(np.array([3.0, 1.0, 0.5, -1.0]), alpha=2))
    array([1., 0., 0., 0.])
    """
    if isinstance(alpha, int | float) and alpha <= 1:
        raise InputError(
            f"`alpha` is {alpha}, but must be above 1. For `alpha` 1 use `keras.ops.softmax`, "
            "which is its limit."
        )
    dtype = keras.backend.standardize_dtype(scores.dtype)
    scores = ops.cast(scores, "float64" if dtype == "float64" else "float32")
    sharpness = ops.cast(alpha, scores.dtype) - 1
    scaled = sharpness * (scores - ops.max(scores, axis=axis, keepdims=True))
    threshold = _bisection(ops.stop_gradient(scaled), ops.stop_gradient(sharpness), axis)

    above = ops.maximum(scaled - threshold, 0)
    excess = ops.sum(_power(above, 1 / sharpness), axis=axis, keepdims=True) - 1
    slope = ops.sum(_power(above, 1 / sharpness - 1), axis=axis, keepdims=True) / sharpness
    threshold = threshold + excess / ops.stop_gradient(slope)
    return ops.cast(_power(ops.maximum(scaled - threshold, 0), 1 / sharpness), dtype)


def _bisection(scaled, sharpness, axis):
    """The threshold at which the probabilities sum to one, to about a millionth."""
    lowest = -ops.ones_like(ops.max(scaled, axis=axis, keepdims=True))

    def halve(step, low):
        middle = low + 0.5 ** ops.cast(step + 1, low.dtype)
        total = ops.sum(_power(ops.maximum(scaled - middle, 0), 1 / sharpness), axis, keepdims=True)
        return ops.where(total >= 1, middle, low)

    return ops.fori_loop(0, BISECTIONS, halve, lowest)


def _power(base, exponent):
    """`base ** exponent`, zero with zero gradients where the base is zero."""
    positive = base > 0
    return ops.where(positive, ops.where(positive, base, 1) ** exponent, 0)
