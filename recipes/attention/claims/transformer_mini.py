# %% [markdown]
"""
# What the notes say about Transformers

One block and one LSTM with as many weights learn the same two tasks on the same batches, in turns and in
one process, so that a busy machine slows both down.
"""

# %%
import importlib
import time

from dlnotes import claims, datasets
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
CHUNKS, STEPS, ROWS = 5, {"recall": 40, "grammar": 30}, 30
RATES = (0.01, 0.03)


# %% [markdown]
"""
## Who is there first?

After each fifth of the steps both are scored on validation data: the share of first symbols that are
named, or of main verbs whose right form is preferred. Steps to ninety per cent are read from the line
through these scores, and are all the steps there were for a network that never got there; so a ratio
against such a network is an upper bound. The time of a step is the median over the fifths. Each network
has the learning rate with which it gets there first, or else has the lower validation loss.
"""


# %%
@reuse
def network(variant, task):
    return STORY.build(variant, task == "grammar", 16)


def scored(task, seed):
    """Parts of a task, and a function from a model and a part's number to its score."""
    samples = 1000
    if task == "recall":
        parts = STORY.weighted(datasets.recall(samples, 64, seed=seed))
        return parts, lambda model, part: first_symbols(model, *parts[part][:2])
    parts = STORY.weighted(datasets.grammar(samples, seed=seed))
    names = ("train", "validation", "test")
    places = [STORY.verbs(samples, seed, name)[:2] for name in names]
    return parts, lambda model, part: right_verbs(model, parts[part][0], *places[part])


def first_symbols(model, x, y):
    return float((np.asarray(model(x)).argmax(axis=-1) == y).mean())


def right_verbs(model, x, place, form):
    return float(STORY.agrees(model, x, place, form).mean())


def race(task, seed, rate):
    """Trains both in turns; by variant, what it is judged by and what was measured."""
    parts, score = scored(task, seed)
    models = {variant: network(seed, variant, task) for variant in STORY.VARIANTS}
    times, scores = ({variant: [] for variant in models} for _ in range(2))
    for chunk in range(CHUNKS):
        rows = (np.arange(STEPS[task] * ROWS) + chunk * STEPS[task] * ROWS) % len(parts[0][0])
        x, y, weight = (array[rows] for array in parts[0])
        for variant, model in models.items():
            model.optimizer.learning_rate = rate
            start = time.perf_counter()
            model.fit(x, y, ROWS, shuffle=False, verbose=0, sample_weight=weight)
            times[variant].append(time.perf_counter() - start)
            scores[variant].append(score(model, 1))
    x, y, weight = parts[1]
    outcomes = {}
    for variant, model in models.items():
        steps = steps_until(scores[variant], STEPS[task])
        loss = model.evaluate(x, y, 500, 0, sample_weight=weight)[0]
        seconds = float(np.median(times[variant])) / STEPS[task]
        found = {"steps": steps, "seconds": seconds, "score": score(model, 2)}
        outcomes[variant] = (steps, loss), found
    return outcomes


def steps_until(scores, every, enough=0.9):
    """Steps to a score, on the line through the scores so far; all of them if never reached."""
    best = np.maximum.accumulate([0, *scores])
    return float(np.interp(enough, best, every * np.arange(len(best))))


@claims.experiment
def races(seed):
    numbers = {}
    for task in STEPS:
        outcomes = {rate: race(task, seed, rate) for rate in RATES}
        for variant in STORY.VARIANTS:
            found = claims.tuned(lambda rate: outcomes[rate][variant], RATES)  # noqa: B023
            numbers |= {f"{name}, {variant}, {task}": value for name, value in found.items()}
    return numbers


@claims.empirical(
    "transformer-faster-better",
    "A Transformer is trained in less time than a recurrent network, and is more accurate.",
    where="002:1222, 1452",
    runs=races,
)
def faster_and_better(numbers):
    for task in STEPS:
        lstm, block = (
            {name: numbers[f"{name}, {variant}, {task}"] for name in ("steps", "seconds", "score")}
            for variant in STORY.VARIANTS
        )
        ratio = block["steps"] * block["seconds"] / (lstm["steps"] * lstm["seconds"])
        yield claims.below(f"time to 90 %, over that of the LSTM, {task}", ratio, 0.5)
        yield claims.superior(f"score gained, {task}", block["score"] - lstm["score"])


# %% [markdown]
"""
## What is wrong or out of date
"""


# %%
@claims.outdated(
    31,
    was="Instance and layer normalisation, self-attention, weight normalisation and RBF layers come from keras-contrib and other packages.",
    now="LayerNormalization, GroupNormalization (groups=-1 is instance normalisation), RMSNormalization, SpectralNormalization, UnitNormalization, Attention, AdditiveAttention, MultiHeadAttention and GroupQueryAttention are built in; weight normalisation and RBF want a layer of one's own.",
    where="002:184-187, 613, 1478, 1485-1486",
)
def layers_are_built_in():
    yield claims.raises(
        "keras_contrib", ImportError, lambda: importlib.import_module("keras_contrib")
    )
    names = "LayerNormalization GroupNormalization RMSNormalization SpectralNormalization UnitNormalization Attention AdditiveAttention MultiHeadAttention GroupQueryAttention"
    for name in names.split():
        yield claims.fact(f"keras.layers.{name}", hasattr(keras.layers, name))
    for name in ("WeightNormalization", "RBF"):
        yield claims.fact(f"no keras.layers.{name}", not hasattr(keras.layers, name))
    x = np.random.default_rng(0).normal(1, 1, size=(2, 5, 6)).astype("float32")

    def normal(axis):
        spread = np.sqrt(x.var(axis=axis, keepdims=True) + 1e-3)
        return (x - x.mean(axis=axis, keepdims=True)) / spread

    instance = keras.layers.GroupNormalization(groups=-1)
    yield claims.equal("groups=-1, and each channel of each row", instance(x), normal(1))
    yield claims.equal("layer normalisation", keras.layers.LayerNormalization()(x), normal(-1))
    weights = np.exp(x @ x.transpose(0, 2, 1))
    context = weights / weights.sum(axis=-1, keepdims=True) @ x
    yield claims.equal("self-attention", keras.layers.Attention()([x, x]), context, 1e-4)
