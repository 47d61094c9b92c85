# %% [markdown]
"""
# What is searched: a bidirectional LSTM

The network that tells speakers apart, or reads sequences of your own: width, depth, merge mode, dropout,
learning rate and batch size. Halves that are never merged are left out: with one layer they are `concat`.
Searched for is the loss of the validation sequences, in which padded steps count nothing. It still tells
networks apart where all of them know every speaker, which accuracy does not.

`DEFAULTS` is what the recipe uses without a search, but for the width: to compare at equal size the recipe
makes its bidirectional networks narrower than the forward one, whose width stands here. Its
batches are a tenth of the training sequences.

The real steps are standardised with those of the training sequences of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, datasets, masks, tuning
import keras
import numpy as np

DEFAULTS = {"units": 32, "layers": 1, "merge_mode": "concat", "dropout": 0.0, "learning_rate": 0.02}


# %%
def prepare(hp, *parts):
    x = parts[0].x
    steps = x[masks.step_weights(x) > 0]
    mean, scale = steps.mean(axis=0), steps.std(axis=0)
    for x, y in parts:
        weight = masks.step_weights(x)
        x = (x - mean) / np.where(scale > 0, scale, 1) * weight[..., None]
        yield x, y, weight if y.ndim == 2 else np.ones(len(y), "float32")


def build(hp, train, classes):
    x, y, _ = train
    options = {"return_sequences": y.ndim == 2, "mask_value": 0.0}
    choices = builders.bidirectional_lstm_space(hp)
    model = builders.bidirectional_lstm((None, x.shape[-1]), classes, **choices, **options)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.002, 0.1, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %%
def task(
    samples: int = 800, seed: int = 0, epochs: int = 8, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a network that reads a sequence from both ends.

    Args:
        samples: Sequences in each part, at most.
        seed: Seed of the division.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        data: Sequences of your own in place of the speakers, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence or each step).
    """
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
        order="classes" if y.ndim == 1 else "any",
        defaults=DEFAULTS | {"batch_size": tenth},
    )
