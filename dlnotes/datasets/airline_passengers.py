"""Monthly passengers of international airlines."""

from dlnotes.datasets.embedded import embedded
import pandas as pd


def airline_passengers():
    """Loads the passengers of international airlines, 144 months with trend and season.

    In thousands, 1949 to 1960; the season grows with the level.

    Reference: Box, Jenkins, "Time Series Analysis: Forecasting and Control", 1970, series G;
    notes 001:225, 002:842.

    Returns:
        A `pandas.Series` of 144 floats with a monthly `PeriodIndex`, named `"passengers"`.

    Example:

    >>> from dlnotes import datasets
    >>> len(datasets.airline_passengers())
    144
    """
    table = pd.read_csv(embedded("airline_passengers.csv"))
    months = pd.PeriodIndex(table["month"], freq="M", name="month")
    return pd.Series(table["passengers"].to_numpy("float64"), index=months, name="passengers")
