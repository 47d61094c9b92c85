# %% [markdown]
"""
# What is searched: a memory for facts

The network with a memory that knows the towns of people by heart: width, depth, size of the memory, how many of
its values are read, dropout, learning rate and batch size. Searched for is the loss on validation wordings.

`DEFAULTS` is what the recipe uses without a search.

The facts are the same in all three parts, worded differently. Tokens need no statistics, so nothing has to be
fitted.
"""

# %%
from dlnotes import builders, claims, datasets, errors, tuning
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {
    "units": 16,
    "layers": 2,
    "keys": 32,
    "memory_heads": 4,
    "top_k": 8,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 50,
}


# %%
def build(hp, train):
    choices = builders.memory_transformer_space(hp)
    vocabulary = 1 + STORY.FILLERS + 2 * STORY.NAMES
    model = builders.memory_transformer(
        (STORY.STEPS,), STORY.TOWNS, vocabulary=vocabulary, **choices
    )
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(samples: int = 1000, seed: int = 0, epochs: int = 12) -> tuning.Task:
    """Says what is searched: a network with a memory, for facts to be known by heart.

    Args:
        samples: Facts, at most 4096.
        seed: Seed of the facts and their wordings.
        epochs: Passes over the facts in four wordings each, at most: the best one on validation wordings counts.
    """
    errors.check_at_least(20, samples=samples)
    first, last, towns = STORY.facts(samples, seed)
    x = [STORY.worded(first, last, [seed, wording]) for wording in range(6)]
    return tuning.Task(
        build,
        datasets.Dataset(
            datasets.Split(np.concatenate(x[:4]), np.tile(towns, 4)),
            datasets.Split(x[4], towns),
            datasets.Split(x[5], towns),
        ),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [25, 50, 100])},
        order="classes",
        defaults=DEFAULTS,
    )
