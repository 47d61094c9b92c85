"""The quasi-recurrent layer: gates by convolution, then one recurrence without weights."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers._parallel_recurrent import ParallelRecurrent, last_real
from dlnotes.scans import linear_recurrence

POOLINGS = ("f", "fo", "ifo")


@keras.saving.register_keras_serializable(package="dlnotes")
class QRNN(ParallelRecurrent):
    """A quasi-recurrent layer: fast on long sequences, in the place of an LSTM.

    A convolution over the last `window` steps gives the candidate `z` and the gates of all steps at
    once. What is left to be done step by step has no weights:

        f:    c[t] = f[t] * c[t-1] + (1 - f[t]) * z[t]        h[t] = c[t]
        fo:   the same                                        h[t] = o[t] * c[t]
        ifo:  c[t] = f[t] * c[t-1] + i[t] * z[t]              h[t] = o[t] * c[t]

    Forget gates start with a bias of one, as those of `keras.layers.LSTM` do.

    No gate sees the state. So there are things that an LSTM can count and this layer cannot, such
    as whether the number of ones so far is odd, whatever its width; several layers help a little.

    Padded steps keep the state, are zeros in the window, and their outputs are zero, in both
    directions. Gates and outputs have the layer's type; the state is float32 under a mixed policy
    too, and handed out in the layer's type.

    Reference: Bradbury, Merity, Xiong, Socher, "Quasi-recurrent neural networks", 2017, equations 1
    to 5 and, for the zoneout, section 2.1; notes 001:205, 317-321, 002:803, 949-951.

    Args:
        units: Integer, width of state and output.
        window: Integer, steps that a gate looks at, its own and those before. Defaults to `2`.
        pooling: `"f"`, `"fo"` or `"ifo"`. Defaults to `"fo"`.
        zoneout: Float in [0, 1), the share of forget gates set to one in training: these units
            keep their state. In inference gates take their mean. Defaults to `0.0`.
        return_sequences: Boolean, the outputs of all steps or that of the last one. Defaults to
            `False`.
        return_state: Boolean, whether the last states are returned too: the memory and, for a
            window beyond 1, the inputs that the next window needs. Given as `initial_state` they
            make one sequence out of pieces. Defaults to `False`.
        go_backwards: Boolean, whether the sequence is read from its end; outputs are in the order
            of reading. Defaults to `False`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        sequences: Tensor of shape `(batch, steps, features)`.
        initial_state: List of tensors as `return_state` gives them. Optional.
        mask: Boolean tensor of shape `(batch, steps)`, false where there is padding. Optional.

    Input shape:
        `(batch, steps, features)`; the steps may be unknown.

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` if `return_sequences`; with `return_state` also
        `(batch, units)` and, for a window beyond 1, `(batch, window - 1, features)`.

    Raises:
        InputError: If an argument is out of its range, or `stateful=True` is asked for.

    Example:

    >>> import keras
    >>> from dlnotes.layers import QRNN
    >>> from dlnotes.masks import step_mask
    >>> inputs = keras.Input((None, 12))
    >>> outputs = keras.layers.Bidirectional(QRNN(16))(inputs, mask=step_mask(inputs))
    >>> outputs.shape
    (None, 32)
    """

    def __init__(self, units, window=2, pooling="fo", zoneout=0.0, **kwargs):
        super().__init__(units, **kwargs)
        check_at_least(1, window=window)
        if pooling not in POOLINGS:
            raise InputError(f"`pooling` is {pooling!r}, but must be 'f', 'fo' or 'ifo'.")
        if not 0 <= zoneout < 1:
            raise InputError(f"`zoneout` is {zoneout}, but must be at least 0 and below 1.")
        self.window, self.pooling, self.zoneout = window, pooling, zoneout
        self.convolution = keras.layers.Conv1D(
            (1 + len(pooling)) * units,
            window,
            bias_initializer=self._first_bias,
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.dropout = keras.layers.Dropout(zoneout, dtype=self.variable_dtype, name="zoneout")

    def build(self, sequences_shape, initial_state_shape=None):
        self.features = sequences_shape[-1]
        self.convolution.build((None, None, self.features))

    def _first_bias(self, shape, dtype=None):
        parts = [
            keras.ops.full((self.units,), float(part == "f"), dtype) for part in "z" + self.pooling
        ]
        return keras.ops.concatenate(parts)

    def state_shapes(self, features):
        return [(self.units,), (self.window - 1, features)][: self.window]

    def read(self, sequences, states, mask, training):
        if mask is not None:
            real = keras.ops.cast(keras.ops.expand_dims(mask, -1), sequences.dtype)
            sequences = sequences * real
        memory, *recent = (keras.ops.cast(state, self.variable_dtype) for state in states)
        if recent:
            recent = keras.ops.cast(recent[0], sequences.dtype)
            sequences = keras.ops.concatenate([recent, sequences], axis=1)
        gates = keras.ops.cast(self.convolution(sequences), self.variable_dtype)
        candidate, *gates = keras.ops.split(gates, 1 + len(self.pooling), axis=-1)
        gates = dict(zip(self.pooling, map(keras.ops.sigmoid, gates), strict=True))
        if self.zoneout:
            forgot = self.dropout(1 - gates["f"], training=training)
            gates["f"] = 1 - (1 - self.zoneout) * forgot
        new = gates.get("i", 1 - gates["f"]) * keras.ops.tanh(candidate)
        memories = linear_recurrence(gates["f"], new, memory, mask)
        states = [memories[:, -1], *self._recent(sequences, mask)]
        return memories * gates.get("o", 1), states

    def _recent(self, sequences, mask):
        """The inputs before the next step: of the last real steps, or those from before."""
        if self.window == 1:
            return []
        if mask is None:
            return [sequences[:, -(self.window - 1) :]]
        steps = last_real(mask)[:, None] + keras.ops.arange(1, self.window)
        return [keras.ops.take_along_axis(sequences, steps[..., None], axis=1)]

    def get_config(self):
        names = ("window", "pooling", "zoneout")
        return super().get_config() | {name: getattr(self, name) for name in names}
