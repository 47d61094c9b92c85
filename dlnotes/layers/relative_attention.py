"""Multi-head self-attention that knows how far apart two steps are."""

from dlnotes._keras import keras
from dlnotes.errors import check_at_least


@keras.saving.register_keras_serializable(package="dlnotes")
class RelativeAttention(keras.layers.Layer):
    """Multi-head self-attention with learned vectors for clipped distances between steps.

    In place of positions that are added to the inputs, every pair of steps has its distance: one
    vector that is added to the key, and one that is added to the value, the same ones for all
    heads. Distances beyond `max_distance` count as `max_distance`, before and behind apart, so
    there are `2 * max_distance + 1` vectors of each kind and sequences may be of any length,
    longer ones than in training included. `keras.layers.MultiHeadAttention` knows no distances.

    No vector is made for each pair: queries meet the vectors of all distances once, and a shift of
    rows turns distances into steps and back. What it gives is what the sums of the paper give.

    Reference: Shaw, Uszkoreit, Vaswani, "Self-attention with relative position representations",
    2018, equations 3 to 5; the shift: Huang et al., "Music Transformer", 2018, section 3.4.1;
    notes 002:1223-1230, 1487.

    Args:
        num_heads: Integer, number of heads.
        key_dim: Integer, width of the queries, keys and values of a head.
        max_distance: Integer, distance beyond which all steps are equally far, at least 0.
        dropout: Float in [0, 1), share of the attention weights dropped in training. Defaults to
            `0.0`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, steps, features)`.
        attention_mask: Boolean tensor of shape `(batch, steps, steps)`, or one that broadcasts to
            it: which steps (last axis) each step may look at. For padding pass
            `mask[:, None, :]`. Optional.
        use_causal_mask: Boolean, whether no step may look at later ones. Defaults to `False`.
        return_attention_scores: Boolean, whether the attention weights are returned too. Defaults
            to `False`.
        training: Boolean, whether weights are dropped.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        The same; with `return_attention_scores` also `(batch, num_heads, steps, steps)`.

    Raises:
        InputError: If a size is below its minimum.

    Example:

    >>> import numpy as np
    >>> from dlnotes.layers import RelativeAttention
    >>> attention = RelativeAttention(num_heads=2, key_dim=8, max_distance=4)
    >>> x = np.ones((3, 10, 16), "float32")
    >>> outputs, scores = attention(x, use_causal_mask=True, return_attention_scores=True)
    >>> outputs.shape, scores.shape
    (TensorShape([3, 10, 16]), TensorShape([3, 2, 10, 10]))
    """

    def __init__(self, num_heads, key_dim, max_distance, dropout=0.0, **kwargs):
        check_at_least(1, num_heads=num_heads, key_dim=key_dim)
        check_at_least(0, max_distance=max_distance)
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.max_distance = max_distance
        self.dropout = dropout
        self.supports_masking = True

    def build(self, input_shape):
        heads, features = (None, self.num_heads, self.key_dim), input_shape[-1]

        def dense(equation, shape, bias_axes, name):
            layer = keras.layers.EinsumDense(
                equation, shape, bias_axes=bias_axes, name=name, dtype=self.dtype_policy
            )
            layer.supports_masking = True  # it acts on each step alone
            layer.build(input_shape if name != "output" else (*input_shape[:2], *heads[1:]))
            return layer

        self.query_dense = dense("bif,fhd->bihd", heads, "hd", "query")
        self.key_dense = dense("bif,fhd->bihd", heads, "hd", "key")
        self.value_dense = dense("bif,fhd->bihd", heads, "hd", "value")
        self.output_dense = dense("bihd,hdf->bif", (None, features), "f", "output")
        table = (2 * self.max_distance + 1, self.key_dim)
        self.key_distances = self.add_weight(table, "glorot_uniform", name="key_distances")
        self.value_distances = self.add_weight(table, "glorot_uniform", name="value_distances")
        self.softmax = keras.layers.Softmax(dtype=self.dtype_policy)
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def call(
        self,
        inputs,
        attention_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=None,
    ):
        steps = keras.ops.shape(inputs)[1]
        distances = keras.ops.clip(
            keras.ops.arange(1 - steps, steps), -self.max_distance, self.max_distance
        )
        rows = distances + self.max_distance
        to_keys = keras.ops.take(self.key_distances, rows, axis=0)
        to_values = keras.ops.take(self.value_distances, rows, axis=0)

        query = self.query_dense(inputs) * self.key_dim**-0.5
        logits = keras.ops.einsum("bihd,bjhd->bhij", query, self.key_dense(inputs))
        logits += _distances_to_steps(keras.ops.einsum("bihd,rd->bhir", query, to_keys))
        mask = _together(attention_mask, use_causal_mask, steps)
        scores = self.softmax(logits, mask=mask)

        weights = self.drop(scores, training=training)
        context = keras.ops.einsum("bhij,bjhd->bihd", weights, self.value_dense(inputs))
        context += keras.ops.einsum("bhir,rd->bihd", _steps_to_distances(weights), to_values)
        outputs = self.output_dense(context)
        return (outputs, scores) if return_attention_scores else outputs

    def compute_output_spec(
        self,
        inputs,
        attention_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=None,
    ):
        return spec(inputs, self.num_heads, return_attention_scores, self.compute_dtype)

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "max_distance": self.max_distance,
            "dropout": self.dropout,
        }


def spec(inputs, num_heads, return_attention_scores, dtype):
    """The shapes of what self-attention returns, known before it is computed."""
    outputs = keras.KerasTensor(inputs.shape, dtype)
    if not return_attention_scores:
        return outputs
    batch, steps, _ = inputs.shape
    return outputs, keras.KerasTensor((batch, num_heads, steps, steps), dtype)


def _together(attention_mask, use_causal_mask, steps):
    """One mask of shape (batch, 1, steps, steps), or nothing."""
    mask = None if attention_mask is None else keras.ops.cast(attention_mask, "bool")[:, None]
    if not use_causal_mask:
        return mask
    place = keras.ops.arange(steps)
    past = (place[:, None] >= place)[None, None]
    return past if mask is None else keras.ops.logical_and(mask, past)


def _distances_to_steps(x):
    """From (.., i, distance j - i) to (.., i, j): each row starts one column further left."""
    batch, heads, steps, _ = keras.ops.shape(x)
    flat = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1)))
    flat = keras.ops.reshape(flat, (batch, heads, 2 * steps * steps))
    flat = flat[:, :, steps - 1 : steps - 1 + steps * (2 * steps - 1)]
    return keras.ops.reshape(flat, (batch, heads, steps, 2 * steps - 1))[..., :steps]


def _steps_to_distances(x):
    """The way back, from (.., i, j) to (.., i, distance j - i): zero where there is no such j."""
    batch, heads, steps, _ = keras.ops.shape(x)
    flat = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, steps - 1)))
    flat = keras.ops.reshape(flat, (batch, heads, steps * (2 * steps - 1)))
    flat = keras.ops.pad(flat, ((0, 0), (0, 0), (steps - 1, 1)))
    return keras.ops.reshape(flat, (batch, heads, steps, 2 * steps))[..., :-1]
