"""An LSTM cell whose gates see the memory."""

from dlnotes._keras import keras
from dlnotes.layers._gated_cell import MemoryCell


@keras.saving.register_keras_serializable(package="dlnotes")
class PeepholeLSTMCell(MemoryCell):
    """An LSTM cell with peepholes, for `keras.layers.RNN`.

    The gates of an LSTM see its output alone, which says nothing about the memory while the output
    gate is shut. Peepholes show each gate the memory of its own unit: the input and forget gate the
    one before the step, the output gate the one after it.

    ```
    i = sigmoid(x W_i + h U_i + p_i * c + b_i)
    f = sigmoid(x W_f + h U_f + p_f * c + b_f)
    c = f * c + i * tanh(x W_c + h U_c + b_c)
    o = sigmoid(x W_o + h U_o + p_o * c + b_o)
    h = o * tanh(c)
    ```

    Kernels and bias are those of `keras.layers.LSTMCell`, in the same order. The peepholes are the
    rows of one more weight, for input, forget and output gate; with their default of zero the cell
    starts as an LSTM. TensorFlow Addons had a cell of this name and is no longer maintained.

    Reference:

    - [Gers, Schmidhuber, "Recurrent nets that time and
      count", 2000](https://doi.org/10.1109/IJCNN.2000.861302)
    - [Greff et al. 2017](https://arxiv.org/abs/1503.04069), section II; notes 001:217, 002:820-821.

    Args:
        units: Integer, width of output and state.
        activation: Activation of candidate and memory. Defaults to `"tanh"`.
        recurrent_activation: Activation of the gates. Defaults to `"sigmoid"`.
        unit_forget_bias: Boolean, whether the bias of the forget gate starts at one. Defaults to
            `True`.
        peephole_initializer: Initializer of the peepholes. Defaults to `"zeros"`.
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
    >>> from dlnotes.layers import PeepholeLSTMCell
    >>> rnn = keras.layers.Bidirectional(keras.layers.RNN(PeepholeLSTMCell(4)))
    >>> rnn(keras.Input((None, 3))).shape
    (None, 8)
    """

    input_blocks = recurrent_blocks = bias_blocks = 4
    forget_block = 1

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        unit_forget_bias=True,
        peephole_initializer="zeros",
        **kwargs,
    ):
        super().__init__(units, activation, recurrent_activation, unit_forget_bias, **kwargs)
        self.peephole_initializer = keras.initializers.get(peephole_initializer)

    def build(self, input_shape):
        super().build(input_shape)
        self.peepholes = self.add_weight(
            (3, self.units), self.peephole_initializer, name="peepholes"
        )

    def step(self, inputs, hidden, _, memory):
        i, f, candidate, o = self.sums(inputs, hidden)
        i = self.recurrent_activation(i + self.peepholes[0] * memory)
        f = self.recurrent_activation(f + self.peepholes[1] * memory)
        memory = f * memory + i * self.activation(candidate)
        o = self.recurrent_activation(o + self.peepholes[2] * memory)
        return [o * self.activation(memory), memory]

    def get_config(self):
        initializer = keras.initializers.serialize(self.peephole_initializer)
        return super().get_config() | {"peephole_initializer": initializer}
