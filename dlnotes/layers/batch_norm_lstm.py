"""An LSTM layer with batch normalisation inside, with statistics for each step."""

import functools

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least


@keras.saving.register_keras_serializable(package="dlnotes")
class BatchNormLSTM(keras.layers.Layer):
    """An LSTM that normalises its gates over the batch, separately for each step.

    Weighted inputs, weighted state and memory are brought to mean zero and variance one over the
    rows of a batch, and then scaled by learned gains:

    ```
    i, f, candidate, o = BN_t(x W) * input_gain + BN_t(h U) * recurrent_gain + bias
    c = sigmoid(f) * c + sigmoid(i) * tanh(candidate)
    h = sigmoid(o) * tanh(BN_t(c) * memory_gain + memory_bias)
    ```

    At the beginning of a sequence the state has another distribution than later, so prediction
    needs a moving mean and variance for each step `t`: `max_steps` sets of them. The steps from
    `max_steps` on share the last set. With `max_steps=1` all steps share one, as they would with a
    `keras.layers.BatchNormalization` inside a cell.

    This is a layer and no cell: a cell that changes moving statistics inside the loop does not work
    on JAX, and a cell never sees the mask, so padded rows would count in the statistics. Here they
    do not. Pad at the end: steps are counted from the first column. The layer does not read
    backwards and has no `stateful`. It computes in float32 under every dtype policy.

    Reference:

    - [Cooijmans et al. 2017](https://arxiv.org/abs/1603.09025), equations 6 to 9; gains start at
      0.1, since with 1 the gradient vanishes
    - Notes 002:190, 002:193.

    Args:
        units: Integer, width of output and state.
        max_steps: Integer, number of steps with statistics of their own.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`). Defaults to `False`.
        momentum: Float, share of a moving statistic that is kept at each update. Defaults to `0.9`:
            that of `keras.layers.BatchNormalization`, 0.99, takes hundreds of updates to arrive.
        epsilon: Float, added to the variances. Defaults to `1e-3`, as in Keras.
        gain: Float, where the gains start. Defaults to `0.1`.
        unit_forget_bias: Boolean, whether the bias of the forget gate starts at one. Defaults to
            `True`.
        kernel_initializer: Initializer of the weights of the inputs. Defaults to
            `"glorot_uniform"`.
        recurrent_initializer: Initializer of the weights of the state. Defaults to `"orthogonal"`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        sequences: Tensor of shape `(batch, steps, features)`.
        mask: Boolean tensor of shape `(batch, steps)`, false for padded steps. Optional.
        training: Boolean, whether to normalise by the statistics of the batch and to update the
            moving ones.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` with `return_sequences=True`.

    Raises:
        InputError: If `max_steps` is below 1, or `momentum` is not from 0 to 1.

    Example:

    >>> import keras
    >>> from dlnotes.layers import BatchNormLSTM
    >>> lstm = BatchNormLSTM(4, max_steps=10)
    >>> lstm(keras.Input((10, 3))).shape
    (None, 4)
    >>> tuple(lstm.moving_mean.shape)
    (10, 36)
    """

    def __init__(
        self,
        units,
        max_steps,
        return_sequences=False,
        momentum=0.9,
        epsilon=1e-3,
        gain=0.1,
        unit_forget_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        **kwargs,
    ):
        check_at_least(1, units=units, max_steps=max_steps)
        if not 0 <= momentum <= 1:
            raise InputError(f"`momentum` is {momentum}, but must be from 0 to 1.")
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.max_steps = max_steps
        self.return_sequences = return_sequences
        self.momentum = momentum
        self.epsilon = epsilon
        self.gain = gain
        self.unit_forget_bias = unit_forget_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        units = self.units
        gain = keras.initializers.Constant(self.gain)
        add = functools.partial(self.add_weight, dtype="float32")
        self.kernel = add((input_shape[-1], 4 * units), self.kernel_initializer, name="kernel")
        self.recurrent_kernel = add(
            (units, 4 * units), self.recurrent_initializer, name="recurrent_kernel"
        )
        self.bias = add((4 * units,), self._initial_bias, name="bias")
        self.input_gain = add((4 * units,), gain, name="input_gain")
        self.recurrent_gain = add((4 * units,), gain, name="recurrent_gain")
        self.memory_gain = add((units,), gain, name="memory_gain")
        self.memory_bias = add((units,), "zeros", name="memory_bias")
        # columns: of the weighted inputs, of the weighted state, of the memory
        shape = (self.max_steps, 9 * units)
        self.moving_mean = add(shape, "zeros", trainable=False, name="moving_mean")
        self.moving_variance = add(shape, "ones", trainable=False, name="moving_variance")

    def _initial_bias(self, shape, dtype=None):
        starts = [0, int(self.unit_forget_bias), 0, 0]
        return keras.ops.cast(keras.ops.repeat(keras.ops.array(starts), self.units), dtype)

    def call(self, sequences, mask=None, training=False):
        training = training and self.trainable
        x = keras.ops.swapaxes(keras.ops.cast(sequences, "float32"), 0, 1)
        steps, batch = keras.ops.shape(x)[:2]
        real = keras.ops.ones((steps, batch, 1))
        if mask is not None:
            mask = keras.ops.expand_dims(keras.ops.swapaxes(mask, 0, 1), -1)
            real = keras.ops.cast(mask, "float32")
        place = keras.ops.minimum(keras.ops.arange(steps), self.max_steps - 1)
        # one tensor for all: TensorFlow's scan takes several at a known number of steps only
        of_steps = keras.ops.reshape(keras.ops.cast(place, "float32"), (-1, 1, 1))
        inputs = [keras.ops.matmul(x, self.kernel), real, keras.ops.ones_like(real) * of_steps]
        state, statistic = keras.ops.zeros((batch, self.units)), keras.ops.zeros(9 * self.units)
        (output, *_), (outputs, _, *statistics) = keras.ops.scan(
            functools.partial(self._step, training),
            [state, state, statistic, statistic],
            keras.ops.concatenate(inputs, axis=-1),
        )
        if training:
            self._update(statistics, keras.ops.sum(real, axis=(1, 2)), place)
        if self.return_sequences:
            output = keras.ops.swapaxes(outputs, 0, 1)
        return keras.ops.cast(output, self.compute_dtype)

    def _step(self, training, carry, now):
        """Output, memory, means and variances after a step, twice, as `scan` wants it."""
        hidden, memory, *_ = carry
        inputs, real, place = keras.ops.split(now, [4 * self.units, 4 * self.units + 1], axis=-1)
        place = keras.ops.cast(place[0, 0], "int32")
        moving = [keras.ops.take(m, place, axis=0) for m in self._moving()]
        used = []

        def normalized(values, begin):
            statistics = [m[begin : begin + values.shape[-1]] for m in moving]
            if training:
                statistics = _moments(values, real)
            used.append(statistics)
            return (values - statistics[0]) * keras.ops.rsqrt(statistics[1] + self.epsilon)

        weighted_state = keras.ops.matmul(hidden, self.recurrent_kernel)
        gates = normalized(inputs, 0) * self.input_gain + self.bias
        gates = gates + normalized(weighted_state, 4 * self.units) * self.recurrent_gain
        i, f, candidate, o = keras.ops.split(gates, 4, axis=-1)
        new = keras.ops.sigmoid(f) * memory + keras.ops.sigmoid(i) * keras.ops.tanh(candidate)
        shown = normalized(new, 8 * self.units) * self.memory_gain + self.memory_bias
        output = keras.ops.sigmoid(o) * keras.ops.tanh(shown)
        states = [real * output + (1 - real) * hidden, real * new + (1 - real) * memory]
        carry = [*states, *map(keras.ops.concatenate, zip(*used, strict=True))]
        return carry, carry

    def _moving(self):
        return self.moving_mean, self.moving_variance

    def _update(self, statistics, rows, place):
        """Moves each set of statistics towards those of its steps, weighted by their rows."""
        share = keras.ops.transpose(keras.ops.one_hot(place, self.max_steps)) * rows
        total = keras.ops.sum(share, axis=1, keepdims=True)
        for moving, found in zip(self._moving(), statistics, strict=True):
            mean = keras.ops.matmul(share, found) / keras.ops.maximum(total, 1)
            moved = self.momentum * moving + (1 - self.momentum) * mean
            moving.assign(keras.ops.where(total > 0, moved, moving))

    def compute_mask(self, sequences, mask=None):
        return mask if self.return_sequences else None

    def compute_output_shape(self, input_shape):
        batch, steps, _ = input_shape
        return (batch, steps, self.units) if self.return_sequences else (batch, self.units)

    def get_config(self):
        initializers = {
            name: keras.initializers.serialize(getattr(self, name))
            for name in ("kernel_initializer", "recurrent_initializer")
        }
        names = (
            "units",
            "max_steps",
            "return_sequences",
            "momentum",
            "epsilon",
            "gain",
            "unit_forget_bias",
        )
        return super().get_config() | {name: getattr(self, name) for name in names} | initializers


def _moments(values, weight):
    """Mean and variance over the rows that count."""
    rows = keras.ops.maximum(keras.ops.sum(weight), 1)
    mean = keras.ops.sum(weight * values, axis=0) / rows
    return mean, keras.ops.sum(weight * keras.ops.square(values - mean), axis=0) / rows
