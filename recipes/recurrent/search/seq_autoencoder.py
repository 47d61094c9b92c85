# %% [markdown]
"""
# What is searched: a sequence autoencoder

The network that writes sequences from a code of fixed width: width of its layers, direction of writing,
dropout of the code, learning rate and batch size. Searched for is the error of the validation sequences,
in which padded steps count nothing. Nothing of what a code is good for goes into it: labels are not seen.

The width of the code and the attention are not searched. A wider code and a way around it always write
better, and whether that is wanted is for you to say.

`DEFAULTS` is what the recipe uses without a search. The real steps are standardised with those of the
training sequences of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, datasets, errors, masks, tuning
import keras
import numpy as np

DEFAULTS = {"units": 64, "reverse": True, "dropout": 0.0, "learning_rate": 0.005}
DEFAULTS |= {"batch_size": 32}


# %%
def prepare(hp, *parts):
    x = parts[0].x
    steps = x[masks.step_weights(x) > 0]
    mean, scale = steps.mean(axis=0), steps.std(axis=0)
    for x, _ in parts:
        weight = masks.step_weights(x)
        x = (x - mean) / np.where(scale > 0, scale, 1) * weight[..., None]
        yield x, x, weight


def build(hp, train, code):
    choices = builders.sequence_autoencoder_space(hp)
    shape = (None, train[0].shape[-1])
    model = builders.sequence_autoencoder(shape, code=code, mask_value=0.0, **choices)
    rate = hp.Float("learning_rate", 0.0005, 0.05, sampling="log")
    loss = keras.losses.MeanSquaredError("mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


# %%
def task(
    samples: int = 1000, seed: int = 0, epochs: int = 60, code: int = 16, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a network that puts sequences into one vector and takes them out again.

    Args:
        samples: Sequences in each part, at most.
        seed: Seed of the division.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        code: Width of the code.
        data: Sequences of your own in place of the vowels, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence).
    """
    errors.check_at_least(1, code=code)
    errors.check_at_least(100, samples=samples)
    own = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    pairs = vars(own).values()
    return tuning.Task(
        lambda hp, train: build(hp, train, code),
        datasets.Dataset(*(datasets.Split(x[:samples], y[:samples]) for x, y in pairs)),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [16, 32, 64])},
        prepare=prepare,
        order="classes",
        defaults=DEFAULTS,
    )
