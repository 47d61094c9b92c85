"""Checkpoints from which a training goes on bit for bit, and that no interruption can damage."""

import math
from pathlib import Path
import random
import re
import time

from dlnotes._keras import keras
from dlnotes._snapshot import everything
from dlnotes.callbacks import _checkpoint_files as files
from dlnotes.callbacks import _plain
from dlnotes.callbacks.learning_rate_range_test import LearningRateRangeTest
from dlnotes.errors import InputError, TrainingError, check_at_least
from dlnotes.machine import versions
import numpy as np

HANDLE_NAN = (keras.callbacks.TerminateOnNaN, LearningRateRangeTest)


class AtomicCheckpoint(keras.callbacks.Callback):
    """Writes all that a fit changes after an epoch, and goes on from there when run again.

    Run the same script again after an interruption (Ctrl-C, `kill -9`, a power failure): `fit` goes
    on after the last epoch that was written and ends with the same numbers, bit for bit, as if
    nothing had happened. Keras' `BackupAndRestore` keeps weights and optimizer alone, so dropout,
    shuffling and the other callbacks take another course; and no writer of Keras is safe from being
    killed while it writes. Kept are:

    - weights, statistics, the seeds of dropout, the states of stateful layers, the optimizer;
    - what the other callbacks remember, such as the patience of `EarlyStopping`;
    - the random generators of Python and NumPy and the global one of Keras;
    - the history, so that `fit` returns that of all epochs.

    **Put it last in the list of callbacks**, and give it the others: what comes behind it is
    written too early. The same numbers also need the same seeds, set before the model is built, and
    data whose order depends on them alone: arrays, or `datasets.EpochBatches`. A `tf.data.Dataset`
    that shuffles begins with the order of its first epoch again, and so does a generator.

    A training that was ended, by its number of epochs or by a callback, is not repeated: `fit` then
    gives back its weights and history. With more `epochs` it goes on, unless a callback ended it.
    What was compiled anew is overwritten by what was kept, the learning rate too. To begin anew,
    delete the folder.

    Each checkpoint is a folder `epoch-000012` (after 12 epochs) with `variables.npz` and
    `state.json`, which holds the checksum. It is written under another name and renamed when it is
    whole; the last two stay.

    Reference: notes 002:218 (callbacks); what `keras.callbacks.BackupAndRestore` leaves open.

    Args:
        folder: Path of a folder for the checkpoints of this one fit.
        callbacks: Sequence of the other callbacks of the fit. Attributes that they change are kept
            if they are plain values, arrays, or lists and dictionaries of these. A callback with
            methods `get_state()` and `set_state(state)` is asked instead. Defaults to `()`.
        every_seconds: Float, the least time between two checkpoints. The last epoch is written in
            any case. Defaults to `0`: after every epoch.
        write: Boolean. `False` only reads, for the other processes of a training that several
            share. Defaults to `True`.

    Attributes:
        path: `pathlib.Path` of the newest whole checkpoint, or `None`.

    Raises:
        InputError: In `fit`, if the folder cannot be written to (an older checkpoint stays
            untouched), no checkpoint in it is whole, it belongs to another model, or one of
            `callbacks` is not in the list before this one.
        TrainingError: If the loss is not finite: names epoch, batch and the last checkpoint, which
            stays. `TerminateOnNaN` or `LearningRateRangeTest` among `callbacks` turn this off.

    Example:

    >>> import tempfile
    >>> import keras, numpy
    >>> from dlnotes import builders
    >>> from dlnotes.callbacks import AtomicCheckpoint
    >>> folder = tempfile.mkdtemp()
    >>> def train(epochs):
    ...     keras.utils.set_random_seed(0)
    ...     model = builders.mlp((1,), 1, units=2)
    ...     model.compile("adam", "mse")
    ...     stop = keras.callbacks.EarlyStopping("loss", patience=3)
    ...     checkpoint = AtomicCheckpoint(folder, [stop])
    ...     x = numpy.ones((8, 1))
    ...     return model.fit(x, x, epochs=epochs, verbose=0, callbacks=[stop, checkpoint])
    >>> before = train(epochs=2)
    >>> after = train(epochs=3)
    >>> after.epoch, after.history["loss"][:2] == before.history["loss"]
    ([0, 1, 2], True)
    """

    def __init__(self, folder, callbacks=(), every_seconds=0, *, write=True):
        super().__init__()
        check_at_least(0, every_seconds=every_seconds)
        self.folder = Path(folder)
        self.callbacks = list(callbacks)
        self.every_seconds = every_seconds
        self.write = write
        self.path = None

    def set_model(self, model):
        super().set_model(model)
        late = [other for other in self.callbacks if other._model is not model]
        if late:
            raise InputError(
                f"`callbacks`: {type(late[0]).__name__} must stand before AtomicCheckpoint in the "
                "list of callbacks that `fit` gets."
            )

    def on_train_begin(self, logs=None):
        self._history, self._epochs = {}, []
        self._before = [_digests(callback) for callback in self.callbacks]
        self._written = time.monotonic()
        self.path = None
        if self.write:
            _check_writable(self.folder)
        found = files.read_newest(self.folder)
        if found:
            self.path, state, arrays = found
            self._put_back(state, arrays)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._show_history()

    def on_train_batch_end(self, batch, logs=None):
        self._check_loss(logs, f"batch {batch + 1} of epoch {self._epoch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._check_loss(logs, f"epoch {epoch + 1}")
        self._epochs.append(epoch)
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        stopped = bool(self.model.stop_training)
        is_last = stopped or epoch + 1 == self.params["epochs"]
        is_due = time.monotonic() - self._written >= self.every_seconds
        if self.write and (is_last or is_due):
            self._write(epoch + 1, stopped)

    def on_train_end(self, logs=None):
        self._show_history()

    def restore(self, model):
        """Gives a model the variables of the newest whole checkpoint, outside of any `fit`.

        Args:
            model: A compiled `keras.Model` like the one that was trained.

        Returns:
            Integer, the number of epochs after which it was written.

        Raises:
            InputError: If there is no whole checkpoint, or it belongs to another model.
        """
        found = files.read_newest(self.folder)
        if not found:
            raise InputError(f"There is no checkpoint in {self.folder}.")
        path, state, arrays = found
        _assign(model, state["variables"], arrays, path)
        return state["epoch"]

    def _check_loss(self, logs, place):
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss) or any(isinstance(c, HANDLE_NAN) for c in self.callbacks):
            return
        kept = (
            f"The last good checkpoint is kept: {self.path}"
            if self.path
            else ("There is no checkpoint from before")
        )
        raise TrainingError(
            f"The loss is {loss} at {place}. {kept}. "
            "Lower the learning rate, clip the gradients, or look for such values in the data."
        )

    def _write(self, epoch, stopped):
        variables = _variables(self.model)
        arrays = [np.array(variable.value) for variable in variables]
        state = {
            "epoch": epoch,
            "stopped": stopped,
            "variables": [_description(variable) for variable in variables],
            "callbacks": [
                [type(callback).__name__, _changes(callback, before, arrays)]
                for callback, before in zip(self.callbacks, self._before, strict=True)
            ],
            "history": _plain.encode([self._epochs, self._history], arrays),
            "random": _plain.encode(_random_states(), arrays),
            "versions": versions() | {"backend": keras.config.backend()},
        }
        self.path = files.write(self.folder, state, arrays, keep=[self.path])
        self._written = time.monotonic()

    def _put_back(self, state, arrays):
        _assign(self.model, state["variables"], arrays, self.path)
        waiting = list(self.callbacks)
        for name, changes in state["callbacks"]:
            callback = next((c for c in waiting if type(c).__name__ == name), None)
            if callback is not None:
                waiting.remove(callback)
                _change(callback, _plain.decode(changes, arrays))
        self._epochs, self._history = _plain.decode(state["history"], arrays)
        _set_random_states(_plain.decode(state["random"], arrays))
        ended = self.params["epochs"] if state["stopped"] else 0
        # Where `fit` begins is settled in this attribute alone, as BackupAndRestore does.
        self.model._initial_epoch = max(state["epoch"], ended)

    def _show_history(self):
        """Hands the earlier epochs to Keras' history, which begins empty in each `fit`."""
        if self.model._initial_epoch:
            self.model._initial_epoch = None
            self.model.history.epoch = list(self._epochs)
            self.model.history.history = {name: list(v) for name, v in self._history.items()}


