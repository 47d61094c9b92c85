"""A callback that makes stateful models forget where a new stream begins."""

from dlnotes import recurrent
from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least


class ResetStates(keras.callbacks.Callback):
    """Resets the state of a stateful model where a new stream begins.

    Always at the start of each epoch, before and after every validation or `evaluate` (which moves
    the state like training does, so that neither leaks into the other), and before `predict`. On
    request also between batches: after a fixed number of them, or at given ones. Fit with
    `shuffle=False`: this callback cannot put shuffled windows back in order.

    Reference: notes 001:237, 002:856.

    Args:
        every: Integer, a new stream begins every so many batches, in training, validation and
            prediction alike; `1` resets before each batch. Defaults to `None`: never within an
            epoch.
        at: Sequence of integers, the numbers of the training batches at which a new stream begins,
            counted from 0 in each epoch. Defaults to `()`.
        validation_at: The same for the batches of validation, `evaluate` and `predict`. Defaults to
            `()`.

    Raises:
        InputError: If `every` is given together with `at` or `validation_at`, or a number is too
            small; in `fit`, if nothing in the model is stateful, if on the JAX backend a layer does
            not carry its state (`dlnotes.recurrent.check_states`), or if `steps_per_execution`
            would skip a reset because Keras calls callbacks only between executions.

    Example:

    >>> import numpy
    >>> from dlnotes.builders import stateful_lstm
    >>> from dlnotes.callbacks import ResetStates
    >>> model = stateful_lstm(2, (5, 3), 1)
    >>> model.compile("adam", "mse", run_eagerly=True)
    >>> x, y = numpy.ones((8, 5, 3)), numpy.ones((8, 1))
    >>> reset = ResetStates(every=2)
    >>> history = model.fit(x, y, batch_size=2, shuffle=False, callbacks=[reset], verbose=0)
    """

    def __init__(self, every=None, at=(), validation_at=()):
        super().__init__()
        if every is not None and (len(at) or len(validation_at)):
            raise InputError("Give `every`, or `at` and `validation_at`, not both.")
        if every is not None:
            check_at_least(1, every=every)
        for name, batches in (("at", at), ("validation_at", validation_at)):
            if any(batch < 0 for batch in batches):
                raise InputError(f"`{name}` must hold numbers of batches, counted from 0.")
        self.every = every
        self.at, self.validation_at = frozenset(at), frozenset(validation_at)

    def on_train_begin(self, logs=None):
        recurrent.check_states(self.model)
        self._check_steps_per_execution(self.at)

    def on_epoch_begin(self, epoch, logs=None):
        recurrent.reset_states(self.model)

    def on_train_batch_begin(self, batch, logs=None):
        self._reset_between_batches(batch, self.at)

    def on_test_begin(self, logs=None):
        recurrent.check_states(self.model)
        self._check_steps_per_execution(self.validation_at)
        recurrent.reset_states(self.model)

    def on_test_batch_begin(self, batch, logs=None):
        self._reset_between_batches(batch, self.validation_at)

    def on_test_end(self, logs=None):
        recurrent.reset_states(self.model)

    def on_predict_begin(self, logs=None):
        self.on_test_begin()

    def on_predict_batch_begin(self, batch, logs=None):
        self._reset_between_batches(batch, self.validation_at)

    def _reset_between_batches(self, batch, boundaries):
        if batch in boundaries or (self.every and batch % self.every == 0):
            recurrent.reset_states(self.model)

    def _check_steps_per_execution(self, boundaries):
        """Callbacks run only before the first batch of each execution."""
        steps = self.model.steps_per_execution
        skipped = [batch for batch in boundaries | {self.every or 0} if batch % steps]
        if skipped:
            raise InputError(
                f"`steps_per_execution` is {steps}, so the reset before batch {min(skipped)} would "
                f"be skipped. Compile with a `steps_per_execution` that divides it, such as 1."
            )
