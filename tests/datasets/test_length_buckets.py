"""Batches of like lengths hold every row once, whole, and cost as few steps as batches can."""

import itertools

from dlnotes import masks
from dlnotes.datasets import EpochBatches, LengthBuckets
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal

STEPS = 30
LENGTHS = np.random.default_rng(1).integers(1, STEPS + 1, 101)
# row `i` holds the number `i + 1` on its real steps
IDS = np.where(np.arange(STEPS) < LENGTHS[:, None], np.arange(1, 102)[:, None], 0)


def epoch_of(batches, epoch=0):
    batches.epoch = epoch
    return list(batches)


@pytest.mark.parametrize("multiple_of", [1, 8])
@pytest.mark.parametrize("batch_size", [1, 7, 25, 101, 200])
def test_every_row_comes_once_and_whole(batch_size, multiple_of):
    batches = LengthBuckets(IDS, IDS[:, 0], batch_size=batch_size, multiple_of=multiple_of, seed=2)
    np.testing.assert_array_equal(batches.lengths, LENGTHS)
    for epoch in range(3):
        given = epoch_of(batches, epoch)
        assert len(given) == len(batches)
        assert all(len(x) == batch_size for x, _ in given[:-1])
        for x, y in given:
            np.testing.assert_array_equal(x, IDS[y - 1, : x.shape[1]])
            assert x.shape[1] >= LENGTHS[y - 1].max()
            assert x.shape[1] % multiple_of == 0 or x.shape[1] == STEPS
        assert sorted(np.concatenate([y for _, y in given])) == list(range(1, 102))


def cost(given):
    return sum(x.size for x, _ in given)


def test_the_lengths_of_batches_are_those_of_sorted_rows_in_every_epoch():
    batches = LengthBuckets(IDS, IDS[:, 0], batch_size=20, multiple_of=1)
    ordered = np.sort(LENGTHS)
    expected = [*sorted(ordered[end] for end in (20, 40, 60, 80, 100)), ordered[20]]
    for epoch in range(4):
        shapes = [x.shape for x, _ in epoch_of(batches, epoch)]
        assert sorted(steps for _, steps in shapes) == sorted(expected)
        assert shapes[-1] == (1, ordered[20])
    trimmed = sum(
        len(y) * LENGTHS[y - 1].max() for _, y in EpochBatches(IDS, IDS[:, 0], batch_size=20)
    )
    assert LENGTHS.sum() < cost(epoch_of(batches)) < 0.8 * trimmed


def test_order_is_a_function_of_seed_and_epoch():
    straight, jumped, other = (LengthBuckets(IDS, batch_size=9, seed=seed) for seed in (4, 4, 5))
    orders = [straight.order(epoch).tolist() for epoch in range(3)]
    np.random.seed(7)
    assert jumped.order(2).tolist() == orders[2] != other.order(2).tolist()
    assert orders[0] != orders[1] != orders[2]


def test_rows_of_one_length_meet_others_and_batches_come_in_another_order():
    batches = LengthBuckets(IDS, IDS[:, 0], batch_size=10)
    together = [
        {frozenset(y.tolist()) for _, y in epoch_of(batches, epoch)[:-1]} for epoch in range(2)
    ]
    assert not together[0] & together[1]
    lengths = [[x.shape[1] for x, _ in epoch_of(batches, epoch)] for epoch in range(2)]
    assert lengths[0] != lengths[1] and sorted(lengths[0]) == sorted(lengths[1])


def test_the_first_two_batches_differ_in_length_where_any_two_do():
    for lengths, batch_size in itertools.product(([1] * 9 + [3], [3] * 9 + [1], [2] * 5), (1, 2)):
        x = np.arange(4) < np.array(lengths)[:, None]
        for seed, shuffle in itertools.product(range(5), (True, False)):
            options = {"batch_size": batch_size, "seed": seed, "shuffle": shuffle}
            steps = [b[0].shape[1] for b in LengthBuckets(x, multiple_of=1, **options)]
            assert len(set(steps)) == len(set(steps[:2]))


