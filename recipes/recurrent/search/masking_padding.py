# %% [markdown]
"""
# What is searched: a recurrent network on padded sequences

The network that tells speakers apart, or sequences of your own: cell, width, depth and dropout, learning rate, on which
side the padding stands, and whether it is masked. That is a choice like any other: without a mask, padding in
front is harmless for a network that reads towards the last real step, and it spares the mask's cost.

Searched for is the loss of the validation sequences. `DEFAULTS` is what the recipe's baseline uses. The real steps are
standardised with those of the training sequences of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, datasets, errors, masks, tuning
import keras
import numpy as np

DEFAULTS = {"cell": "lstm", "units": 16, "layers": 1, "dropout": 0.0, "learning_rate": 0.02}
SIDES = ["post", "pre"]


# %%
def prepare(hp, *parts):
    real = [masks.step_weights(part.x) > 0 for part in parts]
    steps = parts[0].x[real[0]]
    mean, scale = steps.mean(axis=0), steps.std(axis=0)
    side = hp.Choice("padding", SIDES)
    for (x, y), steps in zip(parts, real, strict=True):
        x = (x - mean) / np.where(scale > 0, scale, 1)
        rows = [row[kept] for row, kept in zip(x, steps, strict=True)]
        yield keras.utils.pad_sequences(rows, x.shape[1], "float32", padding=side), y


def build(hp, train, classes):
    model = builders.stacked_rnn(
        (None, train[0].shape[-1]),
        classes,
        mask_value=0.0 if hp.Boolean("masked") else None,
        **builders.stacked_rnn_space(hp),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = hp.Float("learning_rate", 0.002, 0.1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(
    samples: int = 1000, seed: int = 0, epochs: int = 12, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a recurrent network, and what it makes of padding.

    Args:
        samples: Sequences in each part, at most.
        seed: Seed of the division.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        data: Sequences of your own in place of the speakers, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (a class from 0 for each sequence).
    """
    errors.check_at_least(20, samples=samples)
    whole = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    pairs = vars(whole).values()
    parts = datasets.Dataset(*(datasets.Split(x[:samples], y[:samples]) for x, y in pairs))
    y = parts.train.y
    classes = 1 + int(max(y.max(), parts.validation.y.max()))
    tenth = max(1, len(y) // 10)
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        parts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [tenth, 2 * tenth, 4 * tenth])},
        prepare=prepare,
        order="classes",
        defaults=DEFAULTS | {"padding": "post", "masked": False, "batch_size": tenth},
    )
