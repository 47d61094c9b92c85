"""Recurrent layers as plain loops in NumPy, to compare with."""

import keras
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(sequence, kernel, recurrent_kernel, bias):
    """All states of an LSTM over one sequence, step by step."""
    state = memory = np.zeros(len(recurrent_kernel))
    states = []
    for step in sequence:
        gates = step @ kernel + state @ recurrent_kernel + bias
        i, f, candidate, o = np.split(gates, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
        state = sigmoid(o) * np.tanh(memory)
        states.append(state)
    return np.array(states)


def lstm_loop(weights, x, mask=None, h=None, c=None):
    """An LSTM, written out: Hochreiter and Schmidhuber with a forget gate, Keras's gate order.

    Returns the outputs of all steps and the last two states. A masked step repeats the output
    before it and leaves the states alone. Before the first step of a window stands a zero; on JAX
    the output of the window before.
    """
    kernel, recurrent_kernel, bias = (np.asarray(weight, "float64") for weight in weights)
    batch, steps, _ = x.shape
    units = recurrent_kernel.shape[0]
    h = np.zeros((batch, units)) if h is None else h.copy()
    c = np.zeros((batch, units)) if c is None else c.copy()
    outputs = np.zeros((batch, steps, units))
    for row in range(batch):
        output = h[row].copy() if keras.config.backend() == "jax" else np.zeros(units)
        for step in range(steps):
            if mask is None or mask[row, step]:
                gates = x[row, step] @ kernel + h[row] @ recurrent_kernel + bias
                i, f, candidate, o = np.split(gates, 4)
                c[row] = sigmoid(f) * c[row] + sigmoid(i) * np.tanh(candidate)
                output = h[row] = sigmoid(o) * np.tanh(c[row])
            outputs[row, step] = output
    return outputs, h, c


def randomise(model, rng):
    """Gives every weight, biases included, a value that matters, and returns the model."""
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.get_weights()])
    return model


def padded(sequences, steps, value=0.0):
    """Sequences of unequal length as one batch, filled up at the end."""
    batch = np.full((len(sequences), steps, *sequences[0].shape[1:]), value, sequences[0].dtype)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence)] = sequence
    return batch
