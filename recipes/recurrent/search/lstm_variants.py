# %% [markdown]
"""
# What is searched: a recurrent network of any gated cell

The network that adds two marked numbers, or reads sequences of your own: the cell, width, depth, dropout,
learning rate and batch size. A search may make a cell as wide as it likes, so it looks for the best
network, not for the best cell at one size, as the recipe does. Searched for is the loss of the validation
sequences, in which padded steps count nothing.

`DEFAULTS` is the LSTM of the recipe.
"""

# %%
from pathlib import Path

from dlnotes import builders, datasets, errors, masks, tuning
import keras
import numpy as np

DEFAULTS = {
    "cell": "lstm",
    "units": 16,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "batch_size": 50,
}


# %%
def prepare(hp, *parts):
    for x, y in parts:
        each_step = y.dtype.kind == "i" and y.ndim == 2
        yield x, y, masks.step_weights(x) if each_step else np.ones(len(y), "float32")


def build(hp, train, classes):
    x, y, _ = train
    model = builders.gated_rnn(
        (None, x.shape[-1]),
        classes or 1,
        **builders.gated_rnn_space(hp),
        return_sequences=bool(classes) and y.ndim == 2,
        mask_value=0.0 if classes else None,
    )
    kind = keras.losses.SparseCategoricalCrossentropy if classes else keras.losses.MeanSquaredError
    options = {"from_logits": True} if classes else {}
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.002, 0.1, sampling="log")),
        kind(reduction="mean_with_sample_weight", **options),
        weighted_metrics=["accuracy" if classes else "mse"],
    )
    return model


# %%
def task(
    samples: int = 3000, seed: int = 0, epochs: int = 10, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a network of a gated cell, on sequences.

    Args:
        samples: Generated sequences in all parts together, or at most as many real ones in each.
        seed: Seed of the data and of the division.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        data: Sequences of your own in place of the numbers, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence or each step).
    """
    errors.check_at_least(20, samples=samples)
    whole = datasets.read_sequences(data, seed) if data else datasets.adding(samples, 15, seed)
    pairs = vars(whole).values()
    parts = datasets.Dataset(*(datasets.Split(x[:samples], y[:samples]) for x, y in pairs))
    classes = 1 + int(max(y.max() for _, y in vars(parts).values())) if data else 0
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        parts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [25, 50, 100])},
        prepare=prepare,
        order="classes" if data and parts.train.y.ndim == 1 else "any",
        defaults=DEFAULTS,
    )
