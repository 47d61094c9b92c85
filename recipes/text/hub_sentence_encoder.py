# %% [markdown]
"""
# A sentence encoder as a tensorflow-hub module

A deep averaging network learns sentence vectors without labels, becomes a module, and comes back as one
layer of another network.

**Question.** With few labels, what does a module that was trained on another task bring, frozen and
fine-tuned, against the same network trained from nothing?

**Use it** when somebody has trained an encoder on more text than you have, or when one encoder serves
several networks.

**Do not use it** when the order of the words decides: an average does not know it. And not from sources
you do not trust: a module is a program.

Data: definitions of nouns from WordNet 3.1, and 8,000 rows of GloVe 6B (both embedded)
Uses: dlnotes.layers.SavedModelLayer, dlnotes.vectors.load_vectors, dlnotes.vectors.embedding_matrix, dlnotes.saving.load_model
Notes: 002:1272, 1423-1425
Paper: Iyyer et al. 2015, https://aclanthology.org/P15-1162; Cer et al. 2018, https://arxiv.org/abs/1803.11175
Covers: deep_averaging
"""

# %%
import atexit
from functools import partial
from pathlib import Path
import shutil
import tempfile

from dlnotes import cli, datasets, errors, figures, layers, saving, vectors
from dlnotes.report import Report
import keras
import numpy as np

# %% [markdown]
"""
## The encoder

Words become vectors, the vectors are averaged, two dense layers make the sentence vector. While it
trains, a third of the words is left out at random (word dropout, section 2.3 of the first paper). The
strings go in as they are: splitting and looking up the words is part of the network, and so of the
module.
"""


