"""Attention that looks at a part of the sequence: at one step, or at a window."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least

NEVER = -1e9


@keras.saving.register_keras_serializable(package="dlnotes")
class SelectiveAttention(keras.layers.Layer):
    """Dot-product attention to one step (hard), to a window of steps (local), or to both.

    Called as `keras.layers.Attention` is, which is what it computes when neither is asked for: soft
    attention to all steps, the global kind.

    With `hard=True` every query takes the value of one step. In training the step is drawn with
    the probabilities that soft attention would have as weights, and the gradient is that of the
    soft choice among the noisy scores (straight-through Gumbel-softmax); otherwise it is the most
    probable one, and nothing is random.

    With a `window` each query predicts its place in the sequence, a real number, from itself alone
    (Luong's local-p). Steps further away than `window` are left out; the weights of the others are
    soft attention among them, times a bell curve around the place with a standard deviation of half
    the window. Soft weights then sum to less than one, as in the paper, and the place learns
    through the bell curve. Places are computed in float32 under every policy: in half precision
    they are too coarse for long sequences. Only the weights are local: the scores of all steps are
    computed.

    Reference: Luong, Pham, Manning 2015, https://arxiv.org/abs/1508.04025, equations 9 and 10;
    Xu et al. 2015, https://arxiv.org/abs/1502.03044, section 4.1 (hard attention); Jang, Gu, Poole
    2017, https://arxiv.org/abs/1611.01144 (its gradient); notes 002:1448, 1463, 1466.

    Args:
        hard: Boolean, whether each query takes one step. Defaults to `False`.
        window: Number, the distance from the predicted place up to which steps count, at least 1;
            `None` for all steps. Defaults to `None`.
        seed: Integer, seed of the draws in training. Optional.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: List of `query` of shape `(batch, queries, width)`, `value` of shape
            `(batch, steps, size)` and, where it is not the value, `key` of shape
            `(batch, steps, width)`.
        mask: List of the masks of query and value, each a boolean tensor of shape `(batch, steps)`
            or `None`. Padded values are never looked at, and a place lies among the real ones.
        return_attention_scores: Boolean, whether to return the weights too. Defaults to `False`.
        training: Boolean.

    Output shape:
        `(batch, queries, size)`; with `return_attention_scores` a pair with the weights, of shape
        `(batch, queries, steps)`.

    Raises:
        InputError: If `window` is below 1, or `inputs` is no list of two or three tensors.

    Example:

    >>> import numpy as np
    >>> from dlnotes.layers import SelectiveAttention
    >>> value = np.eye(3, dtype="float32")[np.newaxis]
    >>> context, weights = SelectiveAttention(hard=True)(
    ...     [value[:, 1:2], value], return_attention_scores=True)
    >>> np.asarray(weights)
    array([[[0., 1., 0.]]], dtype=float32)
    """

    def __init__(self, hard=False, window=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if window is not None:
            check_at_least(1, window=window)
        self.hard, self.window, self.seed = hard, window, seed
        self.supports_masking = True
        if hard:
            self.draws = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if not isinstance(input_shape, list) or len(input_shape) not in (2, 3):
            raise InputError(
                "`inputs` must be a list [query, value] or [query, value, key], as for "
                "`keras.layers.Attention`."
            )
        if self.window is not None:
            width = input_shape[0][-1]
            options = {"use_bias": False, "dtype": "float32"}
            self.place = keras.Sequential(
                [
                    keras.layers.Dense(width, "tanh", **options),
                    keras.layers.Dense(1, "sigmoid", **options),
                ],
                name="place",
            )
            self.place.build(input_shape[0])

    def call(self, inputs, mask=None, training=False, return_attention_scores=False):
        ops = keras.ops
        query, value, key = inputs[0], inputs[1], inputs[-1]
        scores = ops.cast(ops.matmul(query, ops.swapaxes(key, 1, 2)), "float32")
        real = ops.ones_like(scores[:, :1], dtype="bool")
        if mask is not None and mask[1] is not None:
            real = ops.cast(mask[1], "bool")[:, None]
        logits = self._localised(scores, real, query) if self.window else _masked(scores, real)
        weights = self._chosen(logits, training) if self.hard else ops.exp(logits)
        weights = ops.cast(weights, self.compute_dtype)
        context = ops.matmul(weights, value)
        return (context, weights) if return_attention_scores else context

    def _localised(self, scores, real, query):
        """Logarithms of the weights in the window."""
        ops = keras.ops
        steps = ops.cumsum(ops.ones_like(scores[:1, :1]), axis=-1)
        length = ops.sum(ops.cast(real, "float32"), axis=-1, keepdims=True)
        distance = steps - length * self.place(query)
        near = ops.logical_and(real, ops.abs(distance) <= self.window)
        return _masked(scores, near) - distance**2 / (2 * (self.window / 2) ** 2)

    def _chosen(self, logits, training):
        """A one for the chosen step and zeros, with the gradient of the soft choice."""
        ops = keras.ops
        if training:
            uniform = keras.random.uniform(ops.shape(logits), 1e-7, 1.0, seed=self.draws)
            logits = logits - ops.log(-ops.log(uniform))
        soft = ops.softmax(logits, axis=-1)
        steps = ops.cumsum(ops.ones_like(logits, dtype="int32"), axis=-1) - 1
        chosen = ops.equal(steps, ops.argmax(logits, axis=-1, keepdims=True))
        return ops.cast(chosen, "float32") + (soft - ops.stop_gradient(soft))

    def compute_mask(self, inputs, mask=None):
        """The mask of the queries."""
        return None if mask is None else mask[0]

    def get_config(self):
        own = {"hard": self.hard, "window": self.window, "seed": self.seed}
        return super().get_config() | own


def _masked(scores, real):
    """Logarithms of softmax weights among the real steps."""
    return keras.ops.log_softmax(keras.ops.where(real, scores, NEVER), axis=-1)
