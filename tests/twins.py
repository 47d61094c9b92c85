"""Runs of one recipe that share the graphs of their models."""

import functools

from dlnotes.recurrent import stateful_layers
import keras

from tracing import owner

METHODS = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")


class Twins:
    """Lets the models of a second run work in the graphs of those of the first.

    Tracing is half the time of a small run. The second run builds, seeds and compiles models of its
    own; each has a twin, the one that the first run compiled or used as the same in turn. To train
    or predict, the twin takes over its values and does the work, and from then on both have the
    same variables. So the second run draws all that the first one drew, except what is drawn while
    a graph is traced.

    Models that are compiled again, or whose twin has other variables, have graphs of their own.

    Args:
        monkeypatch: The fixture of pytest.
    """

    def __init__(self, monkeypatch):
        self._runs, self._again = [[]], []
        self._replace("compile", self._compiled, monkeypatch)
        for name in METHODS:
            self._replace(name, self._in_the_twin, monkeypatch)

    def second_run(self):
        """Begins it."""
        self._runs.append([])

    def _replace(self, name, wrapped, monkeypatch):
        monkeypatch.setattr(owner(name), name, wrapped(getattr(keras.Model, name)))

    def _compiled(self, plain):
        @functools.wraps(plain)
        def method(model, *arguments, **options):
            plain(model, *arguments, **options)
            (self._again if contains(self._runs[-1], model) else self._runs[-1]).append(model)

        return method

    def _in_the_twin(self, plain):
        @functools.wraps(plain)
        def method(model, *arguments, **options):
            if not any(contains(models, model) for models in self._runs):
                self._runs[-1].append(model)
            twin = self._twin(model)
            if twin is None:
                return plain(model, *arguments, **options)
            share(twin, model)
            return plain(twin, *arguments, **options)

        return method

    def _twin(self, model):
        if len(self._runs) == 2:
            for twin, other in zip(*self._runs, strict=False):
                if other is model:
                    again = contains(self._again, model) or contains(self._again, twin)
                    return None if again or shapes(model) != shapes(twin) else twin
        return None


def contains(models, model):
    return any(model is other for other in models)


def shapes(model):
    return [variable.shape for variable in variables(model)], len(model.trainable_variables)


def share(twin, model):
    """Gives both the variables of the twin, with the values of the model."""
    for one, other in zip(all_variables(twin), all_variables(model), strict=True):
        if one._value is not other._value:
            one.assign(other)
            other._value = one._value


def variables(model):
    """Those of the model, and the states, which Keras does not count."""
    return [*model.variables, *keras.tree.flatten([r.states for r in stateful_layers(model)])]


def all_variables(model):
    if not model.compiled:
        return variables(model)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*variables(model), *model.optimizer.variables]
