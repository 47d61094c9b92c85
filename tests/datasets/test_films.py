import itertools
import re

from dlnotes.datasets import films, read_films
from dlnotes.errors import InputError
import numpy as np
import pytest

# which way the square must be seen to move: rows and columns
MOVES = {0: (0, -1), 1: (0, 1), 2: (-1, 0), 3: (1, 0)}


def test_the_square_moves_as_the_class_says_and_padding_is_zero():
    lengths = set()
    x, y = films(samples=60, frames=6, size=7, noise=0.0, seed=1).train
    for film, label in zip(x[..., 0], y, strict=True):
        real = film[film.any(axis=(1, 2))]
        lengths.add(len(real))
        np.testing.assert_array_equal(film[: len(real)], real)
        for before, after in itertools.pairwise(real):
            np.testing.assert_array_equal(np.roll(before, MOVES[label], axis=(0, 1)), after)
    assert lengths == {3, 4, 5, 6}


def test_parts_seed_and_kinds():
    data = films(samples=50, seed=3)
    assert [len(part.x) for part in (data.train, data.validation, data.test)] == [30, 10, 10]
    assert data.train.x.dtype == "float32"
    np.testing.assert_array_equal(data.test.x, films(samples=50, seed=3).test.x)
    assert not np.array_equal(data.test.x, films(samples=50, seed=4).test.x)


def test_one_frame_and_the_average_cannot_tell_left_from_right():
    part = films(samples=8000, frames=4, size=5, noise=0.0).train
    complete = part.x[:, -1].any(axis=(1, 2, 3))
    averages = part.x[complete].mean(axis=1)
    seen = {
        label: {average.tobytes() for average in averages[part.y[complete] == label]}
        for label in MOVES
    }
    first = {label: {film[0].tobytes() for film in part.x[part.y == label]} for label in MOVES}
    assert seen[0] == seen[1] and seen[2] == seen[3] and not seen[0] & seen[2]
    assert first[0] == first[1] == first[2] == first[3]


def test_too_little_is_refused():
    with pytest.raises(InputError, match="`frames` is 3, but must be at least 4"):
        films(frames=3)


def test_reads_what_numpy_wrote_scaled_by_the_training_part(tmp_path):
    numbers = np.arange(1, 11)
    x, y = np.ones((10, 3, 4, 4, 1)) * numbers[:, None, None, None, None], numbers % 2
    np.savez(tmp_path / "films.npz", x=x, y=y)
    data = read_films(tmp_path / "films.npz", seed=1)
    parts = (data.train, data.validation, data.test)
    assert [part.x.shape for part in parts] == [(n, 3, 4, 4, 1) for n in (6, 2, 2)]
    assert data.train.x.max() == 1
    values = np.concatenate([part.x.mean(axis=(1, 2, 3, 4)) for part in parts])
    found = values * 10 / values.max()
    np.testing.assert_allclose(np.sort(found), numbers, rtol=1e-5)
    labels = np.concatenate([part.y for part in parts])
    np.testing.assert_array_equal(labels, np.round(found) % 2)


GOOD = {"x": np.ones((6, 2, 4, 4, 1)), "y": np.zeros(6, int)}
WRONG = {
    "lacks y": ({"y": None}, "has the arrays ['x'], but lacks y"),
    "rank": ({"x": np.ones((6, 2, 4))}, "`x` in"),
    "text": ({"x": np.full((6, 2, 4, 4, 1), "a")}, "must be numbers of shape (films, frames"),
    "length": ({"y": np.zeros(5, int)}, "must be one integer for each of the 6 films"),
    "floats": ({"y": np.zeros(6)}, "type float64, but must be one integer"),
    "negative": ({"y": np.full(6, -1)}, "holds the class -1, but classes count from 0"),
    "objects": ({"y": np.array([{}] * 6)}, "cannot read"),
    "few": ({"x": GOOD["x"][:4], "y": GOOD["y"][:4]}, "has 4 films, but at least 5 are needed"),
    "nan": ({"x": np.where(np.arange(6)[:, None, None, None, None] == 3, np.nan, GOOD["x"])},
            "holds NaN or infinity, first in film 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_refused(case, tmp_path):
    change, message = WRONG[case]
    arrays = {name: value for name, value in (GOOD | change).items() if value is not None}
    np.savez(tmp_path / "films.npz", **arrays)
    with pytest.raises(InputError, match=re.escape(message)):
        read_films(tmp_path / "films.npz")


def test_what_is_no_npz_file_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no zip file")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 cut off")
    np.save(tmp_path / "one.npy", GOOD["x"])
    for name in ("text.npz", "broken.npz", "one.npy", "missing.npz"):
        with pytest.raises(InputError, match=f"cannot read .*{name}.* as an .npz file"):
            read_films(tmp_path / name)
