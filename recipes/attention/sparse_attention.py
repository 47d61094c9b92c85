# %% [markdown]
"""
# Attention that leaves out: heads that learn how sparse they are

Softmax gives every step some weight. Alpha-entmax gives most of them none, and each head learns how many.

**Question.** In one network, one answer rests on a single step and another one on all of them alike. Do heads
that choose their own sparsity divide the work, some of them sharp and others broad? And what is left of the
answers when the sequence is ten times as long?

**Use it** where a few steps of many decide, and where somebody wants to see what was left out.

**Do not use it** for speed: the zeros save nothing on usual hardware, and to find the threshold costs more than
a softmax. Where all steps bear on the answer there is nothing to leave out, and what is left out is missing.

Data: generated symbols, one of them marked; dictionary definitions of ten kinds (WordNet 3.1) with GloVe vectors, both embedded
Uses: dlnotes.builders.sparse_transformer, dlnotes.entmax.entmax, dlnotes.datasets.glosses
Notes: 002:1509-1515
Paper: Correia, Niculae and Martins 2019, https://arxiv.org/abs/1909.00015; Peters et al. 2019, https://arxiv.org/abs/1905.05702
Covers: sparse_attention
"""

# %%
import re

from dlnotes import builders, cli, datasets, errors, figures
from dlnotes.entmax import entmax
from dlnotes.report import Report
from dlnotes.vectors import load_vectors
import keras
import numpy as np

ALPHAS = {"softmax": 1, "learned alpha": "learned"}
SYMBOLS, STEPS, LONGER = 8, 23, 230
WORDS = 16

# %% [markdown]
"""
## Two answers from one sequence

Symbols in random order, one of them marked. The first step is a question, and what the network makes of it is
asked for two things: which symbol was marked, and whether more of all symbols are small or large. For the one
a single step counts, for the other all of them count alike.
"""


# %%
def symbols(samples, steps, seed):
    """One-hot symbols, mark and question; the marked symbol, and whether most symbols are large."""
    random = np.random.default_rng(seed)
    drawn = random.integers(SYMBOLS, size=(samples, steps))
    rows, marked = np.arange(samples), random.integers(steps, size=samples)
    x = np.zeros((samples, 1 + steps, SYMBOLS + 2), "float32")
    x[:, 1:, :SYMBOLS] = np.eye(SYMBOLS)[drawn]
    x[rows, 1 + marked, -2] = x[:, 0, -1] = 1
    y = {"copy": drawn[rows, marked], "majority": np.median(drawn, axis=1) >= SYMBOLS / 2}
    return x, {name: part.astype("int32") for name, part in y.items()}


def two_answers(variant):
    """One block of four heads, compiled."""
    options = {"return_sequences": True, "positions": None, "dropout": 0.0}
    options |= {"alpha": ALPHAS[variant]}
    model = builders.sparse_transformer((None, SYMBOLS + 2), SYMBOLS + 2, **options)
    answer = model.output[:, 0]
    outputs = {"copy": answer[:, :SYMBOLS], "majority": answer[:, SYMBOLS:]}
    model = keras.Model(model.input, outputs)
    losses = {name: keras.losses.SparseCategoricalCrossentropy(True) for name in outputs}
    model.compile(
        keras.optimizers.Adam(0.005), losses, metrics={key: ["accuracy"] for key in outputs}
    )
    return model


# %% [markdown]
"""
## Definitions

One definition, ten kinds of things that it may define. Every word is its GloVe vector.
"""


# %%
def definitions(samples, seed):
    """The vectors of the words of definitions, padded with zeros, and the kinds."""
    vectors = load_vectors(datasets.glove_path())
    table = datasets.glosses().sample(samples, random_state=seed)
    x = np.zeros((samples, WORDS, vectors.dimension), "float32")
    for row, text in zip(x, table["text"], strict=True):
        words = [word for word in re.findall(r"\w+", text.lower()) if word in vectors][:WORDS]
        row[: len(words)] = [vectors[word] for word in words]
    return x, np.unique(table["label"], return_inverse=True)[1]


def kind_of_thing(variant, features):
    options = {"alpha": ALPHAS[variant], "dropout": 0.3}
    model = builders.sparse_transformer((None, features), 10, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    return model


# %% [markdown]
"""
## What heads do

How many weights are exactly zero, and how far the heads differ: the entropy of their mean less the mean of
their entropies. It is zero if all look at the same, and two bits if each of four looks at steps of its own.
"""


# %%
def looks(model, x, steps=None):
    """The weights of every head, for each real step that looks, and which steps it may see."""
    weights = model.get_layer("attention_1").output[1][:, :, :steps]
    weights = keras.Model(model.input, weights).predict(x, batch_size=200, verbose=0)
    rows, looking = np.nonzero(x.any(axis=-1)[:, :steps])
    return weights[rows, :, looking], x.any(axis=-1)[rows]


def diversity(weights):
    """The Jensen-Shannon divergence of the heads, in bits."""

    def entropy(p):
        return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=-1)

    return float((entropy(weights.mean(axis=1)) - entropy(weights).mean(axis=1)).mean())


