"""Documents of dictionary definitions, one of which decides, put together."""

from dlnotes.datasets.glosses import glosses
from dlnotes.errors import InputError, check_at_least
import numpy as np
import pandas as pd

DECIDING = ("animal", "body", "food", "person", "plant")


def gloss_documents(samples=1000, sentences=6, seed=0):
    """Puts dictionary definitions together to documents whose label comes from one of them.

    Every document has one definition of an animal, a part of the body, a food, a person or a plant,
    which is its label; all others define acts, artifacts, communication, locations or substances.
    So whoever finds the sentence knows the label, and whoever averages over all of them has to see
    it through the rest. Documents have between half of `sentences` and `sentences` sentences, and
    the one that decides may stand anywhere. No definition decides two documents.

    Reference: WordNet 3.1, Princeton University (WordNet licence); notes 002:1460, 1479-1481.

    Args:
        samples: Integer, number of documents, 7,500 at most. Defaults to `1000`.
        sentences: Integer, sentences of the longest document. Defaults to `6`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `pandas.DataFrame` with the columns `sentences` (a tuple of strings), `label` and
        `decides` (the position of the sentence that does, from 0).

    Raises:
        InputError: If an argument is out of its range.

    Example:

    >>> from dlnotes import datasets
    >>> document = datasets.gloss_documents(samples=1).iloc[0]
    >>> len(document["sentences"]), document["label"]
    (3, 'food')
    """
    check_at_least(1, samples=samples, sentences=sentences)
    table = glosses()
    decides = table["label"].isin(DECIDING)
    deciding, others = table[decides], table.loc[~decides, "text"].to_numpy()
    if samples > len(deciding):
        raise InputError(
            f"`samples` is {samples}, but there are {len(deciding)} definitions that can decide."
        )
    random = np.random.default_rng(seed)
    chosen = deciding.iloc[random.permutation(len(deciding))[:samples]]
    lengths = random.integers((sentences + 1) // 2, sentences + 1, size=samples)
    places = random.integers(lengths)
    documents = []
    for text, length, place in zip(chosen["text"], lengths, places, strict=True):
        document = random.choice(others, size=length)
        document[place] = text
        documents.append(tuple(document))
    labels = chosen["label"].to_numpy()
    return pd.DataFrame({"sentences": documents, "label": labels, "decides": places})
