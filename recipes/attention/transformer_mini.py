# %% [markdown]
"""
# A Transformer block on one screen, against an LSTM of the same size

Attention looks at all steps at once; a dense network then thinks about each step by itself.

**Question.** One block and one LSTM with as many weights, trained on the same batches: who learns to
remember the first of many symbols, and who learns a language in which verbs agree with subjects that
stand further away?

**Use it** when what matters is far away, when there is much data, and when all steps are there at once
to be computed in parallel.

**Do not use it** without thinking for short sequences and little data, where an LSTM learns as much; for
streams that never end; or for very long sequences: the cost grows with the square of the length.

Data: generated symbols, the first of which is asked for; sentences of a small generated language
Uses: dlnotes.builders.transformer, dlnotes.layers.PositionEmbedding, dlnotes.datasets.recall, dlnotes.datasets.grammar
Notes: 002:1222, 1444-1453, 1476, 1485, 1498, 1506-1507
Paper: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
Covers: transformer_mini
"""

# %%
from dlnotes import builders, cli, datasets, errors, figures, layers
from dlnotes.report import Report
import keras
import numpy as np

LSTM, TRANSFORMER = VARIANTS = "LSTM", "Transformer"
TASKS, STEPS = ("recall", "grammar"), {"recall": 64, "grammar": 12}
WORDS = datasets.grammar_words()
NUMBER = np.array([{"singular": 1, "plural": -1}.get(word.number, 0) for word in WORDS])
RELATIONS = datasets.grammar_relations()
NOUN = np.array([word.kind == "noun" for word in WORDS])

# %% [markdown]
"""
## The block

In Keras' own layers. Each half is added to what came in, so that a block can only refine it; each
normalises its input, which lets it train at a usual learning rate. The block of the library does the
same, with dropout, the other order of normalisation, distances between steps, and its attention weights
on request.
"""


# %%
def block(x, looks_at=None, num_heads=4):
    units = x.shape[-1]
    y = keras.layers.LayerNormalization()(x)
    attention = keras.layers.MultiHeadAttention(num_heads, units // num_heads)
    x = x + attention(y, y, attention_mask=looks_at)
    y = keras.layers.LayerNormalization()(x)
    y = keras.layers.Dense(4 * units, activation="relu")(y)
    return x + keras.layers.Dense(units)(y)


# %% [markdown]
"""
## Equal size, equal budget

The LSTM is as wide as the weights of the Transformer allow. Both read from left to right, and name the
first symbol after the last one. It carries a mark of its own, so that task needs no positions; the
language does.
"""


# %%
def build(variant, tokens, units):
    """One network, compiled: a language model, or one that names the first symbol."""
    shape, outputs = ((None,), len(WORDS)) if tokens else ((STEPS["recall"], 9), 8)
    options = {"vocabulary": outputs} if tokens else {"positions": None}
    options |= {"units": units, "causal": True, "dropout": 0.0}
    model = builders.transformer(shape, outputs, **options)
    if not tokens:
        model = keras.Model(model.input, model.output[:, -1])
    if variant == LSTM:
        width = lstm_width(model.count_params(), outputs, tokens)
        x = inputs = keras.Input(shape, dtype="int32" if tokens else "float32")
        if tokens:
            x = keras.layers.Embedding(outputs, width)(inputs)
        mask = inputs != 0 if tokens else None
        x = keras.layers.LSTM(width, return_sequences=tokens)(x, mask=mask)
        model = keras.Model(inputs, keras.layers.Dense(outputs)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.01), loss, weighted_metrics=["accuracy"])
    return model


def lstm_width(weights, outputs, tokens):
    """The width with which an LSTM network has about as many weights."""
    tables, features = (outputs, 0) if tokens else (0, 9)
    own = 8 if tokens else 4  # with an embedding there are as many features as units
    sizes = [u * (tables + own * u + 4 * features + 4 + outputs) for u in range(weights)]
    return int(np.abs(np.array(sizes) + outputs - weights).argmin())


# %% [markdown]
"""
## Does the verb agree?

The network says which form of the verb it finds more likely, after reading what stands before it. Where
the last noun has another number than the subject, whoever goes by the last noun is misled.
"""


# %%
def verbs(samples, seed, part="test"):
    """Of each sentence: place and form of its verb, and whether the last noun before misleads."""
    x, relations = getattr(datasets.grammar(samples, target="relations", seed=seed), part)
    place = (relations == RELATIONS.index("root")).argmax(axis=1)
    steps, rows = np.arange(x.shape[1]), np.arange(len(x))
    noun = np.where((steps < place[:, None]) & NOUN[x], steps, 0).max(axis=1)
    form = x[rows, place]
    return place, form, NUMBER[x[rows, noun]] != NUMBER[form]


def agrees(model, x, place, form):
    """For each sentence, whether the right form of its verb gets more than the other one."""
    rows, logits = np.arange(len(x)), np.asarray(model(x))
    return logits[rows, place - 1, form] > logits[rows, place - 1, form + NUMBER[form]]


