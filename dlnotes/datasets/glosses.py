"""Definitions of English nouns and what they define."""

from dlnotes.datasets.embedded import embedded
import pandas as pd


def glosses():
    """Loads 15,000 dictionary definitions, each with the kind of thing that it defines.

    Ten kinds, 1,500 definitions of each, in a shuffled order: act, animal, artifact, body,
    communication, food, location, person, plant, substance.

    Reference: WordNet 3.1, Princeton University (WordNet licence).

    Returns:
        A `pandas.DataFrame` with the columns `text` and `label`.

    Example:

    >>> from dlnotes import datasets
    >>> datasets.glosses()["label"].nunique()
    10
    """
    return pd.read_csv(embedded("glosses.csv.gz"), dtype=str, keep_default_na=False)
