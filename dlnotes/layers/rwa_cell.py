"""A recurrent cell whose state is a weighted average over all steps so far."""

from dlnotes._keras import keras
from dlnotes.errors import check_at_least


@keras.saving.register_keras_serializable(package="dlnotes")
class RWACell(keras.layers.Layer):
    """The cell of a recurrent weighted average: attention over all steps so far, in one pass.

    Each step gives a value `z` and a weight `exp(a)`, and the state is the average of all values so
    far, passed through tanh. Nothing fades by itself, however long ago it was:

        z[t] = (W_u x[t] + b_u) * tanh(W_g [x[t], h[t-1]] + b_g)
        a[t] = W_a [x[t], h[t-1]]
        h[t] = tanh(sum of z[s] exp(a[s]) over s <= t / sum of exp(a[s]) over s <= t)

    Before the first step the average is learned. Average, sum of weights and the largest `a` so far
    are kept apart, so that no weight overflows, however large `a` is. These are sums over all
    steps: the cell computes in float32 unless a `dtype` is given, also under a mixed policy.

    Reference: Ostmeyer, Cowell, "Machine learning on sequential data using a recurrent weighted
    average", 2017, equations 1 to 6, and the running maximum of the authors' code; notes
    001:307-315, 002:937-945.

    Args:
        units: Integer, width of the state.
        dtype: The cell's type or policy. Defaults to `"float32"`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`, one step.
        states: List of four tensors of shape `(batch, units)`: output, average, sum of weights,
            and largest `a`; zeros before the first step.

    Input shape:
        `(batch, features)`.

    Output shape:
        `(batch, units)`.

    Returns:
        The output of the step, and the list of the new states.

    Raises:
        InputError: If `units` is below 1.

    Example:

    >>> import keras
    >>> from dlnotes.layers import RWACell
    >>> inputs = keras.Input((None, 3))
    >>> keras.layers.RNN(RWACell(8))(inputs).shape
    (None, 8)
    """

    def __init__(self, units, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        check_at_least(1, units=units)
        self.units = units
        self.state_size = [units, units, units, units]
        self.output_size = units

    def build(self, input_shape):
        features, units = input_shape[-1], self.units
        self.kernel = self.add_weight((features, 3 * units), "glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            (units, 2 * units), "glorot_uniform", name="recurrent_kernel"
        )
        self.bias = self.add_weight((2 * units,), "zeros", name="bias")
        self.first_average = self.add_weight((units,), "random_normal", name="first_average")

    def get_initial_state(self, batch_size=None):
        """States before the first step.

        Args:
            batch_size: Integer, or a tensor that holds one.

        Returns:
            List of four tensors of zeros.
        """
        return [keras.ops.zeros((batch_size, self.units), self.compute_dtype) for _ in range(4)]

    def call(self, inputs, states):
        output, average, total, largest = states
        begun = total > 0
        previous = keras.ops.where(begun, output, keras.ops.tanh(self.first_average))
        value, gate, score = keras.ops.split(keras.ops.matmul(inputs, self.kernel), 3, axis=-1)
        products = keras.ops.matmul(previous, self.recurrent_kernel)
        recurrent_gate, recurrent_score = keras.ops.split(products, 2, axis=-1)
        value_bias, gate_bias = keras.ops.split(self.bias, 2)
        value = (value + value_bias) * keras.ops.tanh(gate + recurrent_gate + gate_bias)
        score = score + recurrent_score
        largest = keras.ops.where(begun, largest, score)
        peak = keras.ops.maximum(largest, score)
        weight = keras.ops.exp(score - peak)
        total = total * keras.ops.exp(largest - peak) + weight
        average = average + (value - average) * weight / total
        output = keras.ops.tanh(average)
        return output, [output, average, total, peak]

    def get_config(self):
        return super().get_config() | {"units": self.units}
