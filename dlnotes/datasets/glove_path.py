"""The embedded rows of GloVe."""

from dlnotes.datasets.embedded import embedded


def glove_path():
    """The path of the embedded GloVe vectors: the 8,000 most frequent words of `glosses`.

    A subset of Stanford's 6B vectors of dimension 100, in GloVe's own text format.

    Reference: Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", 2014
    (PDDL 1.0, public domain).

    Returns:
        A `pathlib.Path` of a `.txt.gz` file.

    Example:

    >>> from dlnotes import datasets
    >>> datasets.glove_path().name
    'glove.6B.100d.glosses.txt.gz'
    """
    return embedded("glove.6B.100d.glosses.txt.gz")