def _variables(model):
    """All variables that `fit` changes, each once."""
    return list({id(variable): variable for variable in everything(model)}.values())


def _description(variable):
    return [variable.path, list(variable.shape), variable.dtype]


def _assign(model, descriptions, arrays, path):
    """Gives the variables of a model their kept values."""
    if not model.built:
        raise InputError(
            f"The model {model.name!r} has no variables yet, so a checkpoint cannot be put back: "
            "begin it with `keras.Input`, or call it on a batch before `fit`."
        )
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    _check_same(descriptions, [_description(variable) for variable in variables], path)
    for variable, value in zip(variables, arrays, strict=False):
        variable.assign(value)


def _check_same(kept, given, path):
    """Refuses variables of another kind, naming the first that differs.

    Names are compared without their numbers: in a notebook Keras counts on (`dense_1`).
    """

    def kind(description):
        name, shape, dtype = description
        return re.sub(r"_\d+", "", name), shape, dtype

    def words(description):
        name, shape, dtype = description
        return f"{name} of shape {tuple(shape)} and type {dtype}"

    for one, other in zip(kept, given, strict=False):
        if kind(one) != kind(other):
            raise InputError(
                f"The checkpoint {path} belongs to another model: it holds {words(one)} where this "
                f"one has {words(other)}. Build the same model, or choose another folder."
            )
    if len(kept) != len(given):
        longer, shorter = (kept, given) if len(kept) > len(given) else (given, kept)
        owners = ("it", "this model") if longer is kept else ("this model", "it")
        raise InputError(
            f"The checkpoint {path} belongs to another model: {owners[0]} has "
            f"{words(longer[len(shorter)])}, which {owners[1]} lacks. Build and compile the same "
            "model, or choose another folder."
        )


