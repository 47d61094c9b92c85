# %% [markdown]
"""
# Where to look: attention in place of the last state

A recurrent network reads a sequence; a learned query decides how much each step counts for the answer.

**Question.** Does it matter how the states of an LSTM become one vector: the last one, their mean, their
maximum, or a mean weighed by attention? And do the weights show what the answer rests on?

**Use it** when a few steps of a long sequence decide, and when somebody wants to see which.

**Do not use it** because it is attention: on short sequences, all of which bear on the answer, the last state
of a bidirectional network is as good and has fewer weights. And do not take the weights for an explanation of
the whole network: each state has already read all others.

Data: documents of dictionary definitions of which one decides (WordNet 3.1) with GloVe vectors, both embedded; Japanese Vowels (nine speakers, UCI), or sequences of your own
Uses: dlnotes.builders.pooled_lstm, dlnotes.layers.AttentionPooling, dlnotes.datasets.gloss_documents, dlnotes.datasets.japanese_vowels, dlnotes.masks.step_mask
Notes: 002:1464, 1476-1478, 1486
Paper: Yang et al. 2016, https://aclanthology.org/N16-1174; Raffel and Ellis 2015, https://arxiv.org/abs/1512.08756
Covers: attention_pooling
"""

# %%
from pathlib import Path
import re

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.layers import AttentionPooling
from dlnotes.report import Report
from dlnotes.vectors import load_vectors
import keras
import numpy as np

POOLINGS = ("last", "mean", "max", "attention")
SENTENCES, WORDS = 4, 8

# %% [markdown]
"""
## Documents in which one sentence decides

Each document is a few definitions, one after the other. One of them defines an animal, a food, a person, a
plant or a part of the body: that is the label. The others define acts, places, substances and the like.
Every word is its GloVe vector, which stays as it is; a word without a vector is left out. Of each definition
the first words are read.
"""


# %%
def read(table, vectors):
    """The words of each document, their vectors padded with zeros, and the number of each word's sentence."""
    texts = []
    for sentences in table["sentences"]:
        found = [re.findall(r"\w+", sentence.lower())[:WORDS] for sentence in sentences]
        words = [(word, number) for number, part in enumerate(found) for word in part]
        texts.append([(word, number) for word, number in words if word in vectors])
    x = np.zeros((len(texts), SENTENCES * WORDS, vectors.dimension), "float32")
    for row, text in zip(x, texts, strict=True):
        row[: len(text)] = [vectors[word] for word, _ in text]
    return texts, x


# %% [markdown]
"""
## The comparison

One network, four ways of making one vector of its states. The last state of the backward half is that of the
first word.
"""


