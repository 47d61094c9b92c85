# %% [markdown]
"""
# Sequences of unequal length: which side to pad, whether to mask, and batches by length

A batch is a box: shorter sequences are filled up. What the network makes of the filling is decided in three places.

**Question.** How much does padding cost, in accuracy and in steps computed, when it stands in front or behind,
is masked or not, or is avoided by batches of sequences of about the same length?

**Use it** whenever sequences of different lengths share a batch: sentences, utterances, visits, sensor runs.

**Do not use it** where all sequences are equally long, or where each batch holds one sequence. And do not mask
what is missing rather than padded: a gap in a series is a fact that the network may want to know.

Data: bits whose ones are counted, generated; Japanese Vowels (nine speakers, UCI), or sequences of your own; lengths of dictionary definitions (WordNet)
Uses: dlnotes.builders.stacked_rnn, dlnotes.datasets.LengthBuckets, dlnotes.datasets.EpochBatches, dlnotes.datasets.counting, dlnotes.datasets.japanese_vowels, dlnotes.datasets.glosses, dlnotes.masks.step_weights
Notes: 001:209, 263; 002:807-809, 884, 1207-1212, 1315-1319
Paper: Khomenko et al. 2016, https://arxiv.org/abs/1708.05604
Covers: masking_padding
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.report import Report
from dlnotes.reuse import reuse
import keras
import numpy as np

BEHIND = "padded behind"
# which value is masked, on which side the padding stands, what makes the batches
VARIANTS = {
    BEHIND: (None, "post", datasets.EpochBatches),
    "padded in front": (None, "pre", datasets.EpochBatches),
    "padded behind, masked": (0.0, "post", datasets.EpochBatches),
    "batches by length, masked": (0.0, "post", datasets.LengthBuckets),
}
MUCH, ROWS = 100, 50

# %% [markdown]
"""
## One network, with and without a mask

The mask is computed from the inputs and handed to the LSTM: at a masked step it leaves its state as it
is. Without one, the network reads zeros, and has to learn to do nothing when it sees them.
"""


# %%
@reuse
def build(mask_value, features, classes, units):
    model = builders.stacked_rnn((None, features), classes, units=units, mask_value=mask_value)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


def in_front(x):
    """The same sequences with their padding in front."""
    lengths = masks.step_weights(x).sum(axis=1).astype(int)
    return np.stack([np.roll(row, -n, axis=0) for row, n in zip(x, lengths, strict=True)])


def copy(model):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


# %% [markdown]
"""
## The comparison on one task

All variants get the same sequences in the same number of batches. `steps` counts what a network computes in one
epoch: rows times the steps of their batch.
"""


# %%
def compare(report, task, train, test, names, epochs, seed, units):
    (x, y), classes = train, int(1 + max(train[1].max(), test[1].max()))
    for name in names:
        mask_value, side, kind = VARIANTS[name]
        arrange = in_front if side == "pre" else np.asarray
        batches = kind(arrange(x), y, batch_size=max(1, len(x) // 10), seed=seed)
        model = build(seed, mask_value, x.shape[-1], classes, units)
        callbacks = [batches.callback, report.watch(name, task=task, seed=seed)]
        model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
        report.models[task, name] = copy(model)  # one traced network serves several variants
        score = model.evaluate(arrange(test[0]), test[1], verbose=0, return_dict=True)
        score |= {"steps": sum(batch.shape[0] * batch.shape[1] for batch, _ in batches)}
        report.add(name, task=task, seed=seed, baseline=name == BEHIND, units=units, **score)


# %% [markdown]
"""
## Two traps

Without a mask the answer depends on how long the *other* sequences of the batch are. And a loss on every
step averages over padded steps, where the target is a zero that nobody meant: it sinks with every step of
padding, and so do the gradients.
"""


# %%
def show_traps(report, x, seed):
    keras.utils.set_random_seed(seed)
    parts = x[:8], np.pad(x[:8], ((0, 0), (0, 30), (0, 0)))
    shape, choices = (None, x.shape[-1]), {"units": 8, "return_sequences": True}
    models = [builders.stacked_rnn(shape, 12, mask_value=m, **choices) for m in (None, 0.0)]
    outputs = [[model(part) for part in parts] for model in models]
    moved = [float(np.abs(short[:, -1] - long[:, -1]).max()) for short, long in outputs]
    report.trap(
        "The last answer, when another sequence of the batch has 30 more steps",
        plain=f"without a mask it moves by up to {moved[0]:.2g}",
        ours=f"with one by {moved[1]:.2g}",
    )
    loss, losses = keras.losses.MeanSquaredError("mean_with_sample_weight"), []
    for weights in ((None, None), map(masks.step_weights, parts)):
        pair = [loss(*each) for each in zip(parts, outputs[0], weights, strict=True)]
        losses.append(f"{pair[0]:.3g}, then {pair[1]:.3g}")
    report.trap(
        "The mean loss over steps, before and after 30 more steps of padding",
        plain=losses[0],
        ours=f"with step_weights {losses[1]}",
    )


# %% [markdown]
"""
## What batches by length save