def of_heads(model, x, steps=None):
    """The share of real steps that get no weight at all, and the diversity of the heads."""
    weights, seen = looks(model, x, steps)
    zeros = (weights == 0) & seen[:, None]
    return {"zeros": zeros.sum() / seen.sum() / weights.shape[1], "diversity": diversity(weights)}


# %%
def accuracies(model, x, y):
    answers = model.predict(x, batch_size=200, verbose=0)
    return {name: float((answers[name].argmax(axis=-1) == y[name]).mean()) for name in y}


# %%
def draw(report, model, seed):
    """What each alpha makes of the same scores, and the heads of a network on a sequence."""
    figure, (left, right) = figures.axes(1, 2, size=(10, 3.2))
    scores = np.linspace(-2, 2, 81)
    pairs = np.stack([scores, np.zeros_like(scores)], axis=1)
    for alpha in (1, 1.5, 2):
        shares = keras.ops.softmax(pairs) if alpha == 1 else entmax(pairs, alpha)
        left.plot(scores, np.asarray(shares)[:, 0], label=f"alpha {alpha}")
    left.set(title="two steps", xlabel="score of one over the other", ylabel="weight of one")
    left.legend(frameon=False)
    x, _ = symbols(1, STEPS, [seed, 3])
    (weights,), _ = looks(model, x, steps=1)
    alphas = np.asarray(model.get_layer("attention_1").head_alphas())
    right.imshow(weights[:, 1:], cmap="Blues", aspect="auto", vmin=0)
    right.grid(False)
    right.set_yticks(range(len(alphas)), [f"alpha {alpha:.2f}" for alpha in alphas])
    names = [f"{'*' * int(step[-2])}{step[:SYMBOLS].argmax()}" for step in x[0, 1:]]
    right.set_xticks(range(STEPS), names)
    right.set(title="four heads", xlabel="symbols of a test sequence, * is marked")
    said = [
        f"alpha {a:.2f}, {(row == 0).sum()} zeros" for a, row in zip(alphas, weights, strict=True)
    ]
    report.figure("heads", figure, f"Softmax and entmax; four heads on {STEPS} symbols: {said}.")


# %%
def run(epochs: int = 8, samples: int = 2000, seed: int = 0) -> Report:
    """Compares softmax with heads that learn their sparsity, on two tasks.

    Args:
        epochs: Passes over the training data.
        samples: Training sequences, and as many definitions; a quarter more each for validation and test.
        seed: Seed of the data and the weights.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    metrics = {"two answers": "copy", "definitions": "accuracy"}
    report = Report("sparse_attention", metric=metrics, better="higher")
    part = samples // 4
    train, validation, test = (symbols(n, STEPS, [seed, n]) for n in (samples, part, part + 1))
    words, kinds = definitions(samples + 2 * part, seed)
    x, y = (np.split(array, [samples, samples + part]) for array in (words, kinds))
    options = {"batch_size": 50, "epochs": epochs, "verbose": 0}
    for variant in ALPHAS:
        row = {"seed": seed, "baseline": variant == "softmax"}
        keras.utils.set_random_seed(seed)
        model = two_answers(variant)
        watch = report.watch(variant, task="two answers", seed=seed)
        model.fit(*train, validation_data=validation, callbacks=[watch], **options)
        scores = accuracies(model, *test) | of_heads(model, test[0], steps=1)
        far = accuracies(model, *symbols(min(100, part), LONGER, [seed, 0]))
        scores |= {f"{name}, {LONGER} steps": value for name, value in far.items()}
        report.add(variant, task="two answers", **scores, **row)

        keras.utils.set_random_seed(seed)
        reader = kind_of_thing(variant, words.shape[-1])
        watch = report.watch(variant, task="definitions", seed=seed)
        reader.fit(x[0], y[0], validation_data=(x[1], y[1]), callbacks=[watch], **options)
        scores = reader.evaluate(x[2], y[2], 200, 0, return_dict=True) | of_heads(reader, x[2])
        report.add(variant, task="definitions", **scores, **row)
    draw(report, model, seed)
    return report


# %% [markdown]
"""
## What to look at

The heads on the right: the alpha of each stands beside it. A head that serves the copy has one dark cell and
nothing else; a head that serves the majority is of one shade. Which head does what is decided in training, and
some do neither.

The column `zeros`: with softmax it is zero, whatever the scores. The columns of the longer sequences: a weight that
is exactly zero stays zero however many steps there are, which helps the copy; a count over many steps needs a head
that leaves none out, and an alpha that suits a few steps need not suit many.

Definitions: the words of a definition nearly all bear on what it defines. There is little to leave out, and the
accuracies say so.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
