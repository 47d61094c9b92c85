"""Training recurrent layers whose gates are computed for all steps at once, beside an LSTM.

    python benchmarks/fast_rnn.py

Each contestant trains a layer of 64 units on 32 batches of 32 sequences with 64 features, from
the same weights and by plain gradient descent, and answers with its weights after that. The loops
are the same layer with its recurrence written as a reader would, with `keras.ops.scan` or
`keras.ops.associative_scan`, and their gradients left to the backend. The LSTM is another function:
it answers with nothing, and is there because it is what these layers replace. The limit is the
layer with its recurrence left out: gates, and what is made of them.
"""

import contextlib
import functools
from unittest import mock

from dlnotes.layers import QRNN, SRU
import keras
from keras import layers, ops
import numpy as np
from side_by_side import Subject, main

UNITS, BATCH, BATCHES = 64, 32, 32
STEPS, TINY = (64, 128, 256), (4, 20)
OURS, LSTM, LIMIT = "dlnotes", "LSTM (another function)", "gates without recurrence"


def data(steps):
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCH * BATCHES, steps, UNITS)).astype("float32")
    return x, x[:, 0, :1]


@functools.cache
def trained(layer, steps, recurrence=None):
    """A network that has seen one batch, and the weights that it began with."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((steps, UNITS))
    model = keras.Model(inputs, layers.Dense(1)(layer(UNITS)(inputs)))
    model.compile(keras.optimizers.SGD(0.1), "mse", steps_per_execution=BATCHES)
    beginning = model.get_weights()
    x, y = data(steps)
    with recurrence or contextlib.nullcontext():
        model.fit(x, y, batch_size=BATCH, verbose=0)
    return model, beginning


def contestant(layer, recurrence=None):
    """A function that trains the layer, with its recurrence replaced."""

    def train(given):
        x, y = given
        model, beginning = trained(layer, x.shape[1], recurrence)
        model.set_weights(beginning)
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        return None if layer is layers.LSTM else model.get_weights()

    return train


def scanned(decay, inputs, state, mask=None):
    """The recurrence of QRNN in a loop."""

    def step(state, now):
        state = now[0] * state + now[1]
        return state, state

    both = [ops.swapaxes(tensor, 0, 1) for tensor in (decay, inputs)]
    return ops.swapaxes(ops.scan(step, state, both)[1], 0, 1)


def associated(decay, inputs, state, mask=None):
    """The recurrence of QRNN as a tree of pairs of steps; the first state is zero here."""

    def pair(first, second):
        return first[0] * second[0], second[0] * first[1] + second[1]

    states = ops.associative_scan(pair, (decay, inputs), axis=1)[1]
    return ops.reshape(states, (-1, *inputs.shape[1:]))


def scanned_memories(forget, candidate, weight, memory):
    """The recurrence of SRU in a loop."""

    def step(memory, now):
        gate = ops.sigmoid(now[0] + weight * memory)
        memory = gate * memory + (1 - gate) * now[1]
        return memory, memory

    both = [ops.swapaxes(tensor, 0, 1) for tensor in (forget, candidate)]
    return ops.swapaxes(ops.scan(step, memory, both)[1], 0, 1)


def instead(place, function):
    return mock.patch(f"dlnotes.layers.{place}", function)


def difference(given, weights, others):
    """The largest difference of any weight; nothing to compare for the LSTM."""
    if others is None:
        return 0.0
    return max(np.abs(a - b).max() for a, b in zip(weights, others, strict=True))


def layer_subject(name, layer, loops, recurrence, nothing):
    contestants = {OURS: contestant(layer), LSTM: contestant(layers.LSTM)}
    contestants |= {
        loop: contestant(layer, instead(recurrence, function)) for loop, function in loops.items()
    }
    contestants[LIMIT] = contestant(layer, instead(recurrence, nothing))
    return Subject(
        name=name,
        title=f"32 steps of training a layer of {UNITS} units: {layer.__name__}",
        unit="steps of a sequence",
        sizes=STEPS,
        tiny=TINY,
        prepare=data,
        contestants=contestants,
        ours=OURS,
        limit=LIMIT,
        difference=difference,
        tolerance=1e-4,
        goals={LSTM: 2},
    )


SUBJECTS = [
    layer_subject(
        "qrnn",
        QRNN,
        {"keras.ops.scan": scanned, "keras.ops.associative_scan": associated},
        "qrnn.linear_recurrence",
        lambda decay, inputs, state, mask: decay + inputs,
    ),
    layer_subject(
        "sru",
        SRU,
        {"keras.ops.scan": scanned_memories},
        "sru._memories",
        lambda forget, candidate, weight, memory: forget * weight + candidate,
    ),
]

if __name__ == "__main__":
    main(__doc__, SUBJECTS)
