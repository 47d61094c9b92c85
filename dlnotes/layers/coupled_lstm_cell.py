"""An LSTM cell in which what is forgotten makes room for what is new."""

from dlnotes._keras import keras
from dlnotes.layers._gated_cell import MemoryCell


@keras.saving.register_keras_serializable(package="dlnotes")
class CoupledLSTMCell(MemoryCell):
    """An LSTM cell whose input gate is one minus its forget gate, for `keras.layers.RNN`.

    What is let in has to be paid for by forgetting, so there are three quarters of the weights of
    an LSTM, and the memory is a moving average that stays between -1 and 1:

    ```
    f = sigmoid(x W_f + h U_f + b_f)
    c = f * c + (1 - f) * tanh(x W_c + h U_c + b_c)
    h = sigmoid(x W_o + h U_o + b_o) * tanh(c)
    ```

    The columns of the weights stand in this order: forget gate, candidate, output gate. The
    network of the reference has peepholes as well; here there are none, as in Keras.

    Reference:

    - [Greff et al. 2017](https://arxiv.org/abs/1503.04069), section III-D, "CIFG"; there with
      `f = 1 - i`, which is the same function.
    - Notes 001:217, 002:820-821.

    Args:
        units: Integer, width of output and state.
        activation: Activation of candidate and memory. Defaults to `"tanh"`.
        recurrent_activation: Activation of the gates. Defaults to `"sigmoid"`.
        unit_forget_bias: Boolean, whether the bias of the forget gate starts at one. Defaults to
            `True`.
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
    >>> from dlnotes.layers import CoupledLSTMCell
    >>> rnn = keras.layers.RNN(CoupledLSTMCell(4), return_sequences=True)
    >>> rnn(keras.Input((None, 3))).shape
    (None, None, 4)
    >>> rnn.count_params()
    96
    """

    def step(self, inputs, hidden, _, memory):
        forget, candidate, output = self.sums(inputs, hidden)
        forget = self.recurrent_activation(forget)
        memory = forget * memory + (1 - forget) * self.activation(candidate)
        return [self.recurrent_activation(output) * self.activation(memory), memory]
