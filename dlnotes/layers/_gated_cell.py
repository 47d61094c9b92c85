"""What the gated cells of this package share."""

from dlnotes._keras import keras
import numpy as np


class GatedCell(keras.layers.SimpleRNNCell):
    """A recurrent cell with several gates, for `keras.layers.RNN`.

    A subclass says how many blocks of `units` columns its weights have, and computes one step. The
    first state is the output. Dropout, initializers, regularizers, constraints and the
    configuration are those of `keras.layers.SimpleRNNCell`; one mask serves all gates.
    """

    input_blocks = recurrent_blocks = bias_blocks = 3

    def __init__(self, units, activation="tanh", recurrent_activation="sigmoid", **kwargs):
        super().__init__(units, activation=activation, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            (input_shape[-1], self.input_blocks * self.units),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, self.recurrent_blocks * self.units),
            self.recurrent_initializer,
            name="recurrent_kernel",
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.bias_blocks * self.units,),
                self.initial_bias,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def initial_bias(self, shape, dtype=None):
        return self.bias_initializer(shape, dtype=dtype)

    def call(self, inputs, states, training=False):
        states = list(states) if keras.tree.is_nested(states) else [states]
        hidden = states[0]
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            hidden = hidden * self.get_recurrent_dropout_mask(hidden)
        states = self.step(inputs, hidden, *states)
        return states[0], states

    def step(self, inputs, hidden, *states):
        """The new states; `hidden` is the first state after dropout, for products with weights."""
        raise NotImplementedError

    def blocks(self, tensor):
        """A tensor cut into its blocks of `units` columns."""
        return keras.ops.split(tensor, tensor.shape[-1] // self.units, axis=-1)

    def biases(self):
        """The blocks of the bias, zeros without one."""
        return [0.0] * self.bias_blocks if self.bias is None else self.blocks(self.bias)

    def sums(self, inputs, hidden):
        """Weighted inputs, weighted state and bias of each block, where all have equally many."""
        total = keras.ops.matmul(inputs, self.kernel)
        total = total + keras.ops.matmul(hidden, self.recurrent_kernel)
        return self.blocks(total if self.bias is None else total + self.bias)

    def get_config(self):
        activation = keras.activations.serialize(self.recurrent_activation)
        return super().get_config() | {"recurrent_activation": activation}


class MemoryCell(GatedCell):
    """A gated cell with the two states of an LSTM, whose forget gate may start open."""

    forget_block = 0

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        unit_forget_bias=True,
        **kwargs,
    ):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]

    def initial_bias(self, shape, dtype=None):
        bias = super().initial_bias(shape, dtype)
        if not self.unit_forget_bias:
            return bias
        forget = np.arange(shape[0]) // self.units == self.forget_block
        return keras.ops.where(forget, keras.ops.ones_like(bias), bias)

    def get_initial_state(self, batch_size=None):
        return [keras.ops.zeros((batch_size, self.units), self.compute_dtype) for _ in range(2)]

    def get_config(self):
        return super().get_config() | {"unit_forget_bias": self.unit_forget_bias}
