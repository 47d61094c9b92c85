"""One block of a Transformer: attention, then two dense layers, each with a way around it."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.relative_attention import RelativeAttention, spec


@keras.saving.register_keras_serializable(package="dlnotes")
class TransformerBlock(keras.layers.Layer):
    """Self-attention and a small network for every step, with residuals and normalisation.

    For sequences that are to be read all at once. With `normalize_first` what goes into each half
    is normalised and the sum is left alone, which trains without a warm-up of the learning rate;
    normalise once more after the last block. Otherwise the sum is normalised, as in the paper of
    2017. The block itself does not know the order of the steps: add
    `dlnotes.layers.PositionEmbedding` before the first one, or give `max_distance`.

    Reference: Vaswani et al., "Attention is all you need", 2017, section 3; the order of
    normalisation: Xiong et al., "On layer normalization in the Transformer architecture", 2020;
    notes 002:1222, 1446-1447, 1452.

    Args:
        num_heads: Integer, number of heads. Must divide the number of features.
        intermediate_dim: Integer, width of the first of the two dense layers.
        dropout: Float in [0, 1), share dropped of the attention weights and of what each half adds.
            Defaults to `0.0`.
        activation: Activation of the first dense layer. Defaults to `"relu"`.
        normalize_first: Boolean, whether each half normalises its input (`True`) or the sum with it
            (`False`). Defaults to `True`.
        max_distance: Integer, clip distance of `dlnotes.layers.RelativeAttention`, or `None` for
            `keras.layers.MultiHeadAttention`, which knows no distances. Defaults to `None`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, steps, features)`.
        mask: Boolean tensor of shape `(batch, steps)`, false on padded steps: nobody looks at them.
            Optional.
        use_causal_mask: Boolean, whether no step may look at later ones. Defaults to `False`.
        return_attention_scores: Boolean, whether the attention weights are returned too. Defaults
            to `False`.
        training: Boolean, whether anything is dropped.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        The same; with `return_attention_scores` also `(batch, num_heads, steps, steps)`.

    Raises:
        InputError: If `num_heads` does not divide the features, or a size is below 1.

    Example:

    >>> import keras
    >>> from dlnotes.layers import TransformerBlock
    >>> words = keras.Input((None,), dtype="int32")
    >>> x = keras.layers.Embedding(1000, 32)(words)
    >>> x = TransformerBlock(num_heads=4, intermediate_dim=64)(x, mask=words != 0)
    >>> x.shape
    (None, None, 32)
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        dropout=0.0,
        activation="relu",
        normalize_first=True,
        max_distance=None,
        **kwargs,
    ):
        check_at_least(1, num_heads=num_heads, intermediate_dim=intermediate_dim)
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.normalize_first = normalize_first
        self.max_distance = max_distance
        self.supports_masking = True

    def build(self, input_shape):
        features = input_shape[-1]
        key_dim, rest = divmod(features, self.num_heads)
        if rest:
            raise InputError(
                f"`num_heads` is {self.num_heads}, but must divide the number of features, "
                f"{features}: every head gets an equal share of them."
            )
        options = {"dtype": self.dtype_policy}
        if self.max_distance is None:
            self.attention = keras.layers.MultiHeadAttention(
                self.num_heads, key_dim, dropout=self.dropout, name="attention", **options
            )
            self.attention.build(input_shape, input_shape)
        else:
            self.attention = RelativeAttention(
                self.num_heads,
                key_dim,
                self.max_distance,
                dropout=self.dropout,
                name="attention",
                **options,
            )
            self.attention.build(input_shape)
        self.first_norm = keras.layers.LayerNormalization(name="first_norm", **options)
        self.second_norm = keras.layers.LayerNormalization(name="second_norm", **options)
        self.expand = keras.layers.Dense(
            self.intermediate_dim, self.activation, name="expand", **options
        )
        self.shrink = keras.layers.Dense(features, name="shrink", **options)
        self.drop = keras.layers.Dropout(self.dropout, **options)
        for layer in (self.first_norm, self.second_norm, self.expand):
            layer.build(input_shape)
        self.shrink.build((*input_shape[:-1], self.intermediate_dim))

    def call(
        self,
        inputs,
        mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=None,
    ):
        def attend(x):
            several = (x,) if self.max_distance is not None else (x, x)
            return self.attention(
                *several,
                attention_mask=None if mask is None else mask[:, None, :],
                use_causal_mask=use_causal_mask,
                return_attention_scores=return_attention_scores,
                training=training,
            )

        x = self.first_norm(inputs) if self.normalize_first else inputs
        attended = attend(x)
        scores = None
        if return_attention_scores:
            attended, scores = attended
        x = inputs + self.drop(attended, training=training)
        if self.normalize_first:
            x = x + self.drop(self._dense(self.second_norm(x)), training=training)
        else:
            x = self.first_norm(x)
            x = self.second_norm(x + self.drop(self._dense(x), training=training))
        return (x, scores) if return_attention_scores else x

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=None,
    ):
        return spec(inputs, self.num_heads, return_attention_scores, self.compute_dtype)

    def _dense(self, x):
        return self.shrink(self.expand(x))

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "normalize_first": self.normalize_first,
            "max_distance": self.max_distance,
        }
