"""The claims about gradients change their verdict when what they check is broken."""

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("rnn_gradients").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


def test_a_forget_gate_that_starts_half_open(module, monkeypatch):
    assert verdict(module, "outdated-48") == "holds"
    monkeypatch.setitem(module.STORY.CELLS, "LSTM", module.STORY.CELLS[module.STORY.CLOSED])
    assert verdict(module, "outdated-48") == "contradicted"


@pytest.mark.parametrize("name", ["rnn-gradient-worse", "rnn-gradient-not-depth"])
def test_a_layer_whose_memory_does_not_decay(module, name, monkeypatch):
    def kept(units):
        weights = {"kernel_initializer": keras.initializers.RandomNormal(stddev=1e-3)}
        return keras.layers.SimpleRNN(units, recurrent_initializer="identity", **weights)

    monkeypatch.setattr(
        module.STORY, "CELLS", {"SimpleRNN": module.STORY.CELLS["SimpleRNN"], "kept": kept}
    )
    orders = module.beginnings.run(0)
    assert verdict(module, name, orders) == "holds"
    assert verdict(module, name, orders | {"SimpleRNN": orders["kept"]}) != "holds"


def test_depth_counts_layers(module):
    """Weights of one half in front of linear units halve the gradient at each layer."""
    half = {"activation": "linear", "kernel_initializer": keras.initializers.Identity(0.5)}
    assert module.feed_forward(5, 0, **half) == pytest.approx(4 * np.log10(0.5), abs=1e-4)


def test_gates_that_reach_further_or_less_far(module):
    name = "gates-solve-vanishing"
    cells = ("SimpleRNN", "GRU", "LSTM")
    further = {f"reach {cell}": reach for cell, reach in zip(cells, (5, 30, 30), strict=True)}
    further |= {f"orders {cell}": order for cell, order in zip(cells, (-9, -2, -2), strict=True)}
    assert verdict(module, name, further) == "holds"
    assert verdict(module, name, further | {"reach LSTM": 5}) == "not shown"
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    seeds = {key: value + np.linspace(0, 1, 10) for key, value in further.items()}
    seeds["reach SimpleRNN"] = np.full(10, 60.0)
    assert claims.verdict(claim.findings(seeds)) == "contradicted"


def test_without_clipping_both_diverge(module, monkeypatch):
    assert verdict(module, "clipping-helps", module.explosions.run(0)) == "holds"
    adder = module.adder
    monkeypatch.setattr(module, "adder", lambda seed, clipping: adder(seed, ()))
    assert verdict(module, "clipping-helps", module.explosions.run(0)) == "not shown"


def test_gradients_that_are_halved_instead_of_clipped(module, monkeypatch):
    assert verdict(module, "clipping-bounds-norm") == "holds"

    monkeypatch.setattr(
        keras.optimizers.SGD,
        "_clip_gradients",
        lambda self, gradients: [gradient / 2 for gradient in gradients],
    )
    assert verdict(module, "clipping-bounds-norm") == "contradicted"


def test_a_spread_that_says_all_or_nothing(module):
    name = "activation-std-range"
    for area, expected in ((1.0, "holds"), (0.8, "not shown"), (0.5, "contradicted")):
        assert verdict(module, name, {"area": area}) == expected
