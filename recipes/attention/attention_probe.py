# %% [markdown]
"""
# What heads look at: four patterns, and the syntax they are said to know

A small network learns to fill in masked words. Then its attention weights are read, head by head.

**Question.** Do heads look at the next word, the one before, the same word again, or the mark that begins
the sentence, more than chance has it? And does a head find the word that another one depends on better
than a rule that always looks the same number of words away?

**Use it** to see what a head does before you explain a network by it, and to find heads that do nothing.

**Do not use it** as proof of what the network knows: a head that looks somewhere need not use what it sees,
and the best of many heads looks good by choice alone. Choose on one part, score on another, and put a rule
without any network beside it.

Data: sentences of a small generated language whose dependencies are known
Uses: dlnotes.attention.attention_scores, dlnotes.builders.transformer, dlnotes.datasets.grammar
Notes: 002:1253, 1493-1495, 1561-1563, 1608
Paper: Clark et al. 2019, https://arxiv.org/abs/1906.04341
Covers: attention_probe
"""

# %%
from dlnotes import attention, builders, cli, datasets, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

WORDS = datasets.grammar_words()
MASK, MARK = len(WORDS), 1
TASKS = {
    "patterns": ("next", "previous", "identical", "delimiter"),
    "syntax": datasets.grammar_relations()[1:],
}
STEPS = 12

# %% [markdown]
"""
## Filling in words

One word in five is hidden, anew in each epoch; the network says which one it was, from both sides. Two
blocks of four heads, with distances between words.
"""


# %%
def masked(x, seed):
    """Sentences with hidden words, the whole ones, and a weight of one where a word is hidden."""
    hidden = (np.random.default_rng(seed).random(x.shape) < 0.2) & (x > MARK)
    return np.where(hidden, MASK, x), x, hidden.astype("float32")


def build(units):
    options = {"vocabulary": MASK + 1, "return_sequences": True, "units": units, "layers": 2}
    options |= {"positions": "relative", "max_distance": 4, "dropout": 0.0}
    model = builders.transformer((STEPS,), len(WORDS), **options)
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.005), loss, weighted_metrics=["accuracy"])
    return model


# %% [markdown]
"""
## Four patterns

Weights are counted where a word has such a place to look at. The same weights in random order would put on
it what its share of the sentence is.
"""


# %%
def patterns(x):
    """For each pattern, which words (last axis) count for each word."""
    real, one = x != 0, np.eye(STEPS, dtype=bool)
    both = real[:, :, None] & real[:, None]
    next_one, last_one = (np.eye(STEPS, k=k, dtype=bool) for k in (1, -1))
    same, delimiter = (x[:, :, None] == x[:, None]) & ~one, (x == MARK)[:, None] & ~one
    wanted = (next_one, last_one, same, delimiter)
    return {name: both & these for name, these in zip(TASKS["patterns"], wanted, strict=True)}


def weight_on(pattern, scores):
    """The mean weight that each head puts on a pattern, over the words that have one."""
    here = pattern.any(axis=-1)
    return (scores * pattern[:, None]).sum(axis=-1).transpose(0, 2, 1)[here].mean(axis=0)


def in_random_order(pattern, x):
    """What the same weights put on it in random order, on average."""
    share = pattern.sum(axis=-1) / np.count_nonzero(x, axis=1)[:, None]
    return share[pattern.any(axis=-1)].mean(keepdims=True)


# %% [markdown]
"""
## Nine relations

A head finds a dependency if the word gives the word that it depends on its highest weight, or the other
way round. The rule to beat looks a fixed number of words to the left or right.
"""


# %%
def found_by_heads(scores, rows, words, heads):
    """For each head, how often its highest weight is on the right word, in both directions."""
    highest = scores.argmax(axis=-1)
    forth = (highest[rows, :, words] == heads[:, None]).mean(axis=0)
    back = (highest[rows, :, heads] == words[:, None]).mean(axis=0)
    return np.concatenate([forth, back])


