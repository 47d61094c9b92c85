"""A learned query that decides which steps of a sequence make up its summary."""

from dlnotes._keras import keras
from dlnotes.errors import check_at_least

ops = keras.ops


@keras.saving.register_keras_serializable(package="dlnotes")
class AttentionPooling(keras.layers.Layer):
    """Turns a sequence into one vector: the mean of its steps, weighed by what they say.

    Each step gets a score, `query . tanh(W step + b)`, the softmax of the scores over the real
    steps gives the weights, and the weighted sum of the steps is the output. There is one query,
    learned, the same for all sequences: what is asked is always "is this step of importance for the
    task?". (`keras.layers.AdditiveAttention` needs a query from outside, one for each sequence.)

    Padded steps have a weight of exactly zero, whatever they hold. A sequence without any real step
    has weights of zero throughout and gives a vector of zeros, not NaN. The softmax is computed in
    float32 under mixed precision too.

    Reference: [Yang et al. 2016](https://aclanthology.org/N16-1174), equations 5 to 7;
    [Raffel, Ellis 2015](https://arxiv.org/abs/1512.08756), equation 1 of section 1.1; notes
    002:1464, 1476-1478, 1486.

    Args:
        units: Integer, width of the hidden representation from which the scores are made. Defaults
            to `None`: as many as the steps have features.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, steps, features)`.
        mask: Boolean tensor of shape `(batch, steps)`, false for padded steps. Optional.
        return_attention_scores: Boolean, whether to return the weights too. Defaults to `False`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, features)`; with `return_attention_scores` a pair with the weights, of shape
        `(batch, steps)`.

    Raises:
        InputError: If `units` is below 1.

    Example:

    >>> import numpy as np
    >>> from dlnotes.layers import AttentionPooling
    >>> steps = np.random.default_rng(0).normal(size=(1, 3, 4))
    >>> mask = np.array([[True, True, False]])
    >>> vector, weights = AttentionPooling()(steps, mask=mask, return_attention_scores=True)
    >>> tuple(vector.shape), float(weights[0, 2])
    ((1, 4), 0.0)
    """

    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_at_least(1, units=units)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        units = self.units or input_shape[-1]
        self.kernel = self.add_weight(shape=(input_shape[-1], units), name="kernel")
        self.bias = self.add_weight(shape=(units,), initializer="zeros", name="bias")
        self.query = self.add_weight(shape=(units, 1), name="query")

    def call(self, inputs, mask=None, return_attention_scores=False):
        hidden = ops.tanh(ops.matmul(inputs, self.kernel) + self.bias)
        scores = ops.cast(ops.matmul(hidden, self.query)[..., 0], "float32")
        if mask is not None:
            scores = ops.where(mask, scores, -1e9)
        weights = ops.softmax(scores, axis=-1)
        if mask is not None:
            weights = ops.where(mask, weights, 0.0)
        weights = ops.cast(weights, self.compute_dtype)
        steps = inputs if mask is None else ops.where(mask[..., None], inputs, 0)
        pooled = ops.sum(weights[..., None] * steps, axis=1)
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        return super().get_config() | {"units": self.units}
