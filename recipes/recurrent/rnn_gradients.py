# %% [markdown]
"""
# How far back a recurrent network learns: vanishing, exploding, clipping, NaN

Each step back in time multiplies the gradient once more: below one it vanishes, above one it explodes.

**Question.** How much of the gradient reaches the first step in a plain, a GRU and an LSTM layer, does that
tell what they can learn to remember, and does clipping cure what explodes?

**Use it** when a network ignores what happened long ago, or when its loss jumps or becomes NaN.

**Do not use it** as a verdict on a layer before training: a gradient that is small at the start may grow as
the gates learn.

Data: generated sequences whose first symbol has to be told at the end; generated pairs of numbers to add
Uses: dlnotes.gradients.gradient_by_step, dlnotes.gradients.gradient_norms, dlnotes.gradients.first_not_finite, dlnotes.datasets.recall, dlnotes.datasets.adding, dlnotes.masks.step_mask
Notes: 000:15-17; 001:199; 002:62-63, 796-797, 1151
Paper: Pascanu, Mikolov and Bengio 2013, https://arxiv.org/abs/1211.5063
Covers: rnn_gradients
"""

# %%
from dlnotes import cli, datasets, errors, figures, masks
from dlnotes.gradients import first_not_finite, gradient_by_step, gradient_norms
from dlnotes.report import Report
import keras
import numpy as np

SYMBOLS, LONG, GAIN, CLOSED = 4, 50, 1.75, "LSTM without forget bias"
CELLS = {
    "SimpleRNN": keras.layers.SimpleRNN,
    "GRU": keras.layers.GRU,
    "LSTM": keras.layers.LSTM,
    CLOSED: lambda units: keras.layers.LSTM(units, unit_forget_bias=False),
}

# %% [markdown]
"""
## Remembering the first symbol

The symbol comes at the first step, all others distract. `lengths mixed` learns from the same number of
sequences of the same longest length, but a third of them are short and a third of medium length, so that
there is something to learn from before the gradient reaches all the way back.
"""


# %%
def build(cell, units=24):
    inputs = keras.Input((None, SYMBOLS + 1))
    state = CELLS[cell](units)(inputs, mask=masks.step_mask(inputs))
    model = keras.Model(inputs, keras.layers.Dense(SYMBOLS)(state))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0), loss, metrics=["accuracy"])
    return model


def sequences(samples, steps, seed, lengths):
    """Three parts; the training part has sequences of several lengths, padded at the end."""
    whole = datasets.recall(samples, steps, symbols=SYMBOLS, seed=seed)
    x, y = np.zeros_like(whole.train.x), np.zeros_like(whole.train.y)
    for number, length in enumerate(lengths):
        part = datasets.recall(samples, length, symbols=SYMBOLS, seed=seed).train
        rows = slice(number, None, len(lengths))
        x[rows, :length], y[rows] = part.x[rows], part.y[rows]
    return datasets.Dataset(datasets.Split(x, y), whole.validation, whole.test)


def orders(norms):
    """By how many orders of magnitude the first step's gradient differs from the last one's."""
    return np.log10(max(norms[0] / norms[-1], 1e-30))


