# %% [markdown]
"""
# Layouts of a recurrent network: what goes in at each step, and what comes out

One vector to many steps, many steps to one answer, an answer at every step, an answer that starts later:
one network, and what is put before it.

**Question.** How are inputs and targets laid out so that the same stack of GRU layers names a written
digit, writes one, goes on with one, and completes one of which only the upper half is there?

**Use it** when you know what you have and what you want, and need the shapes: captioning and generating
(one to many), classifying (many to one), tagging and the next frame (many to many), translating and
answers that depend on inputs still to come (delayed).

**Do not use it** where the output feeds the next step, as in text that is written word by word: that needs a
decoder with a loop of its own.

Data: 1797 written digits of eight by eight pixels (UCI, with scikit-learn), read row by row
Uses: dlnotes.builders.stacked_rnn, dlnotes.datasets.digit_rows
Notes: 001:195-199, 223, 275; 002:55-61, 789-795, 834-839, 900; 003:119-123
Paper: Karpathy 2015, http://karpathy.github.io/2015/05/21/rnn-effectiveness/
Covers: rnn_patterns
"""

# %%
from dlnotes import builders, cli, datasets, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

ROWS, HALF, CLASSES = 8, 4, 10

# %% [markdown]
"""
## Six layouts

Each is a function from digits and their classes to inputs, targets and a weight for each target.

- one to many, *at every step*: the class as a one-hot vector, again at each of the eight steps; a row comes
  out at each. *At the first step*: the vector once, then zeros, so that the network has to remember it.
- many to one: eight rows in, the last state names the class
- many to many, aligned: at each row the row after it
- halves, aligned: at each upper row the row four further down. The first lower row is asked for when only
  one upper row has been read.
- halves, delayed: the upper rows, then four steps of zeros in which the lower rows come out. What comes out
  while the upper half is read weighs nothing.
"""


# %%
def digits(samples, seed):
    parts = vars(datasets.digit_rows(seed)).values()
    return [datasets.Split(x[:samples, ..., 0], y[:samples]) for x, y in parts]


def class_at_every_step(x, y):
    return np.repeat(np.eye(CLASSES, dtype="float32")[y][:, None], ROWS, axis=1), x


def class_at_the_first_step(x, y):
    classes, _ = class_at_every_step(x, y)
    return classes * (np.arange(ROWS) == 0)[:, None], x


def halves_delayed(x, y):
    late = np.arange(ROWS) >= HALF
    return x * ~late[:, None], x * late[:, None], np.tile(late, (len(x), 1)).astype("float32")


LAYOUTS = {
    "one to many": {
        "vector at every step": class_at_every_step,
        "vector at the first step": class_at_the_first_step,
    },
    "many to one": {"last state": lambda x, y: (x, y)},
    "many to many": {"aligned": lambda x, y: (x[:, :-1], x[:, 1:])},
    "halves": {"aligned": lambda x, y: (x[:, :HALF], x[:, HALF:]), "delayed": halves_delayed},
}

# %% [markdown]
"""
## One network for all of them

A stack of GRU layers (one of them here) and a head that is applied to every step, or to the last state. What
differs is the layout, `return_sequences` and the width of the head.
"""


# %%
def build(x, y, **choices):
    rows = y.ndim == 3
    outputs = ROWS if rows else CLASSES
    model = builders.stacked_rnn((None, x.shape[-1]), outputs, return_sequences=rows, **choices)
    model.compile("adam", "mse" if rows else keras.losses.SparseCategoricalCrossentropy(True))
    return model


def score(answers, y, weight=None):
    """The share of digits named rightly, or the error of the pixels in the rows that count."""
    if y.ndim == 1:
        return {"accuracy": np.mean(answers.argmax(axis=-1) == y)}
    return {"rmse": np.sqrt(np.average(((answers - y) ** 2).mean(axis=-1), weights=weight))}


