# %% [markdown]
"""
# What is searched: attention that leaves out

The network that tells what a dictionary definition defines: how sparse its heads are or whether they learn it,
width, depth, heads, dropout, learning rate and batch size. Searched for is the loss of the validation definitions,
which still tells networks apart where they are right equally often.

`DEFAULTS` is what the recipe uses without a search, in the variant with learned alphas, but for the batch size,
of which only these three are searched.

Word vectors come from elsewhere and stay as they are. So nothing has to be fitted.
"""

# %%
from dlnotes import builders, claims, datasets, errors, tuning
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {
    "alpha_learned": True,
    "units": 32,
    "layers": 1,
    "num_heads": 4,
    "dropout": 0.3,
    "learning_rate": 0.003,
    "batch_size": 50,
}


# %%
def build(hp, train):
    choices = builders.sparse_transformer_space(hp)
    model = builders.sparse_transformer((None, train[0].shape[-1]), 10, **choices)
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(samples: int = 2000, seed: int = 0, epochs: int = 8) -> tuning.Task:
    """Says what is searched: a network that tells ten kinds of definitions apart.

    Args:
        samples: Definitions in all three parts together.
        seed: Seed of the choice of definitions.
        epochs: Passes over the training definitions, at most: the best one on the validation definitions counts.
    """
    errors.check_at_least(20, samples=samples)
    x, y = STORY.definitions(samples, seed)
    ends = [samples * 6 // 10, samples * 8 // 10]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return tuning.Task(
        build,
        datasets.Dataset(*(datasets.Split(*part) for part in parts)),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [25, 50, 100])},
        order="classes",
        defaults=DEFAULTS,
    )
