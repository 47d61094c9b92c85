"""What a recurrent layer keeps, step by step."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
import numpy as np


def states_at_each_step(layer, x):
    """Computes every state of a recurrent layer after every step.

    Keras hands out the outputs of all steps, but the states of the last one alone. Of an LSTM the
    outputs are the hidden state; what it remembers is in its cell, which this function shows.

    Reference: Karpathy, Johnson, Fei-Fei 2015, https://arxiv.org/abs/1506.02078, section 4.2 (the
    hyperbolic tangent of single cells over the text); notes 002:841.

    Args:
        layer: A recurrent `keras.Layer` with a `cell`, such as `keras.layers.LSTM`, built.
        x: Array or tensor of shape `(batch, steps, features)`, the layer's input.

    Returns:
        List of arrays of shape `(batch, steps, units)`, one for each state: of an LSTM the hidden
        state and the cell.

    Raises:
        InputError: If the layer has no cell.

    Example:

    >>> import keras, numpy
    >>> from dlnotes.inspection import states_at_each_step
    >>> lstm, x = keras.layers.LSTM(4), numpy.ones((2, 5, 3))
    >>> last = lstm(x)
    >>> hidden, cell = states_at_each_step(lstm, x)
    >>> bool(numpy.allclose(hidden[:, -1], last, atol=1e-6)), cell.shape
    (True, (2, 5, 4))
    """
    if not hasattr(layer, "cell"):
        raise InputError(
            f"`layer` ({layer.name!r}) is a {type(layer).__name__}, which has no cell: give a "
            "recurrent layer, of a bidirectional one its `forward_layer` or `backward_layer`."
        )
    x = keras.ops.cast(x, layer.compute_dtype)
    states = layer.get_initial_state(batch_size=x.shape[0])
    seen = []
    for step in range(x.shape[1]):
        _, states = layer.cell(x[:, step], states)
        seen.append([keras.ops.convert_to_numpy(state) for state in keras.tree.flatten(states)])
    return [np.stack(steps, axis=1) for steps in zip(*seen, strict=True)]
