"""Generated tasks that ask a network to remember: recall, adding, counting, seasonal."""

from dlnotes import datasets
from dlnotes.errors import InputError
from dlnotes.masks import step_weights
import numpy as np
import pytest

MAKERS = [datasets.recall, datasets.adding, datasets.counting, datasets.seasonal]


@pytest.mark.parametrize("make", MAKERS)
def test_a_seed_gives_the_same_data_and_another_seed_other_data(make):
    one, same, other = (make(50, 6, seed=seed).train.x for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("make", MAKERS)
def test_parts_have_six_and_two_and_two_tenths(make):
    assert [len(part.x) for part in vars(make(50, 6)).values()] == [30, 10, 10]


def test_only_the_first_symbol_tells_the_target_of_recall():
    for x, y in vars(datasets.recall(3000, steps=4, symbols=4)).values():
        assert (x[:, 0, :4].argmax(axis=-1) == y).all()
        assert (x[:, 0, 4] == 1).all() and not x[:, 1:, 4].any()
        agreement = (x[:, 1:, :4].argmax(axis=-1) == y[:, np.newaxis]).mean(axis=0)
        np.testing.assert_allclose(agreement, 1 / 4, atol=0.06)


def test_one_number_of_each_half_is_added():
    for x, y in vars(datasets.adding(3000, steps=7)).values():
        numbers, marks = x[..., 0], x[..., 1]
        assert (marks[:, :3].sum(axis=1) == 1).all() and (marks[:, 3:].sum(axis=1) == 1).all()
        np.testing.assert_allclose((numbers * marks).sum(axis=1), y[:, 0], rtol=1e-6)
        np.testing.assert_allclose(((y - 1) ** 2).mean(), 1 / 6, atol=0.02)


@pytest.mark.parametrize("modulus", [2, 3])
def test_counts_are_those_of_the_real_steps(modulus):
    whole, every = (
        datasets.counting(100, steps=9, modulus=modulus, every_step=each) for each in (False, True)
    )
    for (x, y), (same, counts) in zip(vars(whole).values(), vars(every).values(), strict=True):
        np.testing.assert_array_equal(x, same)
        lengths = step_weights(x).sum(axis=1).astype(int)
        assert set(lengths) <= set(range(5, 10))
        for bits, target, so_far, length in zip(x, y, counts, lengths, strict=True):
            expected, ones = [], 0
            for bit in bits[:length].argmax(axis=-1):
                ones += bit
                expected.append(ones % modulus)
            assert so_far.tolist() == expected + [0] * (9 - length)
            assert target == expected[-1]


def test_windows_of_a_season_are_one_series_cut_in_three():
    series = []
    for x, y in vars(datasets.seasonal(100, steps=5)).values():
        np.testing.assert_array_equal(x[1:, :-1], x[:-1, 1:])
        np.testing.assert_array_equal(x[1:, -1], y[:-1])
        series.append(np.concatenate([x[0, :, 0], y[:, 0]]))
    assert len({value for part in series for value in part}) == sum(map(len, series))
    np.testing.assert_allclose([series[0].mean(), series[0].std()], [0, 1], atol=1e-5)


def test_the_season_and_the_last_value_both_tell_something():
    x, y = datasets.seasonal(4000, steps=12, period=12).train

    def left(*steps):
        inputs = np.concatenate([x[:, step] for step in steps] + [np.ones_like(y)], axis=1)
        return np.linalg.lstsq(inputs, y, rcond=None)[1][0] / len(y)

    assert left(0, 11) < 0.8 * min(left(0), left(11))


def test_too_small_arguments_are_named():
    with pytest.raises(InputError, match="`samples` is 4, but must be at least 5"):
        datasets.recall(4)
    with pytest.raises(InputError, match="`symbols` is 1, but must be at least 2"):
        datasets.recall(symbols=1)
    with pytest.raises(InputError, match="`steps` is 1, but must be at least 2"):
        datasets.adding(steps=1)
    with pytest.raises(InputError, match="`modulus` is 1, but must be at least 2"):
        datasets.counting(modulus=1)
    with pytest.raises(InputError, match="`noise` is -1, but must be at least 0"):
        datasets.seasonal(noise=-1)
