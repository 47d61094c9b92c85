# %% [markdown]
"""
# Pretrained word vectors in an embedding layer

Short definitions are sorted into ten kinds of things, with GloVe vectors and without, at 100, 1,000
and all labels.

**Question.** How many labels does it take until a network has learned word vectors of its own that
serve it as well as those that somebody else trained on six billion words?

**Use it** when labels are few: the vectors know that *oak* and *elm* are alike before the first label
has been seen.

**Do not use it** when labels abound or single words decide: a linear model on counted words is then as
good, and is trained in a second.

Data: definitions of nouns from WordNet 3.1, and 8,000 rows of GloVe 6B (both embedded)
Uses: dlnotes.vectors.load_vectors, dlnotes.vectors.embedding_matrix, dlnotes.builders.pretrained_text_classifier, dlnotes.transfer.thaw
Notes: 002:507-510, 513, 516
Paper: Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", 2014
Covers: glove_embedding
"""

# %%
from collections import Counter
from pathlib import Path
import re
import tempfile

from dlnotes import builders, cli, datasets, errors, figures, transfer
from dlnotes.report import Report
from dlnotes.vectors import embedding_matrix, load_vectors
import keras
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

# %% [markdown]
"""
## From words to rows

A fifth of the texts is kept for the test. The vocabulary comes from the other texts alone, whether
their labels are used or not: nothing but their words is counted. Words are split at everything that is
neither letter nor digit. The default of `TextVectorization` deletes punctuation instead, which glues
*reddish-brown* into a word that no vector file knows.

Id 0 is padding and id 1 is every unknown word, so the first word of the vocabulary has id 2. The matrix
must have its rows in exactly this order.
"""


# %%
def vectorise(texts, labels, words):
    """A training part and a test part of ids and numbered labels, and the vocabulary."""
    texts = [" ".join(re.findall(r"\w+", text.lower())) for text in texts]
    end = len(texts) // 5
    layer = keras.layers.TextVectorization(10_000, standardize=None, output_sequence_length=words)
    layer.adapt(texts[end:])
    ids, labels = np.asarray(layer(texts)), np.unique(labels, return_inverse=True)[1]
    return (ids[end:], labels[end:]), (ids[:end], labels[:end]), layer.get_vocabulary()


# %% [markdown]
"""
## The comparison

The network averages the vectors of a text. Its table starts from small random numbers, or from GloVe and
stays frozen, or is thawed after the frozen training and trained on at a lower learning rate. Two rows
off is what a matrix of the words without padding and unknown gives: nothing complains, every word
simply means another one. The bag of words sees the same words, counted.

Each training takes the same number of steps, whatever the number of labels. Nothing is chosen by looking
at a score, so no labels are set aside for choosing.
"""


