# %% [markdown]
"""
# What is searched: hierarchical attention

The network that reads documents of which the first of several sentences decides, or texts of your own: width,
dropout, whether the word vectors are trained too, learning rate and batch size. Searched for is the loss of the
validation documents.

`DEFAULTS` is what the recipe uses without a search, but for the width: only powers of two are searched.

Ids of words come from the list of GloVe vectors, whichever documents are for training. So nothing has to be
fitted.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, tuning
from dlnotes.vectors import load_vectors
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"trainable": False, "units": 32, "dropout": 0.0}
DEFAULTS |= {"learning_rate": 0.01, "batch_size": 50}


# %%
def build(hp, train, matrix, classes):
    choices = builders.hierarchical_attention_space(hp)
    model = builders.hierarchical_attention(matrix, classes, **choices)
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(
    samples: int = 1600,
    seed: int = 0,
    epochs: int = 4,
    csv: Path | None = None,
    text: str = "text",
    label: str = "label",
    sentences: int = 6,
    words: int = 8,
) -> tuning.Task:
    """Says what is searched: a network that reads sentences, then documents.

    Args:
        samples: Documents in all three parts together, at most.
        seed: Seed of the documents, or of the order of your own texts.
        epochs: Passes over the training documents, at most: the best one on the validation documents counts.
        csv: A table of your own texts in place of the definitions.
        text: The column of the table that holds the texts.
        label: The column that holds their labels.
        sentences: Sentences of a document that are read.
        words: Words of a sentence that are read.
    """
    errors.check_at_least(20, samples=samples)
    errors.check_at_least(6, sentences=sentences)
    if csv:
        table = STORY.own_documents(csv, text, label, seed)[:samples]
    else:
        table = datasets.gloss_documents(samples, sentences, rivals=2, seed=seed)
    vectors = load_vectors(datasets.glove_path())
    x, _, _ = STORY.encode(table, vectors, sentences, words)
    y = np.unique(table["label"], return_inverse=True)[1]
    matrix = np.concatenate([np.zeros((1, vectors.dimension)), vectors.matrix])
    ends = [len(x) * 6 // 10, len(x) * 8 // 10]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return tuning.Task(
        lambda hp, train: build(hp, train, matrix, 1 + int(y.max())),
        datasets.Dataset(*(datasets.Split(*part) for part in parts)),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [25, 50, 100])},
        order="classes",
        defaults=DEFAULTS,
    )