def test_without_shuffling_the_order_is_by_length_and_can_be_undone():
    batches = LengthBuckets(IDS, batch_size=10, multiple_of=1, shuffle=False)
    given = epoch_of(batches)
    lengths = [x.shape[1] for (x,) in given[:-1]]
    assert lengths == sorted(lengths)
    firsts = np.concatenate([x[:, 0] for (x,) in given])
    assert firsts[np.argsort(batches.order(0))].tolist() == list(range(1, 102))


def test_targets_and_weights_for_each_step_are_cut_too():
    weights = (IDS > 0).astype("float32")
    for x, (tags, kinds), weight in LengthBuckets(
        IDS, (IDS * 2, IDS[:, 0]), weights, per_step=True, batch_size=10
    ):
        np.testing.assert_array_equal(tags, 2 * x)
        np.testing.assert_array_equal(weight, x > 0)
        np.testing.assert_array_equal(kinds, x[:, 0])
    one_hot = np.eye(STEPS)[np.zeros(101, int)]
    assert {y.shape[1] for _, y in LengthBuckets(IDS, one_hot, batch_size=10)} == {STEPS}


@pytest.mark.parametrize("processes", [2, 3])
def test_the_parts_of_all_processes_are_the_batches_of_one(processes):
    options = {"batch_size": 6, "seed": 1, "multiple_of": 1}
    whole = [x for (x,) in LengthBuckets(IDS[:99], **options)]
    parts = [
        LengthBuckets(IDS[:99], part=(rank, processes), **options) for rank in range(processes)
    ]
    for shares, expected in zip(zip(*map(list, parts), strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate([x for (x,) in shares]), expected)


def test_fit_evaluate_and_predict_meet_several_lengths(rng):
    x = rng.normal(size=(50, 12, 2)).astype("float32")
    lengths = rng.integers(1, 13, 50)
    x[np.arange(12) >= lengths[:, None]] = 0
    y = x.sum(axis=1)[:, :1]
    inputs = keras.Input((None, 2))
    states = keras.layers.SimpleRNN(4)(inputs, mask=masks.step_mask(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(states))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    batches = LengthBuckets(x, y, batch_size=8, multiple_of=4)
    history = model.fit(
        batches, epochs=6, shuffle=False, callbacks=[batches.callback], verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0]
    in_order = LengthBuckets(x, y, batch_size=8, multiple_of=4, shuffle=False)
    assert_equal(model.evaluate(in_order, verbose=0), model.evaluate(x, y, verbose=0))
    predictions = model.predict(in_order, verbose=0)[np.argsort(in_order.order(0))]
    assert_equal(predictions, model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (IDS[:, ::-1], {}, "`x` is padded in front"),
        (IDS[:, 0], {}, r"`x` has shape \(101,\), but must be \(rows, steps"),
        (IDS, {"multiple_of": 0}, "`multiple_of` is 0"),
        (IDS, {"y": IDS[:, :7], "per_step": True}, r"`x` has 30 steps and .* shape \(101, 7\)"),
        (IDS, {"y": IDS[:7]}, "equally many rows, at least one, but have 7, 101"),
    ],
)
def test_impossible_arguments_are_named(x, options, message):
    with pytest.raises(InputError, match=message):
        LengthBuckets(x, **options)


def test_rows_that_are_all_padding_are_kept():
    batches = LengthBuckets(IDS * (np.arange(101) > 50)[:, None], batch_size=10, multiple_of=1)
    assert sum(len(x) for (x,) in batches) == 101
    assert min(x.shape[1] for (x,) in batches) == 1


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="a trap of TensorFlow alone")
def test_plain_batches_of_several_lengths_fail_where_the_first_two_are_alike():
    # When this fails, Keras looks at more batches: `LengthBuckets` need not swap any.
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.ones((2, (4, 4, 5)[index], 1)), np.ones((2, 1))

    inputs = keras.Input((None, 1))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(inputs))
    model.compile("sgd", "mse")
    with pytest.raises(Exception, match=r"shape \(2, 5, 1\) was passed|element of shape"):
        model.fit(Batches(), shuffle=False, verbose=0)
