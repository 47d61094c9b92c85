"""The claims about the scale of a series change their verdict when what they check is broken."""

from dlnotes import catalogue, claims, series
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("ts_forecast").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


def test_an_activation_that_has_no_bounds(module, monkeypatch):
    assert verdict(module, "outdated-55") == "holds"
    make = keras.layers.LSTM.__init__
    monkeypatch.setattr(
        keras.layers.LSTM,
        "__init__",
        lambda self, units, **options: make(self, units, activation="linear", **options),
    )
    assert verdict(module, "outdated-55") == "contradicted"


def test_one_of_the_two_other_scales_is_enough(module):
    found = {"raw": 50.0, "0 to 1": -5.0, "z-score": 5.0}
    name = "lstm-scale-minus1-1"
    assert verdict(module, name, found) == "holds"
    assert verdict(module, name, found | {"raw": -50.0}) == "contradicted"
    assert verdict(module, name, found | {"z-score": 1.0}) == "not shown"
    assert verdict(module, name, found | {"z-score": -1.0}) == "contradicted"


def test_a_scale_for_all(module, monkeypatch):
    monkeypatch.setattr(module, "RATES", (0.03,))
    gains = module.scales.run(0)
    assert set(gains) == {"raw", "0 to 1", "z-score"} and gains["raw"] > 10
    real = series.Scaling
    monkeypatch.setattr(series, "Scaling", lambda kind: real("symmetric"))
    assert module.scales.run(0) == dict.fromkeys(gains, pytest.approx(0, abs=1e-3))