def train(report, task, variant, parts, units, epochs, seed):
    """Fits one network and returns its answers for the test digits."""
    known, validation, test = (LAYOUTS[task][variant](*part) for part in parts)
    keras.utils.set_random_seed(seed)
    model = build(*known[:2], cell="gru", units=units)
    model.optimizer.learning_rate = 0.01
    options = {"batch_size": max(1, len(known[0]) // 20), "epochs": epochs, "verbose": 0}
    options |= dict(zip(("x", "y", "sample_weight"), known, strict=False))
    watch = report.watch(variant, task=task, seed=seed)
    model.fit(validation_data=validation, callbacks=[watch], **options)
    answers = model.predict(test[0], verbose=0)
    label = {"task": task, "seed": seed, "weights": model.count_params()}
    report.add(variant, **label, **score(answers, *test[1:]))
    return answers


# %% [markdown]
"""
## What needs no network

The mean of all training digits, or of those of the class; the class whose mean is nearest; the same row
once more. The mean of its class is the best that can be written from a class alone.
"""


# %%
def add_baselines(report, train, test, seed):
    means = np.array([train.x[train.y == digit].mean(axis=0) for digit in range(CLASSES)])
    distances = ((test.x[:, None] - means) ** 2).sum(axis=(2, 3))
    everywhere = np.broadcast_to(train.x.mean(axis=0), test.x.shape)
    for task, variant, answers in (
        ("one to many", "mean digit", everywhere),
        ("one to many", "mean of the class", means[test.y]),
        ("many to one", "nearest mean", -distances),
        ("many to many", "the same row again", test.x[:, :-1]),
        ("halves", "mean lower half", everywhere[:, HALF:]),
    ):
        _, *wanted = next(iter(LAYOUTS[task].values()))(*test)
        label = {"task": task, "seed": seed, "baseline": variant != "mean of the class"}
        report.add(variant, **label, **score(answers, *wanted))


# %% [markdown]
"""
## Two traps

Without `return_sequences` there is one answer, and Keras compares it with the targets of all steps without a
word: the loss falls, and the network learns the mean. And the steps of zeros in which a delayed answer is
written look like padding to a mask.
"""


# %%
def show_traps(report, x, seed):
    y = x.mean(axis=-1, keepdims=True)
    model = builders.stacked_rnn((ROWS, ROWS), 1)
    model.compile("sgd", "mse")
    model.evaluate(x, y, verbose=0)
    report.trap(
        "One number for each row is wanted",
        plain=f"return_sequences=False: {model.output_shape[1:]} is judged by {y.shape[1:]}",
        ours=f"return_sequences=True: {y.shape[1:]}",
    )
    moved = []
    for value in (0.0, None):
        keras.utils.set_random_seed(seed)
        options = {"return_sequences": True, "mask_value": value}
        rows = builders.stacked_rnn((ROWS, ROWS), ROWS, **options)(halves_delayed(x, None)[0])
        moved.append(np.abs(np.diff(rows[:, HALF:], axis=1)).max())
    report.trap(
        "Four rows are written while zeros are read",
        plain=f"with mask_value=0.0 they differ by up to {moved[0]:.2g}",
        ours=f"with mask_value=None by up to {moved[1]:.2g}",
    )


# %%
def draw(report, x, y, answers):
    first = [np.argmax(y == digit) for digit in range(CLASSES)]
    upper, blank = x[:, :HALF], np.zeros_like(x[:, :1])
    lines = {
        "written by hand": x,
        "from its class": answers["one to many", "vector at every step"],
        "row after row": np.hstack([blank, answers["many to many", "aligned"]]),
        "lower half, aligned": np.hstack([upper, answers["halves", "aligned"]]),
        "lower half, delayed": np.hstack([upper, answers["halves", "delayed"][:, HALF:]]),
    }
    figure, axis = figures.axes(size=(8, 3.2), subplot_kw={"anchor": "E"})
    framed = [np.pad(line[first], ((0, 0), (1, 1), (1, 1))) for line in lines.values()]
    axis.imshow(np.vstack([*map(np.hstack, framed)]), cmap="gray_r", vmin=0, vmax=1, zorder=3)
    axis.set(xticks=[], yticks=ROWS / 2 + (ROWS + 2) * np.arange(len(lines)), yticklabels=lines)
    found = {r["variant"]: r["metrics"]["rmse"] for r in report.rows if r["task"] == "halves"}
    said = ", ".join(f"{variant} {error:.2f}" for variant, error in found.items())
    report.figure(
        "digits", figure, f"Ten digits: {', '.join(lines)}. Error of the lower half: {said}."
    )


# %%
def run(epochs: int = 12, samples: int = 1078, seed: int = 0, units: int = 64) -> Report:
    """Lays written digits out in six ways for the same network.

    Args:
        epochs: Passes over the training digits.
        samples: Digits in each part, at most.
        seed: Seed of the division and the weights.
        units: Width of the recurrent layer.
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(50, samples=samples)
    parts = digits(samples, seed)
    metric = dict.fromkeys(LAYOUTS, "rmse") | {"many to one": "accuracy"}
    better = dict.fromkeys(LAYOUTS, "lower") | {"many to one": "higher"}
    report = Report("rnn_patterns", metric=metric, better=better)
    add_baselines(report, parts[0], parts[2], seed)
    answers = {
        (task, variant): train(report, task, variant, parts, units, epochs, seed)
        for task, layouts in LAYOUTS.items()
        for variant in layouts
    }
    draw(report, *parts[2], answers)
    show_traps(report, parts[2].x, seed)
    return report


# %% [markdown]
"""
## What to look at

The second line of the picture shows ten digits that nobody wrote, close to the means of their classes: a
network that is asked for one answer to a question with many answers gives their mean.

Compare the last two lines. The aligned answer has to begin before its question has been read to the end; the
delayed one begins four steps later, with all that it needs.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
