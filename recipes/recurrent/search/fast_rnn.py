# %% [markdown]
"""
# What is searched: a stack of QRNN or SRU layers

The network that sorts documents: kind of layer, width, depth, window, dropout, learning rate and batch
size. Searched for is the loss of the validation documents, in which padding counts nothing. It still
tells networks apart where accuracy stands still.

`DEFAULTS` is what the recipe uses without a search, in the variant that it calls *QRNN*. Where SRU is
chosen, the window means nothing, and only luck tells two of them apart.

The vocabulary is that of the first training documents, whose words have fixed vectors: nothing else has
to be fitted.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, tuning
import keras

STORY = claims.story(__file__)
DEFAULTS = {"layer": "qrnn", "units": 64, "layers": 1, "window": 2, "dropout": 0.0}
DEFAULTS |= {"learning_rate": 0.01, "batch_size": 30}


# %%
def build(hp, train, classes):
    choices = builders.fast_rnn_space(hp)
    shape = (None, train[0].shape[-1])
    model = builders.fast_rnn(shape, classes, mask_value=0.0, **choices)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(
    samples: int = 1500,
    seed: int = 0,
    epochs: int = 6,
    words: int = 64,
    csv: Path | None = None,
    joined: int = 4,
) -> tuning.Task:
    """Says what is searched: a network that sorts documents quickly.

    Args:
        samples: Documents in all parts together.
        seed: Seed of the documents and their order.
        epochs: Passes over the training documents, at most: the best one on the validation documents counts.
        words: Words of a document that are read.
        csv: Texts of your own in place of the definitions, a table with the columns text and label.
        joined: Texts of one label that make a document.
    """
    errors.check_at_least(1, words=words, joined=joined)
    errors.check_at_least(100, samples=samples)
    table = datasets.read_texts(csv) if csv else datasets.glosses()
    parts = STORY.documents(table, joined, words, samples, seed)
    classes = 1 + int(max(part.y.max() for part in vars(parts).values()))
    return tuning.Task(
        lambda hp, train: build(hp, train, classes),
        parts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [15, 30, 60])},
        order="classes",
        defaults=DEFAULTS,
    )
