"""Vectors that say where a step stands."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least


@keras.saving.register_keras_serializable(package="dlnotes")
class PositionEmbedding(keras.layers.Layer):
    """Adds to every step a vector that says where it stands, counted from the first one.

    Attention sees a set, not a sequence: without it, or distances inside the attention
    (`dlnotes.layers.RelativeAttention`), a Transformer does not know the order of its inputs. With
    `max_steps` the vectors are learned, one for each place, and a longer sequence is refused.
    Without it they are sines and cosines of falling frequency, for any length, with no weights.

    Reference: Vaswani et al., "Attention is all you need", 2017, section 3.5; notes 002:1223-1225.

    Args:
        max_steps: Integer, steps of the longest sequence, for learned vectors; `None` for sines and
            cosines. Defaults to `None`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, steps, features)`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        The same.

    Raises:
        InputError: If `max_steps` is below 1, or a sequence is known to be longer.

    Example:

    >>> import numpy as np
    >>> from dlnotes.layers import PositionEmbedding
    >>> PositionEmbedding()(np.zeros((1, 2, 4))).numpy().round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]], dtype=float32)
    """

    def __init__(self, max_steps=None, **kwargs):
        if max_steps is not None:
            check_at_least(1, max_steps=max_steps)
        super().__init__(**kwargs)
        self.max_steps = max_steps
        self.supports_masking = True

    def build(self, input_shape):
        _, steps, features = input_shape
        if self.max_steps is None:
            return
        if steps is not None and steps > self.max_steps:
            raise InputError(
                f"`PositionEmbedding` got a sequence of {steps} steps, but learns vectors for "
                f"`max_steps` = {self.max_steps}. Cut the sequence, or raise `max_steps`."
            )
        self.table = self.add_weight((self.max_steps, features), "uniform", name="table")

    def call(self, inputs):
        steps, features = keras.ops.shape(inputs)[1:]
        if self.max_steps is not None:
            return inputs + self.table[:steps]
        channel = keras.ops.arange(features)
        frequency = keras.ops.power(10_000.0, -2 * (channel // 2) / features)
        # a cosine is a sine a quarter of a turn ahead
        turn = keras.ops.cast(channel % 2, "float32") * keras.ops.arccos(0.0)
        place = keras.ops.arange(steps, dtype="float32")[:, None]
        waves = keras.ops.sin(place * keras.ops.cast(frequency, "float32") + turn)
        return inputs + keras.ops.cast(waves, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"max_steps": self.max_steps}