# %%
def compare(report, task, parts, units, epochs, seed):
    """Trains both networks; gives each with its loss and accuracy on the test part."""
    (x, y, weight), validation, test = parts
    for variant in VARIANTS:
        keras.utils.set_random_seed(seed)
        model = build(variant, task == "grammar", units)
        watch = report.watch(variant, task=task, seed=seed)
        options = {"sample_weight": weight, "validation_data": validation, "verbose": 0}
        model.fit(x, y, 30, epochs, callbacks=[watch], validation_batch_size=500, **options)
        loss, accuracy = model.evaluate(*test[:2], 500, 0, sample_weight=test[2])
        yield variant, model, loss, accuracy


def weighted(dataset):
    """Inputs, targets and weights of the three parts; padding, token 0, weighs nothing."""
    return [
        (x, y, (x != 0).astype("float32") if y.ndim == 2 else np.ones(len(y)))
        for x, y in vars(dataset).values()
    ]


# %% [markdown]
"""
## Two traps

An operation between two layers, such as adding positions, loses the mask of the embedding without a
warning. And attention sees everything unless it is told not to: a language model then reads the words
that it should predict.
"""


# %%
def show_traps(report, x, units, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None,), dtype="int32")
    words = keras.layers.Embedding(len(WORDS), units, mask_zero=True)(inputs)
    placed = keras.ops.add(words, layers.PositionEmbedding()(keras.ops.zeros_like(words)))
    masks = None, (inputs != 0)[:, None]
    lost, passed = (keras.Model(inputs, block(placed, mask)) for mask in masks)
    causal = builders.transformer((None,), 2, vocabulary=len(WORDS), units=units, causal=True)

    def moved(model, changed, where):
        return float(np.abs(model(changed)[:, : x.shape[1]] - model(x))[where].max())

    longer, later = np.pad(x, ((0, 0), (0, 10))), np.where(np.arange(x.shape[1]) > 1, x[:, ::-1], x)
    report.trap(
        "The mask of the embedding, after positions were added, when there is more padding",
        plain=f"outputs of real words move by up to {moved(lost, longer, x != 0):.2g}",
        ours=f"with the mask in every call they move by {moved(passed, longer, x != 0):.2g}",
    )
    first = np.s_[:, :2]
    report.trap(
        "A language model whose attention was not told to be causal, when later words change",
        plain=f"outputs before them move by up to {moved(passed, later, first):.2g}",
        ours=f"with causal=True they move by {moved(causal, later, first):.2g}",
    )


# %%
def draw(report):
    figure, panels = figures.axes(1, 2, size=(9.6, 3.2))
    said = []
    for axis, task, metric in zip(panels, TASKS, ("val_accuracy", "val_loss"), strict=True):
        for variant, (history,) in figures.report_histories(report, task).items():
            axis.plot(range(1, len(history[metric]) + 1), history[metric], label=variant)
            said.append(f"{task}, {variant}, {metric} from {history[metric][0]:.2f}")
            said[-1] += f" to {history[metric][-1]:.2f}"
        axis.set(title=task, xlabel="epoch", ylabel=metric.replace("val_", "validation "))
    panels[0].legend(frameon=False)
    report.figure("learning", figure, f"Learning curves. {'; '.join(said)}.")


# %%
def run(epochs: int = 10, samples: int = 2000, seed: int = 0, units: int = 16) -> Report:
    """Compares one Transformer block with an LSTM of the same size, on two tasks.

    Args:
        epochs: Passes over the training data.
        samples: Sequences of each task, in all three parts together.
        seed: Seed of the data and the weights.
        units: Width of the block, a multiple of its four heads; the LSTM gets as many weights.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(100, samples=samples)
    report = Report("transformer_mini", metric="accuracy", better="higher")
    place, form, misled = verbs(samples, seed)
    loaders = {"recall": datasets.recall, "grammar": datasets.grammar}
    data = {task: weighted(loaders[task](samples, STEPS[task], seed=seed)) for task in TASKS}
    for task, parts in data.items():
        for variant, model, loss, accuracy in compare(report, task, parts, units, epochs, seed):
            facts = {"loss": loss, "weights": model.count_params(), "accuracy": accuracy}
            if task == "grammar":
                right = agrees(model, parts[2][0], place, form)
                facts |= {"accuracy": right.mean(), "misled": right[misled].mean()}
            report.add(variant, task=task, seed=seed, baseline=variant == LSTM, **facts)
    report.add("the last noun", task="grammar", seed=seed, accuracy=1 - misled.mean())
    draw(report)
    show_traps(report, data["grammar"][2][0][:8], units, seed)
    return report


# %% [markdown]
"""
## What to look at

The first symbol: attention reaches it in one hop wherever it is, while the LSTM has to carry it through
all the steps, and the gradient back through as many. More epochs show whether it gets there at all.

The language: here the distances are short, and the picture is another one. Accuracy is the share of main
verbs whose right form is preferred, `misled` the same where the last noun misleads; the losses count
every word.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
