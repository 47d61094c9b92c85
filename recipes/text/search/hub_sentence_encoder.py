# %% [markdown]
"""
# What is searched: a sentence encoder and the head on it

Where the sentence vectors come from (the module, frozen or fine-tuned; the same network from nothing or
from word vectors), the width of a hidden layer between them and the answer, learning rate and batch size.
Searched for is the accuracy on the validation texts.

`DEFAULTS` is what the recipe uses without a search: the frozen module, no hidden layer (`units` of 0), and
batches of a tenth of the training texts.

The encoder is made once for the whole search, from texts of which none has a label here and none is for
choosing or for the test. So nothing has to be fitted in a division.
"""

# %%
import atexit
from pathlib import Path
import shutil
import tempfile

from dlnotes import catalogue, datasets, errors, layers, tuning
from dlnotes.vectors import embedding_matrix, load_vectors
import keras
import numpy as np

STORY = catalogue.story(__file__)
FROZEN, TUNED, NOTHING, WORDS = "frozen", "fine-tuned", "from nothing", "from word vectors"
DEFAULTS = {"encoder": FROZEN, "units": 0, "learning_rate": 0.005}


# %%
def make_module(texts, vocabulary, table, seed):
    """Trains an encoder without labels and returns the folder of the module."""
    keras.utils.set_random_seed(seed)
    encoder = STORY.build_encoder(vocabulary, [table])
    STORY.train_encoder(encoder, STORY.halves(texts), [])
    folder = tempfile.mkdtemp(prefix="encoder-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    encoder.export(folder, verbose=False)
    return folder


def build(hp, encoders, classes):
    encoder = encoders[hp.Choice("encoder", [*encoders])]()
    units = hp.Choice("units", [0, 32, 64, 128])
    if units:
        encoder = keras.Sequential([encoder, keras.layers.Dense(units, activation="relu")])
    rate = hp.Float("learning_rate", 0.0003, 0.03, sampling="log")
    return STORY.build(encoder, classes, rate)


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

    glove = load_vectors(datasets.glove_path())
    vocabulary = ["", "[UNK]", *glove.words]
    table, _ = embedding_matrix(glove, vocabulary)
    handle = handle or make_module(x[end:], vocabulary, table, seed)
    encoders = {
        FROZEN: lambda: layers.SavedModelLayer(handle),
        TUNED: lambda: layers.SavedModelLayer(handle, trainable=True),
        NOTHING: lambda: STORY.build_encoder(vocabulary),
        WORDS: lambda: STORY.build_encoder(vocabulary, [table]),
    }
    size, classes = max(1, len(train.y) // 10), 1 + int(y[first:].max())
    return tuning.Task(
        lambda hp, train: build(hp, encoders, classes),
        datasets.Dataset(train, validation, test),
        "val_accuracy",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [size, 2 * size, 4 * size])},
        order="classes",
        defaults=DEFAULTS | {"batch_size": size},
    )
