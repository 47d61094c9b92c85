# %% [markdown]
"""
# What is carried from step to step: the states of an LSTM and of a GRU

A recurrent layer is a function of a step and a state. What is in that state, what does Keras hand out
of it, and what should the next layer get?

**Question.** How long do three kinds of cell keep what they have seen, is it the hidden state or the cell
of an LSTM that keeps it, and which of the states should the head of a network read?

**Use it** when you decide on a cell, stack layers, hand a state from one layer to another (an encoder to
a decoder, one window to the next), or read weights that somebody else has trained.

**Do not use it** to choose between GRU and LSTM in general: that depends on the task, and many comparisons
find no winner. And for sequences of unknown length do not unroll.

Data: random symbols of which the first is asked for, generated; Japanese Vowels (nine speakers, UCI), or sequences of your own
Uses: dlnotes.builders.stacked_rnn, dlnotes.datasets.recall, dlnotes.datasets.japanese_vowels, dlnotes.masks.step_mask
Notes: 001:217, 241-245, 261, 271, 299-305; 002:818-827, 860-864, 882, 892-896, 930-935
Paper: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735
Covers: lstm_states, gru_gates
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.report import Report
import keras
import numpy as np

STEPS, CUT = 20, 10
CELLS = {"simple_rnn": 52, "gru": 28, "lstm": 24}
DEEP = 15
READ = ("last hidden state", "hidden state and cell", "mean of all hidden states", "two layers")

# %% [markdown]
"""
## The weights of a layer

A simple layer of `n` units with `m` inputs has a matrix for the inputs, one for its own state and a bias:
`n (n + m) + n` weights. An LSTM has four such blocks, for the input, the forget and the output gate and
for what is new; a GRU has three, each with a second bias (`reset_after=True`, the default). `CELLS` and `DEEP`,
the width of each of two layers, are chosen so that all networks have about as many weights.
"""


# %%
def fit(report, variant, task, model, train, validation, epochs, seed):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    callbacks = [report.watch(variant, task=task, seed=seed)]
    options = {"batch_size": max(1, len(train[0]) // 10), "verbose": 0, "callbacks": callbacks}
    model.fit(*train, validation_data=validation, epochs=epochs, **options)


# %% [markdown]
"""
## How long is the first symbol known?

The first of twenty symbols is asked for at every step; what counts is the answer at the last one. The
plain state is written anew at each step. A GRU mixes: its update gate says for each unit how much of the
old state stays, its reset gate how much of it is seen when the new one is made. An LSTM keeps two vectors:
the cell, to which the gates add and from which they take away, and the hidden state, which is what the
output gate shows of the cell.
"""


# %%
def remember(report, epochs, samples, seed):
    """The accuracy of each cell at every step, the LSTM, and the test sequences."""
    train, validation, test = (
        (x, np.repeat(y[:, None], STEPS, axis=1))
        for x, y in vars(datasets.recall(samples, STEPS, seed=seed)).values()
    )
    found, features = {}, train[0].shape[-1]
    for cell, units in CELLS.items():
        keras.utils.set_random_seed(seed)
        options = {"cell": cell, "units": units, "return_sequences": True}
        model = builders.stacked_rnn((STEPS, features), features - 1, **options)
        fit(report, cell, "first symbol", model, train, validation, epochs, seed)
        found[cell] = np.mean(np.argmax(model(test[0]), axis=-1) == test[1], axis=0)
        counts = {"units": units, "weights": model.count_params()}
        label = {"task": "first symbol", "seed": seed, "baseline": cell == "simple_rnn"}
        report.add(cell, accuracy=found[cell][-1], **label, **counts)
    return found, model, test


# %% [markdown]
"""
## Hidden state or cell?

The trained LSTM, one step at a time: `return_state` gives output, hidden state and cell, and `initial_state`
takes the two states, in this order (the other order fits too, and nothing warns).

Half-way the two states are handed to a second layer with the same weights, which goes on. With both of them
nothing changes. Then one of the two comes from another sequence: does the answer follow the hidden state or
the cell? The layer that goes on is unrolled: a graph with a copy of the cell for each step, for which the
number of steps has to be known. It computes the same.
"""


# %%
def exchange(report, model, x, y, seed):
    """The hidden states and the cells of the LSTM at all steps."""
    lstm, head = model.get_layer("rnn_1"), model.get_layer("outputs")
    one_step = keras.layers.LSTM(lstm.units, return_state=True)
    goes_on = keras.layers.LSTM(lstm.units, unroll=True)
    for layer in (one_step, goes_on):
        layer.build(x.shape)
        layer.set_weights(lstm.get_weights())
    states, path = None, []
    for step in range(STEPS):
        _, *states = one_step(x[:, step : step + 1], initial_state=states)
        path.append(np.array(states))
    hidden, cell = path[CUT - 1]
    for variant, states in {
        "both states handed on": [hidden, cell],
        "another's hidden state": [np.roll(hidden, 1, axis=0), cell],
        "another's cell": [hidden, np.roll(cell, 1, axis=0)],
    }.items():
        answers = np.argmax(head(goes_on(x[:, CUT:], initial_state=states)), axis=-1)
        accuracy = np.mean(answers == y[:, -1])
        report.add(f"lstm, {variant}", task="first symbol", seed=seed, accuracy=accuracy)
    return np.array(path)


# %% [markdown]
"""
## What the head reads

