"""Recurrences that need no loop over all steps."""

from dlnotes._keras import keras
from dlnotes.errors import InputError

BLOCK = 16


def linear_recurrence(decay, inputs, initial_state=None, mask=None):
    """Computes `state = decay * state + inputs` for all steps of a sequence, element by element.

    The recurrence of layers whose gates do not look at the state, such as QRNN. Steps are taken in
    blocks of up to 16, all blocks side by side; only the ends of the blocks are taken one after the
    other. Its gradient is the same recurrence from the end. On the processor this is faster than
    `keras.ops.scan` and several times faster than `keras.ops.associative_scan`. The number of
    steps may be unknown.

    Reference: Martin, Cundy, "Parallelizing linear recurrent neural nets over sequence length",
    2018, section 2 and appendix A for the gradient.

    Args:
        decay: Tensor of shape `(batch, steps, units)`.
        inputs: Tensor of the same shape and type.
        initial_state: Tensor of shape `(batch, units)`. Defaults to zeros.
        mask: Boolean tensor of shape `(batch, steps)`; a step where it is false keeps the state.
            Optional.

    Returns:
        The states after each step, of shape `(batch, steps, units)`.

    Raises:
        InputError: If `decay` and `inputs` differ in shape or have not three axes.

    Example:

    >>> import numpy as np
    >>> from dlnotes.scans import linear_recurrence
    >>> decay, inputs = np.full((1, 4, 1), 0.5), np.ones((1, 4, 1))
    >>> np.asarray(linear_recurrence(decay, inputs)).ravel()
    array([1.   , 1.5  , 1.75 , 1.875])
    """
    decay, inputs = keras.ops.copy(decay), keras.ops.copy(inputs)
    if len(inputs.shape) != 3 or tuple(decay.shape) != tuple(inputs.shape):
        raise InputError(
            f"`decay` and `inputs` have the shapes {tuple(decay.shape)} and "
            f"{tuple(inputs.shape)}, but both must be (batch, steps, units). Make them equal with "
            "`keras.ops.broadcast_to`."
        )
    if mask is not None:
        real = keras.ops.expand_dims(mask, -1)
        decay = keras.ops.where(real, decay, keras.ops.ones_like(decay))
        inputs = keras.ops.where(real, inputs, keras.ops.zeros_like(inputs))
    if initial_state is None:
        initial_state = keras.ops.zeros_like(inputs[:, 0])
    initial_state = keras.ops.cast(keras.ops.copy(initial_state), inputs.dtype)
    return _with_gradient(decay, inputs, initial_state)


@keras.ops.custom_gradient
def _with_gradient(decay, inputs, initial_state):
    states = _in_blocks(decay, inputs, initial_state)

    def gradient(*arguments, upstream=None):
        of_inputs = from_the_end(decay, arguments[0] if upstream is None else upstream)
        of_decay = of_inputs * states_before(states, initial_state)
        return of_decay, of_inputs, of_inputs[:, 0] * decay[:, 0]

    return states, gradient


def from_the_end(decay, inputs):
    """Computes `state[t] = inputs[t] + decay[t + 1] * state[t + 1]`: how gradients flow back.

    Args:
        decay: Tensor of shape `(batch, steps, units)`, how much a state depends on the one before.
        inputs: Tensor of the same shape, the gradients of the states as seen from outside.

    Returns:
        The whole gradients of the states, of the same shape.
    """
    later = keras.ops.concatenate([decay[:, 1:], keras.ops.zeros_like(decay[:, :1])], axis=1)
    return _in_blocks(later, inputs, keras.ops.zeros_like(inputs[:, 0]), backwards=True)


def states_before(states, initial_state):
    """The state before each step, given the states after each step and the one before all.

    Args:
        states: Tensor of shape `(batch, steps, units)`.
        initial_state: Tensor of shape `(batch, units)`.

    Returns:
        Tensor of shape `(batch, steps, units)`.
    """
    first = keras.ops.expand_dims(initial_state, 1)
    return keras.ops.concatenate([first, states[:, :-1]], axis=1)


def _in_blocks(decay, inputs, initial_state, backwards=False):
    """All blocks side by side from a zero state; then what each block inherits is added."""
    steps, units = keras.ops.shape(inputs)[1], inputs.shape[-1]
    size = -(-steps // -(-steps // BLOCK)) if isinstance(steps, int) else BLOCK
    missing = -steps % size
    order = slice(None, None, -1) if backwards else slice(None)

    def side_by_side(tensor):
        padded = keras.ops.pad(tensor, [[0, 0], [0, missing], [0, 0]])
        blocks = keras.ops.reshape(padded, (-1, (steps + missing) // size, size, units))
        return keras.ops.unstack(blocks, size, axis=2)[order]

    decays, states = side_by_side(decay), side_by_side(inputs)
    for step in range(1, size):
        states[step] = decays[step] * states[step - 1] + states[step]
        decays[step] = decays[step] * decays[step - 1]

    def end(state, block):
        state = block[0] * state + block[1]
        return state, state

    ends = keras.ops.transpose(keras.ops.stack([decays[-1], states[-1]]), (2, 0, 1, 3))
    _, ends = keras.ops.scan(end, initial_state, ends, reverse=backwards)
    ends, first = keras.ops.swapaxes(ends, 0, 1), keras.ops.expand_dims(initial_state, 1)
    inherited = [ends[:, 1:], first] if backwards else [first, ends[:, :-1]]
    inherited = keras.ops.concatenate(inherited, axis=1)
    states = [d * inherited + state for d, state in zip(decays, states, strict=True)][order]
    states = keras.ops.reshape(keras.ops.stack(states, axis=2), (-1, steps + missing, units))
    return states[:, :steps]
