"""Searches: the best is the best, failures are recorded, and an interruption loses nothing."""

import csv
import json
import math

from dlnotes import datasets, tuning
from dlnotes.errors import InputError
from dlnotes.tuning import oracles, result, trial
import keras
import keras_tuner
import numpy as np
import pytest

TUNERS = ("random", "grid", "bayesian", "hyperband")
RNG = np.random.default_rng(0)
SIGNS = np.where(RNG.random(60) < 0.5, -1.0, 1.0)
LABELS = (SIGNS[:, None] > 0).astype("float32")
PART = datasets.Split(SIGNS[:, None], LABELS)
DATA = datasets.Dataset(PART, PART, PART)


def frozen_model(*metrics):
    """Says 1 where its input is positive, and learns nothing."""
    dense = keras.layers.Dense(1, activation="sigmoid", trainable=False)
    model = keras.Sequential([keras.Input((1,)), dense])
    dense.set_weights([np.array([[8.0]]), np.zeros(1)])
    model.compile("sgd", "mse", metrics=list(metrics), run_eagerly=True)
    return model


def with_wrong_signs(hp, *parts):
    """The share `wrong` of the inputs has the other sign, so that the F-score is known."""
    wrong = int(hp.Choice("wrong", [0.5, 0.8, 0.1, 0.3]) * len(SIGNS))
    turned = np.where(np.arange(len(SIGNS)) < wrong, -1, 1)
    return [(x * np.resize(turned, len(x))[:, None], y) for x, y in parts]


def f_score(wrong):
    said = SIGNS * np.where(np.arange(len(SIGNS)) < int(wrong * len(SIGNS)), -1, 1) > 0
    right = np.sum(said & (SIGNS > 0))
    return 2 * right / (said.sum() + (SIGNS > 0).sum())


def planted(objective="val_f1_score"):
    def model(hp, train):
        return frozen_model(keras.metrics.F1Score(threshold=0.5))

    return tuning.Task(model, DATA, objective, epochs=1, prepare=with_wrong_signs)


def test_the_best_f_score_is_found_where_the_plain_objective_takes_the_worst(tmp_path):
    found = tuning.search(planted(), tuner="grid", trials=10, repeats=0, folder=tmp_path / "s")
    scores = {t["values"]["wrong"]: t["score"] for t in found.trials}
    assert scores == pytest.approx({wrong: f_score(wrong) for wrong in scores}, abs=1e-6)
    assert len(scores) == 4
    assert found.best == {"wrong": max(scores, key=scores.get)}
    plain = oracles.oracle(
        "grid",
        keras_tuner.oracles.GridSearchOracle(objective="val_f1_score").objective,
        folder=tmp_path / "plain",
        limit=10,
        seed=0,
        epochs=1,
    )
    plain.set_state(json.loads((tmp_path / "s" / "oracle.json").read_text()))
    chosen = plain.get_best_trials()[0].hyperparameters.values
    assert chosen == {"wrong": min(scores, key=scores.get)}


def value_of(hp):
    return (hp.values["a"] - 0.3) ** 2 + hp.values["b"] / 100


def two_numbers():
    def model(hp, train):
        hp.Float("a", 0.0, 1.0, step=0.1)
        hp.Int("b", 0, 5)
        return frozen_model()

    return tuning.Task(model, DATA, "val_loss", epochs=9)


@pytest.fixture
def known(monkeypatch):
    """Trials whose score is a formula; `known.stop_at` interrupts the trial with this number."""

    class Known:
        stop_at, ran = None, []

    Known.ran = []

    def evaluate(task, hp, *, seed=0, folds=None):
        if len(Known.ran) == Known.stop_at:
            raise KeyboardInterrupt
        Known.ran.append(dict(hp.values))
        return {"val_loss": value_of(hp), "epochs": 1.0, "seconds": 0.1}

    monkeypatch.setattr(trial, "evaluate", evaluate)
    monkeypatch.setattr(result, "refit", lambda *arguments: (None, {}))
    monkeypatch.setattr(result, "_save", lambda *arguments: None)
    return Known


