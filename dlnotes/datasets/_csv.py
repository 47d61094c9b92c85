"""What all readers of a person's own CSV files share: reading, and naming what is wrong where."""

from dlnotes.errors import InputError
import numpy as np
import pandas as pd


def read_csv(path, **options):
    """Reads a CSV file with a header line; `options` go to `pandas.read_csv`."""
    try:
        return pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {str(path)!r} as a CSV file: {error}") from error


def check_column(source, table, argument, column):
    """Refuses the name of a column that the table does not have."""
    if column not in table:
        given = "is not given" if column is None else f"is {column!r}"
        raise InputError(
            f"`{argument}` {given}, but must be one of the columns of {source}: "
            f"{', '.join(map(str, table))}."
        )


def check_every_row(source, argument, column, fits, needed):
    """Refuses a column with a row that does not fit, naming the first one."""
    wrong = np.flatnonzero(~np.asarray(fits))
    if len(wrong):
        raise InputError(
            f"`{argument}`: column {column.name!r} of {source} holds {column.iloc[wrong[0]]!s} in "
            f"row {wrong[0] + 1} below the header, but every row needs {needed}. Fill or drop it."
        )


def check_length(source, table, least):
    """Refuses a table with too few rows."""
    if len(table) < least:
        raise InputError(f"{source} has {len(table)} rows, but at least {least} are needed.")
