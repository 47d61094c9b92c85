"""A series of one's own from a CSV file."""

from dlnotes.errors import InputError
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
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {str(path)!r} as a CSV file: {error}") from error
    name = _column(table, target, path)
    numbers = pd.to_numeric(table[name], errors="coerce").astype("float64")
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise InputError(
            f"Column {name!r} of {str(path)!r} holds {table[name].iloc[wrong[0]]!s} in row "
            f"{wrong[0] + 1} below the header, but every row needs a number. Fill or drop it."
        )
    if not len(numbers):
        raise InputError(f"{str(path)!r} has a header, but no rows.")
    return numbers


def _column(table, target, path):
    numeric = [column for column in table if pd.api.types.is_numeric_dtype(table[column])]
    if target in table:
        return target
    if target is None and len(numeric) == 1:
        return numeric[0]
    given = "is not given" if target is None else f"is {target!r}"
    raise InputError(
        f"`target` {given}, but must be a column of {str(path)!r}, one of: "
        f"{', '.join(map(str, table))}."
    )
