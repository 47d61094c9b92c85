"""Nine speakers saying two vowels."""

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.datasets.embedded import embedded
import numpy as np
import pandas as pd


def japanese_vowels(seed=0):
    """Loads the Japanese Vowels data: real sequences of unequal length, one speaker each.

    Twelve cepstrum coefficients per step, 7 to 29 steps, padded with zeros at the end. The 270
    utterances of the published training part are divided into 216 for training and 54 for
    validation, the published 370 are the test part. Inputs are standardised with the statistics of
    the training steps.

    Reference: Kudo, Toyama, Shimbo, "Multidimensional curve classification using passing-through
    regions", Pattern Recognition Letters 20, 1999. UCI repository, CC BY 4.0.

    Args:
        seed: Integer, seed of the division into training and validation. Defaults to `0`.

    Returns:
        A `Dataset`; `x` has shape `(utterances, 29, 12)` and type float32, `y` holds the speaker,
        `0` to `8`.

    Example:

    >>> from dlnotes import datasets
    >>> datasets.japanese_vowels().test.x.shape
    (370, 29, 12)
    """
    table = pd.read_csv(embedded("japanese_vowels.csv.gz"))
    published = {part: _utterances(rows) for part, rows in table.groupby("part")}
    sequences, speakers = published["train"]
    order = np.random.default_rng(seed).permutation(len(sequences))
    train, validation = order[54:], order[:54]

    steps = np.concatenate([sequences[index] for index in train])
    mean, scale = steps.mean(axis=0), steps.std(axis=0)
    longest = table.groupby(["part", "utterance"]).size().max()

    def split(sequences, speakers):
        x = np.zeros((len(sequences), longest, len(mean)), "float32")
        for row, sequence in zip(x, sequences, strict=True):
            row[: len(sequence)] = (sequence - mean) / scale
        return Split(x, np.asarray(speakers))

    return Dataset(
        split([sequences[i] for i in train], speakers[train]),
        split([sequences[i] for i in validation], speakers[validation]),
        split(*published["test"]),
    )


def _utterances(rows):
    groups = rows.groupby("utterance")
    coefficients = [f"c{number}" for number in range(1, 13)]
    sequences = [group[coefficients].to_numpy("float32") for _, group in groups]
    return sequences, groups["speaker"].first().to_numpy()
