"""The order of an epoch is a function of seed and epoch alone, for one process and for several."""

import itertools

from dlnotes.datasets import EpochBatches
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest


def rows_of(batches, epoch):
    batches.epoch = epoch
    return [batch[0].tolist() for batch in batches]


def joined(lists):
    return list(itertools.chain.from_iterable(lists))


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own():
    batches = EpochBatches(np.arange(11), batch_size=4, seed=3)
    orders = [joined(rows_of(batches, epoch)) for epoch in range(5)]
    assert all(sorted(order) == list(range(11)) for order in orders)
    assert len({tuple(order) for order in orders}) == 5
    assert [len(batch) for batch in rows_of(batches, 0)] == [4, 4, 3]


def test_the_order_does_not_depend_on_what_came_before():
    straight, jumped = (EpochBatches(np.arange(50), seed=8) for _ in range(2))
    for epoch in range(3):
        rows_of(straight, epoch)
    np.random.seed(99)
    assert rows_of(straight, 3) == rows_of(jumped, 3)
    assert rows_of(jumped, 3) != rows_of(EpochBatches(np.arange(50), seed=9), 3)


def test_the_order_is_that_of_numpys_frozen_generator():
    bits = np.random.MT19937(np.random.SeedSequence((5, 2)))
    expected = np.random.RandomState(bits).permutation(9)
    assert joined(rows_of(EpochBatches(np.arange(9), batch_size=2, seed=5), 2)) == list(expected)


def test_without_shuffling_the_rows_stay_in_order():
    batches = EpochBatches(np.arange(5), batch_size=2, shuffle=False)
    assert rows_of(batches, 4) == [[0, 1], [2, 3], [4]]


def test_nested_inputs_targets_and_weights_stay_together():
    x = {"words": np.arange(6), "pair": (np.arange(6) * 10, np.arange(6)[:, None] + 100)}
    batches = EpochBatches(x, np.arange(6) + 0.5, np.arange(6) * 2.0, batch_size=4)
    for inputs, y, sample_weight in batches:
        words = inputs["words"]
        np.testing.assert_array_equal(inputs["pair"][0], words * 10)
        np.testing.assert_array_equal(inputs["pair"][1], words[:, None] + 100)
        np.testing.assert_array_equal(y, words + 0.5)
        np.testing.assert_array_equal(sample_weight, words * 2.0)


@pytest.mark.parametrize("processes", [2, 3])
def test_the_parts_of_all_processes_are_the_batches_of_one(processes):
    x = np.arange(17)
    whole = rows_of(EpochBatches(x, batch_size=6, seed=1), 4)
    parts = [
        rows_of(EpochBatches(x, batch_size=6, seed=1, part=(rank, processes)), 4)
        for rank in range(processes)
    ]
    assert [joined(shares) for shares in zip(*parts, strict=True)] == whole
    sizes = {len(share) for shares in parts for share in shares[:-1]}
    assert sizes == {6 // processes}


class Weights(keras.callbacks.Callback):
    """Records the weight after each batch."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(self.model.get_weights()[0].item())


def trained(batches, plan):
    """The weight after each batch of several fits, `plan` being pairs of first and end epoch."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.set_weights([np.ones((1, 1))])
    seen = []
    for first, end in plan:
        weights = Weights()
        model.fit(
            batches,
            initial_epoch=first,
            epochs=end,
            shuffle=False,
            verbose=0,
            callbacks=[batches.callback, weights],
            validation_data=batches,
        )
        seen += weights.seen
    return seen


def test_a_fit_in_two_pieces_sees_the_batches_of_one_in_one_piece():
    x = np.linspace(0.1, 1, 7)[:, None]
    in_one = trained(EpochBatches(x, x**2, batch_size=3), [(0, 3)])
    in_two = trained(EpochBatches(x, x**2, batch_size=3), [(0, 1), (1, 3)])
    assert in_one == in_two
    weight, expected = 1.0, []
    for epoch in range(3):
        batches = EpochBatches(x, x**2, batch_size=3)
        batches.epoch = epoch
        for inputs, y in batches:
            weight -= 0.1 * np.mean(2 * (weight * inputs - y) * inputs)
            expected.append(weight)
    np.testing.assert_allclose(in_one, expected, atol=1e-5)


def compiled():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


X = np.ones((7, 1))


def test_what_fit_would_do_wrong_is_refused_and_the_next_fit_works():
    model, batches = compiled(), EpochBatches(X, X, batch_size=1)
    right = {"shuffle": False, "verbose": 0, "callbacks": [batches.callback], "epochs": 2}
    with pytest.raises(InputError, match="Keras has shuffled the batches"):
        model.fit(batches, **right | {"shuffle": True})
    model.fit(batches, **right)
    with pytest.raises(InputError, match=r"pass `callbacks=\[batches\.callback\]`"):
        model.fit(batches, **right | {"callbacks": []})
    model.fit(batches, **right)
    with pytest.raises(InputError, match="has 7 batches, but `fit` would run 2: leave out `steps"):
        model.fit(batches, steps_per_epoch=2, **right)
    model.fit(batches, **right)


def test_evaluate_and_predict_need_no_callback():
    model, batches = compiled(), EpochBatches(X, X, batch_size=3)
    for _ in range(3):
        model.evaluate(batches, verbose=0)
        assert len(model.predict(batches, verbose=0)) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.ones(6)}, "equally many rows, at least one, but have 6, 7"),
        ({"sample_weight": np.ones(7)}, "`sample_weight` came without `y`"),
        ({"batch_size": 0}, "`batch_size` is 0"),
        ({"seed": -1}, "`seed` is -1"),
        ({"part": (2, 2)}, "rank from 0 to 1"),
        ({"batch_size": 3, "part": (0, 2)}, "2 processes cannot share batches of 3 rows"),
        ({"batch_size": 6, "part": (0, 2)}, "the last of 1: choose a `batch_size`"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        EpochBatches(X, **arguments)


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="at least one, but have 0"):
        EpochBatches(np.ones((0, 2)))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="a trap of TensorFlow alone")
def test_with_a_seed_plain_fit_on_tensorflow_shuffles_arrays_once():
    seen = []

    class Seeing(keras.Model):
        def train_step(self, data):
            seen.append(np.ravel(data[0]).tolist())
            return {"loss": 0.0}

    keras.utils.set_random_seed(0)
    inputs = keras.Input((1,))
    model = Seeing(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.arange(12.0)[:, None]
    model.fit(x, x, batch_size=12, epochs=3, verbose=0)
    assert seen[0] == seen[1] == seen[2] != sorted(seen[0])
    batches = EpochBatches(x, x, batch_size=12)
    model.fit(batches, epochs=3, shuffle=False, callbacks=[batches.callback], verbose=0)
    assert len({tuple(order) for order in seen[3:]}) == 3
