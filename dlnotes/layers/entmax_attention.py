"""Multi-head attention whose heads learn how sparse they are."""

from dlnotes._keras import keras
from dlnotes.entmax import entmax
from dlnotes.errors import InputError

ops = keras.ops
LEFT_OUT = -1e9


@keras.saving.register_keras_serializable(package="dlnotes")
class EntmaxAttention(keras.layers.MultiHeadAttention):
    """Multi-head attention with alpha-entmax in the place of softmax: weights may be exactly zero.

    With softmax every step gets some weight, however far from the point. Here each head looks at a
    few steps and at nothing else, and with `alpha="learned"` each head learns how many: `alpha` is
    a weight of its own between 1 (softmax) and 2 (sparsemax), which starts at 1.5. It is used like
    `keras.layers.MultiHeadAttention`, whose masks, projections and dropout it keeps.

    Reference: Correia, Niculae, Martins, "Adaptively sparse transformers", 2019, equations 5 to 7
    and section 3.2; notes 002:1509-1515.

    Args:
        num_heads: Integer, number of heads.
        key_dim: Integer, width of the queries and keys of a head.
        alpha: `"learned"`, one for each head; or a float above 1 for all of them. Defaults to
            `"learned"`.
        **kwargs: Arguments of `keras.layers.MultiHeadAttention`.

    Call arguments:
        query: Tensor of shape `(batch, target steps, features)`.
        value: Tensor of shape `(batch, source steps, features)`.
        value_mask: Boolean tensor of shape `(batch, source steps)`, false where a step is padding.
        attention_mask: Boolean tensor of shape `(batch, target steps, source steps)`.
        return_attention_scores: Boolean, whether the weights are returned too, of shape
            `(batch, heads, target steps, source steps)`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, target steps, features)`.

    Raises:
        InputError: If `alpha` is neither `"learned"` nor a number above 1, or an input has not
            three axes.

    Example:

    >>> import keras
    >>> from dlnotes.layers import EntmaxAttention
    >>> words = keras.random.normal((2, 5, 8))
    >>> outputs, weights = EntmaxAttention(num_heads=2, key_dim=4)(
    ...     words, words, return_attention_scores=True)
    >>> outputs.shape, weights.shape
    (TensorShape([2, 5, 8]), TensorShape([2, 2, 5, 5]))
    """

    def __init__(self, num_heads, key_dim, alpha="learned", **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        if alpha != "learned" and not (isinstance(alpha, int | float) and alpha > 1):
            raise InputError(f"`alpha` is {alpha!r}, but must be 'learned' or a number above 1.")
        self.alpha = alpha

    def build(self, query_shape, value_shape, key_shape=None):
        for name, shape in {"query": query_shape, "value": value_shape}.items():
            if len(shape) != 3:
                raise InputError(
                    f"`{name}` has shape {tuple(shape)}, but must be (batch, steps, features)."
                )
        super().build(query_shape, value_shape, key_shape)
        if self.alpha == "learned":
            self.sparsity = self.add_weight(
                shape=(self.num_heads, 1, 1), initializer="zeros", name="sparsity"
            )

    def head_alphas(self):
        """The `alpha` of each head, as a tensor of shape `(heads,)`."""
        if self.alpha == "learned":
            return 1 + ops.sigmoid(ops.cast(self.sparsity, "float32"))[:, 0, 0]
        return ops.full((self.num_heads,), self.alpha, dtype="float32")

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
    ):
        scores = ops.einsum("btnh,bsnh->bnts", query, key)
        scores = ops.cast(scores, "float32") / self.key_dim**0.5
        if attention_mask is not None:
            scores = ops.where(ops.expand_dims(attention_mask, 1), scores, LEFT_OUT)
        weights = entmax(scores, self.head_alphas()[:, None, None])
        weights = ops.cast(weights, value.dtype)
        kept = self._dropout_layer(weights, training=training)
        return ops.einsum("bnts,bsnh->btnh", kept, value), weights

    def get_config(self):
        return super().get_config() | {"alpha": self.alpha}
