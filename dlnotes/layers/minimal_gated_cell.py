"""A recurrent cell with a single gate."""

from dlnotes._keras import keras
from dlnotes.layers._gated_cell import GatedCell


@keras.saving.register_keras_serializable(package="dlnotes")
class MinimalGatedCell(GatedCell):
    """The minimal gated unit, for `keras.layers.RNN`: a GRU whose two gates are one.

    Two thirds of the weights of a GRU. The one gate says both how much of the state enters the
    candidate and how much of the state the candidate replaces:

    ```
    f = sigmoid(x W_f + h U_f + b_f)
    h = (1 - f) * h + f * tanh(x W_h + (f * h) U_h + b_h)
    ```

    So, other than in an LSTM, an open gate forgets. The columns of the weights stand in this
    order: gate, candidate.

    Reference:

    - [Zhou et al. 2016](https://arxiv.org/abs/1603.09420), equations 6
    - Notes 001:249, 002:868.

    Args:
        units: Integer, width of output and state.
        activation: Activation of the candidate. Defaults to `"tanh"`.
        recurrent_activation: Activation of the gate. Defaults to `"sigmoid"`.
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
    >>> from dlnotes.layers import MinimalGatedCell
    >>> rnn = keras.layers.RNN(MinimalGatedCell(4))
    >>> rnn(keras.Input((None, 3))).shape
    (None, 4)
    >>> rnn.count_params()
    64
    """

    input_blocks = recurrent_blocks = bias_blocks = 2

    def step(self, inputs, hidden, state):
        input_f, input_h = self.blocks(keras.ops.matmul(inputs, self.kernel))
        kernel_f, kernel_h = self.blocks(self.recurrent_kernel)
        bias_f, bias_h = self.biases()
        f = self.recurrent_activation(input_f + keras.ops.matmul(hidden, kernel_f) + bias_f)
        candidate = self.activation(input_h + keras.ops.matmul(f * hidden, kernel_h) + bias_h)
        return [(1 - f) * state + f * candidate]
