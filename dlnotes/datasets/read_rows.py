"""A table of one's own with its columns as they are."""

from dlnotes.datasets._csv import check_column, check_every_row, read_csv
import numpy as np
import pandas as pd


def read_rows(path, target, time=None):
    """Reads a CSV file whose target is a number, in the order of time if it has one.

    The other columns stay as they are, so that an encoder can be fitted on some of the rows.

    Args:
        path: Path of a CSV file with a header line.
        target: String, the column to predict.
        time: String, the column with the time of each row, by which the rows are sorted: ISO 8601
            (`2013-12-31 09:30`) or numbers. Defaults to `None`: the rows stay in their order.

    Returns:
        A `pandas.DataFrame`.

    Raises:
        InputError: If the file cannot be read, a column is not there, or a row has no finite number
            as its target or no time.

    Example:

    >>> import pathlib, tempfile
    >>> from dlnotes import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "sales.csv"
    >>> _ = path.write_text("day,shop,sales\\n2024-01-02,A,5\\n2024-01-01,B,7\\n")
    >>> datasets.read_rows(path, "sales", time="day")["shop"].tolist()
    ['B', 'A']
    """
    table = read_csv(path)
    check_column(path, table, "target", target)
    numbers = pd.to_numeric(table[target], errors="coerce").astype("float64")
    check_every_row(path, "target", table[target], np.isfinite(numbers), "a number")
    table = table.assign(**{target: numbers})
    if time is None:
        return table
    check_column(path, table, "time", time)
    times = table[time]
    if not pd.api.types.is_numeric_dtype(times):
        times = pd.to_datetime(times, errors="coerce", format="ISO8601", utc=True)
    check_every_row(path, "time", table[time], times.notna(), "a time such as 2013-12-31 09:30")
    return table.iloc[np.argsort(times.to_numpy(), kind="stable")].reset_index(drop=True)
