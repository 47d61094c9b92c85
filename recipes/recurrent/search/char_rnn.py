# %% [markdown]
"""
# What is searched: a network that predicts the next character

The language model on documentation strings, or on a text of your own: cell, widths, depth and dropout, learning
rate and batch size. Searched for is the loss of the validation windows; divided by `log(2)` it is bits per character.

A wider network knows more after any number of epochs, and takes longer for each: with few windows and epochs the
search finds what learns fast, not what learns most. Folds divide the text in stretches of 50 windows, so that
few windows have their neighbours in another part. `DEFAULTS` is what the recipe uses.
"""

# %%
from pathlib import Path

from dlnotes import builders, datasets, errors, tuning
import keras
import numpy as np

STEPS, CODES, STRETCH = 64, 128, 50
DEFAULTS = {"cell": "lstm", "units": 128, "layers": 1, "embedding": 32, "dropout": 0.0}
TRAINING = {"learning_rate": 0.01, "batch_size": 32}


# %%
def read(path, seed):
    if path is None:
        return ["\n\n".join(part.x) for part in vars(datasets.docstrings(seed)).values()]
    text = path.read_text(encoding="utf-8").encode("ascii", "replace").decode()
    ends = [len(text) * 8 // 10, len(text) * 9 // 10]
    return [text[first:end] for first, end in zip([0, *ends], [*ends, None], strict=True)]


def windows(text, samples):
    codes = np.frombuffer(text.encode(), "uint8")[: samples * STEPS + 1]
    rows = (len(codes) - 1) // STEPS
    parts = (codes[first : first + rows * STEPS].reshape(rows, STEPS) for first in (0, 1))
    return datasets.Split(*parts)


def build(hp):
    model = builders.char_rnn(CODES, **builders.char_rnn_space(hp))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = hp.Float("learning_rate", 0.001, 0.03, sampling="log")
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    return model


# %%
def task(
    samples: int = 2000, seed: int = 0, epochs: int = 3, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a recurrent language model of characters.

    Args:
        samples: Windows of 64 characters of training text; a tenth as many for validation and for test.
        seed: Seed of the division of the documentation strings.
        epochs: Passes over the training text, at most: the best one on the validation text counts.
        data: A text file of your own in place of the documentation strings.
    """
    errors.check_at_least(100, samples=samples)
    texts = zip(read(data, seed), (1, 10, 10), strict=True)
    parts = datasets.Dataset(*(windows(text, samples // share) for text, share in texts))
    count = len(parts.train.x) + len(parts.validation.x)
    return tuning.Task(
        lambda hp, train: build(hp),
        parts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [32, 64, 128])},
        groups=np.arange(count) // STRETCH,
        defaults=DEFAULTS | TRAINING,
    )
