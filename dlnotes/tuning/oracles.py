"""The oracles of keras-tuner, whose whole state is one file that is always complete."""

import contextlib
import json
import os
from pathlib import Path

from dlnotes.errors import InputError
import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

NAMES = ("random", "grid", "bayesian", "hyperband")
ENOUGH = 9999


def oracle(name, objective, *, folder, limit, seed, epochs):
    """An oracle of keras-tuner that survives being killed at any moment.

    The state is written once for each step of the search, into one file, beside and renamed:
    keras-tuner 1.4.8 writes two files in place, loses the order of a grid search when it is loaded
    again, and stops at three failures in a row.

    Args:
        name: `"random"`, `"grid"`, `"bayesian"` or `"hyperband"`.
        objective: A `keras_tuner.Objective`.
        folder: Path of a folder for the state. What is there is loaded.
        limit: Integer, number of trials. It may grow between two searches.
        seed: Integer, seed of the choices.
        epochs: Integer, the longest training that Hyperband gives.

    Returns:
        A `keras_tuner.Oracle`.
    """
    if name not in NAMES:
        raise InputError(f"`tuner` is {name!r}, but must be one of {', '.join(NAMES)}.")
    options = {"objective": objective, "seed": seed + 1, "max_consecutive_failed_trials": ENOUGH}
    if name == "hyperband":
        made = _Hyperband(max_epochs=epochs, **options)
    else:
        made = {"random": _Random, "grid": _Grid, "bayesian": _Bayesian}[name](
            max_trials=ENOUGH, **options
        )
    made.max_trials, made.limit, made.verbose = ENOUGH, limit, 0
    made._set_project_dir(str(Path(folder).parent), Path(folder).name)
    if made.path.exists():
        made.reload()
    return made


class _Durable:
    """What is the same for all oracles: one state, one file, a limit that may grow."""

    _depth = 0

    @property
    def path(self):
        return Path(self._get_oracle_fname())

    @contextlib.contextmanager
    def _one_write(self):
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        self.save()

    @keras_tuner.synchronized
    def create_trial(self, tuner_id):
        full = len(self.trials) >= self.limit and not self._retry_queue
        if full and tuner_id not in self.ongoing_trials:
            self.tuner_ids.discard(tuner_id)
            return Trial(self.get_space(), status=TrialStatus.STOPPED)
        with self._one_write():
            return super().create_trial(tuner_id)

    @keras_tuner.synchronized
    def update_trial(self, trial_id, metrics, step=0):
        with self._one_write():
            return super().update_trial(trial_id, metrics, step)

    @keras_tuner.synchronized
    def end_trial(self, trial):
        with self._one_write():
            super().end_trial(trial)

    @keras_tuner.synchronized
    def finish(self, trial, numbers=None, reason=None):
        """Ends a trial with its numbers, or with the reason why it has none, in one write."""
        with self._one_write():
            if numbers is not None:
                self.update_trial(trial.trial_id, numbers)
            trial.status = TrialStatus.FAILED if numbers is None else TrialStatus.COMPLETED
            trial.message = reason
            self.end_trial(trial)

    @keras_tuner.synchronized
    def give_back(self, tuner_id):
        """A worker is gone: its trial is given out once more."""
        trial = self.ongoing_trials.pop(tuner_id, None)
        if trial is not None:
            self._retry_queue.append(trial.trial_id)
            self.save()
        return trial

    def all_ended(self):
        """Whether there are as many trials as were asked for, and all have ended."""
        waiting = self.ongoing_trials or self._retry_queue
        return len(self.trials) >= self.limit and not waiting

    def save(self):
        """Writes the state, unless a step of the search is under way."""
        if not self._depth:
            write_json(self.path, self.get_state())

    def _save_trial(self, trial):
        pass

    def reload(self):
        """Takes the state from its file; trials that had not ended are given out once more."""
        self.set_state(json.loads(self.path.read_text(encoding="utf-8")))
        self._retry_queue += [trial.trial_id for trial in self.ongoing_trials.values()]
        self.ongoing_trials = {}

    def get_state(self):
        states = {trial_id: trial.get_state() for trial_id, trial in self.trials.items()}
        return super().get_state() | {"trials": states}

    def set_state(self, state):
        self.trials = {
            trial_id: Trial.from_state(values) for trial_id, values in state["trials"].items()
        }
        super().set_state(state)


class _Random(_Durable, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    pass


class _Grid(_Durable, keras_tuner.oracles.GridSearchOracle):
    """Keeps the order of the combinations too, which keras-tuner 1.4.8 forgets."""

    def get_state(self):
        order, index = [], self._ordered_ids._next_index.get(None)
        while index is not None:
            order.append(self._ordered_ids._memory[index])
            index = self._ordered_ids._next_index[index]
        return super().get_state() | {"order": order, "populate_next": self._populate_next}

    def set_state(self, state):
        super().set_state(state)
        for trial_id in state["order"]:
            self._ordered_ids.insert(trial_id)
        self._populate_next = list(state["populate_next"])


def write_json(path, values):
    """Writes JSON beside and renames, so that the file is always a complete one."""
    part = path.with_name(f".part-{path.name}")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(values, indent=1, default=str))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise InputError(
            f"Cannot write {path} ({error.strerror}). Free some space or choose another folder."
        ) from error
