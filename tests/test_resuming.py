"""A run that was interrupted goes on and ends as one that was not."""

import json

from dlnotes import cli, paths, saving
import numpy as np
import pytest

RECIPE = '''# %% [markdown]
"""
# Slopes

Fits slopes.

**Question.** How steep?

**Use it** always.

**Do not use it** never.

Data: none
Uses: nothing
Notes: 001:1
Paper: none
Covers: slopes
"""

# %%
import os

import keras
import numpy as np

from dlnotes.report import Report


class Fail(keras.callbacks.Callback):
    number = 0

    def on_train_begin(self, logs=None):
        Fail.number += 1

    def on_train_batch_begin(self, batch, logs=None):
        if [Fail.number, self.epoch, batch] == [*map(int, os.environ["FAIL_AT"].split()), 1]:
            raise {"kill": RuntimeError, "stop": KeyboardInterrupt}[os.environ["FAIL_BY"]]

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


# %%
def run(epochs: int = 6, seed: int = 0) -> Report:
    """Fits.

    Args:
        epochs: Rounds.
        seed: Where to start.
    """
    Fail.number = 0
    report = Report("slopes", metric="loss", better="lower")
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, 3)).astype("float32")
    for variant in ("narrow", "wide"):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(4 if variant == "narrow" else 8)(inputs)
        hidden = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(hidden))
        model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", run_eagerly=True)
        callbacks = [report.watch(variant, seed=seed)]
        stop = keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
        options = {"batch_size": 12, "verbose": 0}
        model.fit(x, x[:, :1], epochs=epochs, callbacks=[*callbacks, stop, Fail()], **options)
        pairs = ((x, x[:, :1]) for _ in range(2))
        model.fit(pairs, steps_per_epoch=1, epochs=2, verbose=0)
        model.fit(x, x[:, :1], epochs=2, callbacks=[*callbacks, Fail()], **options)
        loss = model.evaluate(x, x[:, :1], verbose=0) + np.random.random()
        report.add(variant, seed=seed, baseline=variant == "narrow", loss=loss)
    return report
'''


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "recipes" / "basics").mkdir(parents=True)
    (tmp_path / "recipes" / "basics" / "slopes.py").write_text(RECIPE)
    monkeypatch.setattr(paths, "recipes_folder", lambda: tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    from dlnotes import resuming

    monkeypatch.setattr(resuming, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setenv("FAIL_AT", "0 0")
    monkeypatch.setenv("FAIL_BY", "kill")
    return tmp_path


def result(output):
    """Report without times, history, and all variables of the models."""
    (folder,) = [path for path in (output / "slopes").iterdir() if not path.name.startswith(".")]
    report = json.loads((folder / "report.json").read_text())
    del report["started"], report["seconds"]
    values = []
    for path in sorted(folder.glob("models/*.keras")):
        model = saving.load_model(path)
        values += [np.array(v.value) for v in [*model.weights, *model.optimizer.variables]]
    assert not (folder / "checkpoints").exists() and not (folder / "run.json").exists()
    return report, (folder / "history.csv").read_text(), values


@pytest.fixture(scope="module")
def uninterrupted():
    return []


def whole(uninterrupted, tmp_path):
    """The result of a run that nothing interrupted, made once."""
    if not uninterrupted:
        assert cli.execute(["run", "slopes", "--quiet", "--output", str(tmp_path / "whole")]) == 0
        uninterrupted.append(result(tmp_path / "whole"))
    return uninterrupted[0]


def check_same(one, other):
    assert one[:2] == other[:2]
    for value, expected in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(value, expected)


def fail(monkeypatch, *words, at, by="kill"):
    """Runs a command that is interrupted in a fit and an epoch."""
    monkeypatch.setenv("FAIL_AT", at)
    monkeypatch.setenv("FAIL_BY", by)
    if by == "kill":
        with pytest.raises(RuntimeError):
            cli.execute([*words, "--quiet"])
        code = None
    else:
        code = cli.execute([*words, "--quiet"])
    monkeypatch.setenv("FAIL_AT", "0 0")
    return code


def test_a_killed_run_goes_on_and_ends_as_a_whole_one(uninterrupted, tmp_path, monkeypatch, capsys):
    expected = whole(uninterrupted, tmp_path)
    fail(monkeypatch, "run", "slopes", at="1 3")
    fail(monkeypatch, "run", "--resume", "last", at="1 4")
    fail(monkeypatch, "run", "--resume", "last", at="2 1")
    fail(monkeypatch, "run", "--resume", "last", at="4 0")
    assert len(list((tmp_path / "runs" / "slopes").glob(".*.part"))) == 1
    assert cli.execute(["run", "--resume", "last", "--quiet"]) == 0
    check_same(result(tmp_path / "runs"), expected)
    assert "written to runs/slopes/20" in capsys.readouterr().out


def test_after_ctrl_c_the_report_stays_and_says_how_to_go_on(
    uninterrupted, tmp_path, monkeypatch, capsys
):
    expected = whole(uninterrupted, tmp_path)
    assert fail(monkeypatch, "run", "slopes", at="3 1", by="stop") == 130
    (folder,) = (tmp_path / "runs" / "slopes").iterdir()
    assert json.loads((folder / "report.json").read_text())["interrupted"] is True
    said = capsys.readouterr().out
    assert f"`dlnotes run --resume runs/slopes/{folder.name}` goes on." in said
    assert "checkpoints" not in said and "run.json" not in said
    assert fail(monkeypatch, "run", "--resume", str(folder), at="4 1", by="stop") == 130
    assert cli.execute(["run", "slopes", "--resume", folder.name, "--json"]) == 0
    check_same(result(tmp_path / "runs"), expected)


def test_finished_fits_are_restored_and_not_trained(tmp_path, monkeypatch):
    import keras

    fail(monkeypatch, "run", "slopes", at="4 1")
    trained = []
    plain = keras.callbacks.History.on_epoch_end

    def count(self, epoch, logs=None):
        trained.append(epoch)
        plain(self, epoch, logs)

    monkeypatch.setattr(keras.callbacks.History, "on_epoch_end", count)
    assert cli.execute(["run", "--resume", "last", "--quiet"]) == 0
    assert trained == [0, 1, 0, 1, 1]


def test_what_cannot_go_on_is_refused(tmp_path, monkeypatch, capsys):
    def refused(*words):
        assert cli.execute(["run", "--resume", *words]) == 2
        return capsys.readouterr().err

    assert "There is no interrupted run in runs." in refused("last")
    fail(monkeypatch, "run", "slopes", at="1 2")
    (part,) = (tmp_path / "runs" / "slopes").iterdir()
    assert f"There is no run 'none'. These can go on: {part.relative_to(tmp_path)}." in refused(
        "none"
    )

    facts = json.loads((part / "run.json").read_text())
    old = facts | {"versions": facts["versions"] | {"keras": "3.0.0"}}
    (part / "run.json").write_text(json.dumps(old))
    assert "keras was 3.0.0 and is 3." in refused("last")
    (part / "run.json").write_text(json.dumps(facts))
    recipe = tmp_path / "recipes" / "basics" / "slopes.py"
    recipe.write_text(RECIPE.replace("0.3", "0.4"))
    assert f"{recipe} was changed" in refused("last")
    recipe.write_text(RECIPE + "\n# a comment\n")

    import filelock

    with filelock.FileLock(part / "checkpoints" / ".lock"):
        assert "is under way in another process" in refused(str(part))
        assert "There is no interrupted run" in refused("last")
    assert cli.execute(["run", "--resume", "last", "--quiet"]) == 0
    capsys.readouterr()
    (ended,) = (tmp_path / "runs" / "slopes").iterdir()
    assert "cannot go on: it has ended" in refused(ended.name)
    assert cli.execute(["run"]) == 2


def test_a_new_run_tells_of_one_that_was_broken_off(tmp_path, monkeypatch, capsys):
    fail(monkeypatch, "run", "slopes", at="1 2")
    assert cli.execute(["run", "slopes", "--epochs", "1"]) == 0
    said = capsys.readouterr().err
    assert "an earlier run was broken off; `dlnotes run --resume runs/slopes/.20" in said


def test_a_run_that_failed_before_its_first_checkpoint_leaves_nothing(tmp_path, monkeypatch):
    fail(monkeypatch, "run", "slopes", at="1 0")
    assert not list((tmp_path / "runs").rglob("*.json"))


def test_a_full_disk_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    from dlnotes.callbacks import _checkpoint_files as files

    write, settle, written = files.write, files._settle, []

    def counted(folder, state, arrays, keep):
        written.append(state["epoch"])
        return write(folder, state, arrays, keep)

    def full(file):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        settle(file)

    monkeypatch.setattr(files, "write", counted)
    monkeypatch.setattr(files, "_settle", full)
    assert cli.execute(["run", "slopes", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "epoch-000002 is kept. Then `dlnotes run --resume runs/slopes/.20" in said
    assert cli.execute(["run", "--resume", "last", "--quiet"]) == 0
