# %% [markdown]
"""
# What is searched: Monte Carlo dropout

One member of the recipe's ensemble, on the digits 0 to 4 or on a table of your own: width, depth, dropout
rate, learning rate and batch size. The dropout rate is the choice that all doubt depends on.

The objective is the loss of the validation rows without dropout: the negative log likelihood of the
classes (the squared error if the target is a number). It asks for honest probabilities, which accuracy
does not.

`DEFAULTS` is what the recipe uses without a search. The digits need no fitted scale; how a table of your
own becomes numbers is fitted on the training rows of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, tuning
import keras
import numpy as np
import pandas as pd
from sklearn import compose, impute, pipeline, preprocessing

STORY = claims.story(__file__)
DEFAULTS = {"units": 64, "layers": 2, "dropout": 0.2, "learning_rate": 0.005, "batch_size": 16}

# %% [markdown]
"""
## A table of your own

The same rows, in the same three parts, as `datasets.read_table` gives the recipe, but not encoded yet.
"""


# %%
def own_table(csv, target, samples, seed):
    encoded = datasets.read_table(csv, target, rows=samples, seed=seed)
    columns = pd.read_csv(csv).drop(columns=target)
    order = np.random.default_rng(seed).permutation(len(columns))[:samples]
    parts = np.split(order, [len(order) * 6 // 10, len(order) * 8 // 10])
    pairs = zip(parts, vars(encoded).values(), strict=True)
    return datasets.Dataset(*(datasets.Split(columns.iloc[rows], part.y) for rows, part in pairs))


def prepare(hp, *parts):
    """Standardised numbers and a column for each level, as the first part has them."""
    numbers = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    levels = preprocessing.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=20)
    encoder = compose.make_column_transformer(
        (numbers, compose.make_column_selector(dtype_include="number")),
        (levels, compose.make_column_selector(dtype_exclude="number")),
        sparse_threshold=0,
    )
    encoder.fit(parts[0].x)
    return [(encoder.transform(x).astype("float32"), y) for x, y in parts]


# %% [markdown]
"""
## The network

A number is predicted in its own units, as in the recipe: the last layer knows mean and scale of the
training rows.
"""


# %%
def build(hp, train, classes):
    x, y = train
    choices = builders.mc_dropout_network_space(hp)
    model = builders.mc_dropout_network(x.shape[1:], classes or 1, input_dropout=0.0, **choices)
    if not classes:
        rescale = keras.layers.Rescaling(float(y.std()) or 1.0, float(y.mean()))
        model = keras.Model(model.input, rescale(model.output))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if classes else "mse"
    rate = hp.Float("learning_rate", 0.0005, 0.05, sampling="log")
    metrics = ["accuracy"] if classes else ["mae"]
    model.compile(keras.optimizers.Adam(rate), loss, metrics=metrics)
    return model


# %%
def task(
    samples: int = 1000,
    seed: int = 0,
    epochs: int = 60,
    csv: Path | None = None,
    target: str = "target",
) -> tuning.Task:
    """Says what is searched: a network with dropout that knows how sure it may be.

    Args:
        samples: Rows in all three parts together.
        seed: Seed of the division of the rows.
        epochs: Passes over the training rows, at most: the best one on the validation rows counts.
        csv: A table of your own, with a header line, in place of the digits.
        target: Its column to predict: classes if it holds texts or at most 20 whole numbers.
    """
    if csv:
        data = own_table(csv, target, samples, seed)
    else:
        data, _ = STORY.digits(samples, np.random.default_rng(seed))
    y = np.concatenate([data.train.y, data.validation.y])
    classes = None if y.dtype.kind == "f" else 1 + int(y.max())
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        data,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [8, 16, 32, 64])},
        prepare=prepare if csv else None,
        order="classes" if classes else "any",
        defaults=DEFAULTS,
    )
