# %% [markdown]
"""
# What the notes say about pretrained word vectors

The notes mean reviews and comments, which are not in the package. The texts here are 15,000 definitions
from WordNet, of ten kinds of things, and the network is the recipe's: it averages the vectors of a text.
In both experiments all arms take the same number of steps, on the same texts.

With few labels and with many: the order of the texts, and so training, validation and test, varies with
the seed, and so do the initial weights. Tables of random numbers and of GloVe differ in scale, so each
arm has the learning rate of three that is best for it on validation texts.

Three kinds of vectors: each table is trained once, on 12,000 texts without their labels. With the seed
varies which of the other 3,000 are the training texts, and the initial weights. The tables are brought
to one scale, and the learning rate and the number of steps are the recipe's.
"""

# %%
from functools import cache, partial
import warnings

from dlnotes import claims, datasets
from dlnotes.reuse import reuse
import keras
import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

STORY = claims.story(__file__)
SIZES = (200, 1000, 5000)

# %% [markdown]
"""
## The frozen table
"""


# %%
def changed_rows(ids, trainable):
    """The rows of a table that an epoch of four steps changes."""
    keras.utils.set_random_seed(0)
    table = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
    model = STORY.build(table, 3, trainable)
    model.fit(ids, np.arange(len(ids)) % 3, 4, verbose=0)
    return np.flatnonzero(np.any(model.get_layer("vectors").get_weights()[0] != table, axis=1))


@claims.exact(
    "glove-frozen-unchanged",
    "A frozen table of vectors stays as it is; a trained one changes only where words were seen.",
    where="002:509-510",
)
def frozen_stays():
    ids = np.pad(np.random.default_rng(1).integers(2, 20, (16, 4)), ((0, 0), (0, 1)))
    return [
        claims.equal("number of frozen rows that change", len(changed_rows(ids, False)), 0),
        claims.equal("trained rows that change", changed_rows(ids, True), np.unique(ids[ids > 0])),
    ]


# %% [markdown]
"""
## With few labels and with many
"""


# %%
@reuse
def network(words, dimension, trainable):
    return STORY.build(np.zeros((words, dimension)), 10, trainable)


