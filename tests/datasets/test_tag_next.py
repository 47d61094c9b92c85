from dlnotes import datasets
from dlnotes.errors import InputError
from dlnotes.masks import step_weights
import numpy as np
import pytest


@pytest.mark.parametrize(("depends_on", "offset"), [("next", 1), ("previous", -1)])
def test_tags_follow_from_the_symbol_and_its_neighbour(depends_on, offset):
    data = datasets.tag_next(50, steps=5, symbols=6, tags=3, depends_on=depends_on, seed=1)
    for x, y in vars(data).values():
        lengths = step_weights(x).sum(axis=1).astype(int)
        assert set(lengths) <= {3, 4, 5}
        for row, tags, length in zip(x, y, lengths, strict=True):
            symbols = row[:length].argmax(axis=-1).tolist()
            padded = [0, *symbols, 0]
            expected = [(s + padded[1 + step + offset]) % 3 for step, s in enumerate(symbols)]
            assert tags.tolist() == expected + [0] * (5 - length)


def test_the_symbol_alone_says_nothing_about_its_tag():
    x, y = datasets.tag_next(4000, steps=8, seed=0).train
    inner = step_weights(x)[:, 1:] == 1
    symbols, tags = x[:, :-1].argmax(axis=-1)[inner], y[:, :-1][inner]
    for symbol in range(6):
        shares = np.bincount(tags[symbols == symbol], minlength=3) / (symbols == symbol).sum()
        np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`depends_on` is 'past', but must be 'next' or"):
        datasets.tag_next(depends_on="past")
    with pytest.raises(InputError, match="`symbols` is 7, but must be a multiple of `tags`"):
        datasets.tag_next(symbols=7)


@pytest.mark.parametrize("targets_per_step", [False, True])
def test_own_sequences_are_read_and_divided(targets_per_step, tmp_path, rng):
    x = rng.normal(size=(10, 4, 2))
    y = rng.integers(3, size=(10, 4) if targets_per_step else 10)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    parts = list(vars(datasets.read_sequences(tmp_path / "own.npz", seed=1)).values())
    assert [len(part.x) for part in parts] == [6, 2, 2]
    read = {row.tobytes(): target for part in parts for row, target in zip(*part, strict=True)}
    for row, target in zip(x.astype("float32"), y, strict=True):
        np.testing.assert_array_equal(read[row.tobytes()], target)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((9, 4)), "y": np.zeros(9, int)}, r"shape \(9, 4\) .* must be numbers of"),
        ({"x": np.ones((9, 4, 2)), "y": np.zeros(8, int)}, "one integer for each of the 9 seq"),
        ({"x": np.ones((9, 4, 2)), "y": np.zeros(9)}, "type float64, but must be one integer"),
        ({"x": np.ones((4, 4, 2)), "y": np.zeros(4, int)}, "has 4 sequences, but at least 5"),
        ({"x": np.ones((9, 4, 2)), "y": np.full(9, -1)}, "holds the class -1, but classes"),
        ({"x": np.full((9, 4, 2), np.nan), "y": np.zeros(9, int)}, "first in sequence 0"),
        ({"x": np.ones((9, 4, 2))}, "lacks y"),
    ],
)
def test_own_sequences_that_do_not_fit_are_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(InputError, match=message):
        datasets.read_sequences(tmp_path / "own.npz")