# %%
def build(table, classes, trainable=False):
    model = builders.pretrained_text_classifier(table, classes, trainable=trainable)
    model.compile(
        keras.optimizers.Adam(0.005),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def compare(report, train, test, classes, tables, epochs, seed):
    """Adds a row for each variant at one number of labels; an epoch has about twenty steps."""
    task = f"{len(train[0]):,} labels"
    batch_size = int(np.clip(len(train[0]) // 20, 1, 600))
    bag_of_words = make_pipeline(
        TfidfVectorizer(analyzer=lambda text: text[text > 0].tolist(), sublinear_tf=True),
        LogisticRegression(C=10, solver="sag", tol=0.01, max_iter=1000, random_state=seed),
    )
    accuracy = bag_of_words.fit(*train).score(*test)
    report.add("bag of words", task=task, seed=seed, baseline=True, accuracy=accuracy)
    for variant, table in tables.items():
        keras.utils.set_random_seed(seed)
        model = build(table, classes, trainable=variant == "random")
        if variant == "thawed":
            model.set_weights(report.models[task, "frozen"].get_weights())
            transfer.thaw(model, 0.002)
        watch = report.watch(variant, task=task, seed=seed)
        model.fit(*train, batch_size, epochs, verbose=0, callbacks=[watch])
        accuracy = model.evaluate(*test, verbose=0)[1]
        report.add(variant, task=task, seed=seed, accuracy=accuracy)


# %% [markdown]
"""
## Two more traps: the saved file, and thawing

A `Constant` initializer, as tutorials use it, becomes part of the model's configuration, so the saved
file holds the vectors once more, as text. And a layer that is made trainable after a `fit` stays frozen
on TensorFlow until the model is compiled again.
"""


# %%
def size_on_disk(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return f"{path.stat().st_size / model.count_params() / 4:.1f} times its weights"


def rows_changed_by_fit(model, ids, labels):
    before = model.get_layer("vectors").get_weights()[0]
    model.fit(ids, labels, verbose=0)
    changed = np.any(model.get_layer("vectors").get_weights()[0] != before, axis=1)
    return f"{changed.sum():,} of {len(changed):,} rows change in a fit"


def show_traps(report, matrix, train, classes):
    constant = keras.initializers.Constant(matrix)
    vectors = keras.layers.Embedding(*matrix.shape, constant)
    plain = keras.Sequential([keras.Input((None,)), vectors])
    model = build(matrix, classes)
    report.trap("Saved vectors", plain=size_on_disk(plain), ours=size_on_disk(model))
    if keras.config.backend() == "tensorflow":
        model.fit(*train, verbose=0)
        model.get_layer("vectors").trainable = True
        plain = rows_changed_by_fit(model, *train)
        ours = rows_changed_by_fit(transfer.thaw(model, 0.005), *train)
        report.trap("Training what was frozen", plain=plain, ours=ours)


# %% [markdown]
"""
## All together
"""


# %%
def run(
    epochs: int = 12,
    samples: int = 15_000,
    seed: int = 0,
    csv: Path | None = None,
    text: str = "text",
    label: str = "label",
    vectors: Path | None = None,
    words: int = 40,
) -> Report:
    """Sorts texts with and without GloVe at three numbers of labels.

    Args:
        epochs: Passes over the labelled texts; thawing adds as many.
        samples: Texts in the training and the test part together.
        seed: Seed of the order of the texts and of the initial weights.
        csv: A table of your own in place of the definitions.
        text: The column of the table that holds the texts.
        label: The column that holds their labels.
        vectors: Word vectors of your own: GloVe, word2vec or fastText as text, .gz or .zip.
        words: Words of a text that are read.
    """
    errors.check_at_least(1, epochs=epochs, words=words)
    errors.check_at_least(20, samples=samples)
    table = datasets.read_texts(csv, text, label) if csv else datasets.glosses()
    table = table.sample(frac=1, random_state=seed)[:samples]
    train, test, vocabulary = vectorise(table["text"], table["label"], words)
    classes = table["label"].nunique()
    sizes = [size for size in (100, 1000) if size < len(train[0])] + [len(train[0])]
    errors.check_at_least(2, **{"kinds of labels": len(np.unique(train[1][: sizes[0]]))})

    glove = load_vectors(vectors or datasets.glove_path(), vocabulary)
    counts = Counter(np.array(vocabulary)[train[0]].ravel().tolist())
    matrix, coverage = embedding_matrix(glove, vocabulary, counts=counts, seed=seed)
    tables = {
        "random": np.random.default_rng(seed).uniform(-0.05, 0.05, matrix.shape),
        "two rows off": np.roll(matrix, -2, axis=0),
        "frozen": matrix,
        "thawed": matrix,
    }
    report = Report("glove_embedding", metric="accuracy", better="higher")
    zeros = f"{len(coverage.missing):,} rows of zeros, as if they were padding"
    report.trap("Words without a vector", plain=zeros, ours=f"random rows. {coverage}")
    try:
        embedding_matrix(glove, vocabulary[2:])
    except errors.InputError as refusal:
        report.trap("A matrix two rows off", plain="trains: see the tables", ours=refusal)
    for size in sizes:
        part = [array[:size] for array in train]
        compare(report, part, test, classes, tables, epochs, seed)
    show_traps(report, matrix, [array[:100] for array in train], classes)

    figure, axis = figures.axes(size=(6, 3.2))
    values = {}
    for row in report.rows:
        values.setdefault(row["variant"], []).append(row["metrics"]["accuracy"])
    for variant, accuracies in values.items():
        axis.plot(sizes, accuracies, marker="o", label=variant)
    axis.set(xscale="log", xlabel="labels", ylabel="accuracy on the test texts")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    figure.legend(loc="outside right upper", frameon=False)
    lines = [f"{name} {', '.join(f'{value:.2f}' for value in row)}" for name, row in values.items()]
    report.figure("accuracy", figure, f"Accuracy at {sizes} labels: {'; '.join(lines)}.")
    return report


# %% [markdown]
"""
## What to look at

Where the lines cross. At the left end the frozen table leads: most words of the test occur in none of
the labelled texts. With all labels it is what holds the network back, since it cannot move words apart
that differ only in this task. Thawing keeps the head start and removes the limit.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
