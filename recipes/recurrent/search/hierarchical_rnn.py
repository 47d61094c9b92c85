# %% [markdown]
"""
# What is searched: a network on two levels

The network that reads the pixels of each row and then the rows: both widths, the cell, dropout, learning rate
and batch size. Searched for is the loss of the validation digits.

`DEFAULTS` is what the recipe uses without a search, but for the widths, of which only powers of two are
searched. Its batches are a twentieth of the training digits. Nothing has to be fitted: pixels lie between
zero and one.
"""

# %%
from dlnotes import builders, claims, datasets, errors, tuning
import keras

STORY = claims.story(__file__)
DEFAULTS = {
    "inner_units": 32,
    "outer_units": 32,
    "cell": "lstm",
    "dropout": 0.0,
    "learning_rate": 0.01,
}


# %%
def build(hp, train):
    shape, choices = train[0].shape[1:], builders.hierarchical_rnn_space(hp)
    model = builders.hierarchical_rnn(shape, STORY.CLASSES, **choices)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.1, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


# %%
def task(samples: int = 1078, seed: int = 0, epochs: int = 15) -> tuning.Task:
    """Says what is searched: a network that reads digits on two levels.

    Args:
        samples: Digits in each part, at most.
        seed: Seed of the division.
        epochs: Passes over the training digits, at most: the best one on the validation digits counts.
    """
    errors.check_at_least(50, samples=samples)
    parts = vars(datasets.digit_rows(seed)).values()
    data = datasets.Dataset(*(datasets.Split(x[:samples], y[:samples]) for x, y in parts))
    twentieth = max(1, len(data.train.y) // 20)
    choices = [twentieth, 2 * twentieth, 4 * twentieth]
    return tuning.Task(
        build,
        data,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", choices)},
        order="classes",
        defaults=DEFAULTS | {"batch_size": twentieth},
    )
