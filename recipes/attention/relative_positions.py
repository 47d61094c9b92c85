# %% [markdown]
"""
# How far apart? Relative positions in self-attention

Attention sees a set of words. A vector for each clipped distance tells it their order, at any length.

**Question.** Can attention without positions tell a sentence from one in which two neighbours have changed
places? And what happens to learned, sinusoidal and relative positions on sequences that are longer than
those of training?

**Use it** when the order matters through distances (neighbours, words before and after) rather than through
places counted from the start, and when sequences may become longer than those of training.

**Do not use it** where the place itself is the message (a form with fixed fields, a picture cut into fixed
patches), or where the last bit of speed counts: each block does a little more work.

Data: sentences of a small generated language, half of them with two neighbours swapped; generated tags that depend on the next symbol
Uses: dlnotes.builders.transformer, dlnotes.layers.RelativeAttention, dlnotes.datasets.grammar, dlnotes.datasets.tag_next, dlnotes.masks.step_weights
Notes: 002:1223-1230, 1487
Paper: Shaw, Uszkoreit and Vaswani 2018, https://arxiv.org/abs/1803.02155
Covers: relative_positions
"""

# %%
from dlnotes import builders, cli, datasets, errors, figures, layers, masks
from dlnotes.report import Report
import keras
import numpy as np

VOCABULARY = len(datasets.grammar_words())
ORDER, TAGS = "order of words", "tags of the next symbol"
POSITIONS = {"no positions": None} | {name: name for name in ("learned", "sinusoidal", "relative")}
TRAINED, LENGTHS = 16, (16, 32, 64)
DISTANCE = 4

# %% [markdown]
"""
## Two tasks in which nothing but the order counts

Swapping two neighbours leaves the words of a sentence as they are, so whoever sees a set of words can only
guess. The tags are of each step: symbol plus next symbol, modulo three.
"""


# %%
def swapped(part, seed):
    """Sentences, half of which have two neighbours swapped, and which ones they are."""
    random, rows = np.random.default_rng(seed), np.arange(len(part.x))
    place = random.integers(1, np.count_nonzero(part.x, axis=1) - 1)
    differ = part.x[rows, place] != part.x[rows, place + 1]
    y = random.integers(2, size=len(rows)) * differ
    order = np.tile(np.arange(part.x.shape[1]), (len(rows), 1))
    order[rows, place] += y
    order[rows, place + 1] -= y
    return np.take_along_axis(part.x, order, axis=1), y


def load(task, samples, seed, steps=TRAINED):
    """Inputs, targets and weights of three parts."""
    if task == ORDER:
        parts = vars(datasets.grammar(samples, seed=seed)).values()
        pairs = [swapped(part, seed + number) for number, part in enumerate(parts)]
        return [(x, y, np.ones(len(y), "float32")) for x, y in pairs]
    parts = vars(datasets.tag_next(samples, steps, seed=seed)).values()
    return [(x, y, masks.step_weights(x)) for x, y in parts]


def build(variant, task, steps=TRAINED, distance=DISTANCE):
    """One block, compiled."""
    shape, outputs = ((12,), 2) if task == ORDER else ((steps, 6), 3)
    options = {"vocabulary": VOCABULARY} if task == ORDER else {"return_sequences": True}
    options |= {"positions": POSITIONS[variant], "max_distance": distance}
    model = builders.transformer(shape, outputs, units=16, dropout=0.0, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.01), loss, weighted_metrics=["accuracy"])
    return model


# %% [markdown]
"""
## Longer sequences

Sines and distances go on by themselves. A table of learned places is as long as it was built; the rows that
training never reached are as they were drawn.
"""


# %%
def lengthened(model, variant, steps):
    """The same weights in a network for more steps."""
    longer = build(variant, TAGS, steps)
    pairs = zip(model.get_weights(), longer.get_weights(), strict=True)
    longer.set_weights([np.concatenate([old, new[len(old) :]]) for old, new in pairs])
    return longer


def accuracy_at(model, variant, steps, samples, seed):
    """Accuracy on new sequences of up to so many steps."""
    x, y, weight = load(TAGS, samples, seed, steps)[2]
    tags = np.asarray(lengthened(model, variant, steps)(x)).argmax(axis=-1)
    return float(np.average(tags == y, weights=weight))


