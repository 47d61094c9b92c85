# %% [markdown]
"""
# Knowing by heart: a large memory that is found by the halves of a key

A network that has to know many facts needs many weights. Here most of them lie in a memory of which every
question reads a few values.

**Question.** Thousands of facts about people, each known by a first and a last name together. What remembers
more of them, two more Transformer blocks or one memory? How much of the memory is used?

**Use it** where much has to be known that follows from nothing else: names, codes, rare words, what belongs to
whom.

**Do not use it** where there is a rule to be learned (the memory learns the examples instead), where facts change
(look them up in a table), or to save memory: every value is a weight, with its moments in the optimizer.

Data: generated facts about people, worded in different ways
Uses: dlnotes.builders.memory_transformer, dlnotes.builders.transformer
Notes: 002:1508
Paper: Lample et al. 2019, https://arxiv.org/abs/1907.05242
Covers: product_key_memory
"""

# %%
from dlnotes import builders, cli, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

BASELINE, MEMORY = "two blocks", "two blocks and a memory"
VARIANTS = (BASELINE, "four blocks", MEMORY)
NAMES, TOWNS, FILLERS, STEPS = 64, 32, 20, 6

# %% [markdown]
"""
## Facts and wordings

Each person is a first and a last name out of few, so that neither of them tells anything alone, and has a town of
birth that follows from nothing. A sentence names the person, with other words before, between and behind. The
network has read every fact in some wordings, and is asked for it in one that it has never seen.
"""


# %%
def facts(samples, seed):
    """First and last names of people, no two alike, and their towns."""
    random = np.random.default_rng(seed)
    people = random.choice(NAMES**2, samples, replace=False)
    return people // NAMES, people % NAMES, random.integers(TOWNS, size=samples)


def worded(first, last, seed):
    """Sentences of tokens: 1 to 20 are other words, then come first names, then last names."""
    random = np.random.default_rng(seed)
    rows = np.arange(len(first))[:, None]
    sentences = random.integers(1, 1 + FILLERS, size=(len(first), STEPS))
    places = np.sort(random.permuted(np.tile(np.arange(STEPS), (len(first), 1)), axis=1)[:, :2])
    names = np.stack([first, last + NAMES], axis=1) + 1 + FILLERS
    sentences[rows, places] = names
    return sentences


def build(variant, units=16, keys=32):
    """One network, compiled."""
    shape, options = (STEPS,), {"vocabulary": 1 + FILLERS + 2 * NAMES, "units": units}
    options |= {"layers": 4 if variant == "four blocks" else 2, "dropout": 0.0}
    if variant == MEMORY:
        model = builders.memory_transformer(shape, TOWNS, keys=keys, **options)
    else:
        model = builders.transformer(shape, TOWNS, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


# %% [markdown]
"""
## What is read

Each key is a pair of half keys, so the values lie on a square: the row is the first half, the column the second.
The best pairs are among the pairs of the best halves, which is why a few comparisons find them among all.
"""


# %%
def reads(model, x):
    """How often each value is read, on the square of the two half keys, by the weights of reading."""
    memory = model.get_layer("memory")
    looking = keras.Model(model.input, memory.input)
    _, places, weights = memory(looking.predict(x, verbose=0), return_places=True)
    share = np.bincount(np.ravel(places), np.ravel(weights), minlength=memory.keys**2)
    return (share / share.sum()).reshape(memory.keys, memory.keys)


def draw(report, square):
    figure, (left, right) = figures.axes(1, 2, size=(9.6, 3.4))
    said = []
    for variant, (history,) in figures.report_histories(report).items():
        accuracy = history["val_accuracy"]
        left.plot(range(1, len(accuracy) + 1), accuracy, label=variant)
        said.append(f"{variant} from {accuracy[0]:.2f} to {accuracy[-1]:.2f}")
    left.set(title="facts remembered", xlabel="epoch", ylabel="validation accuracy")
    left.legend(frameon=False)
    picture = right.imshow(np.log10(square + 1e-6), cmap="Blues")
    figure.colorbar(picture, ax=right, label="share of reading, power of ten")
    right.grid(False)
    right.set(title="the memory", xlabel="second half", ylabel="first half")
    said.append(f"{(square > 0).mean():.0%} of the values are read")
    report.figure("memory", figure, f"Facts remembered: {'; '.join(said)}.")


# %%
def run(epochs: int = 12, samples: int = 1000, seed: int = 0, keys: int = 32) -> Report:
    """Compares two blocks, four blocks, and two blocks with a memory, on facts to be known by heart.

    Args:
        epochs: Passes over the facts, in four wordings each.
        samples: Facts, at most 4096.
        seed: Seed of the facts, the wordings and the weights.
        keys: Half keys in each table of the memory, which has the square of that many values.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    if samples > NAMES**2:
        raise errors.InputError(f"`samples` is {samples}, but there are {NAMES**2} people.")
    report = Report("product_key_memory", metric="accuracy", better="higher")
    first, last, towns = facts(samples, seed)
    train = np.concatenate([worded(first, last, [seed, wording]) for wording in range(4)])
    validation, test = (worded(first, last, [seed, wording]) for wording in (4, 5))
    for variant in VARIANTS:
        keras.utils.set_random_seed(seed)
        model = build(variant, keys=keys)
        options = {"validation_data": (validation, towns), "validation_batch_size": 500}
        options |= {"callbacks": [report.watch(variant, seed=seed)], "verbose": 0}
        model.fit(train, np.tile(towns, 4), 50, epochs, **options)
        score = model.evaluate(test, towns, 500, 0, return_dict=True)
        row = {"seed": seed, "baseline": variant == BASELINE, "weights": model.count_params()}
        report.add(variant, **score, **row)
    square = reads(model, test)
    draw(report, square)
    return report


# %% [markdown]
"""
## What to look at

The curves: compare the memory with the two blocks that it was added to, and not only with four. Depth takes longer
to train, and what a memory gains over four blocks may be no more than what two blocks gain.

The square: dark rows and columns are half keys that many questions agree on; white cells are values that nothing
reads. A memory much larger than the facts is not filled, and one that is too small mixes them up: try `--keys 8`
and `--keys 64`.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