A vowel is a sequence, its speaker one answer for all of it. The head can get the last hidden state (what
Keras returns by default), cell and hidden state (`return_state=True`), or the mean of the hidden states
of all real steps (`return_sequences=True`). A second layer needs the sequence of the first.
"""


# %%
def build(read, features, classes):
    if read == "two layers":
        options = {"units": DEEP, "layers": 2, "mask_value": 0.0}
        return builders.stacked_rnn((None, features), classes, **options)
    inputs = keras.Input((None, features))
    mask, options = masks.step_mask(inputs), {"return_sequences": True, "return_state": True}
    sequence, hidden, cell = keras.layers.LSTM(CELLS["lstm"], **options)(inputs, mask=mask)
    x = {
        "last hidden state": hidden,
        "hidden state and cell": keras.layers.Concatenate()([hidden, cell]),
        "mean of all hidden states": keras.layers.GlobalAveragePooling1D()(sequence, mask=mask),
    }[read]
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


def sequences(data, samples, seed):
    own = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    if own.train.y.ndim != 1:
        raise errors.InputError("`y` has a class for each step, but must have one per sequence.")
    return [datasets.Split(x[:samples], y[:samples]) for x, y in vars(own).values()]


def tell_speakers(report, task, parts, epochs, seed):
    train, validation, test = parts
    classes = int(1 + max(part.y.max() for part in parts))
    for read in READ:
        keras.utils.set_random_seed(seed)
        model = build(read, train.x.shape[-1], classes)
        fit(report, read, task, model, train, validation, epochs, seed)
        scores = model.evaluate(*test, verbose=0, return_dict=True)
        label = {"task": task, "seed": seed, "baseline": read == READ[0]}
        report.add(read, **label, **scores, weights=model.count_params())


# %% [markdown]
"""
## A trap

The mean over all steps counts padding, whatever mask the LSTM had: after the last real step it returns the
last state again and again.
"""


# %%
def show_trap(report, x, seed):
    keras.utils.set_random_seed(seed)
    lstm = keras.layers.LSTM(8, return_sequences=True)
    pool, means = keras.layers.GlobalAveragePooling1D(), []
    for batch in (x[:4], np.pad(x[:4], ((0, 0), (0, 10), (0, 0)))):
        states = lstm(batch, mask=(mask := masks.step_mask(batch)))
        means.append([keras.ops.mean(states, axis=1), pool(states, mask=mask)])
    moved = np.abs(np.subtract(*means)).max(axis=(1, 2))
    report.trap(
        "The mean of all states, when there are ten more steps of padding",
        plain=f"keras.ops.mean moves by up to {moved[0]:.2g}",
        ours=f"GlobalAveragePooling1D with mask=, by up to {moved[1]:.2g}",
    )


# %%
def draw(report, found, path):
    figure, (left, *maps) = figures.axes(1, 3, size=(10, 3))
    for cell, accuracy in found.items():
        left.plot(np.arange(STEPS) + 1, accuracy, label=cell)
    left.set(xlabel="step", title="first symbol, test accuracy", ylim=(0, 1.03))
    left.legend(fontsize=8)
    said = [f"{cell} at the last step {accuracy[-1]:.2f}" for cell, accuracy in found.items()]
    for number, name in enumerate(("hidden state", "cell")):
        values, axis = path[:, number, 0].T, maps[number]
        end = np.abs(values).max()
        axis.imshow(values, aspect="auto", cmap="PuOr", vmin=-end, vmax=end, zorder=3)
        axis.set(xlabel="step", ylabel="unit", title=f"LSTM, {name}, within ±{end:.2g}")
        said.append(f"map of the LSTM's {name} over the steps of one sequence, within ±{end:.2g}")
    report.figure("memory", figure, f"Who knows the first symbol: {'; '.join(said)}.")


# %%
def run(epochs: int = 12, samples: int = 1000, seed: int = 0, data: Path | None = None) -> Report:
    """Compares what three cells keep, which state of an LSTM keeps it, and what the head should read.

    Args:
        epochs: Passes over the training data.
        samples: Generated sequences in all three parts together, and at most as many real ones in each.
        seed: Seed of the data, the division and the weights.
        data: Sequences of your own in place of the vowels, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence).
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    parts = sequences(data, samples, seed)
    report = Report("lstm_states", metric="accuracy", better="higher")
    found, lstm, test = remember(report, epochs, samples, seed)
    path = exchange(report, lstm, *test, seed)
    tell_speakers(report, "your sequences" if data else "speakers", parts, epochs, seed)
    draw(report, found, path)
    show_trap(report, parts[2].x, seed)
    return report


# %% [markdown]
"""
## What to look at

The picture: a curve that falls is a state that is overwritten. In the maps a unit that keeps something is a
row of one colour. The cell is free to grow from step to step; the hidden state, which shows no more of it than
the tangent lets through, is not.

The first table: whichever state can be exchanged without harm was not the one that remembered.

The second one: weigh each difference against what chance does to a test set of this size before giving up
the simplest reading, the last hidden state.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
