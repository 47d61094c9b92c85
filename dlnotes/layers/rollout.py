"""A recurrent cell that reads a sequence and goes on by itself."""

from dlnotes._keras import keras
from dlnotes.errors import check_at_least


@keras.saving.register_keras_serializable(package="dlnotes")
class Rollout(keras.layers.Layer):
    """Reads a sequence with a recurrent cell, then goes on for some steps on its own answers.

    After the last step of the input a dense layer turns the state into the next values; the cell
    reads these as if they had come in, and so on. So there is one output for each of the next
    `ahead` steps, each made of the one before.

    The weights do not depend on `ahead`: train with one value and forecast with another one.

    With an `initial_state` the layer is the decoder of an encoder-decoder: give it the states of
    the encoder, and of the input its last step alone.

    Masks: masked steps are not read. All outputs are real.

    Reference: [Sutskever et al. 2014](https://arxiv.org/abs/1409.3215), section 2 (a decoder that
    reads its own answers); [Ben Taieb et al. 2012](https://doi.org/10.1016/j.eswa.2012.01.039),
    section 2.1 (the recursive strategy); notes 001:225, 002:842.

    Args:
        cell: A Keras recurrent cell, such as `keras.layers.LSTMCell(32)`. Its own dropout must be
            `0`.
        ahead: Integer, steps to go on.
        dropout: Float in [0, 1), share of the cell's outputs that the dense layer does not see: the
            same ones in all steps of a sequence. Defaults to `0.0`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, steps, features)`.
        initial_state: List of tensors, the state to begin with. Optional.
        mask: Boolean tensor of shape `(batch, steps)`. Optional.
        training: Boolean, whether to drop.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, ahead, features)`.

    Raises:
        InputError: If `ahead` is below 1.

    Example:

    >>> import keras
    >>> from dlnotes.layers import Rollout
    >>> Rollout(keras.layers.GRUCell(8), ahead=5)(keras.Input((None, 2))).shape
    (None, 5, 2)
    """

    def __init__(self, cell, ahead, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        check_at_least(1, ahead=ahead)
        self.ahead = ahead
        self.dropout = keras.layers.Dropout(dropout)
        self.reader = keras.layers.RNN(cell, return_state=True, name="reader")

    def build(self, inputs_shape, initial_state_shape=None):
        features = inputs_shape[-1]
        self.reader.build(inputs_shape)
        self.head = keras.layers.Dense(features, name="head")
        self.head.build((inputs_shape[0], self.reader.cell.output_size))

    def call(self, inputs, initial_state=None, mask=None, training=False):
        output, *states = self.reader(
            inputs, initial_state=initial_state, mask=mask, training=training
        )
        kept = self.dropout(keras.ops.ones_like(output), training=training)
        first = (self.head(output * kept), tuple(states))
        if self.ahead == 1:
            return first[0][:, None]

        def go_on(carry, _):
            value, states = carry
            output, states = self.reader.cell(value, list(states))
            carry = (self.head(output * kept), tuple(states))
            return carry, carry

        _, (values, _) = keras.ops.scan(go_on, first, length=self.ahead - 1)
        values = keras.ops.concatenate([first[0][None], values], axis=0)
        return keras.ops.swapaxes(values, 0, 1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, inputs_shape, initial_state_shape=None):
        return (inputs_shape[0], self.ahead, inputs_shape[-1])

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.reader.cell)
        return super().get_config() | {
            "cell": cell,
            "ahead": self.ahead,
            "dropout": self.dropout.rate,
        }

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("cell")), **config)
