from dlnotes.datasets import read_table
from dlnotes.errors import InputError
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def frame(rng):
    return pd.DataFrame(
        {
            "row": np.arange(50.0),
            "gaps": np.where(np.arange(50) % 7, rng.normal(5, 3, size=50), np.nan),
            "kind": rng.choice(["a", "b", None], size=50),
            "price": rng.normal(size=50),
            "sold": rng.choice(["no", "yes"], size=50),
        }
    )


def parts_of(data):
    return [data.train, data.validation, data.test]


def test_the_parts_hold_every_row_once_with_its_target(frame):
    frame["price"] = frame["row"]
    data = read_table(frame, "price")
    assert [len(part.y) for part in parts_of(data)] == [30, 10, 10]
    assert sorted(np.concatenate([part.y for part in parts_of(data)])) == list(range(50))
    scale = data.train.y.std()
    for x, y in parts_of(data):
        np.testing.assert_allclose(x[:, 0], (y - data.train.y.mean()) / scale, atol=1e-5)


def test_scale_and_filling_come_from_the_training_rows(frame):
    data = read_table(frame, "row")
    known = frame["gaps"].to_numpy()[data.train.y.astype(int)]
    mean = np.nanmean(known)
    scale = np.sqrt(np.mean(np.square(np.where(np.isnan(known), mean, known) - mean)))
    for x, y in parts_of(data):
        values = frame["gaps"].to_numpy()[y.astype(int)]
        expected = np.where(np.isnan(values), 0, (values - mean) / scale)
        np.testing.assert_allclose(x[:, 0], expected, atol=1e-5)
        assert x.dtype == "float32"


def test_texts_become_one_column_for_each_level_and_unseen_ones_none(frame):
    frame["price"] = np.arange(50.0)
    order = read_table(frame, "price").train.y.astype(int)
    frame["kind"] = "other"
    frame.loc[order[:15], "kind"] = "a"
    frame.loc[order[15:], "kind"] = "b"
    data = read_table(frame[["kind", "price"]], "price")
    expected = [[1, 0]] * 15 + [[0, 1]] * 15
    np.testing.assert_array_equal(data.train.x, expected)
    np.testing.assert_array_equal(data.test.x, np.zeros((10, 2)))


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (["no", "yes"], [0, 1]),
        ([7, 3], [1, 0]),
        ([True, False], [1, 0]),
    ],
)
def test_targets_that_are_classes(values, codes):
    frame = pd.DataFrame({"x": np.tile([0.0, 1.0], 10), "y": np.tile(values, 10)})
    for x, y in parts_of(read_table(frame, "y")):
        assert y.dtype == "int64"
        np.testing.assert_array_equal(y, np.where(x[:, 0] < 0, *codes))


@pytest.mark.parametrize("values", [np.arange(21), np.tile([0.5, 1.5, 2.5], 7)])
def test_targets_that_are_numbers(values):
    frame = pd.DataFrame({"x": np.arange(21), "y": values})
    assert read_table(frame, "y").train.y.dtype == "float32"


def test_a_file_reads_like_the_frame_and_rows_and_seed_choose(frame, tmp_path):
    frame.to_csv(tmp_path / "table.csv", index=False)
    for seed in (0, 1):
        ours = read_table(tmp_path / "table.csv", "sold", rows=20, seed=seed)
        theirs = read_table(frame, "sold", rows=20, seed=seed)
        for one, other in zip(parts_of(ours), parts_of(theirs), strict=True):
            np.testing.assert_allclose(one.x, other.x, atol=1e-6)
            np.testing.assert_array_equal(one.y, other.y)
        assert len(ours.train.y) == 12
    first = read_table(frame, "row", rows=20, seed=0).train.y
    assert not np.array_equal(first, read_table(frame, "row", rows=20, seed=1).train.y)


@pytest.mark.parametrize(
    ("change", "target", "message"),
    [
        (
            {},
            "prize",
            r"`target` is 'prize', but must be one .* of the table: row, gaps, kind",
        ),
        ({}, None, "`target` is not given"),
        ({}, "gaps", "column 'gaps' of the table holds nan in row 1 below"),
        ({"price": np.inf}, "price", "column 'price' holds infinite numbers"),
        ({"price": np.inf}, "row", "Column 'price' holds infinite numbers"),
    ],
)
def test_errors(frame, change, target, message):
    with pytest.raises(InputError, match=message):
        read_table(frame.assign(**change), target)


def test_errors_of_size_and_file(frame, tmp_path):
    with pytest.raises(InputError, match="has 9 rows, but at least 10"):
        read_table(frame[:9], "price")
    with pytest.raises(InputError, match="no column besides the target"):
        read_table(frame[["price"]], "price")
    with pytest.raises(InputError, match=r"Cannot read '.*missing.csv' as .*: .*No such file"):
        read_table(tmp_path / "missing.csv", "y")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"Cannot read .* as a CSV file: No columns"):
        read_table(tmp_path / "empty.csv", "y")
