"""Documents of dictionary definitions, one of which decides, put together."""

from dlnotes.datasets.glosses import glosses
from dlnotes.errors import InputError, check_at_least
import numpy as np
import pandas as pd

DECIDING = ("animal", "body", "food", "person", "plant")


def gloss_documents(samples=1000, sentences=6, rivals=0, seed=0):
    """Puts dictionary definitions together to documents whose label comes from one of them.

    Every document has one definition of an animal, a part of the body, a food, a person or a plant,
    which is its label; all others define acts, artifacts, communication, locations or substances.
    So whoever finds the sentence knows the label, and whoever averages over all of them has to see
    it through the rest. Documents have between half of `sentences` and `sentences` sentences, and
    the one that decides may stand anywhere. No definition decides two documents.

    With `rivals` there are sentences of other deciding kinds too, all of them later: the first one
    counts, so that the words alone do not tell the label, and the order of the sentences does.

    Reference: WordNet 3.1, Princeton University (WordNet licence); notes 002:1460, 1479-1481.

    Args:
        samples: Integer, number of documents, 7,500 at most. Defaults to `1000`.
        sentences: Integer, sentences of the longest document. Defaults to `6`.
        rivals: Integer, how many sentences behind the one that decides are of another deciding
            kind, fewer than half of `sentences`. Defaults to `0`.
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
    check_at_least(0, rivals=rivals)
    table = glosses()
    can_decide = table["label"].isin(DECIDING)
    deciding, others = table[can_decide], table.loc[~can_decide, "text"].to_numpy()
    other_kinds = {
        label: deciding.loc[deciding["label"] != label, "text"].to_numpy() for label in DECIDING
    }
    if samples > len(deciding):
        raise InputError(
            f"`samples` is {samples}, but there are {len(deciding)} definitions that can decide."
        )
    if rivals + 1 > (sentences + 1) // 2:
        raise InputError(
            f"`rivals` is {rivals}, but the shortest of documents of up to {sentences} sentences "
            f"have {(sentences + 1) // 2}, of which one decides."
        )
    random = np.random.default_rng(seed)
    chosen = deciding.iloc[random.permutation(len(deciding))[:samples]]
    lengths = random.integers((sentences + 1) // 2, sentences + 1, size=samples)
    documents, decides = [], []
    for text, label, length in zip(chosen["text"], chosen["label"], lengths, strict=True):
        document = random.choice(others, size=length)
        first, *later = np.sort(random.permutation(length)[: rivals + 1])
        document[first] = text
        if later:
            document[later] = random.choice(other_kinds[label], size=rivals)
        documents.append(tuple(document))
        decides.append(first)
    labels = chosen["label"].to_numpy()
    return pd.DataFrame({"sentences": documents, "label": labels, "decides": decides})
