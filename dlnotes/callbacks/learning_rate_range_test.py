"""Trying every learning rate in one short run, to choose one."""

from dlnotes._keras import keras
from dlnotes._snapshot import Snapshot, everything
from dlnotes.callbacks._schedule import settable_optimizer, steps_ahead
from dlnotes.errors import InputError, check_at_least
import numpy as np


class LearningRateRangeTest(keras.callbacks.Callback):
    """Raises the learning rate batch by batch and records the loss, then puts everything back.

    Run it in a short `fit` of its own. The rate grows by the same factor at each batch, from
    `min_learning_rate` to `max_learning_rate`; the run ends there, or when the loss diverges. At
    the end the model is as it was, bit for bit: weights, statistics of batch normalisation, seeds,
    recurrent states, and the optimizer with its moments and learning rate. After an interrupt
    (Ctrl-C) call `restore()` yourself. (The order in which the next `fit` shuffles does change.)

    The callback only records. `suggest_learning_rate(test.records)` judges,
    `figures.learning_rate_range(test.records)` draws.

    Each batch's own loss is recorded; to get it, the running means of loss and metrics start anew
    at each batch, so the history of this `fit` says nothing.

    Reference: Smith 2017, https://arxiv.org/abs/1506.01186, section 3.3, with an exponential
        instead of a linear increase.

    Args:
        min_learning_rate: Float above 0, the first rate. Defaults to `1e-6`.
        max_learning_rate: Float, the last rate. Defaults to `10.0`.
        steps: Integer, number of batches from the first rate to the last. Defaults to all batches
            of the `fit`; needed if their number is not known.
        divergence: Float. The run ends when the smoothed loss lies further above its lowest value
            than this many times the largest of the first ten losses, or when a loss is not finite.
            Defaults to `3.0`.

    Attributes:
        records: List of pairs (learning rate, loss), one for each batch.

    Raises:
        InputError: If the rates are not increasing, the model is not built, the optimizer has a
            learning rate schedule, or the number of batches is not known.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes import builders
    >>> from dlnotes.callbacks import LearningRateRangeTest
    >>> x = np.linspace(-1, 1, 40).reshape(40, 1)
    >>> model = builders.mlp((1,), 1, units=2)
    >>> model.compile("sgd", "mse")
    >>> test = LearningRateRangeTest(1e-4, 1e-2)
    >>> history = model.fit(x, 2 * x, batch_size=10, verbose=0, callbacks=[test])
    >>> [round(rate, 6) for rate, loss in test.records]
    [0.0001, 0.000464, 0.002154, 0.01]
    >>> round(float(model.optimizer.learning_rate), 6)
    0.01
    """

    def __init__(
        self, min_learning_rate=1e-6, max_learning_rate=10.0, *, steps=None, divergence=3.0
    ):
        super().__init__()
        if not 0 < min_learning_rate < max_learning_rate:
            raise InputError(
                f"`min_learning_rate` is {min_learning_rate} and `max_learning_rate` "
                f"{max_learning_rate}, but 0 < min_learning_rate < max_learning_rate must hold."
            )
        if steps is not None:
            check_at_least(2, steps=steps)
        self.min_learning_rate = min_learning_rate
        self.max_learning_rate = max_learning_rate
        self.steps = steps
        self.divergence = divergence
        self.records = []
        self._before = None

    def on_train_begin(self, logs=None):
        settable_optimizer(self.model)
        if not self.model.built:
            raise InputError(
                "The model has no weights yet, so they cannot be put back: give it an "
                "`keras.Input`, or call it on one batch first."
            )
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self.records = []
        self._before = Snapshot(everything(self.model))
        self._smoothed = 0.0
        self._lowest = float("inf")
        self._earlier = self._step = 0
        self._total = None

    def on_epoch_begin(self, epoch, logs=None):
        self._earlier = self._step
        if self._total is None:
            self._total = self.steps or steps_ahead(self.params, epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._step = self._earlier + batch
        share = self._step / max(self._total - 1, 1)
        growth = self.max_learning_rate / self.min_learning_rate
        self._rate = self.min_learning_rate * growth**share
        self.model.optimizer.learning_rate = self._rate
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.records.append((self._rate, float(logs["loss"])))
        self._step = self._earlier + batch + 1
        if self._step >= self._total or self._has_diverged():
            self.model.stop_training = True

    def _has_diverged(self):
        """Judges the exponentially smoothed loss, corrected for its start at 0."""
        loss = self.records[-1][1]
        self._smoothed = 0.8 * self._smoothed + 0.2 * loss
        smoothed = self._smoothed / (1 - 0.8 ** len(self.records))
        self._lowest = min(self._lowest, smoothed)
        scale = max(abs(loss) for _, loss in self.records[:10])
        limit = self._lowest + self.divergence * scale
        return not np.isfinite(loss) or smoothed > limit

    def on_train_end(self, logs=None):
        self.restore()

    def restore(self):
        """Puts the model and its optimizer back as they were when `fit` began."""
        if self._before:
            self._before.restore()
            self._before = None

    def suggestion(self):
        """Returns `suggest_learning_rate` of the records."""
        return suggest_learning_rate(self.records)


def suggest_learning_rate(records, window=5):
    """Suggests a learning rate: a tenth of the one at which the loss was lowest.

    Beyond the lowest loss training is about to diverge, and a tenth keeps a safe distance: a rule
    of thumb. Look at the curve as well (`figures.learning_rate_range`).

    Args:
        records: List of pairs (learning rate, loss), in order of rate.
        window: Integer, the loss is averaged over so many neighbours. Defaults to `5`.

    Returns:
        Float.

    Raises:
        InputError: If there are too few finite losses, or the loss never fell.

    Example:

    >>> from dlnotes.callbacks import suggest_learning_rate
    >>> suggest_learning_rate([(0.01, 3.0), (0.1, 2.0), (1.0, 1.0), (10.0, 4.0)], window=1)
    0.1
    """
    check_at_least(1, window=window)
    finite = [(rate, loss) for rate, loss in records if np.isfinite(loss)]
    if len(finite) < window + 1:
        raise InputError(
            f"`records` holds {len(finite)} finite losses, but at least {window + 1} are needed: "
            "run over more batches, or from a smaller `min_learning_rate`."
        )
    rates, losses = np.array(finite).T
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    lowest = int(np.argmin(smooth))
    if lowest == 0:
        raise InputError(
            "`records`: the loss never fell. Start from a smaller `min_learning_rate`, or look at "
            "the model and the data."
        )
    return float(rates[lowest + (window - 1) // 2] / 10)