def compare_cells(report, samples, steps, epochs, seed):
    """Trains each cell; returns the gradient by step before and after."""
    long, gradients = datasets.recall(200, LONG, symbols=SYMBOLS, seed=seed).train, {}
    mixed = sorted({max(1, steps // 6), max(1, steps // 2), steps})
    arms = {"SimpleRNN": [steps], "GRU": [steps], "LSTM": [steps], "LSTM, lengths mixed": mixed}
    for variant, lengths in arms.items():
        data = sequences(samples, steps, seed, lengths)
        keras.utils.set_random_seed(seed)
        model = build(variant.partition(",")[0])
        gradients[variant] = [gradient_by_step(model, *long)]
        fit = {"batch_size": 100, "epochs": epochs, "verbose": 0}
        watch = report.watch(variant, task="recall", seed=seed)
        model.fit(*data.train, validation_data=data.validation, callbacks=[watch], **fit)
        gradients[variant].append(gradient_by_step(model, *long))
        accuracy = model.evaluate(*data.test, batch_size=500, verbose=0)[1]
        before, after = map(orders, gradients[variant])
        scores = {"accuracy": accuracy, "orders before": before, "orders after": after}
        report.add(variant, task="recall", seed=seed, baseline=variant == "SimpleRNN", **scores)
    keras.utils.set_random_seed(seed)
    return gradients | {CLOSED: [gradient_by_step(build(CLOSED), *long)]}


# %% [markdown]
"""
## What explodes

A layer without a bound on its states, whose weights between the steps start too large, learns to add. The
gradient is enormous, a step of gradient descent throws the weights away, and soon the loss is not a number.
Clipping keeps the direction of the gradient and bounds its length.
"""


# %%
def build_adder(clipping, units=24):
    inputs = keras.Input((None, 2))
    large = keras.initializers.Orthogonal(GAIN)
    layer = keras.layers.SimpleRNN(units, "softplus", recurrent_initializer=large, name="rnn")
    model = keras.Model(inputs, keras.layers.Dense(1, name="sum")(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.01, **clipping), "mse")
    return model


def steps_survived(model, x, y, batch_size=50):
    """Trains on one batch after the other for as long as the loss is a number."""
    for step, start in enumerate(range(0, len(x), batch_size)):
        part = slice(start, start + batch_size)
        if not np.isfinite(model.train_on_batch(x[part], y[part])):
            return step
    return step + 1


def compare_clipping(report, samples, epochs, seed):
    """Trains with and without; returns the data."""
    data = datasets.adding(samples, 20, seed=seed)
    constant = np.mean((data.test.y - data.train.y.mean()) ** 2)
    report.add("mean of the targets", task="add", seed=seed, baseline=True, mse=constant)
    keras.utils.set_random_seed(seed)
    survived = {"steps survived": steps_survived(build_adder({}), *data.train)}
    report.add("no clipping", task="add", seed=seed, **survived)
    keras.utils.set_random_seed(seed)
    model = build_adder({"global_clipnorm": 1.0})
    fit = {"batch_size": 50, "epochs": epochs, "verbose": 0}
    model.fit(*data.train, callbacks=[report.watch("clipped", task="add", seed=seed)], **fit)
    survived = {"steps survived": epochs * -(-len(data.train.x) // 50)}
    mse = model.evaluate(*data.test, batch_size=500, verbose=0)
    report.add("clipped", task="add", seed=seed, mse=mse, **survived)
    return data


# %% [markdown]
"""
## Two traps

`clipnorm` bounds the gradient of each array by itself, so all of them together may be longer, and point
elsewhere. And a loss that is not a number, here of very long sequences, does not say where that began.
"""


# %%
def show_traps(report, data, seed):
    keras.utils.set_random_seed(seed)
    model, steps = build_adder({}), {}
    norms = gradient_norms(model, *data.train)
    arrays = [keras.ops.convert_to_tensor([norm]) for norm in norms.values()]
    for name in ("clipnorm", "global_clipnorm"):
        weights = [keras.Variable([0.0]) for _ in arrays]
        keras.optimizers.SGD(1.0, **{name: 1.0}).apply(arrays, weights)
        steps[name] = float(np.linalg.norm([np.asarray(weight) for weight in weights]))
    report.trap(
        "The length of a step whose gradient is clipped at 1",
        plain=f"clipnorm: {steps['clipnorm']:.3g}",
        ours=f"global_clipnorm: {steps['global_clipnorm']:.3g}",
    )
    long = datasets.adding(20, 500, seed=seed).train
    loss, found = model.evaluate(*long, verbose=0), first_not_finite(model, *long)
    report.trap("A loss that is not a number", plain=f"loss: {loss}", ours=f"first: {found}")


# %%
def draw(report, gradients):
    figure, panels = figures.axes(1, 2, size=(9, 3.4), sharey=True)
    said = []
    for moment, axis in enumerate(panels):
        title = ("before training", "after training")[moment]
        axis.set(yscale="log", title=title, xlabel="step")
        for number, (variant, norms) in enumerate(gradients.items()):
            style = {"color": figures.COLOURS[number], "linestyle": figures.LINE_STYLES[number]}
            if moment < len(norms):
                curve = np.maximum(norms[moment] / norms[moment][-1], 1e-16)
                axis.plot(np.arange(1, LONG + 1), curve, label=variant, **style)
                said.append(f"{variant}, {title}: {curve[0]:.0e}")
    panels[0].set_ylabel("gradient, share of the last step's")
    panels[0].legend(frameon=False, fontsize=9)
    report.figure("gradients", figure, f"First step against last step. {'; '.join(said)}.")


# %%
def run(epochs: int = 12, samples: int = 2000, seed: int = 0, steps: int = 20) -> Report:
    """Measures gradients by step, before and after training, and trains what explodes.

    Args:
        epochs: Passes over the training data.
        samples: Generated sequences of each task, in all three parts together.
        seed: Seed of the data and of the weights.
        steps: Steps over which the first symbol has to be remembered.
    """
    errors.check_at_least(1, epochs=epochs, steps=steps)
    errors.check_at_least(20, samples=samples)
    metric = {"recall": "accuracy", "add": "mse"}
    better = {"recall": "higher", "add": "lower"}
    report = Report("rnn_gradients", metric=metric, better=better)
    draw(report, compare_cells(report, samples, steps, epochs, seed))
    show_traps(report, compare_clipping(report, samples, epochs, seed), seed)
    return report


# %% [markdown]
"""
## What to look at

The left panel: by how many orders the gradient falls on its way from the last step to the first. A gate is
no cure by itself, since one that is half open lets half pass at each step; of the two LSTMs the one whose
forget gate starts open keeps far more. The right panel: training moves these curves by more than the choice
of the layer does. The gates learn to stay open.

Then the table. The gradient at the start does not tell who learns: compare its orders with the accuracies.
The plain layer is no bad choice for this task, and a layer that fails on long sequences alone may learn them
when shorter ones are mixed in, with not one sequence more.

Clipping is another matter: it saves the training from a bad step, at the price of many small ones until a
bad start is made good, and does nothing for a gradient that has vanished.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
