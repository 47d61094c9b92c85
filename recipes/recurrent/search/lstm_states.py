# %% [markdown]
"""
# What is searched: a stack of recurrent layers

The network that tells speakers apart, or reads sequences of your own: cell, width, depth, dropout, learning
rate and batch size. Searched for is the loss of the validation sequences, which still tells networks apart
where all of them know nearly every speaker.

`DEFAULTS` is what the recipe uses without a search where the head reads the last hidden state of one LSTM, but
for the width: only powers of two are searched. Its batches are a tenth of the training sequences.

The real steps are standardised with those of the training sequences of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, masks, tuning
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"cell": "lstm", "units": 32, "layers": 1, "dropout": 0.0, "learning_rate": 0.02}


# %%
def prepare(hp, *parts):
    steps = parts[0].x[masks.step_weights(parts[0].x) > 0]
    mean, scale = steps.mean(axis=0), steps.std(axis=0)
    for x, y in parts:
        yield (x - mean) / np.where(scale > 0, scale, 1) * masks.step_weights(x)[..., None], y


def build(hp, train, classes):
    choices = builders.stacked_rnn_space(hp)
    model = builders.stacked_rnn((None, train[0].shape[-1]), classes, mask_value=0.0, **choices)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.002, 0.1, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


# %%
def task(
    samples: int = 800, seed: int = 0, epochs: int = 12, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a stack of recurrent layers that gives one answer for each sequence.

    Args:
        samples: Sequences in each part, at most.
        seed: Seed of the division.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        data: Sequences of your own in place of the speakers, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence).
    """
    errors.check_at_least(20, samples=samples)
    parts = datasets.Dataset(*STORY.sequences(data, samples, seed))
    classes = 1 + int(max(parts.train.y.max(), parts.validation.y.max()))
    tenth = max(1, len(parts.train.y) // 10)
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        parts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [tenth, 2 * tenth, 4 * tenth])},
        prepare=prepare,
        order="classes",
        defaults=DEFAULTS | {"batch_size": tenth},
    )