@pytest.mark.parametrize("tuner", TUNERS)
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(tuner, tmp_path, known):
    options = {"tuner": tuner, "trials": 8, "repeats": 0}
    whole = tuning.search(two_numbers(), folder=tmp_path / "whole", **options)
    uninterrupted = list(known.ran)
    known.ran.clear()
    for interruption, stop_at in enumerate((0, 3, 7)):
        known.stop_at, resume = stop_at, interruption > 0
        with pytest.raises(KeyboardInterrupt):
            tuning.search(two_numbers(), folder=tmp_path / "parts", resume=resume, **options)
    known.stop_at = None
    parts = tuning.search(two_numbers(), folder=tmp_path / "parts", resume=True, **options)
    assert known.ran == uninterrupted
    assert [(t["trial"], t["score"]) for t in parts.trials] == [
        (t["trial"], t["score"]) for t in whole.trials
    ]


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_finished_search_can_get_more_trials(tuner, tmp_path, known):
    options = {"tuner": tuner, "repeats": 0, "folder": tmp_path / "s"}
    tuning.search(two_numbers(), trials=4, **options)
    more = tuning.search(two_numbers(), trials=9, resume=True, **options)
    assert sorted(t["trial"] for t in more.trials) == list(range(9))
    assert len(known.ran) == 9


def test_seed_0_chooses_the_same_values_twice(tmp_path, known):
    tuning.search(two_numbers(), trials=5, repeats=0, folder=tmp_path / "one")
    tuning.search(two_numbers(), trials=5, repeats=0, folder=tmp_path / "two")
    assert known.ran[:5] == known.ran[5:]


def failing(faults):
    def model(hp, train):
        hp.Choice("fault", faults)
        return frozen_model()

    def fit(hp):
        class Fault(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                if hp.values["fault"] == "raises":
                    raise ValueError("the layer does not fit")
                if hp.values["fault"] == "memory":
                    raise MemoryError("cannot allocate 9 TiB")

            def on_epoch_end(self, epoch, logs=None):
                if hp.values["fault"] == "nan":
                    logs["val_loss"] = math.nan

        return {"callbacks": [Fault()]}

    return tuning.Task(model, DATA, "val_loss", epochs=2, fit=fit)


def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_search_goes_on(tmp_path):
    faults = ["raises", "nan", "memory", "none"]
    found = tuning.search(failing(faults), tuner="grid", folder=tmp_path / "s", repeats=0)
    reasons = {t["values"]["fault"]: t["reason"] for t in found.trials}
    assert reasons == {
        "raises": "ValueError: the layer does not fit",
        "nan": "val_loss is nan in epoch 1",
        "memory": "out of memory (cannot allocate 9 TiB)",
        "none": None,
    }
    assert found.best == {"fault": "none"}
    assert "3 of 4 trials failed, the first one:\n  trial 0: ValueError" in str(found)
    rows = list(csv.DictReader((tmp_path / "s" / "trials.csv").open()))
    assert [row["status"] for row in rows] == ["COMPLETED", "FAILED", "FAILED", "FAILED"]


def test_if_all_trials_fail_the_search_fails_with_the_first_reason(tmp_path):
    with pytest.raises(InputError, match=r"All 2 trials failed. The first one: ValueError"):
        tuning.search(failing(["raises", "nan"]), tuner="grid", folder=tmp_path / "s")


def test_an_objective_that_the_model_does_not_report_ends_the_search_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"'val_accuracy'.* It reports val_f1_score, val_loss"):
        tuning.search(planted("val_accuracy"), folder=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_metric_with_a_value_for_each_class_is_refused(tmp_path):
    def model(hp, train):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "mse", metrics=[keras.metrics.F1Score()], run_eagerly=True)
        return model

    part = datasets.Split(PART.x, np.hstack([LABELS, 1 - LABELS]))
    data = datasets.Dataset(part, part, part)
    with pytest.raises(InputError, match=r"reports 2 values, one for each class. Give .*average="):
        tuning.search(tuning.Task(model, data, "val_f1_score", epochs=1), folder=tmp_path / "s")


def test_a_folder_with_a_search_is_not_written_over(tmp_path, known):
    tuning.search(two_numbers(), trials=1, repeats=0, folder=tmp_path / "s")
    with pytest.raises(InputError, match="holds a search already"):
        tuning.search(two_numbers(), trials=1, folder=tmp_path / "s")
    with pytest.raises(InputError, match="no search to resume"):
        tuning.search(two_numbers(), resume=True, folder=tmp_path / "other")


