"""A recurrent layer that looks at another sequence before each of its steps."""

from dlnotes._keras import keras
from dlnotes.errors import InputError


@keras.saving.register_keras_serializable(package="dlnotes")
class AttentiveRNN(keras.layers.Wrapper):
    """Runs a recurrent cell whose every step looks at a memory first: Bahdanau's decoder.

    The last state asks, the memory answers: the scores of its steps are
    `v . tanh(query(state) + key)`, their softmax gives the weights, the weighted sum of the memory
    is the context, and the cell reads it beside its input. What was looked at so far can so guide
    what is looked at next, which attention after a recurrent layer cannot do; the price is one
    attention after the other in training too.

    The keys are the memory after a `Dense` layer of yours, which is computed once, not at every
    step. The scores are those of `keras.layers.AdditiveAttention`.

    Reference: Bahdanau, Cho, Bengio 2015, https://arxiv.org/abs/1409.0473, section 3.1, equations 4
    to 6 and appendix A.1.2; notes 002:1462, 1465, 1488.

    Args:
        layer: A recurrent cell of Keras without dropout, such as `keras.layers.GRUCell(8)`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        sequence: Tensor of shape `(batch, time, features)`.
        memory: Tensor of shape `(batch, steps, size)`.
        keys: Tensor of shape `(batch, steps, width)`.
        initial_state: List of tensors, the cell's states before the first step. Handing over the
            last ones goes on where another call ended.
        memory_mask: Boolean tensor of shape `(batch, steps)`, true for steps that may be looked at.
            Optional.
        training: Boolean.

    Output shape:
        A tuple of

        - outputs, `(batch, time, units)`
        - contexts, `(batch, time, size)`
        - weights of the attention, `(batch, time, steps)`
        - the cell's last states, each `(batch, units)`.

    Raises:
        InputError: If the cell has dropout.

    Example:

    >>> import keras
    >>> from dlnotes.layers import AttentiveRNN
    >>> sequence, memory, start = (keras.Input(shape) for shape in ((7, 1), (5, 3), (4,)))
    >>> keys = keras.layers.Dense(4)(memory)
    >>> results = AttentiveRNN(keras.layers.GRUCell(4))(sequence, memory, keys, [start])
    >>> [result.shape for result in results]
    [(None, 7, 4), (None, 7, 3), (None, 7, 5), (None, 4)]
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        if getattr(layer, "dropout", 0) or getattr(layer, "recurrent_dropout", 0):
            raise InputError(
                "`layer` has dropout inside, which this layer does not draw anew for each batch: "
                "put `keras.layers.Dropout` before or behind it."
            )
        self.rnn = keras.layers.RNN(
            _AttentiveCell(layer, dtype=self.dtype_policy),
            return_sequences=True,
            return_state=True,
            dtype=self.dtype_policy,
        )
        self.supports_jit = keras.config.backend() != "tensorflow"

    def build(self, sequence_shape, memory_shape, keys_shape):
        shape = (*sequence_shape[:-1], sequence_shape[-1] + memory_shape[-1])
        if not self.layer.built:
            self.layer.build((shape[0], shape[-1]))
        self.rnn.cell.build_attention(memory_shape, keys_shape)
        self.rnn.build(shape)
        self.built = True

    def call(self, sequence, memory, keys, initial_state, memory_mask=None, training=False):
        ops, cell = keras.ops, self.rnn.cell
        if memory_mask is None:
            memory_mask = ops.ones_like(memory[..., 0], dtype="bool")
        first, *more = initial_state
        joined, *states = self.rnn(
            sequence, initial_state=[first, *more, memory, keys, memory_mask], training=training
        )
        outputs, contexts = joined[..., : cell.units], joined[..., cell.units :]
        before = ops.concatenate([ops.cast(first, outputs.dtype)[:, None], outputs], axis=1)
        _, weights = cell.attend(before[:, :-1], memory, keys, memory_mask)
        return outputs, contexts, weights, *states[: 1 + len(more)]


class _AttentiveCell(keras.layers.Layer):
    """A cell whose last three states are the memory, its keys and its mask: they never change."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        sizes = keras.tree.flatten(cell.state_size)
        self.units = sizes[0]
        self.state_size = [*sizes, 0, 0, 0]

    def build_attention(self, memory_shape, keys_shape):
        self.query = keras.layers.Dense(
            keys_shape[-1], use_bias=False, dtype=self.dtype_policy, name="query"
        )
        self.query.build((None, None, self.units))
        self.attention = keras.layers.AdditiveAttention(dtype=self.dtype_policy)
        self.attention.build([keys_shape, memory_shape, keys_shape])
        self.output_size = self.units + memory_shape[-1]
        self.built = True

    def attend(self, states, memory, keys, mask):
        """Contexts and weights of the attention for states of shape (batch, time, units)."""
        return self.attention(
            [self.query(states), memory, keys], mask=[None, mask], return_attention_scores=True
        )

    def call(self, inputs, states, training=False):
        *own, memory, keys, mask = states
        context, _ = self.attend(own[0][:, None], memory, keys, mask > 0)
        context = context[:, 0]
        output, own = self.cell(
            keras.ops.concatenate([inputs, context], axis=-1), own, training=training
        )
        return keras.ops.concatenate([output, context], axis=-1), [*own, memory, keys, mask]
