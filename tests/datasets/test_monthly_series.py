from pathlib import Path

from dlnotes import datasets
import numpy as np
import pandas as pd
import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"
SERIES = {
    "airline-passengers.csv": datasets.airline_passengers,
    "monthly-sunspots.csv": datasets.sunspots,
    "shampoo.csv": datasets.shampoo,
}


@pytest.mark.parametrize(
    ("load", "name", "first", "last", "months"),
    [
        (datasets.airline_passengers, "passengers", "1949-01", "1960-12", 144),
        (datasets.sunspots, "sunspots", "1749-01", "1983-12", 2820),
    ],
)
def test_every_month_is_there_once_and_in_order(load, name, first, last, months):
    series = load()
    assert series.name == name and series.index.name == "month"
    assert series.index.equals(pd.period_range(first, last, freq="M"))
    assert len(series) == months and series.dtype == "float64"
    assert np.isfinite(series).all()


def test_published_values():
    passengers = datasets.airline_passengers()
    assert passengers["1949"].tolist()[:3] == [112, 118, 132]
    assert passengers["1960-12"] == 432 and passengers.max() == 622
    # Andrews and Herzberg 1985: the highest cycle, and a year without spots
    sunspots = datasets.sunspots()
    assert sunspots.idxmax() == pd.Period("1957-10", "M") and sunspots.max() == 253.8
    assert (sunspots["1810"] == 0).all()


@pytest.mark.parametrize("file", SERIES)
def test_equals_another_copy_of_the_figures(file):
    if not (SHARED / file).is_file():
        pytest.skip("the other copies lie in ../shared alone")
    np.testing.assert_array_equal(SERIES[file](), pd.read_csv(SHARED / file).iloc[:, 1])