def test_another_space_or_other_data_are_refused_with_the_difference(tmp_path, known):
    def other_space(hp, train):
        hp.Float("a", 0.0, 2.0, step=0.1)
        hp.Int("c", 0, 5)
        return frozen_model()

    options = {"trials": 1, "repeats": 0, "folder": tmp_path / "s"}
    tuning.search(two_numbers(), **options)
    task = tuning.Task(other_space, DATA, "val_loss", epochs=9)
    with pytest.raises(InputError) as refused:
        tuning.search(task, resume=True, seed=3, **options)
    for words in (
        "'a' has changed: max_value 1.0 -> 2.0",
        "'b' is gone",
        "'c' is new",
        "`seed` was 0 and is 3",
    ):
        assert words in str(refused.value)
    changed = datasets.Dataset(PART, PART, datasets.Split(PART.x + 1, PART.y))
    task = tuning.Task(two_numbers().model, changed, "val_loss", epochs=9)
    with pytest.raises(InputError, match="the data are others"):
        tuning.search(task, resume=True, **options)


def learning():
    def model(hp, train):
        dense = keras.layers.Dense(1, activation="sigmoid")
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.5), dense])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 0.1, 1.0)), "mse", run_eagerly=True)
        return model

    return tuning.Task(model, DATA, "val_loss", epochs=2, fit=lambda hp: {"batch_size": 16})


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "s"
    about = {"recipe": "none"}
    return tuning.search(learning(), trials=4, folds=2, repeats=1, folder=folder, about=about)


def test_a_trial_that_is_run_again_alone_has_the_same_score(learned):
    state = json.loads((learned.folder / "oracle.json").read_text())["trials"]["0002"]
    hp = keras_tuner.HyperParameters.from_config(state["hyperparameters"])
    again = trial.evaluate(learning(), hp, folds=2)
    assert again["val_loss"] == state["score"]
    assert again["val_loss"] == pytest.approx(sum(again[f"fold {n}"] for n in (1, 2)) / 2)


def test_the_best_three_have_a_mean_and_a_spread_over_seeds(learned):
    assert [len(t["scores"]) for t in learned.trials] == [2, 2, 2, 2]
    best = learned.trials[0]
    assert best["score"] == pytest.approx(np.mean(best["scores"]))
    assert len(set(best["scores"])) == 2
    assert f"{best['score']:.4g} ± {np.std(best['scores'], ddof=1):.2g}" in str(learned)


def test_the_files_say_what_was_found(learned):
    facts = json.loads((learned.folder / "best.json").read_text())
    assert facts["values"] == learned.best == learned.trials[0]["values"]
    assert facts["recipe"] == "none"
    loss = learned.model.evaluate(*PART, verbose=0)
    assert facts["test"]["loss"] == pytest.approx(loss, abs=1e-6)
    figures = sorted(path.name for path in (learned.folder / "figures").iterdir())
    assert figures == ["hyperparameters.png", "trials.png"]
    assert "figures/trials.png" in (learned.folder / "report.md").read_text()


def test_a_full_disk_is_one_sentence_and_the_old_state_stays(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    oracles.write_json(path, {"old": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(oracles.os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        oracles.write_json(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_tuner_names_those_that_exist(tmp_path):
    with pytest.raises(InputError, match="'annealing', but must be one of random, grid, bayesian"):
        tuning.search(planted(), tuner="annealing", folder=tmp_path / "s")


def test_hyper_parameters_that_only_some_choices_open_are_found():
    def model(hp, train):
        optimizer = hp.Choice("optimizer", ["sgd", "adam"])
        with hp.conditional_scope("optimizer", ["adam"]):
            if optimizer == "adam":
                hp.Boolean("amsgrad")
        with hp.conditional_scope("optimizer", ["sgd"]):
            hp.Float("momentum", 0.0, 0.9)
        return frozen_model()

    from dlnotes.tuning.search import declared

    space = declared(tuning.Task(model, DATA, "val_loss"))
    assert [hp.name for hp in space.space] == ["optimizer", "momentum", "amsgrad"]
