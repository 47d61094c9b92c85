"""Labelled texts of one's own."""

from dlnotes.errors import InputError
import numpy as np
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
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {str(path)!r} as a table: {error}") from error
    for argument, column in {"text": text, "label": label}.items():
        if column not in table:
            raise InputError(
                f"`{argument}` is {column!r}, but must be one of the columns: {', '.join(table)}."
            )
        missing = np.flatnonzero(table[column].isna())
        if len(missing):
            raise InputError(
                f"`{argument}`: column {column!r} has no value in row {missing[0] + 1} below the "
                "header. Leave such rows out."
            )
    if len(table) < LEAST_ROWS:
        raise InputError(f"{path} has {len(table)} rows, but at least {LEAST_ROWS} are needed.")
    if table[label].nunique() < 2:
        raise InputError(
            f"`label`: column {label!r} holds {table[label][0]!r} only, but must hold at least two "
            "labels."
        )
    return pd.DataFrame({"text": table[text], "label": table[label]})
