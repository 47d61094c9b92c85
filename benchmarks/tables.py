"""Tables: from a DataFrame to integer codes, and an epoch of the entity embedding network.

In `encoding`, eight columns of strings have 10 to 100,000 levels. All encoders are fitted
beforehand, and one value in a hundred is new to them. What they are asked for is the position of
each value among the levels, and -1 for a new one; answers in another numbering are renumbered
outside of the times. The limit is a copy of the values, which has to touch every string as well.

In `training`, all train with Adam and batches of 256 rows by plain `fit`: the network with one
`Embedding` per column as tutorials write it, the same with the parts of ours one by one
(`FusedAdam`, `steps_per_execution`), and ours with both. The draws of dropout and of unseen codes
are random, so they stand at zero here. With equal tables and dense layers the predictions of all
have to agree; after an epoch they differ a little, since `FusedAdam` sums the gradients of a code
before it squares them. The limit is the dense part alone, from a matrix that is ready.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import category_encoders
from dlnotes import builders, tables
from dlnotes.optimizers import FusedAdam
import keras
import numpy as np
import pandas as pd
import polars as pl
from side_by_side import Subject, main
from sklearn.preprocessing import OrdinalEncoder

LEVELS = {
    f"column_{number}": levels
    for number, levels in enumerate([10, 37, 140, 520, 1_900, 7_200, 27_000, 100_000])
}
OUTSIDE = "a new one"


# The codes of a frame


def prepare_rows(size):
    """Fitted encoders, and the rows to encode."""
    random = np.random.default_rng(0)
    names = {
        column: np.array(
            [f"level {level:06d}" for level in range(levels)] + [OUTSIDE], dtype=object
        )
        for column, levels in LEVELS.items()
    }
    longest = max(LEVELS.values())
    fitted_on = pd.DataFrame(
        {column: of[np.arange(longest) % LEVELS[column]] for column, of in names.items()}
    )
    frame = {}
    for column, of in names.items():
        codes = random.integers(LEVELS[column], size=size)
        frame[column] = of[np.where(random.random(size) < 0.01, LEVELS[column], codes)]
    levels = {column: list(of[:-1]) for column, of in names.items()}
    look_ups = {
        column: keras.layers.StringLookup(vocabulary=of, num_oov_indices=1)
        for column, of in levels.items()
    }
    return {
        "frame": pd.DataFrame(frame),
        "ours": tables.EntityEncoder().fit(fitted_on),
        "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(
            fitted_on
        ),
        "category_encoders": category_encoders.OrdinalEncoder(
            mapping=[
                {"col": column, "mapping": {level: code for code, level in enumerate(of, 1)}}
                for column, of in levels.items()
            ]
        ).fit(fitted_on),
        "look_ups": look_ups,
        "indexes": {column: pd.Index(of) for column, of in levels.items()},
        "enumerations": {column: pl.Enum(of) for column, of in levels.items()},
    }


def encode_ours(data):
    return "ours", data["ours"].transform(data["frame"])


def encode_ordinal(data):
    return "ordinal", data["ordinal"].transform(data["frame"])


def encode_category_encoders(data):
    return "category_encoders", data["category_encoders"].transform(data["frame"])


def encode_look_up(data):
    frame = data["frame"]
    return "look_up", {
        column: layer(frame[column].to_numpy(dtype=object)).numpy()
        for column, layer in data["look_ups"].items()
    }


def encode_indexes(data):
    frame = data["frame"]
    return "index", {
        column: index.get_indexer(frame[column]) for column, index in data["indexes"].items()
    }


def encode_enumerations(data):
    return "enumeration", {
        column: pl.Series(data["frame"][column].to_numpy(dtype=object), dtype=pl.String)
        .cast(levels, strict=False)
        .to_physical()
        .fill_null(-1 % 2**32)
        .to_numpy()
        for column, levels in data["enumerations"].items()
    }


def copy_values(data):
    frame = data["frame"]
    return [frame[column].to_numpy(dtype=object).copy() for column in LEVELS]


def positions(answer):
    """The position of each value among the levels, -1 for a new one; a column each."""
    way, codes = answer
    codes = pd.DataFrame(codes).to_numpy().astype("int64")
    if way == "ours":
        return np.where(codes == tables.UNSEEN, -1, codes - len(tables.SLOTS))
    if way == "enumeration":
        return np.where(codes >= max(LEVELS.values()), -1, codes)
    if way in ("look_up", "category_encoders"):
        return np.where(codes > 0, codes - 1, -1)
    return codes


def share_that_differs(data, ours, other):
    return float((positions(ours) != positions(other)).mean())


ENCODING = Subject(
    name="encoding",
    title="Integer codes of eight columns of strings with 10 to 100,000 levels",
    unit="rows",
    sizes=(10_000, 46_000, 215_000, 1_000_000),
    tiny=(100, 200, 400, 800),
    prepare=prepare_rows,
    contestants={
        "dlnotes": encode_ours,
        "scikit-learn OrdinalEncoder": encode_ordinal,
        "pandas get_indexer": encode_indexes,
        "Keras StringLookup": encode_look_up,
        "polars Enum": encode_enumerations,
        "category_encoders": encode_category_encoders,
        "a copy of the values": copy_values,
    },
    ours="dlnotes",
    limit="a copy of the values",
    difference=share_that_differs,
    tolerance=0,
    goals={"scikit-learn OrdinalEncoder": 4, "Keras StringLookup": 1},
)


# An epoch of the network

BATCH_SIZE = 256
STEPS = 16
SIZES = {column: min(16, (levels + 1) // 2) for column, levels in LEVELS.items()}


def tutorial_network():
    """One `Embedding` per column."""
    inputs, vectors = {}, []
    for column, levels in LEVELS.items():
        inputs[column] = keras.Input((1,), name=column, dtype="int32")
        vectors.append(
            keras.layers.Flatten()(keras.layers.Embedding(levels, SIZES[column])(inputs[column]))
        )
    return keras.Model(inputs, dense_part(keras.layers.Concatenate()(vectors)))


def dense_part(x):
    for _ in range(2):
        x = keras.layers.Dense(128, activation="relu")(x)
    return keras.layers.Dense(1)(x)


def dense_network():
    inputs = keras.Input((sum(SIZES.values()),))
    return keras.Model(inputs, dense_part(inputs))


def our_network():
    return builders.entity_embedding_network(
        LEVELS, 0, 1, sizes=SIZES, dropout=0.0, unseen_rate=0.0
    )


OURS = f"dlnotes, FusedAdam, {STEPS} steps in a piece"
NETWORKS = {
    OURS: (our_network, FusedAdam, STEPS),
    "dlnotes, Adam of Keras": (our_network, keras.optimizers.Adam, 1),
    "one Embedding per column": (tutorial_network, keras.optimizers.Adam, 1),
    "the same, FusedAdam": (tutorial_network, FusedAdam, 1),
    f"the same, {STEPS} steps in a piece": (tutorial_network, keras.optimizers.Adam, STEPS),
    "the dense part alone": (dense_network, keras.optimizers.Adam, 1),
}


def prepare_networks(size):
    """Compiled networks with equal weights, and the rows of an epoch."""
    random = np.random.default_rng(0)
    codes = {
        column: random.integers(levels, size=(size, 1)).astype("int32")
        for column, levels in LEVELS.items()
    }
    models = {}
    for name, (build, optimizer, steps) in NETWORKS.items():
        model = build()
        model.compile(optimizer(0.001), "mse", steps_per_execution=steps)
        models[name] = model
    start = models[OURS].get_weights()
    return {
        "codes": codes,
        "matrix": random.normal(size=(size, sum(SIZES.values()))).astype("float32"),
        "y": random.normal(size=(size, 1)).astype("float32"),
        "models": models,
        "start": start,
        "fresh": set(models),
    }


def trainer(name):
    """The function that trains one of the networks for an epoch."""

    def train(data):
        model = data["models"][name]
        of_dense = name == "the dense part alone"
        x = data["matrix"] if of_dense else data["codes"]
        predicted = None
        if name in data["fresh"]:
            data["fresh"].discard(name)
            if not of_dense:
                model.set_weights(data["start"])
            predicted = model.predict_on_batch(keras.tree.map_structure(lambda of: of[:100], x))
        model.fit(x, data["y"], batch_size=BATCH_SIZE, verbose=0)
        return predicted

    return train


def largest_difference(data, ours, other):
    return float(np.abs(ours - other).max())


TRAINING = Subject(
    name="training",
    title="An epoch of a network with an embedding for each of eight columns, batches of 256",
    unit="rows of an epoch",
    sizes=(512, 2_048, 10_240, 51_200),
    tiny=(256, 512),
    prepare=prepare_networks,
    contestants={name: trainer(name) for name in NETWORKS},
    ours=OURS,
    limit="the dense part alone",
    difference=largest_difference,
    tolerance=1e-5,
    goals={"one Embedding per column": 2},
)

if __name__ == "__main__":
    main(__doc__, [ENCODING, TRAINING])
