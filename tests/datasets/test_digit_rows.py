from dlnotes import datasets
import numpy as np
from sklearn.datasets import load_digits


def test_three_parts_hold_every_digit_once():
    parts = vars(datasets.digit_rows(seed=3)).values()
    assert [part.x.shape for part in parts] == [(n, 8, 8, 1) for n in (1078, 359, 360)]
    found = np.concatenate([part.x.reshape(len(part.x), -1) for part in parts])
    labels = np.concatenate([part.y for part in parts])
    digits = load_digits()
    rows = np.column_stack([16 * found, labels])
    expected = np.column_stack([digits.data, digits.target])
    assert np.array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])


def test_pixels_are_between_zero_and_one():
    x, y = datasets.digit_rows().train
    assert x.dtype == "float32" and x.min() == 0 and x.max() == 1
    assert set(y) == set(range(10))


def test_the_first_axis_after_the_digits_is_that_of_the_rows():
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    assert np.array_equal(
        datasets.digit_rows(0).train.x[0, 2, :, 0] * 16, digits.images[order[0], 2]
    )


def test_another_seed_divides_otherwise():
    one, again, other = (datasets.digit_rows(seed).test for seed in (0, 0, 1))
    assert np.array_equal(one.x, again.x) and np.array_equal(one.y, again.y)
    assert not np.array_equal(one.y, other.y)
