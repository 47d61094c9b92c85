# %% [markdown]
"""
# What is searched: a sentence encoder and the head on it

Whether the module is fine-tuned (`trainable`) or stays frozen, the width of a hidden layer between it and
the answer, learning rate and batch size. Searched for is the accuracy on the validation texts.

`DEFAULTS` is what the recipe uses without a search: the module stays frozen, there is no hidden layer
(`units` of 0), and batches are a tenth of the training texts.

The encoder is made once for the whole search, from texts of which none has a label here and none is for
choosing or for the test. So nothing has to be fitted in a division.
"""

# %%
import atexit
from pathlib import Path
import shutil
import tempfile

from dlnotes import claims, datasets, errors, layers, tuning
from dlnotes.vectors import embedding_matrix, load_vectors
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"trainable": False, "units": 0, "learning_rate": 0.005}


# %%
def make_module(texts, seed):
    """Trains an encoder without labels and returns the folder of the module."""
    glove = load_vectors(datasets.glove_path())
    vocabulary = ["", "[UNK]", *glove.words]
    table, _ = embedding_matrix(glove, vocabulary)
    keras.utils.set_random_seed(seed)
    encoder = STORY.build_encoder(vocabulary, [table])
    STORY.train_encoder(encoder, STORY.halves(texts), [])
    folder = tempfile.mkdtemp(prefix="encoder-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    encoder.export(folder, verbose=False)
    return folder


def build(hp, handle, classes):
    encoder = layers.SavedModelLayer(handle, trainable=hp.Boolean("trainable"))
    if units := hp.Choice("units", [0, 32, 64, 128]):
        texts, hidden = keras.Input((), dtype="string"), keras.layers.Dense(units, "relu")
        encoder = keras.Sequential([texts, encoder, hidden])
    return STORY.build(encoder, classes, hp.Float("learning_rate", 0.0003, 0.03, sampling="log"))


# %%
def task(
    samples: int = 6000,
    seed: int = 0,
    epochs: int = 20,
    labels: int = 500,
    csv: Path | None = None,
    text: str = "text",
    label: str = "label",
    handle: str | None = None,
) -> tuning.Task:
    """Says what is searched: what to put on a sentence encoder after few labels.

    Args:
        samples: Texts in all parts together; a fifth is for the test.
        seed: Seed of the order of the texts and of the encoder's weights.
        epochs: Passes over the training texts, at most: the best one on the validation texts counts.
        labels: Labels for training and validation together, at most half of the other texts; a fifth of them is for validation.
        csv: A table of your own in place of the definitions.
        text: The column of the table that holds the texts.
        label: The column that holds their labels.
        handle: A module to use in place of the one trained here: a folder, or a tensorflow-hub handle such as https://tfhub.dev/google/universal-sentence-encoder/4 (needs a network).
    """
    errors.check_at_least(20, labels=labels)
    errors.check_at_least(100, samples=samples)
    rows = datasets.read_texts(csv, text, label) if csv else datasets.glosses()
    rows = rows.sample(frac=1, random_state=seed)[:samples]
    x, y = STORY.strings(rows["text"]), np.unique(rows["label"], return_inverse=True)[1]
    first = len(x) // 5
    end = first + min(labels, (len(x) - first) // 2)
    middle = first + (end - first) * 4 // 5
    cuts = first, middle, end
    test, train, validation, _ = map(datasets.Split, np.split(x, cuts), np.split(y, cuts))
    handle = handle or make_module(x[end:], seed)
    size, classes = max(1, len(train.y) // 10), 1 + int(y[first:].max())
    return tuning.Task(
        lambda hp, train: build(hp, handle, classes),
        datasets.Dataset(train, validation, test),
        "val_accuracy",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [size, 2 * size, 4 * size])},
        order="classes",
        defaults=DEFAULTS | {"batch_size": size},
    )
