"""Each way of dividing rows keeps what it promises."""

from dlnotes import datasets, tuning
from dlnotes.errors import InputError
from dlnotes.tuning.folds import divide
import numpy as np
import pandas as pd
import pytest


def task(order="any", groups=None, classes=(0, 1)):
    x = np.arange(30.0)[:, None]
    y = np.resize(classes, 30)
    parts = [datasets.Split(x[a:b], y[a:b]) for a, b in ((0, 20), (20, 30), (0, 3))]
    return tuning.Task(
        lambda hp, train: None, datasets.Dataset(*parts), "val_loss", order=order, groups=groups
    )


def rows_of(pairs):
    return [(set(train.x[:, 0]), set(validation.x[:, 0])) for train, validation in pairs]


def test_without_folds_the_division_is_that_of_the_data_set():
    [(train, validation)] = divide(task(), None, 0)
    assert (len(train.y), len(validation.y)) == (20, 10)


@pytest.mark.parametrize("order", ["any", "classes"])
def test_every_row_is_judged_once_and_never_by_a_model_that_has_seen_it(order):
    pairs = rows_of(divide(task(order), 5, 0))
    assert all(not train & validation for train, validation in pairs)
    judged = [row for _, validation in pairs for row in validation]
    assert sorted(judged) == list(range(30))


def test_classes_have_equal_shares_in_every_fold():
    pairs = divide(task("classes", classes=(0, 0, 0, 0, 1)), 3, 0)
    assert [int(validation.y.sum()) for _, validation in pairs] == [2, 2, 2]


def test_a_group_is_never_divided():
    groups = np.arange(30) % 7
    for train, validation in rows_of(divide(task(groups=groups), 3, 0)):
        assert not {groups[int(row)] for row in train} & {groups[int(row)] for row in validation}


def test_in_order_of_time_every_fold_is_judged_on_what_comes_later():
    for train, validation in rows_of(divide(task("time"), 4, 0)):
        assert max(train) < min(validation)


def test_the_seed_decides_the_shuffled_folds():
    one, same, other = (rows_of(divide(task(), 3, seed)) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_rows_may_be_frames_and_dictionaries():
    def part(start, end):
        values = np.arange(start, end)
        frame = pd.DataFrame({"name": [f"n{v}" for v in values]}, index=values)
        return datasets.Split({"a": frame, "b": values}, {"y": values * 2.0})

    data = datasets.Dataset(part(0, 6), part(6, 9), part(9, 11))
    dictionaries = tuning.Task(lambda hp, train: None, data, "val_loss")
    for train, validation in divide(dictionaries, 3, 0):
        for side in (train, validation):
            assert list(side.x["a"]["name"]) == [f"n{v}" for v in side.x["b"]]
            np.testing.assert_array_equal(side.y["y"], side.x["b"] * 2.0)


def test_impossible_folds_and_groups_are_refused():
    with pytest.raises(InputError, match="`folds` is 1, but must be at least 2"):
        divide(task(), 1, 0)
    with pytest.raises(InputError, match="`folds` is 40, which these rows do not allow"):
        divide(task(), 40, 0)
    with pytest.raises(InputError, match=r"`groups` has 3 entries, but .* have 30 rows"):
        task(groups=np.zeros(3))
    with pytest.raises(InputError, match="`order` is 'random'"):
        task("random")