def train(table, trainable, training, judged, epochs, seed, learning_rate):
    """Loss and accuracy on each part that is judged, after epochs of ten steps."""
    model = network(seed, *table.shape, trainable)
    model.get_layer("vectors").set_weights([table])
    model.optimizer.learning_rate = learning_rate
    model.fit(*training, len(training[0]) // 10, epochs, verbose=0)
    return [model.evaluate(*part, 1000, verbose=0) for part in judged]


def read(texts, words):
    """The recipe's parts and vocabulary; rarer words than the most frequent ones are unknown."""
    *parts, vocabulary = STORY.vectorise(texts["text"], texts["label"], 20)
    return *((np.where(ids < words, ids, 1), kind) for ids, kind in parts), vocabulary[:words]


@claims.experiment
def few_and_many_labels(seed):
    (ids, labels), test, words = read(datasets.glosses().sample(frac=1, random_state=seed), 4000)
    matrix, _ = STORY.embedding_matrix(STORY.load_vectors(datasets.glove_path()), words)
    random = np.random.default_rng(seed).uniform(-0.05, 0.05, matrix.shape)
    arms = {"random": (random, True), "frozen": (matrix, False), "fine-tuned": (matrix, True)}
    judged = (ids[-1000:], labels[-1000:]), test

    def outcome(arm, size, learning_rate):
        training = ids[:size], labels[:size]
        (loss, _), (_, accuracy) = train(*arms[arm], training, judged, 5, seed, learning_rate)
        return loss, accuracy

    return {f"{arm}, {n}": claims.tuned(partial(outcome, arm, n)) for arm in arms for n in SIZES}


@claims.empirical(
    "glove-extra-edge",
    "Pretrained vectors help to classify texts, the more the fewer labels there are.",
    where="002:507-510, 1405",
    runs=few_and_many_labels,
)
def extra_edge(scores):
    found = []
    for arm in ("frozen", "fine-tuned"):
        few, more, most = (scores[f"{arm}, {size}"] - scores[f"random, {size}"] for size in SIZES)
        found.append(claims.superior(f"{arm} minus random, 200 labels", few, by=0.03))
        found.append(claims.superior(f"{arm} minus random, 200 minus 1,000 labels", few - more))
        found.append(claims.superior(f"{arm} minus random, 1,000 minus 5,000 labels", more - most))
    return found


# %% [markdown]
"""
## Three kinds of vectors, one corpus

All three start from the same counts of words within five words of each other, and minimise the loss of
their papers by AdaGrad, over all pairs at once instead of one sampled pair after another. word2vec is
skip-gram with five negative samples for each pair. fastText is the same, where the vector of a word is
the sum of those of its pieces of three to five letters and its own. GloVe fits the logarithms of the
counts, with biases. The columns of each table are standardised, and the tables stay frozen. Seeds differ in the
labelled texts and the first weights of the networks. Three pairs differ; the widest is judged, with an
interval that is as much wider as a choice among three demands.
"""


# %%
def train_vectors(slope, pieces, biases=0):
    """Vectors by 50 steps of AdaGrad; `slope` is the derivative of the loss by the products."""
    random, (words, parts) = np.random.default_rng(0), pieces.shape
    values = [random.normal(0, 0.1, (parts, 50)), random.normal(0, 0.1, (words, 50))]
    values = [v.astype("float32") for v in (*values, np.zeros((words, 1)), np.zeros(words))]
    squares = [np.full_like(value, 1e-8) for value in values]
    for _ in range(50):
        vectors, contexts, of_words, of_contexts = pieces @ values[0], *values[1:]
        slopes = slope(vectors @ contexts.T + of_words + of_contexts)
        gradients = [pieces.T @ (slopes @ contexts), slopes.T @ vectors]
        gradients += [biases * slopes.sum(axis=1, keepdims=True), biases * slopes.sum(axis=0)]
        for value, square, gradient in zip(values, squares, gradients, strict=True):
            square += gradient**2
            value -= 0.1 * gradient / np.sqrt(square)
    vectors = pieces @ values[0] + biases * values[1]
    return np.pad((vectors - vectors.mean(axis=0)) / vectors.std(axis=0), ((2, 0), (0, 0)))


@cache
def pretrained():
    """Labelled texts that no table has seen, and the three tables."""
    (corpus, _), pool, vocabulary = read(datasets.glosses(), 2500)
    counts = np.zeros((2500, 2500), "float32")
    for distance in range(1, 6):
        np.add.at(counts, (corpus[:, :-distance], corpus[:, distance:]), 1)
    counts = (counts + counts.T)[2:, 2:]
    totals = counts.sum(axis=0)
    drawn = 5 * np.outer(totals, totals**0.75 / np.sum(totals**0.75))
    weights, logarithms = np.minimum(1, counts / 10) ** 0.75, np.log(np.maximum(counts, 1))
    words = sparse.eye_array(2498, dtype="float32", format="csr")
    letters = CountVectorizer(analyzer="char_wb", ngram_range=(3, 5), dtype="float32")
    pieces = sparse.hstack([words, letters.fit_transform(vocabulary[2:])], format="csr")
    skip_gram = partial(train_vectors, lambda x: (counts + drawn) / (1 + np.exp(-x)) - counts)
    return pool, {
        "word2vec": skip_gram(words),
        "GloVe": train_vectors(lambda x: weights * (x - logarithms), words, biases=1),
        "fastText": skip_gram(pieces),
    }


@claims.experiment
def three_tables(seed):
    """Training minus test accuracy."""
    (ids, labels), tables = pretrained()
    order = np.random.default_rng(seed).permutation(len(ids))
    parts = [(ids[rows], labels[rows]) for rows in np.split(order, [500])]
    gaps = {}
    for name, table in tables.items():
        (_, training), (_, test) = train(table, False, parts[0], parts, 24, seed, 0.005)
        gaps[name] = training - test
    return gaps


@claims.empirical(
    "pretrained-overfit",
    "Networks on word2vec, GloVe and fastText vectors differ in how much they overfit.",
    where="002:1405",
    runs=three_tables,
)
def kinds_overfit(gaps):
    least, *_, most = sorted(gaps, key=lambda name: gaps[name].mean())
    return claims.above(f"gap, {most} minus {least}", gaps[most] - gaps[least], 0.02, 1 - 0.05 / 3)


# %% [markdown]
"""
## Out of date
"""


# %%
@claims.outdated(
    35,
    was="`Tokenizer` and `skipgrams` from `keras.preprocessing` turn texts into ids and pairs.",
    now="Both are gone: `TextVectorization` gives the ids, and pairs are drawn by hand.",
    where="002:509-511",
)
def tokenizer_is_gone():
    old, layer = keras.preprocessing, keras.layers.TextVectorization()
    layer.adapt(["The cat saw the dog", "the cat"])
    return [
        claims.raises("ids", AttributeError, lambda: old.text.Tokenizer()),  # migrate: ignore
        claims.raises("pairs", AttributeError, lambda: old.sequence.skipgrams),  # migrate: ignore
        claims.equal("ids by frequency, 1 is unknown", layer("the cat barks"), [2, 3, 1]),
    ]


@claims.outdated(
    36,
    was="`Embedding(n, d, weights=[matrix], input_length=50, trainable=False)`",
    now="The same without `input_length`. (`Constant(matrix)` would be saved twice, once as text.)",
    where="002:509-510",
)
def input_length_does_nothing():
    matrix = np.random.default_rng(0).normal(size=(1000, 50)).astype("float32")
    with warnings.catch_warnings(record=True, action="always") as caught:
        old = keras.layers.Embedding(1000, 50, weights=[matrix], input_length=4)  # migrate: ignore
    constant = keras.layers.Embedding(1000, 50, keras.initializers.Constant(matrix))
    stacks = [keras.Sequential([keras.Input((None,)), table]) for table in (old, constant)]
    ours, theirs = (float(STORY.size_on_disk(stack).split()[0]) for stack in stacks)
    return [
        claims.fact("`input_length` warns", "input_length" in str(caught[0].message)),
        claims.equal("vectors of 7 words, `input_length=4`", old(np.arange(7)), matrix[:7]),
        claims.fact("file with `Constant` 3 times as large", theirs > 3 * ours, theirs / ours),
    ]
