"""An LSTM cell with layer normalisation."""

from dlnotes._keras import keras
from dlnotes.layers._gated_cell import MemoryCell


@keras.saving.register_keras_serializable(package="dlnotes")
class LayerNormLSTMCell(MemoryCell):
    """An LSTM cell that normalises what enters its gates, for `keras.layers.RNN`.

    The weighted inputs of all gates together, the weighted state of all gates together and the
    memory are each brought to mean zero and variance one over their columns, separately for each
    sequence and step, and then scaled by learned gains. Nothing depends on other rows of a batch,
    so training and prediction agree, and padding and batch size do not matter.

    ```
    i, f, candidate, o = LN(x W) * input_gain + LN(h U) * recurrent_gain + bias
    c = sigmoid(f) * c + sigmoid(i) * tanh(candidate)
    h = sigmoid(o) * tanh(LN(c) * memory_gain + memory_bias)
    ```

    The reference has a shift in each of the first two normalisations, which add up to one: `bias`.

    Mind that layer normalisation forgets the scale of its input: `LN(2 x W)` is `LN(x W)`. Of an
    input of a single feature no more than the sign is left. A constant feature beside it mends
    that, as in `dlnotes.builders.normalized_rnn`.

    Reference:

    - [Ba, Kiros, Hinton 2016](https://arxiv.org/abs/1607.06450), supplementary material,
      equations 20 to 22
    - Notes 002:188, 002:192, 002:202.

    Args:
        units: Integer, width of output and state.
        activation: Activation of candidate and memory. Defaults to `"tanh"`.
        recurrent_activation: Activation of the gates. Defaults to `"sigmoid"`.
        unit_forget_bias: Boolean, whether the bias of the forget gate starts at one. Defaults to
            `True`.
        epsilon: Float, added to the variances. Defaults to `1e-3`, as in Keras.
        **kwargs: Arguments of `keras.layers.SimpleRNNCell`, such as `use_bias`,
            `kernel_initializer`, `recurrent_regularizer`, `dropout` or `recurrent_dropout`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`, one step.
        states: List of two tensors of shape `(batch, units)`: last output and memory.
        training: Boolean, whether there is dropout.

    Output shape:
        `(batch, units)`, and the list of the new states.

    Example:

    >>> import keras
    >>> from dlnotes.layers import LayerNormLSTMCell
    >>> rnn = keras.layers.RNN(LayerNormLSTMCell(4), return_sequences=True)
    >>> rnn(keras.Input((None, 3))).shape
    (None, None, 4)
    """

    input_blocks = recurrent_blocks = bias_blocks = 4
    forget_block = 1

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        unit_forget_bias=True,
        epsilon=1e-3,
        **kwargs,
    ):
        super().__init__(units, activation, recurrent_activation, unit_forget_bias, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        super().build(input_shape)
        self.input_gain = self.add_weight((4 * self.units,), "ones", name="input_gain")
        self.recurrent_gain = self.add_weight((4 * self.units,), "ones", name="recurrent_gain")
        self.memory_gain = self.add_weight((self.units,), "ones", name="memory_gain")
        self.memory_bias = self.add_weight((self.units,), "zeros", name="memory_bias")

    def step(self, inputs, hidden, _, memory):
        inputs = keras.ops.matmul(inputs, self.kernel)
        hidden = keras.ops.matmul(hidden, self.recurrent_kernel)
        total = self.normalized(inputs, self.input_gain)
        total = total + self.normalized(hidden, self.recurrent_gain)
        i, f, candidate, o = self.blocks(total if self.bias is None else total + self.bias)
        memory = self.recurrent_activation(f) * memory
        memory = memory + self.recurrent_activation(i) * self.activation(candidate)
        shown = self.normalized(memory, self.memory_gain) + self.memory_bias
        return [self.recurrent_activation(o) * self.activation(shown), memory]

    def normalized(self, tensor, gain):
        return keras.ops.layer_normalization(tensor, gain, epsilon=self.epsilon)

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}
