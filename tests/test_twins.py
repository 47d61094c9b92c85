"""A second run in the graphs of the first still shows whether a seed decides all."""

import keras
import numpy as np

from twins import Twins

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")


def run(seed=None, compiled_again=False):
    if seed is not None:
        keras.utils.set_random_seed(seed)
    layers = keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("adam", "mse")
    if compiled_again:
        model.compile("sgd", "mse")
    loss = model.fit(X, X[:, :1], batch_size=8, verbose=0).history["loss"]
    score = model.evaluate(X, X[:, :1], verbose=0)
    return model, [*loss, score, *model.predict(X, verbose=0)[:, 0]]


def runs(monkeypatch, *arguments, **options):
    twins = Twins(monkeypatch)
    first, expected = run(*arguments, **options)
    twins.second_run()
    second, found = run(*arguments, **options)
    return first, second, found == expected


def test_with_a_seed_both_runs_are_equal_and_the_second_traces_nothing(monkeypatch):
    first, second, equal = runs(monkeypatch, seed=0)
    assert equal and first is not second
    assert first.train_function is not None and second.train_function is None
    for one, other in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_seed_they_differ(monkeypatch):
    *_, equal = runs(monkeypatch)
    assert not equal


def test_what_is_compiled_again_has_graphs_of_its_own(monkeypatch):
    _, second, equal = runs(monkeypatch, seed=0, compiled_again=True)
    assert equal and second.train_function is not None


def test_equal_weights_do_not_hide_what_else_is_drawn(monkeypatch):
    def losses():
        layers = keras.layers.Dense(4, kernel_initializer="ones"), keras.layers.Dropout(0.5)
        model = keras.Sequential([keras.Input((3,)), *layers])
        model.compile("sgd", "mse")
        return model.fit(X, X[:, :1], batch_size=8, verbose=0).history["loss"]

    twins = Twins(monkeypatch)
    first = losses()
    twins.second_run()
    assert losses() != first


def test_a_model_that_only_predicts_has_a_twin_that_follows_its_weights(monkeypatch):
    def predicting():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        return model, model.predict(X, verbose=0)

    twins = Twins(monkeypatch)
    first, expected = predicting()
    twins.second_run()
    second, found = predicting()
    np.testing.assert_array_equal(found, expected)
    assert first.predict_function is not None and second.predict_function is None
    second.set_weights([np.zeros_like(weight) for weight in second.get_weights()])
    assert not second.predict(X, verbose=0).any()


def test_a_state_begins_and_ends_with_its_own_model(monkeypatch):
    def predicting():
        keras.utils.set_random_seed(0)
        inputs = keras.Input(batch_shape=(24, None, 3))
        model = keras.Model(inputs, keras.layers.LSTM(2, stateful=True)(inputs))
        return model.predict_on_batch(X[:, None])

    twins = Twins(monkeypatch)
    expected = predicting()
    twins.second_run()
    np.testing.assert_array_equal(predicting(), expected)
