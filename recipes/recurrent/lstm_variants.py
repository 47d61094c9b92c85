# %% [markdown]
"""
# Six gated cells at one size: does it matter which?

LSTM and GRU are two points in a large family: gates tied together, gates that see the memory, a
single gate, cells that a computer search came up with. Here they compete with equally many weights.

**Question.** Which cell is the first to solve a task that needs memory, and how far apart are they
once all have had enough time?

**Use it** when a recurrent network is the right tool and you wonder whether another cell would be
better than the LSTM you have; on sequences of your own with `--data`.

**Do not use it** to look for a big gain: try the learning rate, the width and the way the sequences
are cut first. LSTM and GRU have fast kernels on a GPU, which the other cells lack.

Data: generated sequences of numbers, two of which have to be added, or sequences of your own
Uses: dlnotes.builders.gated_rnn, dlnotes.datasets.adding, dlnotes.datasets.read_sequences, dlnotes.masks.step_weights
Notes: 001:217; 001:249-253; 002:820-821; 002:868-872
Paper: Greff et al. 2017, https://arxiv.org/abs/1503.04069; Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15.html
Covers: lstm_variants
"""

# %%
from pathlib import Path
from typing import Literal

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.report import Report
import keras
import numpy as np

CELLS = ("lstm", "gru", "coupled", "peephole", "minimal")

# %% [markdown]
"""
## One budget for all

At equal width an LSTM has twice the weights of a minimal cell, and would win by its size. So the LSTM
sets the number of weights, and each other cell is made as wide as that allows. MUT1 and MUT2 add their
input to their state, which takes a linear layer in front; it counts as well.
"""

# %%
# columns of kernel and recurrent kernel, and other weights, in multiples of the width
SIZES = {
    "lstm": (4, 4, 4),
    "gru": (3, 3, 6),
    "coupled": (3, 3, 3),
    "peephole": (4, 4, 7),
    "minimal": (2, 2, 2),
    "mut1": (2, 2, 3),
    "mut2": (2, 3, 3),
    "mut3": (3, 3, 3),
}


# %%
def weights(cell, features, units):
    """The number of weights of one layer."""
    kernel, recurrent, others = SIZES[cell]
    projected = cell in ("mut1", "mut2") and features != units
    width = units if projected else features
    return units * (kernel * width + recurrent * units + others + features * projected)


def width(cell, features, units):
    """The units with which a cell has as many weights as an LSTM of `units`."""
    budget = weights("lstm", features, units)
    return min(range(1, 2 * units + 1), key=lambda u: abs(weights(cell, features, u) - budget))


# %% [markdown]
"""
## One network

Targets are numbers, or classes: one for each sequence or each step. The loss is the mean over the real
steps, or over the sequences.
"""


# %%
def facts(parts):
    """What a network has to know of the data."""
    x, y = parts[0]
    classes = y.dtype.kind in "iu"
    outputs = int(1 + max(y.max() for _, y in parts)) if classes else 1
    each_step = classes and y.ndim == 2
    return {
        "features": x.shape[-1],
        "outputs": outputs,
        "classes": classes,
        "each_step": each_step,
    }


def weighted(parts):
    """Inputs, targets and weights of each part; padded steps weigh nothing."""
    each_step = facts(parts)["each_step"]
    for x, y in parts:
        yield x, y, masks.step_weights(x) if each_step else np.ones(len(x), "float32")


def compiled(model, classes, **options):
    kind = keras.losses.SparseCategoricalCrossentropy if classes else keras.losses.MeanSquaredError
    logits = {"from_logits": True} if classes else {}
    loss = kind(reduction="mean_with_sample_weight", **logits)
    metric = "accuracy" if classes else "mse"
    model.compile(keras.optimizers.Adam(0.02), loss, weighted_metrics=[metric], **options)
    return model


def build(cell, units, features, outputs, classes, each_step):
    """A network of one layer with as many weights as an LSTM of `units`, compiled."""
    model = builders.gated_rnn(
        (None, features),
        outputs,
        cell=cell,
        units=width(cell, features, units),
        return_sequences=each_step,
        mask_value=0.0 if classes else None,
    )
    return compiled(model, classes)


