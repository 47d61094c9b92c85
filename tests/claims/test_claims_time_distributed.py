"""The claims about TimeDistributed change their verdict when what they check is broken."""

from dlnotes import catalogue, claims
from dlnotes.layers import TimeFold
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("time_distributed").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


@pytest.mark.parametrize("name", ["td-same-weights", "td-units-plus-one", "td-whole-equals-each"])
def test_untouched(module, name):
    assert verdict(module, name) == "holds"


def test_a_direct_dense_does_not_flatten(module):
    assert verdict(module, "td-direct-dense-flattens") == "contradicted"


def test_outputs_that_grow_with_the_steps(module, monkeypatch):
    wrapped_call = keras.layers.TimeDistributed.call

    def growing(self, inputs, **options):
        steps = keras.ops.arange(inputs.shape[1], dtype="float32")
        return wrapped_call(self, inputs, **options) * steps[:, None]

    monkeypatch.setattr(keras.layers.TimeDistributed, "call", growing)
    assert verdict(module, "td-same-weights") == "contradicted"


@pytest.mark.parametrize("name", ["td-loops", "outdated-3", "outdated-7"])
def test_a_wrapper_that_folds_the_time(module, name, monkeypatch):
    assert verdict(module, name) == "holds"

    def folded(self, inputs, training=None, mask=None):
        return TimeFold.call(self, inputs)

    monkeypatch.setattr(keras.layers.TimeDistributed, "call", folded)
    assert verdict(module, name) == "contradicted"


def test_shuffled_weights(module, monkeypatch):
    random, set_weights = np.random.default_rng(0), keras.Model.set_weights

    def shuffled(self, weights):
        set_weights(self, [random.permuted(weight) for weight in weights])

    monkeypatch.setattr(keras.Model, "set_weights", shuffled)
    assert verdict(module, "td-whole-equals-each") == "contradicted"


def test_a_summary_that_hides_the_cnn(module, monkeypatch):
    assert verdict(module, "td-each-preferred", module.costs.run(0)) == "holds"
    summary = keras.Sequential.summary

    def hiding(self, print_fn, **options):
        whole = any(isinstance(layer, keras.layers.TimeDistributed) for layer in self.layers)
        summary(self, print_fn=print_fn, **options) if whole else print_fn("")

    monkeypatch.setattr(keras.Sequential, "summary", hiding)
    assert verdict(module, "td-each-preferred", module.costs.run(0)) == "contradicted"


def test_permuted_targets(module, monkeypatch):
    random, fit = np.random.default_rng(0), keras.Sequential.fit

    def short(self, x, y, epochs, **options):
        return fit(self, x, y, epochs=min(epochs, 30), **options)

    def permuted(self, x, y, **options):
        return short(self, x, random.permutation(y), **options)

    monkeypatch.setattr(keras.Sequential, "fit", short)
    assert verdict(module, "td-more-epochs", module.epochs.run(0)) == "contradicted"
    monkeypatch.setattr(keras.Sequential, "fit", permuted)
    assert verdict(module, "td-more-epochs", module.epochs.run(0)) == "not shown"
