"""The claims about dropout in an LSTM change their verdict when what they check is broken."""

from dlnotes import catalogue, claims, datasets
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("lstm_dropout").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.001, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


@pytest.mark.parametrize("name", ["outdated-34", "rdrop-inside-is-shared-layer"])
def test_an_lstm_that_draws_anew_at_every_step(module, name, monkeypatch):
    assert verdict(module, name) == "holds"
    cell = keras.layers.LSTMCell

    def anew(kind):
        def draw(self, step_input):
            rate = getattr(self, kind)
            return self._create_dropout_mask(step_input, rate) if rate else None

        return draw

    monkeypatch.setattr(cell, "get_dropout_mask", anew("dropout"))
    monkeypatch.setattr(cell, "get_recurrent_dropout_mask", anew("recurrent_dropout"))
    assert verdict(module, name) == "contradicted"


def test_rates_that_are_swapped(module, monkeypatch):
    assert verdict(module, "rdrop-vertical-horizontal") == "holds"
    build = keras.layers.LSTMCell.__init__

    def swapped(self, *arguments, dropout, recurrent_dropout, **options):
        options |= {"dropout": recurrent_dropout, "recurrent_dropout": dropout}
        build(self, *arguments, **options)

    monkeypatch.setattr(keras.layers.LSTMCell, "__init__", swapped)
    assert verdict(module, "rdrop-vertical-horizontal") == "contradicted"


def test_a_memory_that_is_dropped(module, monkeypatch):
    assert verdict(module, "rdrop-memory-untouched") == "holds"
    gates = keras.layers.LSTMCell._compute_carry_and_output

    def dropped(self, x, h_tm1, c_tm1):
        return gates(self, x, h_tm1, c_tm1 * self._recurrent_dropout_mask[0])

    monkeypatch.setattr(keras.layers.LSTMCell, "_compute_carry_and_output", dropped)
    assert verdict(module, "rdrop-memory-untouched") == "contradicted"


def test_gates_that_share_a_mask(module, monkeypatch):
    assert verdict(module, "rdrop-mask-for-each-gate") == "holds"
    draw = keras.layers.LSTMCell._create_dropout_mask

    def shared(self, step_input, rate):
        mask = draw(self, step_input, rate)
        return [mask[0]] * 4 if isinstance(mask, list) else mask

    monkeypatch.setattr(keras.layers.LSTMCell, "_create_dropout_mask", shared)
    assert verdict(module, "rdrop-mask-for-each-gate") == "contradicted"


def test_symbols_that_nobody_can_recall(module, monkeypatch):
    name = "rdrop-states-keep-memory"
    assert verdict(module, name, module.recalled.run(1)) == "holds"
    random, recall = np.random.default_rng(0), datasets.recall

    def permuted(*arguments, **options):
        parts = vars(recall(*arguments, **options)).values()
        return datasets.Dataset(*(datasets.Split(x, random.permutation(y)) for x, y in parts))

    monkeypatch.setattr(datasets, "recall", permuted)
    assert verdict(module, name, module.recalled.run(1)) != "holds"


def scores(module, layer=0.02, inputs=0.04, states=0.02, overlap=0.03, new_masks=0.01):
    """Invented accuracies in which each kind brings so much."""
    numbers = {}
    for rates in module.FACTORS:
        used = [bool(rate) for rate in rates]
        gained = np.dot(used, [inputs, states, layer]) - overlap * (sum(used) == 3)
        numbers[f"{rates}"] = 0.7 + gained
    numbers |= {f"loss {name}": -accuracy for name, accuracy in numbers.items()}
    return numbers | {"new masks": 0.7 + new_masks, "loss new masks": -0.7 - new_masks}


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("rdrop-plus-layer", {"layer": 0.0, "overlap": 0.0}),
        ("rdrop-plus-layer-series", {"layer": 0.0, "overlap": -0.01}),
        ("rdrop-each-helps", {"states": 0.001}),
        ("rdrop-overlap", {"overlap": 0.0}),
        ("rdrop-same-mask-better", {"new_masks": 0.04}),
        ("rdrop-same-mask-surer", {"new_masks": 0.04}),
    ],
)
def test_an_effect_that_is_not_there(module, name, broken):
    there = {"layer": 0.04} if name.endswith("series") else {}
    assert verdict(module, name, scores(module, **there)) == "holds"
    assert verdict(module, name, scores(module, **broken)) == "not shown"


def test_a_layer_that_does_not_matter(module):
    nothing, much = {"layer": 0.0, "overlap": 0.0}, {"layer": 0.05, "overlap": 0.0}
    assert verdict(module, "rdrop-plus-layer-small", scores(module, **nothing)) == "holds"
    assert verdict(module, "rdrop-plus-layer-small", scores(module, **much)) == "contradicted"


def test_harm_contradicts(module):
    for name in ("rdrop-plus-layer", "rdrop-plus-layer-series"):
        assert verdict(module, name, scores(module, layer=-0.02)) == "contradicted"
