"""A table of one's own as inputs and targets."""

from dlnotes.datasets._csv import check_column, check_every_row, check_length, read_csv
from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError
import numpy as np
import pandas as pd

LEAST_ROWS = 10
MOST_CLASSES = 20


def read_table(table, target, *, rows=None, seed=0):
    """Divides a table into three parts, as numbers that a network can take.

    The rows are shuffled: six tenths are for training, two for validation, two for testing. Numbers
    are standardised, with the mean in place of missing ones; texts become a column for each level,
    of which a level that the training rows do not hold has none. All of it is fitted on the
    training rows alone.

    Args:
        table: A `pandas.DataFrame`, or the path of a CSV file with a header line.
        target: String, the column to predict: integer codes of its classes if it holds texts or
            at most 20 whole numbers, else its numbers.
        rows: Integer, how many rows to take at most. Defaults to all.
        seed: Integer, seed of the order of the rows. Defaults to `0`.

    Returns:
        A `Dataset` with float32 inputs of shape `(rows, columns)` and targets of shape `(rows,)`:
        int64 for classes, float32 for numbers.

    Raises:
        InputError: If the table cannot be read, is too short, lacks the target or a value of it, or
            holds infinite numbers.

    Example:

    >>> import pandas as pd
    >>> from dlnotes import datasets
    >>> table = pd.DataFrame({"price": range(20), "sold": ["no", "yes"] * 10})
    >>> x, y = datasets.read_table(table, "sold").train
    >>> x.shape
    (12, 1)
    """
    frame = table if isinstance(table, pd.DataFrame) else read_csv(table)
    _check("the table" if frame is table else table, frame, target)
    order = np.random.default_rng(seed).permutation(len(frame))[:rows]
    parts = np.split(order, [len(order) * 6 // 10, len(order) * 8 // 10])
    y = _codes_or_numbers(frame[target])
    frame = frame.drop(columns=target)
    encoder = _encoder().fit(frame.iloc[parts[0]])
    x = [encoder.transform(frame.iloc[part]).astype("float32") for part in parts]
    return Dataset(*(Split(inputs, y[part]) for inputs, part in zip(x, parts, strict=True)))


def _check(source, frame, target):
    check_column(source, frame, "target", target)
    if frame.shape[1] < 2:
        raise InputError("The table has no column besides the target.")
    check_length(source, frame, LEAST_ROWS)
    check_every_row(source, "target", frame[target], frame[target].notna(), "a value")
    for column in frame.select_dtypes("number"):
        if np.isinf(frame[column].to_numpy("float64")).any():
            where = f"`target`: column {column!r}" if column == target else f"Column {column!r}"
            raise InputError(f"{where} holds infinite numbers.")


def _codes_or_numbers(y):
    """Codes of classes as int64, or numbers as float32."""
    whole = y.dtype.kind in "iu" and y.nunique() <= MOST_CLASSES
    if whole or not pd.api.types.is_numeric_dtype(y) or y.dtype.kind == "b":
        return pd.factorize(y, sort=True)[0].astype("int64")
    return y.to_numpy("float32")


def _encoder():
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    return make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CLASSES),
            make_column_selector(dtype_exclude="number"),
        ),
        sparse_threshold=0,
    )
