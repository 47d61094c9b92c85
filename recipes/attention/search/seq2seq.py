# %% [markdown]
"""
# What is searched: encoder and decoder with one vector in between

The network without attention that reverses sequences: width, kind of cell, directions of the encoder, dropout,
learning rate and batch size. Searched for is the loss of the validation pairs, given the right answer so
far; what stands behind the end counts nothing.

`DEFAULTS` is what the recipe uses without a search. Its batches are a twenty-fourth of the training pairs.
"""

# %%
from dlnotes import builders, claims, datasets, decoding, errors, tuning
import keras

STORY = claims.story(__file__)
TOKENS = STORY.SYMBOLS + 1
DEFAULTS = {"units": 32, "cell": "gru", "bidirectional": True, "dropout": 0.0}


# %%
def prepare(hp, *parts):
    for x, y in parts:
        so_far, targets, weights = decoding.teacher_forcing(y)
        yield {"source": x, "target_so_far": so_far}, targets, weights


def build(hp, train):
    model = builders.encoder_decoder(
        TOKENS,
        TOKENS,
        attention=None,
        units=hp.Int("units", 16, 256, step=2, sampling="log"),
        cell=hp.Choice("cell", ["gru", "lstm"]),
        bidirectional=hp.Boolean("bidirectional"),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1),
    )
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.05, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %%
def task(samples: int = 1000, seed: int = 0, epochs: int = 20, steps: int = 20) -> tuning.Task:
    """Says what is searched: a network that reverses sequences through one vector.

    Args:
        samples: Pairs in all three parts together.
        seed: Seed of the data.
        epochs: Passes over the training pairs, at most: the best one on the validation pairs counts.
        steps: Tokens of the longest source; the shortest one has three.
    """
    errors.check_at_least(60, samples=samples)
    errors.check_at_least(4, steps=steps)
    data = datasets.copying(samples, steps, 3, STORY.SYMBOLS, order="reverse", seed=seed)
    size = max(1, len(data.train.y) // 24)
    return tuning.Task(
        build,
        data,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [size, 2 * size, 4 * size])},
        prepare=prepare,
        defaults=DEFAULTS | {"learning_rate": 0.01, "batch_size": size},
    )
