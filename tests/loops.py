"""Recurrent layers as plain loops in NumPy, to compare with."""

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
