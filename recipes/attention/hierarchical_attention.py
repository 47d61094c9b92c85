# %% [markdown]
"""
# Which word of which sentence: hierarchical attention for documents

Words make sentences and sentences make a document; attention on both levels says what was looked at.

**Question.** Documents of a few sentences, of which one decides: is a network that knows of sentences better
than a convolution or an LSTM over all words? And what if several sentences could decide, and the first one
counts?

**Use it** on texts of many sentences with few labels, when the answer rests on some of them, or on their order.

**Do not use it** on single sentences, or where every sentence says the same: a bag of words or a convolution
is then as good and trained in a fraction of the time.

Data: documents of dictionary definitions (WordNet 3.1) with GloVe vectors, both embedded, or texts of your own
Uses: dlnotes.builders.hierarchical_attention, dlnotes.builders.pretrained_text_classifier, dlnotes.datasets.gloss_documents, dlnotes.datasets.read_texts
Notes: 002:1460, 1464, 1475, 1479-1481
Paper: Yang et al. 2016, https://aclanthology.org/N16-1174
Covers: hierarchical_attention
"""

# %%
from pathlib import Path
import re

from dlnotes import builders, cli, datasets, errors, figures
from dlnotes.report import Report
from dlnotes.vectors import load_vectors
import keras
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

CONTESTANTS = ("convolution", "LSTM", "hierarchical attention")
RIVALS = {"one sentence decides": 0, "the first of three decides": 2}

# %% [markdown]
"""
## Documents as ids

Each sentence is a row of ids for hierarchical attention. Convolution and LSTM get the same words one after the
other: nothing tells them where a sentence ends, as in the comparison of which the notes speak. Words without a
GloVe vector are left out; the vectors stay as they are.
"""


# %%
def encode(table, vectors, sentences, words):
    """Ids of shape (documents, sentences, words), the same in one row each, and the words themselves."""
    nested = np.zeros((len(table), sentences, words), "int32")
    flat = np.zeros((len(table), sentences * words), "int32")
    texts = []
    for number, document in enumerate(table["sentences"]):
        found = [re.findall(r"\w+", sentence.lower()) for sentence in document[:sentences]]
        texts.append([[word for word in part if word in vectors][:words] for part in found])
        ids = [[1 + vectors.index[word] for word in part] for part in texts[-1]]
        for row, part in zip(nested[number], ids, strict=False):
            row[: len(part)] = part
        flat[number, : sum(map(len, ids))] = [one for part in ids for one in part]
    return nested, flat, texts


def own_documents(csv, text, label, seed):
    """Texts of your own, divided at full stops, question and exclamation marks."""
    table = datasets.read_texts(csv, text, label).sample(frac=1, random_state=seed)
    sentences = table["text"].str.split(r"[.!?]+", regex=True)
    return pd.DataFrame({"sentences": sentences, "label": table["label"]})


# %% [markdown]
"""
## The contestants

All have about as many weights that are trained. The baseline is a bag of words: a linear model on counted words,
which knows no order at all.
"""


