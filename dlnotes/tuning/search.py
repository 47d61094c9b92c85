"""A search for hyper-parameters that goes on after an interruption."""

import json
import math
from pathlib import Path
import shutil
import time

from dlnotes.errors import InputError, check_at_least
from dlnotes.machine import versions
from dlnotes.tuning import result, trial
from dlnotes.tuning.lines import Lines
from dlnotes.tuning.oracles import oracle, write_json
from dlnotes.tuning.task import digest
import keras_tuner


def search(
    task,
    *,
    tuner="random",
    trials=20,
    folds=None,
    folder="search",
    seed=0,
    resume=False,
    repeats=2,
    about=None,
    quiet=False,
    run=None,
):
    """Searches the hyper-parameters of a task and refits the best model.

    A trial that raises, gives NaN or runs out of memory is recorded with its reason, and the search
    goes on. What is interrupted at any moment, `resume=True` continues: finished trials are kept,
    the one that was running is repeated. The score of a trial is that of its best epoch on the
    validation part, or the mean of it over folds.

    Reference: notes 002:1121, 002:1139; Li et al. 2018, "Hyperband", https://jmlr.org/papers/v18/16-558.html

    Args:
        task: A `tuning.Task`.
        tuner: `"random"`, `"grid"`, `"bayesian"` or `"hyperband"`, the oracle of keras-tuner that
            chooses. Defaults to `"random"`.
        trials: Integer, number of trials at most; a search that is resumed may get more. Defaults
            to `20`.
        folds: Integer, judge each trial by cross-validation over so many folds. Defaults to `None`:
            by the validation part.
        folder: Path of the search's folder. Defaults to `"search"`.
        seed: Integer, seed of the choices and of every trial. Defaults to `0`.
        resume: Boolean, whether to go on with the search in `folder`. Defaults to `False`.
        repeats: Integer, how often the best three are trained again with other seeds, for the
            spread in the table. Defaults to `2`.
        about: Dictionary, written into `best.json` as it is. Defaults to none.
        quiet: Boolean, whether to print nothing while it runs. Without a terminal nothing is
            printed either. Defaults to `False`.
        run: Function that runs the trials of an oracle, for several processes. Defaults to running
            them here.

    Returns:
        A `tuning.Result`: the trials, the best hyper-parameters, the refitted model, a table.

    Raises:
        InputError: If every trial failed, with the first reason; if the folder holds another
            search; or if the search space or the data are not those of the search to resume.

    Example:

    >>> import numpy as np, tempfile
    >>> from dlnotes import datasets, tuning
    >>> from dlnotes.builders import mlp, mlp_space
    >>> part = datasets.Split(np.eye(4), np.arange(4.0))
    >>> model = tuning.hypermodel(mlp, mlp_space, input_shape=(4,), outputs=1, loss="mse")
    >>> task = tuning.Task(model, datasets.Dataset(part, part, part), "val_loss", epochs=1)
    >>> place = tempfile.mkdtemp() + "/search"
    >>> found = tuning.search(task, trials=2, repeats=0, folder=place)
    >>> sorted(found.best)
    ['dropout', 'layers', 'learning_rate', 'normalise', 'units']
    """
    check_at_least(1, trials=trials)
    check_at_least(0, repeats=repeats)
    folder, space = Path(folder), declared(task)
    facts = {
        "tuner": tuner,
        "objective": task.objective.name,
        "direction": task.objective.direction,
        "folds": folds,
        "seed": seed,
        "epochs": task.epochs,
        "space": [{"kind": type(hp).__name__, **hp.get_config()} for hp in space.space],
        "data": digest(task.data),
    }
    facts = json.loads(json.dumps(facts))
    options = {"folder": folder, "limit": trials, "seed": seed, "epochs": task.epochs}
    trial.divide(task, folds, seed)
    _open(folder, facts, resume)
    chooser = oracle(tuner, task.objective, **options)
    chooser.update_space(space)
    write_json(folder / "search.json", facts | {"versions": versions(), "about": about})
    lines = Lines(chooser, quiet)
    try:
        (run or run_trials)(task, chooser, seed=seed, folds=folds, lines=lines)
    except InputError:
        if not chooser.end_order:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    _check_any(chooser)
    return result.finish(task, chooser, folder, seed, folds, repeats, about or {}, lines)


