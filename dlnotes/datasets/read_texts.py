"""Labelled texts of one's own."""

from dlnotes.datasets._csv import check_column, check_every_row, check_length, read_csv
from dlnotes.errors import InputError
import pandas as pd

LEAST_ROWS = 10


def read_texts(path, text="text", label="label"):
    """Reads texts and their labels from a CSV file with a header line.

    The table has the form of `dlnotes.datasets.glosses`, so that texts of your own can take the
    place of the definitions.

    Args:
        path: Path of the file.
        text: String, the column that holds the texts. Defaults to `"text"`.
        label: String, the column that holds their labels. Defaults to `"label"`.

    Returns:
        A `pandas.DataFrame` with the columns `text` and `label`, both strings.

    Raises:
        InputError: If the file cannot be read, is too short, lacks a column or a value, or holds
            one label only.

    Example:

    >>> import pathlib, tempfile
    >>> from dlnotes import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reviews.csv"
    >>> text = path.write_text("stars,review\\n" + "1,a bore\\n5,a joy\\n" * 10)
    >>> datasets.read_texts(path, text="review", label="stars").iloc[0].tolist()
    ['a bore', '1']
    """
    table = read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for argument, column in {"text": text, "label": label}.items():
        check_column(path, table, argument, column)
        check_every_row(path, argument, table[column], table[column].notna(), "a value")
    check_length(path, table, LEAST_ROWS)
    if table[label].nunique() < 2:
        raise InputError(
            f"`label`: column {label!r} holds {table[label][0]!r} only, but must hold at least two "
            "labels."
        )
    return pd.DataFrame({"text": table[text], "label": table[label]})
