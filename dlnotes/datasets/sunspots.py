"""Monthly sunspot numbers over 235 years."""

from dlnotes.datasets.embedded import embedded
import pandas as pd


def sunspots():
    """Loads the monthly means of the relative sunspot number from 1749 to 1983.

    A cycle of about 11 years (132 months) whose height and length change from one to the next;
    no season within the year.

    Reference: Andrews, Herzberg, "Data: A Collection of Problems from Many Fields for the Student
    and Research Worker", 1985; notes 001:225, 002:842.

    Returns:
        A `pandas.Series` of 2,820 floats with a monthly `PeriodIndex`, named `"sunspots"`.

    Example:

    >>> from dlnotes import datasets
    >>> len(datasets.sunspots())
    2820
    """
    table = pd.read_csv(embedded("sunspots.csv"))
    months = pd.PeriodIndex(table["month"], freq="M", name="month")
    return pd.Series(table["sunspots"].to_numpy("float64"), index=months, name="sunspots")
