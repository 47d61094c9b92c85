from dlnotes.errors import InputError
from dlnotes.transfer import thaw
import keras
import numpy as np
import pytest

X = np.arange(12.0).reshape(4, 3) / 12
Y = np.array([[1.0], [0.0], [2.0], [1.0]])


def half_frozen(optimizer="sgd", **compiled):
    """A nested model whose inner layer is frozen, fitted once."""
    keras.utils.set_random_seed(0)
    frozen = keras.layers.Dense(2, trainable=False, name="frozen")
    inner = keras.Sequential([keras.Input((3,)), frozen])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    model.fit(X, Y, verbose=0)
    return model, frozen


def changes_in_a_fit(model, frozen):
    before = frozen.get_weights()
    model.fit(X, Y, verbose=0)
    return any(
        not np.array_equal(old, new) for old, new in zip(before, frozen.get_weights(), strict=True)
    )


def test_a_thawed_layer_is_trained():
    model, frozen = half_frozen()
    assert not changes_in_a_fit(model, frozen)
    assert thaw(model, 0.001) is model
    assert frozen.trainable and len(model.trainable_weights) == 4
    assert changes_in_a_fit(model, frozen)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="how TensorFlow behaves")
def test_setting_trainable_without_compiling_does_nothing():
    model, frozen = half_frozen()
    model.trainable = True
    assert not frozen.trainable
    frozen.trainable = True
    assert not changes_in_a_fit(model, frozen)


def test_loss_metrics_and_kind_of_optimizer_stay():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    optimizer = keras.optimizers.RMSprop(schedule, rho=0.5, clipnorm=1.0)
    model, _ = half_frozen(optimizer, metrics=["mae"], run_eagerly=True)
    before = model.evaluate(X, Y, verbose=0, return_dict=True)
    thaw(model, 0.002)
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.002)
    assert (model.optimizer.rho, model.optimizer.clipnorm) == (0.5, 1.0)
    assert model.run_eagerly
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == before


def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(InputError, match="`model` is not compiled: compile it, train it"):
        thaw(model, 0.001)
