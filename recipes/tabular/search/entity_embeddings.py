# %% [markdown]
"""
# What is searched: entity embeddings

The network with embeddings: the rule for their widths and the widest one, width and depth of the hidden
layers, both dropouts, learning rate, batch size and epochs. The learning rate falls to zero over the
epochs, so their number is a choice of its own. Searched for is the mean absolute error on the rows that
come after those for training, in units of the target.

`DEFAULTS` is what the recipe uses without a search. The codes of the categories and the scale of the
numbers come from the training rows of each division, and so does that of the target, which the last layer
knows.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, tables, tuning
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"sizes": "half", "widest": 16, "units": 128, "layers": 2, "dropout": 0.0}
DEFAULTS |= {"embedding_dropout": 0.0, "learning_rate": 0.005, "batch_size": 256, "epochs": 8}


# %%
def prepare(categories, *parts):
    encoder = tables.EntityEncoder(categories, min_count=3).fit(parts[0].x)
    return [(encoder.inputs(x), y) for x, y in parts]


def fit(hp, most):
    options = {"batch_size": hp.Choice("batch_size", [128, 256, 512])}
    return options | {"epochs": hp.Int("epochs", max(1, most // 3), most)}


def build(hp, train, most):
    """The codes begin with those for missing, unseen and rare levels, whether they occur or not."""
    x, y = train
    names = [name for name in x if name != tables.NUMERIC]
    levels = {name: 1 + max(tables.RARE, int(x[name].max())) for name in names}
    choices = builders.entity_embedding_network_space(hp)
    widest = hp.Int("widest", 4, 64, step=2, sampling="log")
    sizes = tables.embedding_sizes(levels, choices["sizes"]).items()
    choices["sizes"] = {name: min(widest, size) for name, size in sizes}
    numbers = x[tables.NUMERIC].shape[1] if tables.NUMERIC in x else 0
    network = builders.entity_embedding_network(levels, numbers, 1, **choices)
    rescale = keras.layers.Rescaling(float(y.std()) or 1.0, float(y.mean()))
    model = keras.Model(network.input, rescale(network.output))

    rate = hp.Float("learning_rate", 0.0005, 0.05, sampling="log")
    schedule = fit(hp, most)
    epochs = hp.values.get("tuner/epochs", schedule["epochs"])  # Hyperband decides it itself
    steps = epochs * -(-len(y) // schedule["batch_size"])
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)), "mae")
    return model


# %%
def task(
    samples: int = 12000,
    seed: int = 0,
    epochs: int = 12,
    csv: Path | None = None,
    target: str | None = None,
    time: str | None = None,
    categories: str | None = None,
) -> tuning.Task:
    """Says what is searched: a network that embeds names, for the rows to come.

    Args:
        samples: Rows in all three parts together, taken evenly over the table.
        seed: Seed of the order of the rows, if they have none in time.
        epochs: The largest number of passes over the training rows that is tried.
        csv: A table of your own in place of the flights.
        target: Its column to predict, a number.
        time: Its column with the time of each row. Without it the rows are shuffled.
        categories: Its columns to embed, separated by commas. By default those with texts.
    """
    errors.check_at_least(1, epochs=epochs)
    x, y, _ = STORY.load(csv, target, time, samples)
    in_time, names = bool(time or not csv), categories and categories.split(",")
    rows = np.arange(len(y)) if in_time else np.random.default_rng(seed).permutation(len(y))
    parts = np.split(rows, [len(y) * 7 // 10, len(y) * 8 // 10])
    return tuning.Task(
        lambda hp, train: build(hp, train, epochs),
        datasets.Dataset(*(tuning.task.take(datasets.Split(x, y), part) for part in parts)),
        "val_loss",
        epochs,
        fit=lambda hp: fit(hp, epochs),
        prepare=lambda hp, *parts: prepare(names, *parts),
        order="time" if in_time else "any",
        defaults=DEFAULTS | {"epochs": min(DEFAULTS["epochs"], epochs)},
    )
