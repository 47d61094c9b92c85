"""A series of one's own from a CSV file."""

from dlnotes.datasets._csv import check_column, check_every_row, check_length, read_csv
import numpy as np
import pandas as pd


def read_series(path, target=None):
    """Reads one column of a CSV file as a series, in the order of the rows.

    Args:
        path: Path of a CSV file with a header line, the oldest row first.
        target: String, the column. Defaults to `None`: the only column that holds numbers.

    Returns:
        A `pandas.Series` of floats, named like the column.

    Raises:
        InputError: If the file cannot be read or has no rows, the column is missing or cannot be
            told, or a row has no finite number.

    Example:

    >>> import pathlib, tempfile
    >>> from dlnotes import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "sales.csv"
    >>> _ = path.write_text("month,sales\\n2024-01,5\\n2024-02,7\\n")
    >>> datasets.read_series(path).tolist()
    [5.0, 7.0]
    """
    table = read_csv(path)
    numeric = [column for column in table if pd.api.types.is_numeric_dtype(table[column])]
    name = numeric[0] if target is None and len(numeric) == 1 else target
    check_column(path, table, "target", name)
    check_length(path, table, 1)
    numbers = pd.to_numeric(table[name], errors="coerce").astype("float64")
    check_every_row(path, "target", table[name], np.isfinite(numbers), "a number")
    return numbers
