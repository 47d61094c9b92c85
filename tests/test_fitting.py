"""Every fit of a block goes through one function, and afterwards none does."""

from dlnotes import fitting
import keras
import numpy as np
import pytest

X, Y = np.ones((4, 1)), np.ones((4, 1))


def compiled():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def test_the_function_gets_the_arguments_by_name():
    seen = {}

    def look(model, fit, arguments):
        seen.update(arguments)
        return fit(**arguments)

    model = compiled()
    with fitting.through(look):
        history = model.fit(X, Y, 2, epochs=3, verbose=0)
    assert list(seen) == ["x", "y", "batch_size", "epochs", "verbose"]
    assert history.epoch == [0, 1, 2]


def test_blocks_nest_from_the_inside_out():
    order = []

    def passing(name):
        def function(model, fit, arguments):
            order.append(name)
            return fit(**arguments)

        return function

    with fitting.through(passing("outer")), fitting.through(passing("inner")):
        compiled().fit(X, Y, verbose=0)
    assert order == ["inner", "outer"]


def test_after_the_block_keras_is_as_it_was():
    plain = keras.Model.fit
    with pytest.raises(RuntimeError, match="in the block"), fitting.through(print):
        raise RuntimeError("in the block")
    assert keras.Model.fit is plain
    assert "fit" not in vars(keras.Model)
