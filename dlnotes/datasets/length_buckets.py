"""Batches of sequences of about the same length, cut down to the longest one in the batch."""

from dlnotes._keras import keras
from dlnotes.datasets.epoch_batches import EpochBatches
from dlnotes.errors import InputError, check_at_least
import numpy as np


class LengthBuckets(EpochBatches):
    """Padded sequences in batches of about the same length, shuffled anew in each epoch.

    A recurrent layer computes every step of a batch, padded ones too: a batch costs as much as its
    longest sequence. In batches of like lengths there is little padding left. Together with a mask
    the results are the same; without one, too, padding does less harm.

    All rows are sorted by length, rows of the same length in random order; the batches are cut, and
    given in random order. The lengths of the batches are the same in every epoch, so that a
    compiled model meets no new shape after the first one. Rounded up to a multiple, lengths give
    fewer shapes (on JAX each is compiled for itself) and more rows that can share a batch.

    Order is a function of seed and epoch alone, as in `EpochBatches`: pass `shuffle=False` and
    `batches.callback` to `fit`. With `shuffle=False` here, rows come from the shortest to the
    longest, but for the second batch (see below) and the last one, and `order` says in which order:
    the rows of `predictions[np.argsort(batches.order(0))]` are those of `x`.

    Where there are batches of two lengths, the first two differ: Keras on TensorFlow looks at these
    two to learn which axes vary, and fails at the first batch that it cannot fit in.

    Reference: notes 002:1210, 1318 (smart batching).

    Args:
        x: Array of shape `(rows, steps, ...)`, padded at the end.
        y: Targets, an array or dictionaries and tuples of arrays. Defaults to `None`.
        sample_weight: Weights, an array of shape `(rows,)`, or `(rows, steps)` with `per_step`.
            Defaults to `None`.
        per_step: Boolean, whether targets have a value for each step, and are to be cut down as
            well. Defaults to `False`.
        multiple_of: Integer, the number of steps of a batch is a multiple of it, or that of `x`.
            Defaults to `8`.
        mask_value: Number that fills the padded steps. Defaults to `0.0`.
        batch_size: Integer, rows of a batch; the last one, of the shortest rows, may have fewer.
            Defaults to `32`.
        seed: Integer of at least 0. Defaults to `0`.
        shuffle: Boolean. Defaults to `True`.
        part: Pair `(rank, processes)`, as in `EpochBatches`. Defaults to `(0, 1)`.

    Attributes:
        lengths: Array of integers, the real steps of each row.
        epoch: Integer, the epoch whose batches are given.
        callback: A Keras callback, to be passed to `fit`.

    Raises:
        InputError: If `x` is no array with steps or is padded in front, targets for each step have
            other steps, or `EpochBatches` refuses something.

    Example:

    >>> import numpy as np
    >>> from dlnotes.datasets import LengthBuckets
    >>> x = np.array([[7, 7, 7, 0], [5, 0, 0, 0], [8, 8, 8, 0], [6, 6, 0, 0]])
    >>> batches = LengthBuckets(x, batch_size=2, multiple_of=1, shuffle=False)
    >>> [batch[0].tolist() for batch in batches]
    [[[5, 0], [6, 6]], [[7, 7, 7], [8, 8, 8]]]
    """

    def __init__(
        self,
        x,
        y=None,
        sample_weight=None,
        *,
        per_step=False,
        multiple_of=8,
        mask_value=0.0,
        batch_size=32,
        seed=0,
        shuffle=True,
        part=(0, 1),
    ):
        x = np.asarray(x)
        check_at_least(1, multiple_of=multiple_of)
        self.lengths = _lengths(x, mask_value)
        super().__init__(
            x, y, sample_weight, batch_size=batch_size, seed=seed, shuffle=shuffle, part=part
        )
        self.per_step = per_step
        self._steps = np.minimum(-(-self.lengths // multiple_of) * multiple_of, x.shape[1])
        targets = keras.tree.flatten(self.values[1:]) if per_step else []
        for array in targets:
            if array.ndim > 1 and array.shape[1] != x.shape[1]:
                raise InputError(
                    f"`per_step` is True, but `x` has {x.shape[1]} steps and a target or weight "
                    f"has shape {array.shape}."
                )

    def __getitem__(self, index):
        x, *targets = super().__getitem__(index)
        begin = index * self.batch_size
        steps = self._steps[self._order[1][begin : begin + self.batch_size]].max()
        if self.batch_size <= self.rows < begin + self.batch_size:
            # the smaller batch, of the shortest rows, is as long as the next one: no new shape
            steps = np.sort(self._steps)[self.rows % self.batch_size + self.batch_size - 1]

        def cut(array):
            return array[:, :steps] if self.per_step and array.ndim > 1 else array

        return (x[:, :steps], *keras.tree.map_structure(cut, targets))

    def order(self, epoch):
        """The order of an epoch, in which the rows of a batch stand together.

        Args:
            epoch: Integer, counted from 0.

        Returns:
            Array of the numbers of all rows.
        """
        rows = super().order(epoch)
        rows = rows[np.argsort(self._steps[rows], kind="stable")]
        fewer = self.rows % self.batch_size
        whole = rows[fewer:].reshape(-1, self.batch_size)
        if self.shuffle:
            bits = np.random.MT19937(np.random.SeedSequence((self.seed, epoch, len(whole))))
            whole = whole[np.random.RandomState(bits).permutation(len(whole))]
        steps = self._steps[whole].max(axis=1)
        others = np.flatnonzero(steps != steps[:1])
        if len(others):
            whole[[1, others[0]]] = whole[[others[0], 1]]
        return np.concatenate([whole.ravel(), rows[:fewer]])


def _lengths(x, mask_value):
    if x.ndim < 2 or not x.shape[1]:
        raise InputError(f"`x` has shape {x.shape}, but must be (rows, steps, ...).")
    real = np.any(x != mask_value, axis=tuple(range(2, x.ndim)))
    lengths = x.shape[1] - np.argmax(real[:, ::-1], axis=1)
    lengths = np.where(real.any(axis=1), lengths, 1)
    if not real[lengths > 1, 0].all():
        raise InputError(
            "`x` is padded in front, or has rows whose first step is padding: the end of a batch "
            "could not be cut off. Pad at the end, with "
            '`keras.utils.pad_sequences(..., padding="post")`.'
        )
    return lengths
