"""The simple recurrent unit: gates that see the state unit by unit, and a highway around it."""

import math

from dlnotes._keras import keras
from dlnotes.layers._parallel_recurrent import ParallelRecurrent
from dlnotes.scans import from_the_end, states_before

# A forget gate with this input is one, and its step leaves the memory as it is.
SHUT = 1e4


@keras.saving.register_keras_serializable(package="dlnotes")
class SRU(ParallelRecurrent):
    """A simple recurrent unit: fast on long sequences, in the place of an LSTM.

    All matrix products are done for all steps at once; from step to step units do not mix:

        f[t] = sigmoid(W_f x[t] + v_f * c[t-1] + b_f)
        c[t] = f[t] * c[t-1] + (1 - f[t]) * (W x[t])
        r[t] = sigmoid(W_r x[t] + v_r * c[t-1] + b_r)
        h[t] = r[t] * c[t] + (1 - r[t]) * x[t] * alpha

    The highway around the state lets many layers be stacked, and `alpha` gives its sum the variance
    of the input at the start. Where the input is not `units` wide, it is projected. The memory is
    computed in a loop of a few operations for each step; its gradient needs no loop
    (`dlnotes.scans`).

    Padded steps keep the state and their outputs are zero, in both directions. Outputs have the
    layer's type; the state is float32 under a mixed policy too, and handed out in the layer's type.

    Reference: Lei, Zhang, Wang, Dai, Artzi, "Simple recurrent units for highly parallelizable
    recurrence", 2018, equations 1 to 7; weights start as in the authors' code, but for the
    bias of the forget gate, which is one, as in `keras.layers.LSTM`. Notes 001:205, 002:803.

    Args:
        units: Integer, width of state and output.
        highway_bias: Float, where `b_r` starts: below zero the input passes more freely, as very
            deep stacks need it. Defaults to `0.0`.
        return_sequences: Boolean, the outputs of all steps or that of the last one. Defaults to
            `False`.
        return_state: Boolean, whether the last memory is returned too. Given as `initial_state` it
            makes one sequence out of pieces. Defaults to `False`.
        go_backwards: Boolean, whether the sequence is read from its end; outputs are in the order
            of reading. Defaults to `False`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        sequences: Tensor of shape `(batch, steps, features)`.
        initial_state: List of one tensor as `return_state` gives it. Optional.
        mask: Boolean tensor of shape `(batch, steps)`, false where there is padding. Optional.

    Input shape:
        `(batch, steps, features)`; the steps may be unknown.

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` if `return_sequences`; with `return_state` also
        `(batch, units)`.

    Raises:
        InputError: If `units` is below 1, or `stateful=True` is asked for.

    Example:

    >>> import keras
    >>> from dlnotes.layers import SRU
    >>> inputs = keras.Input((None, 16))
    >>> outputs = SRU(16)(SRU(16, return_sequences=True)(inputs))
    >>> outputs.shape
    (None, 16)
    """

    def __init__(self, units, highway_bias=0.0, **kwargs):
        super().__init__(units, **kwargs)
        self.highway_bias = highway_bias

    def build(self, sequences_shape, initial_state_shape=None):
        self.features = sequences_shape[-1]
        matrices = 3 if self.features == self.units else 4
        self.kernel = self.add_weight(
            (self.features, matrices * self.units), "lecun_uniform", name="kernel"
        )
        uniform = keras.initializers.RandomUniform(-(1.5**0.5), 1.5**0.5)
        constant = keras.initializers.Constant(self.highway_bias)
        self.forget_memory = self._vector(uniform, "forget_memory")
        self.forget_bias = self._vector("ones", "forget_bias")
        self.reset_memory = self._vector(uniform, "reset_memory")
        self.reset_bias = self._vector(constant, "reset_bias")

    def _vector(self, initializer, name):
        return self.add_weight((self.units,), initializer, name=name, autocast=False)

    def state_shapes(self, features):
        return [(self.units,)]

    def read(self, sequences, states, mask, training):
        products = keras.ops.matmul(sequences, self.kernel)
        products, sequences, memory = (
            keras.ops.cast(one, self.variable_dtype) for one in (products, sequences, states[0])
        )
        matrices = self.kernel.shape[1] // self.units
        candidate, forget, reset, *projected = keras.ops.split(products, matrices, axis=-1)
        forget = forget + self.forget_bias
        if mask is not None:
            forget = keras.ops.where(keras.ops.expand_dims(mask, -1), forget, SHUT)
        memories = _memories(forget, candidate, keras.ops.copy(self.forget_memory), memory)
        before = states_before(memories, memory)
        reset = keras.ops.sigmoid(reset + self.reset_memory * before + self.reset_bias)
        alpha = (1 + 2 * math.exp(self.highway_bias)) ** 0.5
        highway = alpha * (projected[0] if projected else sequences)
        return highway + reset * (memories - highway), [memories[:, -1]]

    def get_config(self):
        return super().get_config() | {"highway_bias": self.highway_bias}


@keras.ops.custom_gradient
def _memories(forget, candidate, weight, memory):
    """The memory after each step, in a loop; its gradient is a linear recurrence from the end."""
    units = candidate.shape[-1]

    def step(memory, inputs):
        gate = keras.ops.sigmoid(inputs[:, :units] + weight * memory)
        memory = gate * memory + (1 - gate) * inputs[:, units:]
        return memory, memory

    inputs = keras.ops.concatenate([forget, candidate], axis=-1)
    _, memories = keras.ops.scan(step, memory, keras.ops.swapaxes(inputs, 0, 1))
    memories = keras.ops.swapaxes(memories, 0, 1)

    def gradient(*arguments, upstream=None):
        upstream = arguments[0] if upstream is None else upstream
        before = states_before(memories, memory)
        gate = keras.ops.sigmoid(forget + weight * before)
        slope = gate * (1 - gate) * (before - candidate)
        decay = gate + slope * weight
        of_memories = from_the_end(decay, upstream)
        of_forget = of_memories * slope
        of_weight = keras.ops.sum(of_forget * before, axis=(0, 1))
        return of_forget, of_memories * (1 - gate), of_weight, of_memories[:, 0] * decay[:, 0]

    return memories, gradient
