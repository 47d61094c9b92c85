# %% [markdown]
"""
# Normalisation inside a recurrence: by layer, by step, or of the inputs alone

Batch normalisation wants many rows that look alike. A recurrent network shows it the same units at every
step, and they look different at each: at the beginning of a sequence there is no state at all.

**Question.** Which normalisation makes an LSTM learn sooner: none, batch normalisation of its inputs,
batch normalisation inside with statistics for each step, or layer normalisation?

**Use it** when a recurrent network learns slowly or only at a learning rate that you had to search for.
Batch normalisation of the inputs is one line of plain Keras, so try it first; layer normalisation needs no
statistics and treats every row by itself, so it is the one for small batches and streams.

**Do not use it** where speed on a GPU counts more than steps: only the layers without a normalisation
inside have a fast kernel there. And not layer normalisation on a single feature whose size matters,
unless a constant stands beside it (below).

Data: generated sequences of numbers, two of which have to be added
Uses: dlnotes.builders.normalized_rnn, dlnotes.layers.LayerNormGRUCell, dlnotes.datasets.adding, dlnotes.masks.step_mask
Notes: 001:201; 001:249; 002:188-195; 002:202; 002:316; 002:799; 002:868; 002:1137
Paper: Ba et al. 2016, https://arxiv.org/abs/1607.06450; Cooijmans et al. 2017, https://arxiv.org/abs/1603.09025; Laurent et al. 2016, https://arxiv.org/abs/1510.01378
Covers: rnn_norm
"""

# %%
from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.layers import LayerNormGRUCell
from dlnotes.report import Report
import keras
import numpy as np

KINDS = {
    "LSTM": ("lstm", None),
    "LSTM, inputs": ("lstm", "inputs"),
    "LSTM, steps": ("lstm", "steps"),
    "LSTM, layer": ("lstm", "layer"),
    "GRU": ("gru", None),
    "GRU, layer": ("gru", "layer"),
}

# %% [markdown]
"""
## The networks

All with the same units, optimizer and learning rate. The normalisations add gains and shifts, few weights
beside the others.
"""


# %%
def build(kind, shape, units):
    cell, normalization = KINDS[kind]
    model = builders.normalized_rnn(shape, 1, cell=cell, normalization=normalization, units=units)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


# %% [markdown]
"""
## Two traps

Layer normalisation forgets the scale of what it normalises. Of a series with one feature, `x W` keeps a
direction and a length; the length goes, so of every number the sign is left. A constant feature beside
it, which is a bias inside the normalisation, keeps the number. The builder puts one there.

Batch normalisation counts the padding among its rows, unless it is told which steps are real.
"""


# %%
def show_traps(report, seed):
    random = np.random.default_rng(seed)
    x = random.uniform(0.5, 1, size=(50, 8, 1)).astype("float32")
    keras.utils.set_random_seed(seed)
    bare = keras.layers.RNN(LayerNormGRUCell(16))
    ours = builders.normalized_rnn((8, 1), 1, units=16).get_layer("recurrent_1")
    beside = np.concatenate([x, np.ones_like(x)], axis=-1)
    spreads = [
        np.asarray(layer(seen)).std(axis=0).mean() for layer, seen in ((bare, x), (ours, beside))
    ]
    report.trap(
        "Fifty series of positive numbers in a cell with layer normalisation",
        plain=f"one feature: the last states of a unit spread by {spreads[0]:.1g}",
        ours=f"with a constant feature beside it, by {spreads[1]:.1g}",
    )
    padded = np.pad(x, ((0, 0), (0, 8), (0, 0)))
    means = []
    for mask in (None, masks.step_mask(padded)):
        normalize = keras.layers.BatchNormalization(momentum=0.0)
        normalize(padded, mask=mask, training=True)
        means.append(float(normalize.moving_mean[0]))
    report.trap(
        f"Batch normalisation of series of mean {x.mean():.2f}, half of each padded",
        plain=f"without a mask it finds a mean of {means[0]:.2f}",
        ours=f"with mask=, as the builder calls it, {means[1]:.2f}",
    )


# %% [markdown]
"""
## Statistics for each step

On the right of the picture: how far the weighted state `h U` spreads over the sequences at each step, as
the moving statistics have it after training. One set of statistics for all steps would have to call all of
these the same.
"""


# %%
def draw(report, model):
    units = model.get_layer("recurrent_1").units
    variance = np.asarray(model.get_layer("recurrent_1").moving_variance)
    spread = np.sqrt(variance[:, 4 * units : 8 * units]).mean(axis=1)
    figure, (left, right) = figures.axes(1, 2, size=(8.6, 3.2))
    for kind, runs in figures.report_histories(report).items():
        left.plot(np.arange(1, 1 + len(runs[0]["loss"])), runs[0]["val_loss"], label=kind)
    left.set(yscale="log", xlabel="epoch", ylabel="validation loss", title="Loss")
    left.legend(frameon=False, fontsize=8)
    right.plot(np.arange(1, 1 + len(spread)), spread, marker="o")
    right.set(xlabel="step", ylabel="standard deviation", title="Spread of the weighted state")
    scores = "; ".join(f"{row['variant']}: {row['metrics']['mse']:.2g}" for row in report.rows)
    alt = f"Validation loss over the epochs, and the spread of the weighted state over the steps, from {spread[0]:.2g} at the first to {spread[-1]:.2g} at the last. Test errors: {scores}."
    report.figure("loss_and_statistics", figure, alt)


# %%
def run(
    epochs: int = 8, samples: int = 2000, seed: int = 0, units: int = 16, steps: int = 15
) -> Report:
    """Compares four ways to normalise an LSTM, and two for a GRU.

    Args:
        epochs: Passes over the training data.
        samples: Generated sequences in all three parts together.
        seed: Seed of the data and the weights.
        units: Width of the recurrent layer.
        steps: Steps of each sequence: the more, the harder.
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(2, steps=steps)
    errors.check_at_least(20, samples=samples)
    data = datasets.adding(samples, steps, seed)
    report = Report("rnn_norm", metric="mse", better="lower")
    for kind in KINDS:
        keras.utils.set_random_seed(seed)
        model = build(kind, data.train.x.shape[1:], units)
        options = {"batch_size": 50, "epochs": epochs, "verbose": 0}
        watch = report.watch(kind, seed=seed)
        model.fit(*data.train, validation_data=data.validation, callbacks=[watch], **options)
        error = model.evaluate(*data.test, verbose=0)
        report.add(
            kind, seed=seed, baseline=kind == "LSTM", mse=error, weights=model.count_params()
        )
        if kind == "LSTM, steps":
            by_step = model
    draw(report, by_step)
    show_traps(report, seed)
    return report


# %% [markdown]
"""
## What to look at

When a curve falls, more than where it ends: normalisation is about speed. Then compare with the GRU, for
which nothing had to be normalised. All curves share one learning rate, which suits some more than others;
the verdicts beside this recipe choose one for each.

Left out is streaming normalisation (Liao et al. 2016), which collects statistics over past steps *and* past
batches, with gradients through what it has collected. Keras' `fit` hands no gradient from batch to batch,
so it would take a training loop of its own; for single rows layer normalisation does the job.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
