# %% [markdown]
"""
# Reading from both ends: bidirectional layers and how their halves are merged

A second LSTM reads the sequence backwards, so that every step knows what comes after it.

**Question.** What does the backward half bring at equal size, on labels that depend on what comes
next, on labels that do not, and on real utterances? And does it matter how the halves are merged?

**Use it** when the sequence is there as a whole before the answer is due: tagging, classifying an
utterance, a sentence or a gesture.

**Do not use it** when the future does not exist yet (forecasting, streams), or when the labels depend
on the past alone: the backward half then takes weights away from the forward one.

Data: generated tags that depend on the next symbol, or on the previous one; Japanese Vowels (nine speakers, UCI), or sequences of your own
Uses: dlnotes.builders.bidirectional_lstm, dlnotes.datasets.tag_next, dlnotes.datasets.japanese_vowels, dlnotes.masks.step_weights
Notes: 001:277-289; 002:902-917
Paper: Schuster and Paliwal 1997, https://doi.org/10.1109/78.650093
Covers: bidirectional
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.report import Report
import keras
import numpy as np

FORWARD = "forward only"
MODES = {"concat": "concat", "sum": "sum", "ave": "ave", "mul": "mul", "none": None}

# %% [markdown]
"""
## One budget for all

An LSTM that reads forwards sets the number of weights; each bidirectional network is made as wide as
that allows. Two halves cost twice the weights, and side by side they make the head wider too.

With `none` the halves are not merged at all, and the head gets both. With a single layer this is the
same function as `concat`, built from two LSTM layers: the distance between these two rows comes from
the initial weights alone, so it shows how much of the other differences may be chance.
"""


# %%
def build(variant, input_shape, classes, return_sequences, units):
    """One network, compiled."""
    if variant == FORWARD:
        inputs = keras.Input(input_shape, name="inputs")
        lstm = keras.layers.LSTM(units, return_sequences=return_sequences)
        x = lstm(inputs, mask=masks.step_mask(inputs))
        model = keras.Model(inputs, keras.layers.Dense(classes)(x))
    else:
        model = builders.bidirectional_lstm(
            input_shape,
            classes,
            units=units,
            merge_mode=MODES[variant],
            return_sequences=return_sequences,
            mask_value=0.0,
        )
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


def width(variant, features, units):
    """The units with which both halves together have the weights of one forward LSTM."""
    if variant == FORWARD:
        return units
    budget = units * (features + units + 1)
    return min(range(1, units + 1), key=lambda u: abs(2 * u * (features + u + 1) - budget))


# %% [markdown]
"""
## The comparison on one task

Targets for each step come with a weight for each step, zero where there is padding.
"""


# %%
def compare(report, task, dataset, units, epochs, seed, variants=(FORWARD, *MODES)):
    parts = [
        (x, y, masks.step_weights(x) if y.ndim == 2 else np.ones(len(y), "float32"))
        for x, y in vars(dataset).values()
    ]
    x, y, weight = parts[0]
    classes = int(1 + max(part.y.max() for part in vars(dataset).values()))
    for variant in variants:
        size = width(variant, x.shape[-1], units)
        keras.utils.set_random_seed(seed)
        model = build(variant, (None, x.shape[-1]), classes, y.ndim == 2, size)
        model.fit(
            x,
            y,
            batch_size=max(1, len(x) // 10),
            sample_weight=weight,
            validation_data=parts[1],
            epochs=epochs,
            verbose=0,
            callbacks=[report.watch(variant, task=task, seed=seed)],
        )
        test = dict(zip(("x", "y", "sample_weight"), parts[2], strict=True))
        score = model.evaluate(**test, verbose=0, return_dict=True)
        counts = {"units": size, "weights": model.count_params()}
        report.add(variant, task=task, seed=seed, baseline=variant == FORWARD, **score, **counts)


# %% [markdown]
"""
## Two traps

With `return_sequences=True` the last step is not the summary of the sequence: its backward half has
read one step only. Its summary stands at the first step.

