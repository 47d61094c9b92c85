# %% [markdown]
"""
# What is searched: one vector from many states

The network that reads documents of which one sentence decides, or sequences of your own: how its states become
one vector, width, direction, dropout, learning rate and batch size. Searched for is the loss of the validation
sequences, which still tells networks apart where they are right equally often.

`DEFAULTS` is what the recipe uses without a search in the variant that it calls *attention*, but for the width:
only powers of two are searched. Its batches are a part of the training sequences.

Word vectors come from elsewhere and stay as they are, and so does the scale of your own sequences. So nothing
has to be fitted.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, tuning
from dlnotes.vectors import load_vectors
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"pooling": "attention", "units": 32, "bidirectional": True, "dropout": 0.0}
DEFAULTS |= {"learning_rate": 0.01}


# %%
def documents(samples, seed):
    table = datasets.gloss_documents(samples, STORY.SENTENCES, seed=seed)
    _, x = STORY.read(table, load_vectors(datasets.glove_path()))
    y = np.unique(table["label"], return_inverse=True)[1]
    ends = [samples * 6 // 10, samples * 8 // 10]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return datasets.Dataset(*(datasets.Split(*part) for part in parts))


def build(hp, train, classes):
    choices = builders.pooled_lstm_space(hp)
    model = builders.pooled_lstm((None, train[0].shape[-1]), classes, mask_value=0.0, **choices)
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(
    samples: int = 2000, seed: int = 0, epochs: int = 5, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a network that gives one answer for a sequence.

    Args:
        samples: Documents in all three parts together.
        seed: Seed of the documents, or of the division of your own sequences.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        data: Sequences of your own in place of the documents, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence).
    """
    errors.check_at_least(20, samples=samples)
    parts = datasets.read_sequences(data, seed) if data else documents(samples, seed)
    classes = 1 + int(max(parts.train.y.max(), parts.validation.y.max()))
    size = max(1, len(parts.train.y) // 24)
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        parts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [size, 2 * size, 4 * size])},
        order="classes",
        defaults=DEFAULTS | {"batch_size": size},
    )
