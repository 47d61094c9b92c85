"""A GRU cell with layer normalisation."""

from dlnotes._keras import keras
from dlnotes.layers._gated_cell import GatedCell


@keras.saving.register_keras_serializable(package="dlnotes")
class LayerNormGRUCell(GatedCell):
    """A GRU cell that normalises what enters its gates, for `keras.layers.RNN`.

    The weighted inputs and the weighted state are each brought to mean zero and variance one over
    their columns, separately for each sequence and step: those of the two gates together, those of
    the candidate by themselves. Then they are scaled by learned gains. Nothing depends on other
    rows of a batch, so training and prediction agree, and padding and batch size do not matter.

    ```
    z, r = sigmoid(LN(x W) * gain + LN(h U) * gain + bias)
    candidate = tanh(LN(x W_h) * gain + bias_h + r * (LN(h U_h) * gain + recurrent_bias))
    h = z * h + (1 - z) * candidate
    ```

    The columns of the weights stand in the order z, r, candidate, and `z` keeps the state, as in
    `keras.layers.GRUCell`; the reference writes `1 - z` for it. The last block of `bias` is the one
    that the reset gate is multiplied with.

    Mind that layer normalisation forgets the scale of its input: `LN(2 x W)` is `LN(x W)`. Of an
    input of a single feature no more than the sign is left. A constant feature beside it mends
    that, as in `dlnotes.builders.normalized_rnn`.

    Reference:

    - [Ba, Kiros, Hinton 2016](https://arxiv.org/abs/1607.06450), supplementary material,
      equations for the GRU
    - Notes 002:188, 002:192, 002:202.

    Args:
        units: Integer, width of output and state.
        activation: Activation of the candidate. Defaults to `"tanh"`.
        recurrent_activation: Activation of the gates. Defaults to `"sigmoid"`.
        epsilon: Float, added to the variances. Defaults to `1e-3`, as in Keras.
        **kwargs: Arguments of `keras.layers.SimpleRNNCell`, such as `use_bias`,
            `kernel_initializer`, `recurrent_regularizer`, `dropout` or `recurrent_dropout`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`, one step.
        states: Tensor of shape `(batch, units)`, the last output, or a list of it.
        training: Boolean, whether there is dropout.

    Output shape:
        `(batch, units)`, and the list of the new state.

    Example:

    >>> import keras
    >>> from dlnotes.layers import LayerNormGRUCell
    >>> rnn = keras.layers.RNN(LayerNormGRUCell(4))
    >>> rnn(keras.Input((None, 3))).shape
    (None, 4)
    """

    bias_blocks = 4

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        epsilon=1e-3,
        **kwargs,
    ):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        super().build(input_shape)
        self.input_gain = self.add_weight((3 * self.units,), "ones", name="input_gain")
        self.recurrent_gain = self.add_weight((3 * self.units,), "ones", name="recurrent_gain")

    def step(self, inputs, hidden, state):
        inputs = keras.ops.matmul(inputs, self.kernel)
        hidden = keras.ops.matmul(hidden, self.recurrent_kernel)
        input_z, input_r, input_h = self.normalized(inputs, self.input_gain)
        hidden_z, hidden_r, hidden_h = self.normalized(hidden, self.recurrent_gain)
        bias_z, bias_r, bias_h, recurrent_bias = self.biases()
        z = self.recurrent_activation(input_z + hidden_z + bias_z)
        r = self.recurrent_activation(input_r + hidden_r + bias_r)
        candidate = self.activation(input_h + bias_h + r * (hidden_h + recurrent_bias))
        return [z * state + (1 - z) * candidate]

    def normalized(self, tensor, gain):
        """The three blocks of a product: gates together, the candidate by itself."""
        parts = [
            keras.ops.layer_normalization(part, part_gain, epsilon=self.epsilon)
            for part, part_gain in zip(self.cut(tensor), self.cut(gain), strict=True)
        ]
        return self.blocks(keras.ops.concatenate(parts, axis=-1))

    def cut(self, tensor):
        return keras.ops.split(tensor, [2 * self.units], axis=-1)

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}
