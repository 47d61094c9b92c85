"""What recurrent layers share whose gates are computed for all steps at once."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least


class ParallelRecurrent(keras.layers.Layer):
    """The frame of `QRNN` and `SRU`: direction, masks, states and what is returned.

    A subclass says in `state_shapes(features)` which states it keeps, and in `read(sequences,
    states, mask)` what it makes of a sequence: the outputs of all steps and the last states.
    """

    def __init__(
        self,
        units,
        *,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_at_least(1, units=units)
        if stateful:
            raise InputError(
                f"`stateful` is True, but `{type(self).__name__}` keeps no state between batches. "
                "Use `return_state=True` and hand the states on as `initial_state`."
            )
        self.units = units
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = False
        self.states = None
        self.supports_masking = True

    def call(self, sequences, initial_state=None, mask=None, training=None):
        if self.go_backwards:
            sequences = keras.ops.flip(sequences, axis=1)
            mask = None if mask is None else keras.ops.flip(mask, axis=1)
        if initial_state is None:
            initial_state = self.get_initial_state(keras.ops.shape(sequences)[0])
        states = keras.tree.flatten(initial_state)
        outputs, states = self.read(sequences, states, mask, training)
        if mask is not None:
            outputs = outputs * keras.ops.cast(keras.ops.expand_dims(mask, -1), outputs.dtype)
        if not self.return_sequences:
            outputs = _last(outputs, mask)
        outputs, *states = (keras.ops.cast(one, self.compute_dtype) for one in (outputs, *states))
        return (outputs, *states) if self.return_state else outputs

    def get_initial_state(self, batch_size):
        """The states before the first step: zeros.

        Args:
            batch_size: Integer, or a tensor that holds one.

        Returns:
            List of tensors.
        """
        shapes = self.state_shapes(self.features)
        return [keras.ops.zeros((batch_size, *shape), self.variable_dtype) for shape in shapes]

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, steps, features = sequences_shape
        outputs = (batch, steps, self.units) if self.return_sequences else (batch, self.units)
        states = [(batch, *shape) for shape in self.state_shapes(features)]
        return (outputs, *states) if self.return_state else outputs

    def compute_mask(self, sequences, mask=None):
        outputs = mask if self.return_sequences else None
        if self.return_state:
            return [outputs, *[None] * len(self.state_shapes(self.features))]
        return outputs

    def get_config(self):
        names = ("units", "return_sequences", "return_state", "go_backwards")
        return super().get_config() | {name: getattr(self, name) for name in names}


def last_real(mask):
    """The number of the last step that is no padding, counted from 0; -1 where there is none."""
    steps = keras.ops.arange(keras.ops.shape(mask)[1])
    return keras.ops.max(keras.ops.where(mask, steps, -1), axis=1)


def _last(outputs, mask):
    """The output of the last real step; zero, as padded steps are, where there is none."""
    if mask is None:
        return outputs[:, -1]
    step = keras.ops.maximum(last_real(mask), 0)
    return keras.ops.take_along_axis(outputs, step[:, None, None], axis=1)[:, 0]