# %%
def compare(report, task, dataset, poolings, rate, epochs, seed):
    """Adds a row for each way of pooling; returns the last network."""
    x, y = dataset.train
    classes = 1 + int(max(part.y.max() for part in vars(dataset).values()))
    for pooling in poolings:
        keras.utils.set_random_seed(seed)
        options = {"pooling": pooling, "units": 24, "mask_value": 0.0}
        model = builders.pooled_lstm((None, x.shape[-1]), classes, **options)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        watch = report.watch(pooling, task=task, seed=seed)
        size = max(1, len(x) // 24)
        model.fit(x, y, batch_size=size, epochs=epochs, verbose=0, callbacks=[watch])
        score = model.evaluate(*dataset.test, batch_size=200, verbose=0, return_dict=True)
        row = {"task": task, "seed": seed, "baseline": pooling == "last"}
        report.add(pooling, **score, parameters=model.count_params(), **row)
    return model


# %% [markdown]
"""
## What was looked at

The weights are the second output of the layer of attention. Added up over the words of the sentence that
decides, they say how much of the looking went there; that sentence's share of the words is what looking
everywhere alike would give.
"""


# %%
def look(report, model, table, texts, x):
    """A picture of the weights, and their share on the sentence that decides."""
    looking = keras.Model(model.input, model.get_layer("attention").output[1])
    weights = looking.predict(x, batch_size=200, verbose=0)
    shares = []
    for text, row, decides in zip(texts, weights, table["decides"], strict=True):
        there = np.array([number == decides for _, number in text])
        shares.append((row[: len(text)][there].sum(), there.mean()))
    looked, words = np.mean(shares, axis=0)

    figure, axis = figures.axes(size=(9.6, 3.6))
    axis.set(xlim=(0, SENTENCES * WORDS), ylim=(5.6, -0.6), yticks=range(6))
    axis.set(yticklabels=table["label"][:6], xticks=[])
    axis.grid(False)
    for line, (text, row) in enumerate(zip(texts[:6], weights, strict=False)):
        for place, ((word, number), weight) in enumerate(zip(text, row, strict=False)):
            decides = number == table["decides"].iloc[line]
            style = {"fontsize": 6, "rotation": 35, "weight": "bold" if decides else "normal"}
            shade = {"facecolor": figures.COLOURS[5], "alpha": min(1, float(weight / row.max()))}
            axis.text(place + 0.5, line, word, bbox=shade | {"edgecolor": "none"}, **style)
    said = f"{looked:.0%} of the weight lies on the sentence that decides, {words:.0%} of the words"
    axis.set(title=f"{said} (bold)")
    report.figure("words", figure, f"Words of six test documents, shaded by attention. {said}.")


# %% [markdown]
"""
## Two traps

A softmax over all steps gives weight to padding. And after a bidirectional layer padded steps are states of zero,
which are larger than many a real one: a maximum that takes no mask (`keras.ops.max`, `GlobalMaxPooling1D`) finds
them. Either way the answer depends on how long the other sequences of the batch are.
"""


# %%
def show_traps(report, x, seed):
    keras.utils.set_random_seed(seed)
    mask = masks.step_mask(x)
    attention, shares, moved = AttentionPooling(), [], []
    for used in (None, mask):
        _, weights = attention(x, mask=used, return_attention_scores=True)
        shares.append(np.asarray(weights)[~np.asarray(mask)].sum() / len(x))
    plain, ours = (f"{share:.0%} of the weight lies on padding" for share in shares)
    report.trap("A softmax over the steps", plain=plain, ours=ours)

    real = x[:, : int(np.asarray(mask).sum(axis=1).min())]
    longer = np.pad(real, ((0, 0), (0, 9), (0, 0)))
    both = keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True))
    states = (both(part, mask=masks.step_mask(part)) for part in (real, longer))
    model = builders.pooled_lstm((None, x.shape[-1]), 8, pooling="max", units=8, mask_value=0.0)
    for pooled in ([np.max(part, axis=1) for part in states], [model(real), model(longer)]):
        moved.append(
            f"nine padded steps move it by up to {np.abs(pooled[0] - pooled[1]).max():.2g}"
        )
    report.trap("The maximum over the states", plain=moved[0], ours=moved[1])


# %%
def run(epochs: int = 5, samples: int = 1200, seed: int = 0, data: Path | None = None) -> Report:
    """Compares four ways of making one vector of a sequence, on documents and on speakers.

    Args:
        epochs: Passes over the documents; twice as many over the speakers.
        samples: Documents for training, and at most as many speakers.
        seed: Seed of the documents, the division and the weights.
        data: Sequences of your own in place of the speakers, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence).
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    report = Report("attention_pooling", metric="accuracy", better="higher")
    table = datasets.gloss_documents(2 * samples, SENTENCES, seed=seed)
    texts, x = read(table, load_vectors(datasets.glove_path()))
    y = np.unique(table["label"], return_inverse=True)[1]
    ends = [samples, samples + samples // 4]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    documents = datasets.Dataset(*(datasets.Split(*part) for part in parts))
    model = compare(report, "documents", documents, POOLINGS, 0.01, epochs, seed)
    look(report, model, table[ends[1] :], texts[ends[1] :], documents.test.x)

    own = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    if own.train.y.ndim > 1:
        raise errors.InputError(
            f"{data} has a class for each step, but one for each sequence is needed."
        )
    parts = (datasets.Split(x[:samples], y[:samples]) for x, y in vars(own).values())
    task = "your sequences" if data else "speakers"
    compare(report, task, datasets.Dataset(*parts), ("last", "attention"), 0.02, 2 * epochs, seed)
    show_traps(report, own.test.x[:50], seed)
    return report


# %% [markdown]
"""
## What to look at

Documents: the differences are small when training is over, because the states of an LSTM can carry the deciding
word to either end of a text of this length. Look at the first epochs in `history.csv`: with attention there is a
short way from every word to the answer, and the network learns sooner.

The picture: the darkest words are those that name what is defined. They stand in the sentence that decides, and
nobody has said which one that is.

Speakers: the whole utterance bears on the answer. There is nothing to choose, and choosing gains nothing.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
