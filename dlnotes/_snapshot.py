"""The changing values of a model, kept and put back."""

import itertools

from dlnotes._keras import keras
import numpy as np


class Snapshot:
    """Keeps a copy of variables and puts it back, bit for bit.

    Args:
        variables: Iterable of `keras.Variable`.
    """

    def __init__(self, variables):
        self._values = [(variable, np.array(variable.value)) for variable in variables]

    def restore(self):
        """Gives every variable its kept value."""
        for variable, value in self._values:
            variable.assign(value)


def everything(model):
    """All variables that `fit` changes: weights, statistics, seeds, states and the optimizer's."""
    return itertools.chain(model.variables, recurrent_states(model), model.optimizer.variables)


def changed_by_predict(model):
    """The variables that even `predict` can change: seeds and the states of stateful layers."""
    weights = {id(weight) for weight in model.weights}
    seeds = [variable for variable in model.variables if id(variable) not in weights]
    return itertools.chain(seeds, recurrent_states(model))


def recurrent_states(model):
    """The states of stateful recurrent layers, which `model.variables` does not list."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):
            for state in keras.tree.flatten(getattr(layer, "states", None)):
                if isinstance(state, keras.Variable):
                    yield state