# %%
def build_encoder(vocabulary, weights=None):
    inputs = keras.Input((), dtype="string")
    x = keras.layers.TextVectorization(vocabulary=vocabulary)(inputs)
    x = keras.layers.Embedding(len(vocabulary), 100, weights=weights, mask_zero=True)(x)
    x = keras.layers.Dropout(0.3, noise_shape=(None, None, 1))(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    x = keras.layers.Dense(128, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(128, activation="tanh")(x), name="encoder")


# %% [markdown]
"""
## Learning without labels: which halves belong together?

Each definition is cut into two halves. The encoder reads all halves of a batch of 128, and for each
first half the right second half, the one at the same place, must have the largest product. So the
"class" of a pair is its place in the batch, and the batches must not be shuffled. Neither the labels nor
the texts of the test are seen. The second paper trains its encoder on tasks of this kind.
"""


# %%
def strings(texts):
    return np.array([str(text).replace("-", " ") for text in texts], dtype=object)


def halves(texts):
    words = [text.split() for text in texts if len(text.split()) > 1]
    first = strings(" ".join(text[: len(text) // 2]) for text in words)
    return first, strings(" ".join(text[len(text) // 2 :]) for text in words)


def train_encoder(encoder, pairs, callbacks):
    inputs = [keras.Input((), dtype="string") for _ in range(2)]
    first, second = map(encoder, inputs)
    model = keras.Model(inputs, keras.ops.matmul(first, keras.ops.transpose(second)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    partner = np.arange(len(pairs[0])) % 128
    model.fit(pairs, partner, 128, epochs=8, shuffle=False, verbose=0, callbacks=callbacks)


# %% [markdown]
"""
## The same head on every encoder

`SavedModelLayer` is the module as a layer. Frozen, only the head is trained; with `trainable=True` Adam
moves the word vectors and the dense layers of the module too.
"""


# %%
def build(encoder, classes, learning_rate):
    stack = [keras.Input((), dtype="string"), encoder, keras.layers.Dense(int(classes))]
    model = keras.Sequential(stack)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"])
    return model


def compare(report, train, test, variants, epochs, seed):
    """Adds a row for each variant at one number of labels; an epoch has ten steps."""
    task = f"{len(train[0])} labels"
    for variant, (make, learning_rate) in variants.items():
        keras.utils.set_random_seed(seed)
        model = build(make(), 1 + max(train[1].max(), test[1].max()), learning_rate)
        watch = report.watch(variant, task=task, seed=seed)
        model.fit(*train, max(1, len(train[0]) // 10), epochs, verbose=0, callbacks=[watch])
        score = model.evaluate(*test, verbose=0, return_dict=True)
        report.add(variant, task=task, seed=seed, baseline=variant == "from nothing", **score)


# %% [markdown]
"""
## Three traps

What the older tutorials write, `hub.KerasLayer`, and what Keras offers in its place, `TFSMLayer`. Both
are run here, on the same module.
"""


# %%
def fine_tune(layer, texts, labels):
    model = build(layer, 1 + labels.max(), 0.001)
    before = layer.get_weights()
    model.fit(texts, labels, verbose=0)
    moved = [np.any(a != b) for a, b in zip(before, layer.get_weights(), strict=True)]
    return f"{sum(moved)} of {len(moved)} weights move"


def save_and_load(layer, texts, labels):
    model = keras.Sequential([keras.Input((), dtype="string"), layer])
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        loaded = saving.load_model(Path(folder, "model.keras"))
    difference = model.predict(texts, verbose=0) - loaded.predict(texts, verbose=0)
    return f"loaded; predictions differ by {np.abs(difference).max():.2g}"


def outcome(attempt, layer, data):
    try:
        return attempt(layer(), *data)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"


def show_traps(report, folder, data):
    import tensorflow_hub

    names = {"signature": "serve", "output_key": "output_0"}
    hub = partial(tensorflow_hub.KerasLayer, folder, **names)  # migrate: ignore
    plain = partial(keras.layers.TFSMLayer, folder)
    ours = partial(layers.SavedModelLayer, folder, trainable=True)
    for title, attempt, theirs in (
        ("hub.KerasLayer in a Keras model", fine_tune, hub),
        ("TFSMLayer, fine-tuned with Adam", fine_tune, plain),
        ("TFSMLayer, saved and loaded in safe mode", save_and_load, plain),
    ):
        report.trap(title, plain=outcome(attempt, theirs, data), ours=outcome(attempt, ours, data))


# %% [markdown]
"""
## All together

The picture shows sentences of the test, of the first seven kinds, as the module sees them.
"""


# %%
def run(
    epochs: int = 20,
    samples: int = 6000,
    seed: int = 0,
    csv: Path | None = None,
    text: str = "text",
    label: str = "label",
    handle: str | None = None,
) -> Report:
    """Trains an encoder, exports it, and compares it as a module, frozen and fine-tuned.

    Args:
        epochs: Passes over the labelled texts.
        samples: Texts in all parts together; a fifth is for the test.
        seed: Seed of the order of the texts and of the weights.
        csv: A table of your own in place of the definitions.
        text: The column of the table that holds the texts.
        label: The column that holds their labels.
        handle: A module to use in place of the one trained here: a folder, or a tensorflow-hub handle such as https://tfhub.dev/google/universal-sentence-encoder/4 (needs a network).
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(100, samples=samples)
    errors.check_backend("tensorflow", "A TensorFlow module")
    rows = datasets.read_texts(csv, text, label) if csv else datasets.glosses()
    rows = rows.sample(frac=1, random_state=seed)[:samples]
    texts, labels = strings(rows["text"]), np.unique(rows["label"], return_inverse=True)[1]
    test, rest = zip(*(np.split(part, [len(texts) // 5]) for part in (texts, labels)), strict=True)
    report = Report("hub_sentence_encoder", metric="accuracy", better="higher")

    glove = vectors.load_vectors(datasets.glove_path())
    vocabulary = ["", "[UNK]", *glove.words]
    table, _ = vectors.embedding_matrix(glove, vocabulary)
    if handle is None:
        keras.utils.set_random_seed(seed)
        encoder = build_encoder(vocabulary, [table])
        train_encoder(encoder, halves(rest[0]), [report.watch("pretraining", seed=seed)])
        handle = tempfile.mkdtemp(prefix="encoder-")
        atexit.register(shutil.rmtree, handle, ignore_errors=True)
        encoder.export(handle, verbose=False)
        show_traps(report, handle, [array[:50] for array in rest])
    variants = {
        "module, frozen": (lambda: layers.SavedModelLayer(handle), 0.005),
        "module, fine-tuned": (lambda: layers.SavedModelLayer(handle, trainable=True), 0.001),
        "from nothing": (lambda: build_encoder(vocabulary), 0.005),
        "from word vectors": (lambda: build_encoder(vocabulary, [table]), 0.001),
    }
    for size in (50, 500):
        compare(report, [array[:size] for array in rest], test, variants, epochs, seed)

    few = np.flatnonzero(test[1] < 7)[:300]
    module = keras.Sequential([keras.Input((), dtype="string"), layers.SavedModelLayer(handle)])
    sentences = module.predict(test[0][few], verbose=0)
    figure = figures.embedding_map(sentences, colours=rows["label"].to_numpy()[few])
    report.figure("sentences", figure, figures.alternative_text(figure))
    return report


# %% [markdown]
"""
## What to look at

At the few labels, the distance between the frozen module and the network from nothing: the module has
read thousands of definitions, without a label. Then the same network started from the word vectors: how
much of that distance do they explain by themselves? Fine-tuning lets the module forget what the task
does not need, which takes labels. It trains without word dropout: a Keras export holds the inference
mode alone. (A module whose function takes `training` keeps both, and the layer hands the flag on.)
"""

# %%
if __name__ == "__main__":
    cli.main(run)
