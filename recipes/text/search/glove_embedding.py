# %% [markdown]
"""
# What is searched: pretrained word vectors

The network that starts from word vectors, with few labels: whether the vectors are trained too, how those
of a text become one, width, dropout, learning rate and batch size. Searched for is the accuracy on the
validation texts.

`DEFAULTS` is what the recipe uses without a search, in the variant that it calls *frozen*, with
batches of a twentieth of the training texts. Thawing after a frozen training is two trainings, and not
searched.

Labels are few on purpose, and those for choosing count among them: `--folds` makes the most of them. The
vocabulary is made without labels, and a word without a vector counts as unknown. So a word means the same
whichever texts are for training, and nothing has to be fitted.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, tuning
from dlnotes.vectors import embedding_matrix, load_vectors
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"trainable": False, "pooling": "mean", "units": 64, "dropout": 0.3}
DEFAULTS |= {"learning_rate": 0.005}


# %%
def build(hp, train, matrix, classes):
    choices = builders.pretrained_text_classifier_space(hp)
    model = builders.pretrained_text_classifier(matrix, classes, **choices)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = hp.Float("learning_rate", 0.0005, 0.05, sampling="log")
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(
    samples: int = 15_000,
    seed: int = 0,
    epochs: int = 12,
    labels: int = 500,
    csv: Path | None = None,
    text: str = "text",
    label: str = "label",
    vectors: Path | None = None,
    words: int = 40,
) -> tuning.Task:
    """Says what is searched: a network that sorts texts after few labels.

    Args:
        samples: Texts in all parts together; a fifth is for the test.
        seed: Seed of the order of the texts.
        epochs: Passes over the training texts, at most: the best one on the validation texts counts.
        labels: Labels for training and validation together, at most; a fifth of them is for validation.
        csv: A table of your own in place of the definitions.
        text: The column of the table that holds the texts.
        label: The column that holds their labels.
        vectors: Word vectors of your own: GloVe, word2vec or fastText as text, .gz or .zip.
        words: Words of a text that are read.
    """
    errors.check_at_least(1, words=words)
    errors.check_at_least(20, samples=samples, labels=labels)
    table = datasets.read_texts(csv, text, label) if csv else datasets.glosses()
    table = table.sample(frac=1, random_state=seed)[:samples]
    (x, y), test, vocabulary = STORY.vectorise(table["text"], table["label"], words)
    glove = load_vectors(vectors or datasets.glove_path(), vocabulary)
    matrix, _ = embedding_matrix(glove, vocabulary, seed=seed)
    known = np.array([number < 2 or word in glove for number, word in enumerate(vocabulary)])
    x, x_test = (np.where(known[ids], ids, 1) for ids in (x, test[0]))

    end = min(labels, len(x))
    start = end * 4 // 5
    size = int(np.clip(start // 20, 1, 600))
    classes = 1 + int(y.max())
    parts = (x[:start], y[:start]), (x[start:end], y[start:end]), (x_test, test[1])
    return tuning.Task(
        lambda hp, train: build(hp, train, matrix, classes),
        datasets.Dataset(*(datasets.Split(*part) for part in parts)),
        "val_accuracy",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [size, 2 * size, 4 * size])},
        order="classes",
        defaults=DEFAULTS | {"batch_size": size},
    )
