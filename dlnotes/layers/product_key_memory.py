"""A large memory of learned values, found by the two halves of a key."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least

ops = keras.ops


@keras.saving.register_keras_serializable(package="dlnotes")
class ProductKeyMemory(keras.layers.Layer):
    """Looks up the values whose keys fit best, among the square of `keys` many.

    For what a network has to know by heart: every step reads `top_k` of `keys * keys` learned
    vectors, and only those are touched, so a memory of many thousand values costs hardly more than
    a small one. The key of a value is a pair of half keys, one of each of two tables with `keys`
    rows. The best pairs lie among the pairs of the best halves, so that the `top_k` found are those
    that a comparison with all `keys * keys` keys would find, for `2 * keys` comparisons.

    Add what it returns to its input, as after any other layer of a residual network. The paper
    normalises queries over the batch, which spreads them over the keys; here each query is
    normalised by itself, so that no step depends on another one or on padding. What is read is
    decided in float32, whatever the layer computes in.

    Reference: Lample et al., "Large memory layers with product keys", 2019, sections 3.1 and 3.2,
    equations 1 to 4; notes 002:1508.

    Args:
        units: Integer, width of the values.
        keys: Integer, half keys in each of the two tables; the memory has `keys * keys` values.
            Defaults to `32`.
        key_dim: Integer, width of a whole key, even. Defaults to `32`.
        heads: Integer, queries that read the one memory; what they find is added up. Defaults to
            `4`.
        top_k: Integer, values that a query reads, at most `keys`. Defaults to `8`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., features)`.
        return_places: Boolean, whether the places that were read and their weights are returned
            too, both of shape `(batch, ..., heads, top_k)`. Defaults to `False`.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        InputError: If `key_dim` is odd, `top_k` is above `keys`, or a size is below 1.

    Example:

    >>> import keras
    >>> from dlnotes.layers import ProductKeyMemory
    >>> memory = ProductKeyMemory(units=16, keys=64)
    >>> memory(keras.random.normal((2, 5, 16))).shape
    TensorShape([2, 5, 16])
    >>> tuple(memory.values.shape)
    (4096, 16)
    """

    def __init__(self, units, keys=32, key_dim=32, heads=4, top_k=8, **kwargs):
        check_at_least(1, units=units, keys=keys, key_dim=key_dim, heads=heads, top_k=top_k)
        if key_dim % 2:
            raise InputError(f"`key_dim` is {key_dim}, but must be even: a key has two halves.")
        if top_k > keys:
            raise InputError(
                f"`top_k` is {top_k}, but there are only {keys} half keys: `top_k` may be at most "
                "`keys`."
            )
        super().__init__(**kwargs)
        self.units = units
        self.keys = keys
        self.key_dim = key_dim
        self.heads = heads
        self.top_k = top_k
        self.supports_masking = True

    def build(self, input_shape):
        self.query_dense = keras.layers.Dense(
            self.heads * self.key_dim, name="query", dtype="float32"
        )
        self.query_dense.build(input_shape)
        self.query_norm = keras.layers.LayerNormalization(name="norm", dtype="float32")
        self.query_norm.build((None, self.heads, self.key_dim))
        half = self.key_dim // 2
        self.half_keys = self.add_weight(
            shape=(2, self.heads, self.keys, half),
            initializer=keras.initializers.RandomNormal(stddev=half**-0.5),
            name="half_keys",
            autocast=False,
        )
        self.values = self.add_weight(
            shape=(self.keys**2, self.units),
            initializer=keras.initializers.RandomNormal(stddev=self.units**-0.5),
            name="values",
        )

    def call(self, inputs, return_places=False):
        outer = ops.shape(inputs)[:-1]
        query = ops.reshape(self.query_dense(inputs), (-1, self.heads, self.key_dim))
        query = ops.reshape(self.query_norm(query), (-1, self.heads, 2, self.key_dim // 2))
        scores, places = self._best(ops.einsum("bhsd,shkd->sbhk", query, self.half_keys))
        weights = ops.exp(scores - ops.logsumexp(scores, axis=-1, keepdims=True))
        weights = ops.cast(weights, self.compute_dtype)
        found = ops.take(ops.cast(self.values, self.compute_dtype), places, axis=0)
        outputs = ops.reshape(ops.einsum("bhk,bhku->bu", weights, found), (*outer, self.units))
        if not return_places:
            return outputs
        shape = (*outer, self.heads, self.top_k)
        return outputs, ops.reshape(places, shape), ops.reshape(weights, shape)

    def _best(self, scores):
        """The best sums of one score of each half, and the places of their values."""
        first, second = (ops.top_k(half, self.top_k) for half in (scores[0], scores[1]))
        sums = first[0][..., :, None] + second[0][..., None, :]
        places = first[1][..., :, None] * self.keys + second[1][..., None, :]
        shape = (-1, self.heads, self.top_k**2)
        best, chosen = ops.top_k(ops.reshape(sums, shape), self.top_k)
        return best, ops.take_along_axis(ops.reshape(places, shape), chosen, axis=-1)

    def compute_output_spec(self, inputs, return_places=False):
        outputs = keras.KerasTensor((*inputs.shape[:-1], self.units), self.compute_dtype)
        if not return_places:
            return outputs
        shape = (*inputs.shape[:-1], self.heads, self.top_k)
        return outputs, keras.KerasTensor(shape, "int32"), keras.KerasTensor(shape, outputs.dtype)

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "keys": self.keys,
            "key_dim": self.key_dim,
            "heads": self.heads,
            "top_k": self.top_k,
        }