# %%
def train(report, variant, task, parts, epochs, seed):
    (x, y, weight), validation, test = parts
    keras.utils.set_random_seed(seed)
    model = build(variant, task)
    watch = report.watch(variant, task=task, seed=seed)
    options = {"sample_weight": weight, "validation_data": validation, "verbose": 0}
    model.fit(x, y, 30, epochs, callbacks=[watch], validation_batch_size=500, **options)
    return model, model.evaluate(*test[:2], 500, 0, sample_weight=test[2])[1]


def show_trap(report, seed):
    """What attention makes of the same steps in another order."""
    keras.utils.set_random_seed(seed)
    x = np.random.default_rng(seed).normal(size=(4, 12, 16)).astype("float32")
    plain, ours = keras.layers.MultiHeadAttention(4, 4), layers.RelativeAttention(4, 4, DISTANCE)
    moved = [
        float(np.abs(np.asarray(attend(x[:, ::-1]))[:, ::-1] - attend(x)).max())
        for attend in (lambda x: plain(x, x), ours)
    ]
    report.trap(
        "The outputs of the same steps, read backwards",
        plain=f"MultiHeadAttention gives the same but for {moved[0]:.2g}",
        ours=f"RelativeAttention gives others, by up to {moved[1]:.2g}",
    )


# %%
def draw(report, at, model, x):
    figure, (left, right) = figures.axes(1, 2, size=(9.6, 3.2))
    for (variant, scores), marker in zip(at.items(), figures.MARKERS, strict=False):
        left.plot(LENGTHS, scores, marker=marker, label=variant)
    left.set(title=TAGS, xlabel="steps", ylabel="test accuracy", xticks=LENGTHS)
    features = model.get_layer("features")(x)
    scores = model.get_layer("block_1")(features, return_attention_scores=True)[1]
    distances = range(-DISTANCE - 1, DISTANCE + 2)
    for head, weights in enumerate(np.asarray(scores).mean(axis=0)):
        means = [np.diagonal(weights, distance).mean() for distance in distances]
        right.plot(distances, means, marker=figures.MARKERS[head], label=f"head {head + 1}")
    right.set(title="where relative heads look", xlabel="distance", ylabel="mean weight")
    for panel in (left, right):
        panel.legend(frameon=False)
    said = "; ".join(f"{v} {', '.join(f'{s:.2f}' for s in scores)}" for v, scores in at.items())
    most = distances[np.sum([line.get_ydata() for line in right.lines], axis=0).argmax()]
    said = f"Accuracy at {LENGTHS} steps: {said}. Relative heads look most at distance {most}."
    report.figure("lengths", figure, said)


# %%
def run(epochs: int = 10, samples: int = 2000, seed: int = 0) -> Report:
    """Compares ways of telling attention the order, on two tasks and at longer lengths.

    Args:
        epochs: Passes over the training data.
        samples: Sequences of each task, in all three parts together.
        seed: Seed of the data and the weights.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    report = Report("relative_positions", metric="accuracy", better="higher")
    at, parts = {}, load(ORDER, samples, seed)
    for variant in ("no positions", "sinusoidal", "relative"):
        _, accuracy = train(report, variant, ORDER, parts, epochs, seed)
        first = variant == "no positions"
        report.add(variant, task=ORDER, seed=seed, baseline=first, accuracy=accuracy)
    parts = load(TAGS, samples, seed)
    for variant in ("learned", "sinusoidal", "relative"):
        model, accuracy = train(report, variant, TAGS, parts, epochs, seed)
        longer = [accuracy_at(model, variant, steps, samples // 4, seed) for steps in LENGTHS[1:]]
        at[variant] = [accuracy, *longer]
        facts = dict(zip(("accuracy", "at_32", "at_64"), at[variant], strict=True))
        report.add(variant, task=TAGS, seed=seed, baseline=variant == "learned", **facts)
    draw(report, at, model, parts[2][0][:50])
    show_trap(report, seed)
    return report


# %% [markdown]
"""
## What to look at

The order of words: without positions there is nothing but guessing. Sines could tell the order, but a
neighbour has to be found through them; a distance is there from the start.

The tags: compare the columns. What was learned for places that training never reached is nothing; what was
learned for the distance of one step holds anywhere.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
