"""The one-cycle policy: the learning rate rises, falls and fades out within one run."""

import math

from dlnotes._keras import keras
from dlnotes.callbacks._schedule import settable_optimizer, steps_ahead
from dlnotes.errors import InputError, check_at_least


class OneCycle(keras.callbacks.Callback):
    """Sets learning rate and momentum batch by batch, over one cycle that lasts the whole `fit`.

    In the first part of the run the learning rate rises from `max_learning_rate / start_divisor`
    to `max_learning_rate`, in the rest it falls to the start divided by `end_divisor`. Momentum
    goes the other way. High rates shorten the training and act as regularisation; a good maximum
    comes from `LearningRateRangeTest`.

    Momentum is the `momentum` of SGD and Muon, if above 0, and the `beta_1` of Adam and its
    relatives. Keras writes such a number into the compiled training step, where setting the
    attribute does nothing; so the step is compiled anew at the begin of `fit`, with a variable in
    its place. RMSprop's momentum and optimizers without one are left alone.

    The learning rate at the end of each epoch is logged as `learning_rate`. At the end of `fit`
    both numbers are put back, or the next `fit` would crawl; after an interrupt call `restore()`
    yourself.

    Reference: Smith 2018, https://arxiv.org/abs/1803.09820, sections 4.1 and 4.3; Smith and Topin
        2017, https://arxiv.org/abs/1708.07120; notes 002:218, 002:1550.

    Args:
        max_learning_rate: Float above 0, the rate at the peak.
        start_divisor: Float, the peak over the first rate. Defaults to `25.0`.
        end_divisor: Float, the first rate over the last rate. Defaults to `10000.0`.
        warm_up: Float in [0, 1), share of the steps up to the peak. Defaults to `0.3`.
        momentum: Pair of floats, momentum at both ends and at the peak, or `None` to leave it
            alone. Defaults to `(0.95, 0.85)`.
        annealing: `"cosine"` or `"linear"`, the shape of rise and fall. Defaults to `"cosine"`.
        steps: Integer, number of batches of the cycle. Defaults to all batches of the `fit`; needed
            if their number is not known. Further batches keep the last values.

    Attributes:
        learning_rates: List of floats, the rate at each batch of the last `fit`.
        momenta: List of floats, the momentum at each batch, empty where it was left alone.

    Raises:
        InputError: If an argument is out of range, the optimizer has a learning rate schedule, the
            number of batches is not known, or momentum shall move on the JAX backend (pass
            `momentum=None`).

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders
    >>> from dlnotes.callbacks import OneCycle
    >>> model = builders.mlp((1,), 1, units=2)
    >>> model.compile("adam", "mse")
    >>> x = np.ones((5, 1))
    >>> cycle = OneCycle(0.1, warm_up=0.5, annealing="linear")
    >>> history = model.fit(x, x, batch_size=1, verbose=0, callbacks=[cycle])
    >>> [round(rate, 4) for rate in cycle.learning_rates]
    [0.004, 0.052, 0.1, 0.05, 0.0]
    >>> [round(momentum, 4) for momentum in cycle.momenta]
    [0.95, 0.9, 0.85, 0.9, 0.95]
    """

    def __init__(
        self,
        max_learning_rate,
        *,
        start_divisor=25.0,
        end_divisor=1e4,
        warm_up=0.3,
        momentum=(0.95, 0.85),
        annealing="cosine",
        steps=None,
    ):
        super().__init__()
        if max_learning_rate <= 0:
            raise InputError(f"`max_learning_rate` is {max_learning_rate}, but must be above 0.")
        if not 0 <= warm_up < 1:
            raise InputError(f"`warm_up` is {warm_up}, but must be in [0, 1).")
        if annealing not in ("cosine", "linear"):
            raise InputError(f"`annealing` is {annealing!r}, but must be 'cosine' or 'linear'.")
        if momentum is not None and not all(0 <= value < 1 for value in momentum):
            raise InputError(f"`momentum` is {momentum}, but both numbers must be in [0, 1).")
        check_at_least(1, start_divisor=start_divisor, end_divisor=end_divisor)
        if steps is not None:
            check_at_least(1, steps=steps)
        self.max_learning_rate = max_learning_rate
        self.start_divisor = start_divisor
        self.end_divisor = end_divisor
        self.warm_up = warm_up
        self.momentum = momentum
        self.annealing = annealing
        self.steps = steps
        self.learning_rates, self.momenta = [], []
        self._before = None

    @property
    def _optimizer(self):
        """Asked for anew each time: on JAX it is `self.model` that fetches the current values."""
        return getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)

    def learning_rate_at(self, step, steps):
        """The learning rate at a step (from 0) of a cycle of so many steps."""
        start = self.max_learning_rate / self.start_divisor
        end = start / self.end_divisor
        return self._at(step, steps, start, self.max_learning_rate, end)

    def momentum_at(self, step, steps):
        """The momentum at a step (from 0) of a cycle of so many steps."""
        ends, peak = self.momentum
        return self._at(step, steps, ends, peak, ends)

    def _at(self, step, steps, start, middle, end):
        turn, last = round(self.warm_up * (steps - 1)), steps - 1
        if step < turn:
            return self._between(start, middle, step / turn)
        return self._between(middle, end, min((step - turn) / max(last - turn, 1), 1.0))

    def _between(self, start, end, share):
        if self.annealing == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        return start + (end - start) * share

    def on_train_begin(self, logs=None):
        self.restore()
        optimizer = settable_optimizer(self.model)
        self.learning_rates, self.momenta = [], []
        self._moved = _momentum_of(optimizer) if self.momentum else None
        self._before = {"learning_rate": float(optimizer.learning_rate)}
        if self._moved:
            if keras.config.backend() == "jax":
                raise InputError(
                    "`momentum` cannot move on the JAX backend: pass `momentum=None`, or set the "
                    "environment variable KERAS_BACKEND=tensorflow before Keras is imported."
                )
            if self.model.built and not optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self._before["momentum"] = getattr(optimizer, self._moved)
            self._variable = _Momentum(self._before["momentum"], trainable=False)
            self.model.make_train_function(force=True)
        self._earlier = self._step = 0
        self._total = None

    def on_epoch_begin(self, epoch, logs=None):
        self._earlier = self._step
        if self._total is None:
            self._total = self.steps or steps_ahead(self.params, epoch)

    def on_train_batch_begin(self, batch, logs=None):
        step = self._earlier + batch
        self.learning_rates.append(self.learning_rate_at(step, self._total))
        self._optimizer.learning_rate = self.learning_rates[-1]
        if self._moved:
            self.momenta.append(self.momentum_at(step, self._total))
            self._variable.assign(self.momenta[-1])
            vars(self._optimizer)[self._moved] = self._variable

    def on_train_batch_end(self, batch, logs=None):
        self._step = self._earlier + batch + 1
        if self._moved:
            vars(self._optimizer)[self._moved] = self._before["momentum"]

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self._optimizer.learning_rate)

    def on_train_end(self, logs=None):
        self.restore()

    def restore(self):
        """Puts learning rate and momentum back as they were when `fit` began."""
        if self._before is None:
            return
        self._optimizer.learning_rate = self._before["learning_rate"]
        if self._moved:
            vars(self._optimizer)[self._moved] = self._before["momentum"]
            self.model.train_function = None
        self._before = None


class _Momentum(keras.Variable):
    """A momentum that moves. SGD asks at compile time whether it is not 0: it is not."""

    def __ne__(self, other):
        return True


def _momentum_of(optimizer):
    """Name of the attribute that holds an optimizer's momentum, or `None`."""
    if isinstance(optimizer, keras.optimizers.RMSprop):
        return None
    for name in ("momentum", "beta_1"):
        if isinstance(getattr(optimizer, name, None), float) and getattr(optimizer, name) > 0:
            return name
    return None
