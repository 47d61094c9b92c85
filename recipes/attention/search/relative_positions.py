# %% [markdown]
"""
# What is searched: attention that tells the order of words

The network that tells sentences from those with two neighbours swapped: width, depth, heads, positions and
the distance at which they are clipped, dropout, learning rate and batch size. Searched for is the loss of
the validation sentences.

`DEFAULTS` is what the recipe uses without a search.
"""

# %%
from dlnotes import builders, datasets, tuning
import keras
import numpy as np

VOCABULARY = len(datasets.grammar_words())
DEFAULTS = {
    "units": 16,
    "layers": 1,
    "num_heads": 4,
    "positions": "relative",
    "dropout": 0.0,
    "max_distance": 4,
    "learning_rate": 0.01,
    "batch_size": 30,
}


# %%
def swapped(part, seed):
    """Sentences, half of which have two neighbours swapped, and which ones they are."""
    random, rows = np.random.default_rng(seed), np.arange(len(part.x))
    place = random.integers(1, np.count_nonzero(part.x, axis=1) - 1)
    differ = part.x[rows, place] != part.x[rows, place + 1]
    y = random.integers(2, size=len(rows)) * differ
    order = np.tile(np.arange(part.x.shape[1]), (len(rows), 1))
    order[rows, place] += y
    order[rows, place + 1] -= y
    return datasets.Split(np.take_along_axis(part.x, order, axis=1), y)


def build(hp, train):
    choices = builders.transformer_space(hp)
    choices["max_distance"] = hp.Int("max_distance", 1, 16, step=2, sampling="log")
    model = builders.transformer((None,), 2, vocabulary=VOCABULARY, **choices)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.1, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


# %%
def task(samples: int = 2000, seed: int = 0, epochs: int = 10) -> tuning.Task:
    """Says what is searched: a network that sees whether two neighbours were swapped.

    Args:
        samples: Sentences in all three parts together.
        seed: Seed of the sentences.
        epochs: Passes over the training sentences, at most: the best one on the validation sentences counts.
    """
    parts = vars(datasets.grammar(samples, seed=seed)).values()
    return tuning.Task(
        build,
        datasets.Dataset(*(swapped(part, seed + number) for number, part in enumerate(parts))),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [15, 30, 60])},
        order="classes",
        defaults=DEFAULTS,
    )
