"""The claims about stateful layers change their verdict when their subject is broken."""

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest

HOLDING = [
    "stateful-carries",
    "stateful-needs-reset",
    "train-n-predict-1",
    "stateful-gradient-stops",
    "outdated-4",
    "outdated-5",
]


@pytest.fixture(scope="module")
def module():
    return catalogue.find("stateful_lstm").load_claims()


def find(module, name):
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    return claim


def verdict(module, name, *scores):
    return claims.verdict(find(module, name).findings(*scores))


@pytest.mark.parametrize("name", HOLDING)
def test_untouched(module, name):
    assert verdict(module, name) == "holds"


def test_only_a_single_row_slips_through(module):
    found = find(module, "stateful-batch-fixed").findings()
    assert [finding.verdict for finding in found] == ["holds"] * 3 + ["contradicted"]
    assert found[-1].rule == "8, claimed 0"


def forget_state(monkeypatch):
    lstm = keras.layers.LSTM

    def stateless(units, stateful, **options):
        return lstm(units, **options)

    monkeypatch.setattr(keras.layers, "LSTM", stateless)


@pytest.mark.parametrize("name", ["stateful-carries", "stateful-needs-reset"])
def test_layers_that_are_never_stateful(module, monkeypatch, name):
    forget_state(monkeypatch)
    monkeypatch.setattr(keras.layers.RNN, "reset_state", lambda layer: None)
    assert verdict(module, name) == "contradicted"


def test_windows_in_the_wrong_order(module, monkeypatch):
    cut = module.recurrent.stream_windows
    monkeypatch.setattr(module.recurrent, "stream_windows", lambda *a: cut(*a)[[1, 0, 2, 3]])
    assert verdict(module, "stateful-carries") == "contradicted"


def test_a_reset_that_does_nothing(module, monkeypatch):
    monkeypatch.setattr(keras.layers.RNN, "reset_state", lambda layer: None)
    assert verdict(module, "stateful-needs-reset") == "contradicted"


def test_other_weights_for_the_forecast(module, monkeypatch):
    set_weights = keras.Model.set_weights

    def set_flipped(self, weights):
        set_weights(self, [np.flip(weight) for weight in weights])

    monkeypatch.setattr(keras.Model, "set_weights", set_flipped)
    assert verdict(module, "train-n-predict-1") == "contradicted"


def test_a_keras_that_refuses_single_rows(module, monkeypatch):
    predict = keras.Model.predict

    def predict_whole_batches(self, x, batch_size=None, **options):
        if len(x) % (batch_size or 1):
            raise ValueError("not a whole batch")
        return predict(self, x, batch_size=batch_size, **options)

    monkeypatch.setattr(keras.Model, "predict", predict_whole_batches)
    assert verdict(module, "stateful-batch-fixed") == "holds"


def test_models_that_have_a_reset_again(module, monkeypatch):
    monkeypatch.setattr(keras.Model, "reset_states", lambda self: None, raising=False)
    assert verdict(module, "outdated-5") == "contradicted"


def ten_like(numbers):
    """Ten seeds like this one."""
    random = np.random.default_rng(0)
    return {name: number + random.normal(0, 0.005, 10) for name, number in numbers.items()}


def test_echoes(module):
    assert verdict(module, "stateful-crucial", ten_like(module.echoes.run(0))) == "holds"


def test_echoes_with_permuted_streams_in_test(module, monkeypatch):
    echo = module.datasets.echo

    def permuted(*arguments):
        data = echo(*arguments)
        np.random.default_rng(0).shuffle(data.test.y)
        return data

    monkeypatch.setattr(module.datasets, "echo", permuted)
    assert verdict(module, "stateful-crucial", ten_like(module.echoes.run(0))) == "contradicted"


EFFECTS = {"reset in training": 0.0, "reset before prediction": 8.0, "seeding with history": -8.0}


def measured(effects, spread=2.0):
    """Twenty seeds with these main effects, in percent."""
    random = np.random.default_rng(0)
    return {
        f"{measure}, {series}": effect + random.normal(0, spread, 20)
        for measure, effect in effects.items()
        for series in ("shampoo", "generated")
    }


def test_every_measure_has_its_own_verdict(module):
    scores = measured(EFFECTS)
    assert verdict(module, "reset-in-training", scores) == "contradicted"
    assert verdict(module, "reset-before-prediction", scores) == "holds"
    assert verdict(module, "seeding-with-history", scores) == "holds"
    assert verdict(module, "reset-regime-effects", scores) == "holds"


def test_regimes_are_contradicted_only_if_every_measure_is(module):
    nothing = dict.fromkeys(EFFECTS, 0.0)
    assert verdict(module, "reset-regime-effects", measured(nothing)) == "contradicted"
    unclear = measured(nothing) | {"seeding with history, shampoo": np.tile([-40.0, 40.0], 10)}
    assert verdict(module, "reset-regime-effects", unclear) == "not shown"


def test_a_choice_among_six_is_rarely_fooled(module):
    random, studies = np.random.default_rng(0), 200
    verdicts = [verdict(module, "reset-regime-effects", noise(random)) for _ in range(studies)]
    assert verdicts.count("holds") / studies <= 0.1


def noise(random):
    return {f"measure {number}": random.normal(0, 20, 20) for number in range(6)}


def test_a_run_leaves_nothing_to_the_next_one(module):
    months = module.datasets.shampoo()
    first = module.errors_by_regime(months, 3)
    module.errors_by_regime(months, 4)
    np.testing.assert_array_equal(module.errors_by_regime(months, 3), first)