def read(model, samples, seed, part):
    """What each head, and what chance or each fixed distance, reaches on one part of the data."""
    x, heads = getattr(datasets.grammar(samples, STEPS, "heads", seed), part)
    relations = getattr(datasets.grammar(samples, STEPS, "relations", seed), part).y
    scores = np.concatenate(attention.attention_scores(model, x, batch_size=500), axis=1)
    found = {
        name: (weight_on(pattern, scores), in_random_order(pattern, x))
        for name, pattern in patterns(x).items()
    }
    for number, name in enumerate(TASKS["syntax"], start=1):
        rows, words = np.nonzero(relations == number)
        there = heads[rows, words]
        fixed = [(there - words == distance).mean() for distance in range(-STEPS, STEPS)]
        found[name] = found_by_heads(scores, rows, words, there), np.array(fixed)
    return found


def probe(model, samples, seed):
    """Test scores of the heads and of the rules that are best on validation data, and of all."""
    choices, tests = (read(model, samples, seed, part) for part in ("validation", "test"))
    best = {}
    for name, both in tests.items():
        places = [values.argmax() for values in choices[name]]
        best[name] = [float(values[at]) for values, at in zip(both, places, strict=True)]
    return best, tests


# %%
def draw(report, best, tests):
    figure, (left, right) = figures.axes(1, 2, size=(10, 3.4))
    grid = np.array([tests[name][0] for name in TASKS["patterns"]])
    picture = left.imshow(grid, cmap="Blues", vmin=0, aspect="auto")
    figure.colorbar(picture, ax=left)
    left.grid(False)
    left.set_yticks(range(len(grid)), TASKS["patterns"])
    left.set_xticks(range(8), [f"{block}.{head}" for block in (1, 2) for head in range(1, 5)])
    left.set(title="weight on four patterns", xlabel="block and head")
    for number, label in enumerate(("best head", "best fixed distance")):
        shares = [best[name][number] for name in TASKS["syntax"]]
        right.plot(shares, TASKS["syntax"], figures.MARKERS[number], label=label)
    right.set(title="dependencies found", xlabel="test accuracy")
    right.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    said = [f"{name} {head:.2f} against {rule:.2f}" for name, (head, rule) in best.items()]
    report.figure("heads", figure, f"The best head against chance or rule: {', '.join(said)}.")


# %%
def run(epochs: int = 20, samples: int = 2000, seed: int = 0, units: int = 32) -> Report:
    """Trains a network to fill in words and reads its attention.

    Args:
        epochs: Passes over the training sentences, with new hidden words in each.
        samples: Sentences in all three parts together.
        seed: Seed of the sentences, the hidden words and the weights.
        units: Width of the network, a multiple of its four heads.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(100, samples=samples)
    metrics = {"masked words": "accuracy"} | dict.fromkeys(TASKS, "mean")
    report = Report("attention_probe", metric=metrics, better="higher")
    data = datasets.grammar(samples, STEPS, seed=seed)
    keras.utils.set_random_seed(seed)
    model = build(units)
    untrained, _ = probe(model, samples, seed)
    for epoch in range(epochs):
        x, y, weight = masked(data.train.x, [seed, epoch])
        watch = report.watch("heads", task="masked words", seed=seed)
        model.fit(x, y, 30, sample_weight=weight, verbose=0, callbacks=[watch])
    x, y, weight = masked(data.test.x, [seed, epochs])
    guess = np.average(y == np.bincount(data.train.x[data.train.x > MARK]).argmax(), weights=weight)
    accuracy = model.evaluate(x, y, 500, 0, sample_weight=weight)[1]
    for variant, score in {"the commonest word": guess, "heads": accuracy}.items():
        options = {"seed": seed, "baseline": variant != "heads", "accuracy": score}
        report.add(variant, task="masked words", **options)
    best, tests = probe(model, samples, seed)
    for task, rule in {"patterns": "in random order", "syntax": "fixed distance"}.items():
        for variant, found in {rule: best, "untrained heads": untrained, "heads": best}.items():
            values = {name: found[name][variant == rule] for name in TASKS[task]}
            options = {"seed": seed, "baseline": variant == rule}
            report.add(variant, task=task, mean=np.mean(list(values.values())), **options, **values)
    draw(report, best, tests)
    return report


# %% [markdown]
"""
## What to look at

The heat map: a dark cell is a head with a pattern of its own. Compare the rows of the table with those of
the untrained heads: what is there before training is no discovery.

The relations: where two words stand side by side, a fixed distance finds all there is to find. A head is
worth a remark only where it does better than that.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
