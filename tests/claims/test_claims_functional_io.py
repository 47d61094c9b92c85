"""The claims about several inputs and outputs change their verdict when their subject is broken."""

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest

EXACT = ["loss-weights-sum", "shared-branch-params", "outdated-27", "outdated-29", "outdated-44"]


@pytest.fixture(scope="module")
def module():
    return catalogue.find("functional_io").load_claims()


def verdict(module, name, *scores):
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    return claims.verdict(claim.findings(*scores))


def forget_loss_weights(monkeypatch):
    compile_as_keras_does = keras.Model.compile

    def compile(self, *arguments, loss_weights=None, **options):
        compile_as_keras_does(self, *arguments, **options)

    monkeypatch.setattr(keras.Model, "compile", compile)


@pytest.mark.parametrize("name", EXACT)
def test_untouched(module, name):
    assert verdict(module, name) == "holds"


def test_total_loss_without_the_weights(module, monkeypatch):
    forget_loss_weights(monkeypatch)
    assert verdict(module, "loss-weights-sum") == "contradicted"


def test_gradients_of_towers_with_shuffled_weights(module, monkeypatch):
    set_weights = keras.Model.set_weights

    def set_shuffled(self, weights):
        set_weights(self, [np.flip(weight) for weight in weights])

    monkeypatch.setattr(keras.Model, "set_weights", set_shuffled)
    assert verdict(module, "shared-branch-params") == "contradicted"


def test_class_weights_that_do_nothing(module, monkeypatch):
    monkeypatch.setattr(module.outputs, "class_weighted", lambda data, _: (*data, ones(data[1])))
    assert verdict(module, "outdated-27") == "contradicted"


def ones(targets):
    return {name: np.ones(len(values)) for name, values in targets.items()}


def test_validation_rows_taken_from_the_start(module, monkeypatch):
    fit = keras.Model.fit

    def fit_backwards(self, x, y=None, **options):
        if y is not None:
            x, y = keras.tree.map_structure(lambda values: values[::-1], (x, y))
        return fit(self, x, y, **options)

    monkeypatch.setattr(keras.Model, "fit", fit_backwards)
    assert verdict(module, "outdated-44") == "contradicted"


def magnitudes(module):
    """The verdict on ten seeds like this one."""
    scores = module.heads.run(0)
    noise = np.random.default_rng(0).normal(0, 0.01, (len(scores), 10))
    seeds = {name: scores[name] + row for name, row in zip(scores, noise, strict=True)}
    return verdict(module, "loss-weights-magnitudes", seeds)


def test_two_heads(module):
    assert magnitudes(module) == "holds"


def test_two_heads_whose_loss_weights_are_forgotten(monkeypatch):
    forget_loss_weights(monkeypatch)
    assert magnitudes(catalogue.find("functional_io").load_claims()) == "not shown"