Dictionary definitions, in words: most are short, a few are long, and each batch computes as many steps
as its longest one has.
"""


# %%
def draw_padding(report, lengths, seed):
    real = np.arange(lengths.max()) < lengths[:, None]
    shuffled, bucketed = (
        [rows for (rows,) in kind(real, batch_size=ROWS, seed=seed)]
        for kind in (datasets.EpochBatches, datasets.LengthBuckets)
    )
    cut = [rows[:, : rows.sum(axis=1).max()] for rows in shuffled]
    kinds = {"to the longest of all": shuffled, "of its batch": cut, "batches by length": bucketed}
    figure, panels = figures.axes(1, 3, sharey=True, size=(9.6, 2.8))
    said = []
    for axis, (name, batches) in zip(panels, kinds.items(), strict=True):
        box = np.concatenate([np.full(len(rows), rows.shape[1]) for rows in batches])
        words = np.concatenate([rows.sum(axis=1) for rows in batches])
        padding = f"{1 - words.sum() / box.sum():.0%} padding"
        axis.bar(np.arange(len(box)), box, width=1, color=figures.COLOURS[1], alpha=0.35)
        axis.bar(np.arange(len(box)), words, width=1, color=figures.COLOURS[0])
        axis.set(title=f"{name}: {padding}", xlabel="definition")
        said.append(f"{name}: {padding}")
    panels[0].set_ylabel("words, and steps computed")
    report.figure("padding", figure, f"Definitions in batches of {ROWS}. {'; '.join(said)}.")


def draw_accuracy(report):
    tasks = list(dict.fromkeys(row["task"] for row in report.rows))
    figure, panels = figures.axes(1, len(tasks), sharex=True, sharey=True, size=(9.6, 2.4))
    said = []
    for axis, task in zip(panels, tasks, strict=True):
        rows = [row for row in report.rows if row["task"] == task]
        scores = {row["variant"]: row["metrics"]["accuracy"] for row in rows}
        axis.axvline(scores[BEHIND], color="#999999", linewidth=1)
        axis.plot(list(scores.values()), list(scores), "o")
        axis.set(title=task, xlabel="test accuracy")
        said += [f"{task}, {name}: {score:.2f}" for name, score in scores.items()]
    panels[0].invert_yaxis()
    report.figure("accuracy", figure, f"Test accuracy. {'; '.join(said)}.")


# %%
def run(
    epochs: int = 12, samples: int = 1000, seed: int = 0, units: int = 16, data: Path | None = None
) -> Report:
    """Compares sides of padding, masks, and batches by length.

    Args:
        epochs: Passes over the training data.
        samples: Generated sequences in all three parts together; at most as many real ones for training, and definitions in the picture.
        seed: Seed of the data, the division, the batches and the weights.
        units: Width of the LSTM.
        data: Sequences of your own in place of the vowels, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (a class from 0 for each sequence).
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(20, samples=samples)
    own = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    real = [(x[:samples], y[:samples]) for x, y in (own.train, own.test)]
    more = ((0, 0), (0, max(0, MUCH - real[0][0].shape[1])), (0, 0))
    count = datasets.counting(samples, modulus=41, seed=seed)
    report = Report("masking_padding", metric="accuracy", better="higher")
    for task, train, test, names in (
        ("your sequences" if data else "speakers", *real, list(VARIANTS)),
        (f"{MUCH} steps", *((np.pad(x, more), y) for x, y in real), list(VARIANTS)[:3]),
        ("count", count.train, count.test, list(VARIANTS)),
    ):
        compare(report, task, train, test, names, epochs, seed, units)
    draw_accuracy(report)
    lengths = datasets.glosses()["text"].str.split().str.len().to_numpy()
    draw_padding(report, lengths[:samples], seed)
    show_traps(report, real[0][0], seed)
    return report


# %% [markdown]
"""
## What to look at

The speakers, then the same utterances in longer boxes: what nobody asked a network to carry through empty
steps, it forgets. Padding in front asks nothing of it, mask or not: the last step is a real one. The count
is the task to be careful with: there a network without a mask may use the empty steps to work in.

Batches by length save steps (column `steps`, for one epoch) and change no answer of a masked network. But they
are no random batches any more: where the target has to do with the length, as a count has, the sequences of
a batch have like targets, and each step of the training pulls one way. Compare the last two rows of each task.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
