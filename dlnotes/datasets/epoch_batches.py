"""Batches whose order is a function of seed and epoch alone."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
import numpy as np


class EpochBatches(keras.utils.PyDataset):
    """Arrays in batches, shuffled anew in each epoch by seed and epoch number alone.

    Keras shuffles arrays once where a seed was set on TensorFlow: `fit` then gives every epoch the
    same order. Elsewhere it shuffles with a generator that moves on with every draw, so a training
    that goes on after an interruption, or in several processes, sees other batches than one in a
    single piece. Here epoch 7 has an order of its own, the same in every process, on every backend,
    whether or not the six before it were run.

    Pass `shuffle=False`, or Keras shuffles the batches once more, and `batches.callback`, which
    tells the number of the epoch. Both are checked.

    Reference: Sampler with a seed and an epoch, as `DistributedSampler.set_epoch` of PyTorch.

    Args:
        x: Inputs: an array, or dictionaries and tuples of arrays, with equally many rows.
        y: Targets, likewise. Defaults to `None`.
        sample_weight: Weights, likewise. Defaults to `None`.
        batch_size: Integer, rows of a batch; the last one may have fewer. Defaults to `32`.
        seed: Integer of at least 0. Defaults to `0`.
        shuffle: Boolean. `False` keeps the rows in order. Defaults to `True`.
        part: Pair `(rank, processes)`, for a training that several processes share: each gets its
            contiguous part of every batch, so that together they see what one process would. The
            `batch_size` is that of all processes together. Defaults to `(0, 1)`.

    Attributes:
        epoch: Integer, the epoch whose batches are given. The callback sets it; so may a training
            loop of your own.
        callback: A Keras callback, to be passed to `fit`.

    Raises:
        InputError: If the numbers of rows differ, an argument is out of range, or the processes
            cannot share a batch evenly; in `fit`, if the callback is missing, Keras shuffles, or
            an epoch does not have all batches.

    Example:

    >>> import keras, numpy
    >>> from dlnotes.datasets import EpochBatches
    >>> batches = EpochBatches(numpy.arange(6), batch_size=3, seed=1)
    >>> batches.epoch = 7
    >>> [batch[0].tolist() for batch in batches]
    [[3, 4, 2], [5, 1, 0]]
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> batches = EpochBatches(numpy.ones((6, 1)), numpy.ones((6, 1)), batch_size=3)
    >>> history = model.fit(
    ...     batches, epochs=2, shuffle=False, verbose=0, callbacks=[batches.callback]
    ... )
    """

    def __init__(
        self,
        x,
        y=None,
        sample_weight=None,
        *,
        batch_size=32,
        seed=0,
        shuffle=True,
        part=(0, 1),
    ):
        super().__init__()
        if y is None and sample_weight is not None:
            raise InputError("`sample_weight` came without `y`: weights belong to targets.")
        values = tuple(value for value in (x, y, sample_weight) if value is not None)
        self.values = keras.tree.map_structure(np.asarray, keras.tree.lists_to_tuples(values))
        self.rows = _number_of_rows(self.values)
        rank, processes = part
        check_at_least(1, batch_size=batch_size, processes=processes)
        check_at_least(0, seed=seed)
        if rank not in range(processes):
            raise InputError(
                f"`part` is {part}, but must be (rank, processes) with a rank from 0 to "
                f"{processes - 1}."
            )
        last = self.rows % batch_size or batch_size
        if batch_size % processes or last < processes:
            raise InputError(
                f"{processes} processes cannot share batches of {batch_size} rows, the last of "
                f"{last}: choose a `batch_size` that {processes} divides, and leave out rows at "
                "the end where a process would get none."
            )
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.part = rank, processes
        self.epoch = 0
        self._order = None, None
        self.callback = _TellEpoch(self)
        self._told = self._in_epoch = False
        self._epochs = 0
        self._given = []

    @property
    def workers(self):
        """One. Keras asks for it when a `fit`, `evaluate` or `predict` begins, and only then."""
        self._epochs = 0
        return 1

    def __len__(self):
        return -(-self.rows // self.batch_size)

    def __getitem__(self, index):
        if index not in range(len(self)):
            raise IndexError(f"batch {index} of {len(self)}")
        self._given.append(index)
        rank, processes = self.part
        begin = index * self.batch_size
        rows = min(self.batch_size, self.rows - begin)
        share = slice(begin + rank * rows // processes, begin + (rank + 1) * rows // processes)
        epoch, order = self._order
        if epoch != self.epoch:
            epoch, order = self._order = self.epoch, self.order(self.epoch)
        chosen = order[share]
        return keras.tree.map_structure(lambda array: array[chosen], self.values)

    def order(self, epoch):
        """The order of an epoch.

        Args:
            epoch: Integer, counted from 0.

        Returns:
            Array of the numbers of all rows.
        """
        if not self.shuffle:
            return np.arange(self.rows)
        bits = np.random.MT19937(np.random.SeedSequence((self.seed, epoch)))
        return np.random.RandomState(bits).permutation(self.rows)

    def on_epoch_begin(self):
        """Called by Keras, after the callbacks."""
        if self.shuffle and self._epochs and not self._told:
            raise InputError(
                "The number of the epoch is not known, so each would have the same order: pass "
                "`callbacks=[batches.callback]` to `fit`."
            )
        self._told, self._in_epoch = False, True
        self._given = []

    def on_epoch_end(self):
        """Called by Keras at the end of an epoch, and before the first one of each `fit`."""
        in_epoch, self._in_epoch = self._in_epoch, False
        every = list(range(len(self)))
        self._epochs = self._epochs + 1 if in_epoch and len(self._given) > 1 else 0
        if in_epoch and self._given != every == sorted(self._given):
            raise InputError(
                "Keras has shuffled the batches, in an order that is no function of seed and "
                "epoch: pass `shuffle=False` to `fit`. The rows are shuffled all the same."
            )


class _TellEpoch(keras.callbacks.Callback):
    """Tells a dataset which epoch begins, which Keras does not."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_train_begin(self, logs=None):
        steps = self.params["steps"]
        if steps not in (None, len(self.batches)):
            raise InputError(
                f"An epoch has {len(self.batches)} batches, but `fit` would run {steps}: leave out "
                "`steps_per_epoch`."
            )

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        self.batches._told = True


def _number_of_rows(values):
    rows = {len(array) if array.ndim else 0 for array in keras.tree.flatten(values)}
    if len(rows) != 1 or 0 in rows:
        raise InputError(
            "`x`, `y` and `sample_weight` must be arrays with equally many rows, at least one, but "
            f"have {', '.join(map(str, sorted(rows)))}."
        )
    return rows.pop()