def _digests(callback):
    """Checksums of a callback's attributes, by which changes are told."""
    if hasattr(callback, "get_state"):
        return {}
    return {name: _plain.digest(*value) for name, value in _plain.attributes(callback).items()}


def _changes(callback, before, arrays):
    """What a callback has changed since the fit began, as JSON; its arrays are appended."""
    if hasattr(callback, "get_state"):
        return _plain.encode(callback.get_state(), arrays)
    changed = {
        name: getattr(callback, name)
        for name, value in _plain.attributes(callback).items()
        if before.get(name) != _plain.digest(*value)
    }
    return _plain.encode(changed, arrays)


def _change(callback, changes):
    """Puts back what a callback had changed."""
    if hasattr(callback, "set_state"):
        callback.set_state(changes)
        return
    for name, value in changes.items():
        current = getattr(callback, name, None)
        if isinstance(current, np.random.Generator):
            current.bit_generator.state = value
        else:
            setattr(callback, name, value)


def _global_seed():
    """The state of Keras' global seed generator, for which there is no public way, or `None`."""
    from keras.src.backend.common import global_state
    from keras.src.random import seed_generator

    generator = global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)
    return generator and generator.state


def _random_states():
    seed = _global_seed()
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "keras": None if seed is None else np.array(seed.value),
    }


def _set_random_states(states):
    seed = _global_seed()
    if states["keras"] is not None and seed is None:
        keras.random.uniform((1,))
        seed = _global_seed()
    if states["keras"] is not None:
        seed.assign(states["keras"])
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])


def _check_writable(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write checkpoints to {folder} ({error.strerror or error}): choose another "
            "folder."
        ) from error
