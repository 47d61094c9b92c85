"""Three recurrent cells that a search over architectures found."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.layers._gated_cell import GatedCell

# how many blocks of columns the kernel and the recurrent kernel have
BLOCKS = {1: (2, 2), 2: (2, 3), 3: (3, 3)}


@keras.saving.register_keras_serializable(package="dlnotes")
class MutatedGRUCell(GatedCell):
    """MUT1, MUT2 or MUT3, for `keras.layers.RNN`: relatives of the GRU that a search found.

    All three replace a part `z` of the state by a candidate, `h = z * candidate + (1 - z) * h`,
    from a reset gate `r`, as a GRU does. They differ in who sees what::

        MUT1: z = sigmoid(x W_z + b_z)
              r = sigmoid(x W_r + h U_r + b_r)
              candidate = tanh((r * h) U_h + tanh(x) + b_h)
        MUT2: z = sigmoid(x W_z + h U_z + b_z)
              r = sigmoid(x + h U_r + b_r)
              candidate = tanh((r * h) U_h + x W_h + b_h)
        MUT3: z = sigmoid(x W_z + tanh(h) U_z + b_z)
              r = sigmoid(x W_r + h U_r + b_r)
              candidate = tanh((r * h) U_h + x W_h + b_h)

    MUT1 and MUT2 add the input to the state, so it has to be as wide as the state: put
    `keras.layers.Dense(units, use_bias=False)` in front, or an embedding of that width, as in the
    paper. The columns of the weights stand in the order z, r, h, without those that a variant
    lacks.

    Reference:

    - [Jozefowicz, Zaremba, Sutskever
      2015](https://proceedings.mlr.press/v37/jozefowicz15.html), section 3.5
    - Notes 001:251, 002:870.

    Args:
        units: Integer, width of output and state.
        variant: Integer, 1, 2 or 3. Defaults to `1`.
        activation: Activation in place of each tanh. Defaults to `"tanh"`.
        recurrent_activation: Activation of the gates. Defaults to `"sigmoid"`.
        **kwargs: Arguments of `keras.layers.SimpleRNNCell`, such as `use_bias`,
            `kernel_initializer`, `recurrent_regularizer`, `dropout` or `recurrent_dropout`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`, one step.
        states: Tensor of shape `(batch, units)`, the last output, or a list of it.
        training: Boolean, whether there is dropout.

    Output shape:
        `(batch, units)`, and the list of the new state.

    Raises:
        InputError: If `variant` is another number, or the input of variant 1 or 2 is not as wide
            as the state.

    Example:

    >>> import keras
    >>> from dlnotes.layers import MutatedGRUCell
    >>> inputs = keras.Input((None, 3))
    >>> x = keras.layers.Dense(4, use_bias=False)(inputs)
    >>> keras.layers.RNN(MutatedGRUCell(4, variant=1))(x).shape
    (None, 4)
    """

    def __init__(
        self, units, variant=1, activation="tanh", recurrent_activation="sigmoid", **kwargs
    ):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        if variant not in BLOCKS:
            raise InputError(f"`variant` is {variant!r}, but must be 1, 2 or 3.")
        self.variant = variant
        self.input_blocks, self.recurrent_blocks = BLOCKS[variant]

    def build(self, input_shape):
        if self.variant != 3 and input_shape[-1] != self.units:
            raise InputError(
                f"MUT{self.variant} adds its input to its state: the input has {input_shape[-1]} "
                f"features, but must have as many as there are units, {self.units}. Put "
                f"`keras.layers.Dense({self.units}, use_bias=False)` in front."
            )
        super().build(input_shape)

    def step(self, inputs, hidden, state):
        parts = self.blocks(keras.ops.matmul(inputs, self.kernel))
        if self.variant == 1:
            parts.append(self.activation(inputs))
        elif self.variant == 2:
            parts.insert(1, inputs)
        z, r, candidate = map(keras.ops.add, parts, self.biases())
        *kernel_z, kernel_r, kernel_h = self.blocks(self.recurrent_kernel)
        if kernel_z:
            seen = self.activation(hidden) if self.variant == 3 else hidden
            z = z + keras.ops.matmul(seen, *kernel_z)
        z = self.recurrent_activation(z)
        r = self.recurrent_activation(r + keras.ops.matmul(hidden, kernel_r))
        candidate = self.activation(candidate + keras.ops.matmul(r * hidden, kernel_h))
        return [z * candidate + (1 - z) * state]

    def get_config(self):
        return super().get_config() | {"variant": self.variant}
