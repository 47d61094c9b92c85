"""The claims about states and gates change their verdict when what they check is broken."""

import functools

from dlnotes import catalogue, claims, datasets
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("lstm_states").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


@pytest.fixture
def one_rate(monkeypatch):
    monkeypatch.setattr(claims, "tuned", lambda train, rates: train(rates[-1])[1])


def patched_call(monkeypatch, kind, change):
    call = kind.call

    @functools.wraps(call)
    def changed(self, *arguments, **options):
        return change(call(self, *arguments, **options))

    monkeypatch.setattr(kind, "call", changed)


@pytest.mark.parametrize("name", ["rs-state-h-c", "rs-both"])
def test_states_in_another_order(module, name, monkeypatch):
    assert verdict(module, name) == "holds"
    swapped = lambda outputs: (outputs[0], outputs[2], outputs[1])  # noqa: E731
    patched_call(monkeypatch, keras.layers.LSTM, swapped)
    assert verdict(module, name) == "contradicted"


def test_steps_in_another_order(module, monkeypatch):
    assert verdict(module, "rs-every-step") == "holds"
    patched_call(monkeypatch, keras.layers.LSTM, lambda outputs: keras.ops.flip(outputs, axis=1))
    assert verdict(module, "rs-every-step") == "contradicted"


def test_layers_that_always_return_sequences(module, monkeypatch):
    assert verdict(module, "stack-needs-sequences") == "holds"
    layer = module.layer
    sequences = lambda kind, **options: layer(kind, **options | {"return_sequences": True})  # noqa: E731
    monkeypatch.setattr(module, "layer", sequences)
    assert verdict(module, "stack-needs-sequences") == "contradicted"


@pytest.mark.parametrize(
    "name",
    ["unroll-equal", "cell-is-selective-memory", "gru-update-keeps-past", "gru-reset-forgets"],
)
def test_shuffled_weights(module, name, monkeypatch):
    assert verdict(module, name) == "holds"
    random, set_weights = np.random.default_rng(0), keras.Layer.set_weights

    def shuffled(self, weights):
        set_weights(
            self, [random.permuted(weight.ravel()).reshape(weight.shape) for weight in weights]
        )

    monkeypatch.setattr(keras.Layer, "set_weights", shuffled)
    assert verdict(module, name) == "contradicted"


@pytest.mark.parametrize("name", ["lstm-param-formula", "outdated-33"])
def test_another_default_of_the_gru(module, name, monkeypatch):
    assert verdict(module, name) == "holds"
    begin = keras.layers.GRU.__init__

    def before(self, units, reset_after=False, **options):
        begin(self, units, reset_after=reset_after, **options)

    monkeypatch.setattr(keras.layers.GRU, "__init__", before)
    assert verdict(module, name) == "contradicted"


def test_permuted_symbols(module, monkeypatch, one_rate):
    assert verdict(module, "gru-long-memory", module.fifty_steps.run(0)) == "holds"
    random, recall = np.random.default_rng(0), datasets.recall

    def permuted(*arguments, **options):
        parts = vars(recall(*arguments, **options)).values()
        return datasets.Dataset(*(datasets.Split(x, random.permutation(y)) for x, y in parts))

    monkeypatch.setattr(datasets, "recall", permuted)
    assert verdict(module, "gru-long-memory", module.fifty_steps.run(0)) != "holds"


def test_layers_that_are_not_trained(module, monkeypatch, one_rate):
    assert verdict(module, "stack-time-learned", module.slow_and_fast.run(1)) == "holds"
    monkeypatch.setattr(keras.Model, "fit", lambda self, *arguments, **options: None)
    assert verdict(module, "stack-time-learned", module.slow_and_fast.run(1)) == "not shown"


def test_a_slow_lower_layer_contradicts(module):
    numbers = {"ratio": 0.8, "ratio before": 1.0, "known": -0.1, "gain": -0.1}
    for name in ("time-abstraction", "time-learned", "slow-probe", "depth-width"):
        assert verdict(module, f"stack-{name}", numbers) == "contradicted"


def test_the_autocorrelation_time_is_that_of_the_process(module, rng):
    for kept in (0.0, 0.6, 0.8):
        states = rng.normal(size=(2000, 60, 2)) / np.sqrt(1 - kept**2)
        for step in range(1, 60):
            states[:, step] = kept * states[:, step - 1] + states[:, step] * np.sqrt(1 - kept**2)
        expected = 2 * (1 - kept**30) / (1 - kept) - 1
        assert module.autocorrelation_time(states) == pytest.approx(expected, rel=0.05)


def test_a_line_explains_what_is_a_line(module, rng):
    states = rng.normal(size=(60, 5, 3))
    noise = rng.normal(size=(60, 5))
    slow = states @ [1.0, -2.0, 2.0] + 4
    known, new = slice(40), slice(40, None)
    assert module.explained(states, slow, known, new) == pytest.approx(1)
    assert module.explained(states, slow + 3 * noise, known, new) == pytest.approx(0.5, abs=0.1)
    assert module.explained(states, noise, known, new) < 0.1
