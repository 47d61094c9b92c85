# %% [markdown]
"""
# What is searched: a CNN for each frame, an LSTM over the frames

The network of the films: filters and depth of the CNN, width of the LSTM, dropout, learning rate, batch
size, and whether padded frames are masked. How the CNN is folded is not searched, since it changes no
number. Searched for is the loss of the validation films, which still tells networks apart where all of
them name every film rightly.

`DEFAULTS` is what the recipe uses without a search. Films of your own are divided by the largest magnitude
in the training films of each division, so that padding stays zero; the generated films need no scale.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, tuning
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"filters": 8, "blocks": 2, "units": 32, "dropout": 0.0, "mask": True}
DEFAULTS |= {"learning_rate": 0.005, "batch_size": 32}


# %%
def prepare(hp, *parts):
    largest = np.abs(parts[0].x).max() or 1
    return [(x / largest, y) for x, y in parts]


def build(hp, train, classes):
    choices = builders.cnn_lstm_space(hp)
    choices["mask_value"] = 0.0 if hp.Boolean("mask") else None
    model = STORY.build(train[0].shape[2:], classes, **choices)
    model.optimizer.learning_rate = hp.Float("learning_rate", 0.0005, 0.05, sampling="log")
    return model


# %%
def task(
    samples: int = 600, seed: int = 0, epochs: int = 16, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a network that sees which way a square moves.

    Args:
        samples: Films in all three parts together.
        seed: Seed of the films and of their division.
        epochs: Passes over the training films, at most: the best one on the validation films counts.
        data: Films of your own, an .npz file with arrays x (films, frames, height, width, channels; shorter films padded with zeros) and y (classes from 0).
    """
    films = datasets.read_films(data, seed) if data else datasets.films(samples, seed=seed)
    classes = 1 + int(max(films.train.y.max(), films.validation.y.max()))
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        films,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [16, 32, 64, 128])},
        prepare=prepare if data else None,
        order="classes",
        defaults=DEFAULTS,
    )
