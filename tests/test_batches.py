"""Batches that are cut in the tests are those of Keras."""

import inspect

import keras
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
import numpy as np
import pytest

from tracing import batches_are_cut

ROWS = np.arange(14.0).reshape(7, 2)


@pytest.mark.parametrize("rows", [6, 7, 2])
@pytest.mark.parametrize("arrays", [1, 2, 3])
def test_elements_and_static_shapes_are_those_of_keras(rows, arrays):
    x = {"one": ROWS[:rows], "two": [ROWS[:rows, 0], ROWS[:rows].astype("int64")]}
    adapter = ArrayDataAdapter(*(x, ROWS[:rows], ROWS[:rows, 1])[:arrays], batch_size=3)
    with batches_are_cut():
        cut = adapter.get_tf_dataset()
        of_keras = inspect.unwrap(ArrayDataAdapter.get_tf_dataset)(adapter)
    assert cut.element_spec == of_keras.element_spec
    assert type(cut) is not type(of_keras)
    for one, other in zip(cut, of_keras, strict=True):
        keras.tree.map_structure(np.testing.assert_array_equal, one, other)


def test_a_shuffled_order_is_left_to_keras():
    keras.utils.set_random_seed(0)
    adapter = ArrayDataAdapter(ROWS, batch_size=7, shuffle=True)
    with batches_are_cut():
        (batch,) = adapter.get_tf_dataset()
    assert not np.array_equal(batch, ROWS)
    np.testing.assert_array_equal(np.sort(batch[:, 0]), ROWS[:, 0])
