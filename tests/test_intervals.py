"""How often the interval covers the mean, at ten seeds."""

from dlnotes.intervals import mean_interval
import numpy as np
import pytest

DRAWS = 1_000
SEEDS = 10
KINDS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
    "difference of unequal exponentials": lambda rng, size: (
        rng.exponential(size=size) - 2 * rng.exponential(size=size) + 1
    ),
    "gamma": lambda rng, size: rng.gamma(2, size=size) - 2,
    "lognormal": lambda rng, size: rng.lognormal(0, 0.5, size) - np.exp(0.125),
}


def share(kind, covers):
    values = KINDS[kind](np.random.default_rng(0), (DRAWS, SEEDS))
    return np.mean([covers(row) for row in values])


@pytest.mark.parametrize("kind", KINDS)
def test_covers_the_mean_as_often_as_it_says(kind):
    def covers(row):
        low, high = mean_interval(row)
        return low <= 0 <= high

    assert 0.93 <= share(kind, covers) <= 0.97


def test_the_percentile_bootstrap_would_not():
    rows = np.random.default_rng(1).integers(0, SEEDS, (999, SEEDS))

    def covers(row):
        low, high = np.quantile(row[rows].mean(axis=1), [0.025, 0.975])
        return low <= 0 <= high

    assert share("exponential", covers) < 0.93


def test_moves_and_scales_with_its_values():
    values = np.random.default_rng(0).gamma(2, size=SEEDS)
    low, high = mean_interval(values)
    np.testing.assert_allclose(mean_interval(3 * values + 5), (3 * low + 5, 3 * high + 5))
    np.testing.assert_allclose(mean_interval(-values), (-high, -low), rtol=0.05)


def test_less_confidence_is_narrower():
    values = np.random.default_rng(0).normal(size=SEEDS)
    wide, narrow = mean_interval(values), mean_interval(values, 0.90)
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]


def test_one_value_that_stands_out_gives_a_finite_interval():
    low, high = mean_interval([1.0] * 9 + [0.9])
    assert 0.5 < low < 0.99 < high < 1.1


@pytest.mark.parametrize("values", [[1.0] * 4, [1.0, 2.0, 3.0, np.nan, 4.0, 5.0]])
def test_too_few_or_no_numbers_give_none(values):
    assert mean_interval(values) is None


def test_equal_values_are_their_own_interval():
    assert mean_interval([0.25] * 6) == (0.25, 0.25)
