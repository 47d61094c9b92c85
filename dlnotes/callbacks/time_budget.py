"""Ending a training run in time."""

import time

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least


class TimeBudget(keras.callbacks.Callback):
    """Ends `fit` cleanly when its time is used up.

    The running batch is finished (or the running epoch, if you choose so), validation and the
    other callbacks follow as at any end, and `fit` returns. So the run takes longer than the budget
    by a batch (an epoch) and one validation. A reused callback starts anew with each `fit`.

    Args:
        seconds: Float, time from the start of `fit`, in seconds.
        boundary: `"batch"` or `"epoch"`, where the run may end. Defaults to `"batch"`.
        min_epochs: Integer, so many epochs are run whatever time they take. Defaults to `0`.
        verbose: Boolean, whether the reason is printed. Defaults to `False`.
        clock: Function that returns the time in seconds. Defaults to `time.monotonic`.

    Attributes:
        reason: String, why the run was ended, or `None` if it ended by itself.

    Raises:
        InputError: If the budget is below 0 or the boundary unknown.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders
    >>> from dlnotes.callbacks import TimeBudget
    >>> model = builders.mlp((1,), 1, units=2)
    >>> model.compile("sgd", "mse")
    >>> budget = TimeBudget(seconds=0, boundary="epoch")
    >>> x = np.ones((4, 1))
    >>> history = model.fit(x, x, epochs=50, verbose=0, callbacks=[budget])
    >>> len(history.history["loss"])
    1
    """

    def __init__(
        self, seconds, *, boundary="batch", min_epochs=0, verbose=False, clock=time.monotonic
    ):
        super().__init__()
        check_at_least(0, seconds=seconds, min_epochs=min_epochs)
        if boundary not in ("batch", "epoch"):
            raise InputError(f"`boundary` is {boundary!r}, but must be 'batch' or 'epoch'.")
        self.seconds = seconds
        self.boundary = boundary
        self.min_epochs = min_epochs
        self.verbose = verbose
        self.clock = clock
        self.reason = None

    def on_train_begin(self, logs=None):
        self.reason = None
        self._epochs = 0
        self._start = self.clock()

    def on_train_batch_end(self, batch, logs=None):
        if self.boundary == "batch":
            self._stop_if_used_up(f"after batch {batch + 1} of epoch {self._epochs + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._epochs += 1
        self._stop_if_used_up(f"after epoch {self._epochs}")

    def _stop_if_used_up(self, place):
        used = self.clock() - self._start
        if self.reason or self._epochs < self.min_epochs or used < self.seconds:
            return
        self.model.stop_training = True
        self.reason = f"Stopped {place}: {used:.1f} s of {self.seconds:g} s are used up."
        if self.verbose:
            print(self.reason)