And an operation between two layers loses the mask without a warning; the next Keras loses it after
every recurrent layer. Passed explicitly, as the builder does, it arrives in any Keras.
"""


# %%
def show_traps(report, x, seed):
    keras.utils.set_random_seed(seed)
    real = x[:4, : int(masks.step_weights(x[:4]).sum(axis=1).min())]
    changed = np.concatenate([real[:, :1] + 1, real[:, 1:]], axis=1)
    both = keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True))
    backward = [both(one)[:, :, 8:] for one in (real, changed)]
    moved = [float(np.abs(backward[0][:, step] - backward[1][:, step]).max()) for step in (-1, 0)]
    report.trap(
        "The last step of the returned sequence, when the first step of the input changes",
        plain=f"its backward half moves by {moved[0]:.2g}",
        ours=f"the state that return_sequences=False gives moves by {moved[1]:.2g}",
    )

    inputs = keras.Input((None, x.shape[-1]))
    second, mask = keras.layers.Bidirectional(keras.layers.LSTM(8)), masks.step_mask(inputs)
    states = keras.ops.tanh(both(keras.layers.Masking()(inputs)))
    lost, passed = (keras.Model(inputs, second(states, mask=m)) for m in (None, mask))
    longer = np.pad(x[:4], ((0, 0), (0, 10), (0, 0)))
    moved = [float(np.abs(model(longer) - model(x[:4])).max()) for model in (lost, passed)]
    report.trap(
        "A mask that dies between two layers, when there are ten more steps of padding",
        plain=f"outputs move by up to {moved[0]:.2g}",
        ours=f"with mask= in every call, outputs move by up to {moved[1]:.2g}",
    )


# %%
def draw(report):
    tasks = list(dict.fromkeys(row["task"] for row in report.rows))
    figure, panels = figures.axes(1, len(tasks), sharex=True, sharey=True, size=(9.6, 2.8))
    said = []
    for axis, task in zip(panels, tasks, strict=True):
        rows = [row for row in report.rows if row["task"] == task]
        scores = {row["variant"]: row["metrics"]["accuracy"] for row in rows}
        axis.axvline(scores[FORWARD], color="#999999", linewidth=1)
        axis.plot(list(scores.values()), list(scores), "o")
        axis.set(title=task, xlabel="test accuracy")
        said += [f"{task}, {variant}: {score:.2f}" for variant, score in scores.items()]
    panels[0].invert_yaxis()
    report.figure("accuracy", figure, f"Test accuracy. {'; '.join(said)}.")


# %%
def run(
    epochs: int = 8, samples: int = 800, seed: int = 0, units: int = 32, data: Path | None = None
) -> Report:
    """Compares five ways of merging with an LSTM that reads forwards, on three tasks.

    Args:
        epochs: Passes over the training data.
        samples: Generated sequences in all three parts together, and at most as many real ones for training.
        seed: Seed of the data, the division and the weights.
        units: Width of each layer of the forward network; the others get as many weights.
        data: Sequences of your own in place of the vowels, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence or each step).
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(20, samples=samples)
    own = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    real = datasets.Dataset(
        *(datasets.Split(x[:samples], y[:samples]) for x, y in vars(own).values())
    )
    report = Report("bidirectional", metric="accuracy", better="higher")
    for depends_on, variants in {
        "next": (FORWARD, *MODES),
        "previous": (FORWARD, "concat"),
    }.items():
        tags = datasets.tag_next(samples, steps=12, depends_on=depends_on, seed=seed)
        compare(report, f"tags of the {depends_on} symbol", tags, units, epochs, seed, variants)
    compare(report, "your sequences" if data else "speakers", real, units, epochs, seed)
    draw(report)
    show_traps(report, real.test.x, seed)
    return report


# %% [markdown]
"""
## What to look at

Tags of the next symbol: without the future there is nothing but guessing, one in three, and a little
more at the last steps. Tags of the previous symbol are the control: whoever gains there gains by luck
or by size, not by the future. Speakers: an utterance is known as a whole, so both ways of reading it
see the same; the table says what the second one adds.

Then the modes: compare them within one task, against the spread over seeds, before believing in one.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