def run_trials(task, oracle, *, seed, folds, lines, worker="0"):
    """Runs trials until the oracle has no more.

    Args:
        task: A `tuning.Task`.
        oracle: What `tuning.oracles.oracle` returns, or whatever speaks for it elsewhere: an object
            with `create_trial(worker)` and `finish(trial, numbers, reason)`.
        seed: Integer, seed of every trial.
        folds: Integer or `None`.
        lines: Called with each trial that has ended, or `None`.
        worker: String, name of this worker. Defaults to `"0"`.
    """
    while True:
        given = oracle.create_trial(worker)
        if given.status == "STOPPED":
            return
        if given.status == "IDLE":
            time.sleep(0.1)
            continue
        numbers, reason = None, None
        try:
            numbers = trial.evaluate(task, given.hyperparameters, seed=seed, folds=folds)
        except trial.TrialError as error:
            reason = str(error)
        oracle.finish(given, numbers, reason)
        if lines:
            lines(given.trial_id)


def declared(task):
    """The search space of a task, with everything that only some choices open."""
    collected = keras_tuner.oracles.RandomSearchOracle(objective=task.objective)
    waiting, seen = [[]], []
    while waiting:
        scope = waiting.pop()
        if scope in seen:
            continue
        hp = collected.get_space()
        for condition in scope:
            hp.values[condition.name] = condition.values[0]
        hp.ensure_active_values()
        parts = task.parts(hp, task.data.train, task.data.validation)
        task.compiled(hp, parts[0])
        task.fit_arguments(hp)
        collected.update_space(hp)
        seen += [scope, *(list(active) for active in hp.active_scopes)]
        waiting += [list(inactive) for inactive in hp.inactive_scopes]
    trial.release()
    return collected.get_space()


def _open(folder, facts, resume):
    """Makes the folder, or checks that it holds this search."""
    path = folder / "search.json"
    if path.exists() and not resume:
        raise InputError(
            f"`folder` {folder} holds a search already. Go on with it (`resume`) or choose "
            "another folder."
        )
    if resume and not path.exists():
        raise InputError(f"There is no search to resume in {folder}: {path} is missing.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot write to the folder {folder} ({error.strerror}).") from error
    if resume:
        _check_same(json.loads(path.read_text(encoding="utf-8")), facts)


def _check_same(before, now):
    changes = [
        f"`{name}` was {before[name]} and is {now[name]}"
        for name in now
        if name not in ("space", "data") and before[name] != now[name]
    ]
    spaces = [{hp["name"]: hp for hp in facts["space"]} for facts in (before, now)]
    for name in dict.fromkeys([*spaces[0], *spaces[1]]):
        old, new = (space.get(name) for space in spaces)
        if old is None or new is None:
            changes.append(f"the hyper-parameter {name!r} is {'new' if old is None else 'gone'}")
        elif old != new:
            keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            words = ", ".join(f"{key} {old.get(key)} -> {new.get(key)}" for key in keys)
            changes.append(f"the hyper-parameter {name!r} has changed: {words}")
    if before["data"] != now["data"]:
        changes.append("the data are others")
    if changes:
        raise InputError(
            f"This is not the search that was begun: {'; '.join(changes)}. Undo the change, or "
            "begin a new search in another folder."
        )


def _check_any(oracle):
    trials = list(oracle.trials.values())
    if not any(t.status == "COMPLETED" and math.isfinite(t.score) for t in trials):
        reason = next((t.message for t in trials if t.message), "no trial was run")
        raise InputError(f"All {len(trials)} trials failed. The first one: {reason}")
