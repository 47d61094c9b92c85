# %% [markdown]
"""
# What is searched: the stateful LSTM

The stateful network that hears echoes: width, depth, dropout, learning rate, and how many streams run side
by side in a batch. Searched for is the cross-entropy of all echoes, half of which lie beyond the window. The
first steps of a stream count nothing: they repeat bits from before its beginning, which nobody can know.

`DEFAULTS` is what the recipe uses without a search. The recipe's other question, the forecast of a short
series, is not searched: with so few months the choice would be chance.

Rows are whole streams, since a window has no meaning without those before it. So folds divide streams,
never one stream, and nothing has to be fitted. The batch size of a stateful network is fixed; streams that
do not fill the last batch are joined by copies that weigh nothing.
"""

# %%
from dlnotes import builders, claims, datasets, errors, recurrent, tuning
from dlnotes.callbacks import ResetStates
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"units": 32, "layers": 1, "dropout": 0.0, "learning_rate": 0.01, "batch_size": 16}

# %% [markdown]
"""
## Windows in the order of the streams

A new group of streams begins whenever all windows of the last one are through: there the state is reset.
"""


# %%
def batch_size(hp):
    return hp.Choice("batch_size", [8, 16])


def prepare(hp, *parts):
    for x, y in parts:
        whole = -(-len(x) // batch_size(hp)) * batch_size(hp)
        rows = np.arange(whole) % len(x)
        counts = (np.arange(whole)[:, None] < len(x)) & (np.arange(x.shape[1]) >= STORY.DELAYS)
        arrays = x[rows], y[rows], counts.astype("float32")
        yield recurrent.stream_windows(STORY.WINDOW, batch_size(hp), *arrays)


def build(hp, train):
    choices = builders.stateful_lstm_space(hp) | {"return_sequences": True}
    model = builders.stateful_lstm(batch_size(hp), (None, 1), STORY.DELAYS, **choices)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.1, sampling="log")),
        keras.losses.BinaryCrossentropy(from_logits=True),
        weighted_metrics=[
            keras.metrics.BinaryCrossentropy(from_logits=True),
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),
        ],
    )
    return model


# %%
def task(samples: int = 320, seed: int = 0, epochs: int = 10) -> tuning.Task:
    """Says what is searched: a network that hears echoes from beyond its window.

    Args:
        samples: Steps of each of the streams.
        seed: Seed of the bits.
        epochs: Passes over the streams, at most: the best one on the validation streams counts.
    """
    errors.check_at_least(3 * STORY.DELAYS, samples=samples)
    windows = samples // STORY.WINDOW

    def fit(hp):
        options = {"batch_size": batch_size(hp), "shuffle": False}
        return options | {"callbacks": [ResetStates(every=windows)]}

    data = datasets.echo(STORY.STREAMS, windows * STORY.WINDOW, STORY.DELAYS, seed)
    return tuning.Task(
        build,
        data,
        "val_binary_crossentropy",
        epochs,
        fit=fit,
        prepare=prepare,
        defaults=DEFAULTS,
    )
