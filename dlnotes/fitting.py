"""Sends every `model.fit` of a block through one function: for checkpoints, for many processes.

Recipes call `model.fit` of plain Keras. What `dlnotes run` adds to it (going on after an
interruption, sharing the rows among processes) comes in from outside, here.
"""

import contextlib
import functools
import inspect

from dlnotes._keras import keras


@contextlib.contextmanager
def through(function):
    """Lets `function` stand in for `Model.fit` inside the block.

    Blocks can be nested: the inner function then gets the outer one as its `fit`.

    Args:
        function: Called as `function(model, fit, arguments)` for every `model.fit(...)`, where
            `arguments` are those of `fit` by name, and `fit(**arguments)` is what would have run.

    Example:

    >>> import keras, numpy
    >>> from dlnotes import fitting
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> def once(model, fit, arguments):
    ...     return fit(**arguments | {"epochs": 1})
    >>> with fitting.through(once):
    ...     history = model.fit(numpy.ones((2, 1)), numpy.ones(2), epochs=5, verbose=0)
    >>> history.epoch
    [0]
    """
    inherited = "fit" not in vars(keras.Model)
    plain = keras.Model.fit
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def fit(self, *args, **kwargs):
        arguments = dict(signature.bind(self, *args, **kwargs).arguments)
        return function(arguments.pop("self"), functools.partial(plain, self), arguments)

    keras.Model.fit = fit
    try:
        yield
    finally:
        if inherited:
            del keras.Model.fit
        else:
            keras.Model.fit = plain
