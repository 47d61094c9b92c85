"""A model that is used again trains exactly as a new one."""

from dlnotes.layers import StatefulLSTM
from dlnotes.reuse import reuse
import keras
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = X.sum(axis=1)


def build(units):
    layers = [keras.Input((4,)), keras.layers.Dense(units), keras.layers.BatchNormalization()]
    layers += [keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def trained(model, rate=0.01):
    model.optimizer.learning_rate = rate
    losses = model.fit(X, Y, batch_size=4, epochs=2, verbose=0).history["loss"]
    return losses, model.get_weights()


def assert_same(first, second):
    assert first[0] == second[0]
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_trains_as_a_new_model_does(rate):
    network = reuse(build)
    trained(network(5, units=3))
    again = network(1, units=3)
    keras.utils.set_random_seed(1)
    new = build(units=3)
    keras.utils.set_random_seed(1)
    expected = trained(new, rate)
    keras.utils.set_random_seed(1)
    assert_same(trained(again, rate), expected)


def test_a_stateful_model_starts_anew():
    @reuse
    def stateful():
        layers = [keras.Input(batch_shape=(4, 3, 1)), StatefulLSTM(2)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    x = X[:4, :3, None]
    first = stateful(0).predict(x, batch_size=4, verbose=0)
    again = stateful(0)
    np.testing.assert_array_equal(again.predict(x, batch_size=4, verbose=0), first)
    assert np.abs(again.predict(x, batch_size=4, verbose=0) - first).max() > 1e-3


def test_other_arguments_get_another_model():
    network = reuse(build)
    assert network(0, units=3) is network(1, units=3)
    assert network(0, units=3) is not network(0, units=4)


def test_another_seed_gives_other_weights():
    network = reuse(build)
    first = network(0, units=3).get_weights()[0]
    assert np.abs(network(1, units=3).get_weights()[0] - first).max() > 0.1
