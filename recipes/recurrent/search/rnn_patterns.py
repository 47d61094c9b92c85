# %% [markdown]
"""
# What is searched: the network that completes a digit

Upper half in, lower half out, delayed: cell, width, depth, dropout, learning rate and batch size. Searched for
is the squared error of the validation digits; rows that come out while the upper half is read weigh nothing.

`DEFAULTS` is what the recipe uses without a search. Its batches are a twentieth of the training digits.
Nothing has to be fitted: pixels lie between zero and one.
"""

# %%
from dlnotes import builders, claims, datasets, errors, tuning

STORY = claims.story(__file__)
DEFAULTS = {"cell": "gru", "units": 64, "layers": 1, "dropout": 0.0, "learning_rate": 0.01}


# %%
def prepare(hp, *parts):
    for part in parts:
        yield STORY.halves_delayed(*part)


def build(hp, train):
    model = STORY.build(*train[:2], **builders.stacked_rnn_space(hp))
    model.optimizer.learning_rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    return model


# %%
def task(samples: int = 1078, seed: int = 0, epochs: int = 12) -> tuning.Task:
    """Says what is searched: a network that writes the lower half of a digit after reading the upper one.

    Args:
        samples: Digits in each part, at most.
        seed: Seed of the division.
        epochs: Passes over the training digits, at most: the best one on the validation digits counts.
    """
    errors.check_at_least(50, samples=samples)
    data = datasets.Dataset(*STORY.digits(samples, seed))
    twentieth = max(1, len(data.train.y) // 20)
    choices = [twentieth, 2 * twentieth, 4 * twentieth]
    return tuning.Task(
        build,
        data,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", choices)},
        prepare=prepare,
        order="classes",
        defaults=DEFAULTS | {"batch_size": twentieth},
    )
