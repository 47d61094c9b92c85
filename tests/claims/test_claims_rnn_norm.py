"""The claims about normalisation in recurrent networks change their verdict when broken."""

from dlnotes import catalogue, claims, datasets
from dlnotes.layers import BatchNormLSTM
from dlnotes.reuse import reuse
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("rnn_norm").load_claims()


def verdict(module, name, numbers, spread=0.003):
    """The verdict of a claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    noise = np.random.default_rng(0).normal(0, spread, (len(numbers), 10))
    pairs = zip(numbers.items(), noise, strict=True)
    return claims.verdict(claim.findings({key: value + own for (key, value), own in pairs}))


def test_another_arm_of_the_grid_that_is_best(module):
    arms = [
        f"{cell}, {name}, {normalization}"
        for cell, kinds in module.CELLS.items()
        for normalization in kinds
        for name in ("Glorot", "He", "orthogonal")
    ]
    losses = dict.fromkeys(arms, 2.0)
    best = losses | {"gru, Glorot, inputs": 1.9}
    assert verdict(module, "gru-glorot-bn-best", best) == "holds"
    another = losses | {"lstm, He, layer": 1.9}
    assert verdict(module, "gru-glorot-bn-best", another) == "contradicted"


@pytest.mark.parametrize(
    ("plain", "normalized", "expected"),
    [(0.5, 0.0, "holds"), (0.5, 0.2, "contradicted"), (-0.1, 0.01, "contradicted")],
)
def test_an_initialiser_that_matters(module, plain, normalized, expected):
    losses = {
        f"{name}, {kind}": 1.0 for name in module.INITIALIZERS for kind in ("GRU", "GRU, layer")
    }
    losses["He, GRU, layer"] = 1 + normalized
    if plain > 0:
        losses["He, GRU"] = 1 + plain
    else:
        losses["He, GRU, layer"] += 0.2
    assert verdict(module, "rnn-init-irrelevant", losses) == expected


@pytest.mark.parametrize("faster", ["LSTM", "LSTM, inputs", "LSTM, steps"])
def test_a_network_that_is_as_fast_as_with_layer_normalisation(module, faster):
    epochs = dict.fromkeys(("LSTM", "LSTM, inputs", "LSTM, steps"), 20.0) | {"LSTM, layer": 10.0}
    assert verdict(module, "ln-solves-rnn", epochs) == "holds"
    assert verdict(module, "ln-solves-rnn", epochs | {faster: 10.0}) == "contradicted"


def test_statistics_that_may_be_shared_or_are_too_few(module):
    found = {"statistics, each step": 2880, "each step": 0.5, "shared": 1.0}
    assert verdict(module, "recurrent-bn-per-step", found, 0.0) == "holds"
    assert verdict(module, "recurrent-bn-per-step", found | {"shared": 0.51}, 0.0) == "not shown"
    few = found | {"statistics, each step": 288}
    assert verdict(module, "recurrent-bn-per-step", few, 0.0) == "contradicted"


def test_the_experiment_when_all_steps_share_their_statistics(module, monkeypatch):
    prepared = module.prepared
    monkeypatch.setattr(module, "prepared", lambda dataset, _: prepared(dataset, 14))
    found = module.statistics.run(0)
    assert verdict(module, "recurrent-bn-per-step", found, 0.0) == "holds"
    monkeypatch.setattr(module, "BatchNormLSTM", lambda units, _: BatchNormLSTM(units, 1))
    monkeypatch.setattr(module, "by_steps", reuse(module.by_steps.__wrapped__))
    found = module.statistics.run(0)
    assert found["each step"] == found["shared"]
    assert verdict(module, "recurrent-bn-per-step", found, 0.0) == "contradicted"


def test_both_kernels_are_drawn_anew(module):
    model = module.network(0, "GRU, layer", (4, 1))
    before = {w.path: np.array(w) for w in model.weights}
    module.initialize(model, "normal", 0)
    changed = {w.name for w in model.weights if not np.array_equal(w, before[w.path])}
    assert changed == {"kernel", "recurrent_kernel"}
    kernel = np.asarray(model.get_layer("recurrent_1").cell.recurrent_kernel)
    assert kernel.std() == pytest.approx(0.05, rel=0.1)


def test_padded_words_weigh_nothing(module):
    x = np.zeros((10, 3, 2), "float32")
    x[:, :2, 1] = 1
    part = datasets.Split(x, np.ones((10, 3), "int32"))
    train, validation, _ = module.prepared(datasets.Dataset(part, part, part), 3, each_step=True)
    assert train[2].tolist() == [[1, 1, 0]] * 30 and validation[2].tolist() == [[1, 1, 0]] * 10