# %%
def build(contestant, matrix, classes, rate=0.01):
    if contestant == "hierarchical attention":
        model = builders.hierarchical_attention(matrix, classes, units=24)
    else:
        pooling, units = {"convolution": ("conv", 24), "LSTM": ("lstm", 48)}[contestant]
        options = {"pooling": pooling, "units": units, "dropout": 0.0}
        model = builders.pretrained_text_classifier(matrix, classes, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def compare(report, task, table, samples, vectors, shape, epochs, seed):
    """Adds the rows of one task; returns the last network and what it was tested on."""
    nested, flat, texts = encode(table, vectors, *shape)
    y = np.unique(table["label"], return_inverse=True)[1]
    label = {"task": task, "seed": seed}
    counted = make_pipeline(
        TfidfVectorizer(analyzer=lambda ids: ids[ids > 0].tolist()), LogisticRegression(C=10)
    )
    accuracy = counted.fit(flat[:samples], y[:samples]).score(flat[samples:], y[samples:])
    report.add("bag of words", baseline=True, accuracy=accuracy, **label)
    matrix = np.concatenate([np.zeros((1, vectors.dimension)), vectors.matrix])
    for contestant in CONTESTANTS:
        x = nested if contestant == "hierarchical attention" else flat
        keras.utils.set_random_seed(seed)
        model = build(contestant, matrix, 1 + int(y.max()))
        watch = report.watch(contestant, **label)
        model.fit(x[:samples], y[:samples], 50, epochs, verbose=0, callbacks=[watch])
        accuracy = model.evaluate(x[samples:], y[samples:], batch_size=200, verbose=0)[1]
        weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        report.add(contestant, accuracy=accuracy, trained_weights=weights, **label)
    return model, nested[samples:], texts[samples:]


# %% [markdown]
"""
## What was looked at

A bar for each sentence, as long as the attention that it gets, and a shade for each word, as dark as its
attention within the sentence.
"""


# %%
def look(report, model, x, texts, table, name):
    outputs = [model.get_layer(layer).output[1] for layer in ("sentences", "sentence_attention")]
    words, sentences = keras.Model(model.input, outputs).predict(x, batch_size=200, verbose=0)
    said, decides = "attention to sentences (bars) and words (shades)", table.get("decides")
    if decides is not None:
        share = np.take_along_axis(sentences, decides.to_numpy()[:, None], axis=1).mean()
        said += f"; {share:.0%} of the former goes to the sentence that decides (bold)"
    rows = np.flatnonzero(x.any(axis=(1, 2)))[:3]
    figure, panels = figures.axes(len(rows), size=(9.6, 1.6 * len(rows)), squeeze=False)
    for axis, row in zip(panels[:, 0], rows, strict=True):
        text = texts[row]
        axis.barh(range(len(text)), -2 * sentences[row, : len(text)], color=figures.COLOURS[1])
        axis.set(xlim=(-2.1, x.shape[2]), ylim=(len(text) - 0.4, -0.6), xticks=[], yticks=[])
        axis.set_ylabel(table["label"].iloc[row])
        for line, place in np.argwhere(x[row]):
            shade = min(1, float(words[row, line, place] * len(text[line]) / 4))
            box = {"facecolor": figures.COLOURS[5], "alpha": shade, "edgecolor": "none"}
            bold = decides is not None and line == decides.iloc[row]
            style = {"weight": "bold" if bold else "normal", "va": "center", "fontsize": 7}
            axis.text(place + 0.1, line, text[line][place], bbox=box, **style)
    report.figure(name, figure, f"{len(rows)} documents of the test, {said}.")


# %% [markdown]
"""
## A trap

The usual recipe wraps the model of a sentence into `TimeDistributed`. The padded words are masked in there; but a
sentence that is padding throughout comes out as a vector like any other, without a mask, and the layer above reads
it.
"""


# %%
def show_trap(report, model, x, seed):
    keras.utils.set_random_seed(seed)
    (matrix,) = model.get_layer("sentences").layer.get_layer("vectors").get_weights()
    embedding = keras.layers.Embedding(*matrix.shape, weights=[matrix], mask_zero=True)
    sentence = keras.Sequential([keras.Input(x.shape[2:]), embedding, keras.layers.GRU(8)])
    lower, upper = keras.layers.TimeDistributed(sentence), keras.layers.GRU(8)
    longer = np.pad(x, ((0, 0), (0, 3), (0, 0)))
    plain, ours = ([call(x), call(longer)] for call in (lambda ids: upper(lower(ids)), model))
    plain, ours = (f"move it by up to {np.abs(a - b).max():.2g}" for a, b in (plain, ours))
    report.trap("Three padded sentences more", plain=plain, ours=ours)


# %%
def run(
    epochs: int = 4,
    samples: int = 1000,
    seed: int = 0,
    csv: Path | None = None,
    text: str = "text",
    label: str = "label",
    sentences: int = 6,
    words: int = 8,
) -> Report:
    """Compares hierarchical attention with convolution, LSTM and a bag of words on documents.

    Args:
        epochs: Passes over the documents.
        samples: Documents for training; of your own, at most two thirds of them.
        seed: Seed of the documents and of the weights.
        csv: A table of your own texts in place of the definitions.
        text: The column of the table that holds the texts.
        label: The column that holds their labels.
        sentences: Sentences of a document that are read.
        words: Words of a sentence that are read.
    """
    errors.check_at_least(1, epochs=epochs, words=words)
    errors.check_at_least(6, sentences=sentences)
    errors.check_at_least(20, samples=samples)
    report = Report("hierarchical_attention", metric="accuracy", better="higher")
    vectors = load_vectors(datasets.glove_path())
    shape = sentences, words
    if csv:
        tasks = {"your documents": own_documents(csv, text, label, seed)}
    else:
        make = datasets.gloss_documents
        tasks = {task: make(2 * samples, sentences, RIVALS[task], seed) for task in RIVALS}
    for task, table in tasks.items():
        samples = min(samples, len(table) * 2 // 3)
        model, x, texts = compare(report, task, table, samples, vectors, shape, epochs, seed)
        look(report, model, x, texts, table[samples:], task.replace(" ", "_"))
    show_trap(report, model, x[:20], seed)
    return report


# %% [markdown]
"""
## What to look at

Where one sentence decides, everybody finds some of the words that tell; what knows of sentences finds them with
fewer labels.

Where the first of three decides, the same words stand in every document and their order alone tells the label.
The bag of words cannot do it, and a convolution that keeps the largest response wherever it stood is in the same
position: look at its accuracy in training, in `history.csv`, beside that on the test. The LSTM would have to keep
the first and forget the others over some dozens of words. On the level of sentences it is a matter of six steps.

The pictures: the bars say which sentence was looked at, the shades which of its words. Most of the attention goes
to the sentence that decides. In the second picture look for long bars that stand beside another one: the GRU that
reads backwards has carried the answer to an earlier sentence, and the attention reads it off there. The weights say
where a network finds its answer, not what the answer rests on.

The notes suspect that a ranking of such contestants will change on other data. Compare the two tables, and see the
claims for whether a change of places can be told from chance.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
