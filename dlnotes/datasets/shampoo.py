"""Monthly sales of shampoo."""

from dlnotes.datasets.embedded import embedded
import pandas as pd


def shampoo():
    """Loads 36 months of shampoo sales, the classic short trending series.

    Reference: Makridakis, Wheelwright, Hyndman, "Forecasting: Methods and Applications", 1998;
    notes 001:237.

    Returns:
        A `pandas.Series` of 36 floats with a monthly `PeriodIndex`, named `"sales"`.

    Example:

    >>> from dlnotes import datasets
    >>> len(datasets.shampoo())
    36
    """
    table = pd.read_csv(embedded("shampoo.csv"))
    months = pd.PeriodIndex(table["month"], freq="M", name="month")
    return pd.Series(table["sales"].to_numpy("float64"), index=months, name="sales")