# %% [markdown]
"""
## Two traps

Keras' `unit_forget_bias` does not add one to the bias of the forget gate, it *sets* it to one, whatever
the bias initializer says; and it leaves the other gates to that initializer. And the layers of Keras
differ in size at equal units.
"""


# %%
def biases(units, start=0, unit_forget_bias=True):
    """The biases of an LSTM at the start, a row for each gate, the forget gate first."""
    start = keras.initializers.Constant(start)
    cell = keras.layers.LSTMCell(units, bias_initializer=start, unit_forget_bias=unit_forget_bias)
    cell.build((None, 1))
    return np.asarray(cell.bias).reshape(4, units)[[1, 0, 2, 3]]


def show_traps(report, features, units):
    plain, ours = (biases(units, 5, unit_forget_bias=flag)[:, 0] for flag in (True, False))
    report.trap(
        "The biases of an LSTM that shall start at five",
        plain=f"unit_forget_bias, the default: {plain[0]:.0f} for the forget gate, {plain[1]:.0f} for the others",
        ours=f"unit_forget_bias=False: {ours[0]:.0f} for the forget gate, {ours[1]:.0f} for the others",
    )
    equal_units = [weights(cell, features, units) for cell in SIZES]
    widths = [(cell, width(cell, features, units)) for cell in SIZES]
    equal_weights = [weights(cell, features, u) for cell, u in widths]
    report.trap(
        f"Comparing cells at {units} units",
        plain=f"they have from {min(equal_units)} to {max(equal_units)} weights",
        ours=f"at the widths of this recipe, {min(equal_weights)} to {max(equal_weights)}",
    )


# %%
def run(
    epochs: int = 10,
    samples: int = 3000,
    seed: int = 0,
    units: int = 16,
    mutation: Literal[1, 2, 3] = 1,
    data: Path | None = None,
) -> Report:
    """Compares six gated cells with equally many weights.

    Args:
        epochs: Passes over the training data.
        samples: Generated sequences in all three parts together, or at most as many real ones in each.
        seed: Seed of the data, the division and the weights.
        units: Width of the LSTM; the other cells get as many weights.
        mutation: Which of the three cells of the search takes part.
        data: Sequences of your own in place of the numbers, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence or each step).
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(20, samples=samples)
    whole = datasets.read_sequences(data, seed) if data else datasets.adding(samples, 15, seed)
    parts = [(x[:samples], y[:samples]) for x, y in vars(whole).values()]
    known, parts = facts(parts), list(weighted(parts))
    names = ("x", "y", "sample_weight")
    train, test = (dict(zip(names, parts[number], strict=True)) for number in (0, 2))
    metric, better = ("accuracy", "higher") if known["classes"] else ("mse", "lower")
    report = Report("lstm_variants", metric=metric, better=better)
    for cell in (*CELLS, f"mut{mutation}"):
        keras.utils.set_random_seed(seed)
        model = build(cell, units, **known)
        options = {"batch_size": 50, "epochs": epochs, "verbose": 0}
        watch = report.watch(cell, seed=seed)
        model.fit(**train, validation_data=parts[1], callbacks=[watch], **options)
        scores = model.evaluate(**test, verbose=0, return_dict=True)
        counts = {"units": width(cell, known["features"], units), "weights": model.count_params()}
        report.add(cell, seed=seed, baseline=cell == "lstm", **scores, **counts)
    histories = figures.report_histories(report)
    curves = figures.learning_curves(
        histories, logarithmic=True, training=False, title="Validation loss at equal weights"
    )
    report.figure("validation_loss", curves, figures.alternative_text(curves))
    show_traps(report, known["features"], units)
    return report


# %% [markdown]
"""
## What to look at

The curves, more than the table: all cells stand still for a while, at the error of whoever always
answers with the mean, then fall. The cells differ in how long they stand still. Given time enough, the
order in the table is the order in which they happened to stop.

Another seed moves the falls by as much as another cell does. Verdicts over many seeds, with the learning
rate chosen for each cell, stand beside this recipe.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
