"""The claims about variants of the LSTM change their verdict when what they check is broken."""

from dlnotes import catalogue, claims, datasets
from dlnotes.layers import MutatedGRUCell
import keras
import numpy as np
import pytest

from contracts import assert_equal
from loops import lstm, randomise, sigmoid


@pytest.fixture(scope="module")
def module():
    return catalogue.find("lstm_variants").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.003, (len(numbers), 10))
    pairs = zip(numbers.items(), noise, strict=True)
    return claims.verdict(claim.findings({key: value + own for (key, value), own in pairs}))


def test_an_initializer_of_ones_that_gives_zeros(module, monkeypatch):
    assert verdict(module, "forget-bias-is-one") == "holds"
    zeros = keras.initializers.Zeros.__call__
    monkeypatch.setattr(keras.initializers.Ones, "__call__", zeros)
    assert verdict(module, "forget-bias-is-one") == "contradicted"


def test_a_keras_that_forces_zeros(module, monkeypatch):
    assert verdict(module, "outdated-8") == "holds"
    assert verdict(module, "forget-bias-forces-zeros") == "contradicted"
    build = keras.layers.LSTMCell.build

    def forced(self, input_shape):
        self.bias_initializer = keras.initializers.Zeros()
        build(self, input_shape)

    monkeypatch.setattr(keras.layers.LSTMCell, "build", forced)
    assert verdict(module, "outdated-8") == "contradicted"
    assert verdict(module, "forget-bias-forces-zeros") == "holds"


def test_a_mutation_of_another_width(module, monkeypatch):
    assert verdict(module, "mutations-in-keras") == "holds"
    step = MutatedGRUCell.step

    def doubled(self, *states):
        return [keras.ops.repeat(state, 2, axis=-1) for state in step(self, *states)]

    monkeypatch.setattr(
        MutatedGRUCell,
        "step",
        lambda self, x, hidden, state: doubled(self, x, hidden[:, :4], state[:, :4]),
    )
    assert verdict(module, "mutations-in-keras") == "contradicted"


def test_a_cell_that_is_worse_or_best_everywhere(module):
    scores = {f"{cell}, {task}": 0.9 for task in module.TASKS for cell in module.VARIANTS}
    best = [f"{cell}, {task}" for cell, task in zip(module.VARIANTS, module.TASKS, strict=False)]
    scores |= dict.fromkeys(best, 0.91)
    assert verdict(module, "variants-alike", scores) == "holds"
    assert verdict(module, "variants-alike", scores | {"gru, tags": 0.8}) == "contradicted"
    everywhere = {f"lstm, {task}": 0.92 for task in module.TASKS}
    assert verdict(module, "variants-alike", scores | everywhere) == "contradicted"


@pytest.mark.parametrize(
    ("better", "expected"), [(1, "not shown"), (2, "holds"), (3, "holds"), (0, "contradicted")]
)
def test_a_mutation_that_is_better_on_so_many_tasks(module, better, expected):
    tasks = list(module.TASKS)
    scores = {f"{cell}, {task}": 0.8 for task in tasks for cell in ("lstm", "gru")}
    scores |= {f"{cell}, {task}": 0.7 for task in tasks for cell in ("mut1", "mut3")}
    scores |= {f"mut2, {task}": 0.9 for task in tasks[:better]}
    worse = 0.8 if expected == "not shown" else 0.7
    scores |= {f"mut2, {task}": worse for task in tasks[better:]}
    assert verdict(module, "mutated-cells-win", scores) == expected


@pytest.mark.parametrize("part", ["input gate", "forget gate", "output gate"])
def test_another_part_that_matters_most(module, part):
    def costs(drops):
        return {
            f"{part}, {t}": drop for part, drop in drops.items() for t in ("recall", "counting")
        }

    drops = dict.fromkeys(module.PARTS, 0.1) | {"input gate": 0.0}
    assert verdict(module, "forget-output-gates-matter", costs(drops)) == "holds"
    expected = "contradicted" if part == "input gate" else "holds"
    assert verdict(module, "forget-output-gates-matter", costs(drops | {part: 0.5})) == expected


@pytest.mark.parametrize(
    ("recall", "adding", "expected"),
    [
        (0.3, 0.0, "holds"),
        (0.0, 0.2, "holds"),
        (0.04, 0.0, "not shown"),
        (-0.3, -0.1, "contradicted"),
    ],
)
def test_a_bias_that_helps_or_does_not(module, recall, adding, expected):
    costs = {"bias of one, long recall": recall, "bias of one, adding": adding}
    assert verdict(module, "forget-bias-helps", costs) == expected


@pytest.mark.parametrize("off", [None, 0, 1, 2, 3])
def test_a_part_that_is_switched_off_is_gone(module, off, rng):
    cell = module.AblatedLSTMCell(3)
    cell.build((None, 2))
    kernel, recurrent, bias, _ = (rng.normal(size=w.shape) for w in cell.get_weights())
    cell.set_weights([kernel, recurrent, bias, np.arange(4) != (9 if off is None else off)])
    sequence = rng.normal(size=(5, 2)).astype("float32")
    hidden = memory = np.zeros(3)
    for step in sequence:
        gates = np.split(step @ kernel + hidden @ recurrent + bias, 4)
        i, f, o = (
            1.0 if off == part else sigmoid(gates[place]) for part, place in enumerate((0, 1, 3))
        )
        memory = f * memory + i * np.tanh(gates[2])
        hidden = o * (memory if off == 3 else np.tanh(memory))
    outputs = keras.layers.RNN(cell)(sequence[np.newaxis])
    assert_equal(np.asarray(outputs)[0], hidden)
    if off is None:
        assert_equal(np.asarray(outputs)[0], lstm(sequence, kernel, recurrent, bias)[-1])


def test_the_score_is_the_share_of_the_variance_that_is_explained(module, rng):
    parts = list(vars(datasets.adding(60, 4)).values())
    model = randomise(module.network(0, "minimal", **module.STORY.facts(parts)), rng)
    start = model.get_weights()
    found = module.score(model, parts, 1, (0.0, 1e-9))
    x, y = parts[2]
    model.set_weights(start)
    error = np.mean((model.predict_on_batch(x) - y) ** 2)
    assert found == pytest.approx(1 - error / np.var(y), abs=1e-4)


def test_changes_are_made_to_the_same_start(module, monkeypatch):
    seen = {}

    def score(model, parts, epochs, rates):
        *weights, switches = (np.array(w) for w in model.layers[0].get_weights())
        seen[len(seen)] = weights, switches.tolist()
        return 0.0

    monkeypatch.setattr(module, "score", score)
    monkeypatch.setattr(module, "CHANGES", {"recall": module.CHANGES["recall"]})
    monkeypatch.setitem(module.CHANGES, "adding", (datasets.adding, {}, 1, ["bias of one"]))
    module.changes.run(0)
    (kernel, _, bias), _ = seen[0]
    assert [switches for _, switches in seen.values()][1:5] == (1 - np.eye(4)).tolist()
    assert all(np.array_equal(weights[0], kernel) for weights, _ in list(seen.values())[:5])
    assert (bias.reshape(4, 16).mean(axis=1) == [0, 1, 0, 0]).all()
    assert not seen[6][0][2].any() and seen[5][0][2].any() and seen[6][1] == [1] * 4
