# %% [markdown]
"""
# Recurrence without the wait: QRNN, SRU and a weighted average in the place of an LSTM

An LSTM multiplies matrices at every step, one step after the other. QRNN and SRU multiply them for all
steps at once, and leave to the loop what can be done unit by unit.

**Question.** How much time does that save on long texts, what does it cost in accuracy, and what can
these layers not do at all? And is an average over all steps, the state of the RWA, better than gates?

**Use it** when an LSTM is too slow: documents, letters, signals of hundreds of steps.

**Do not use it** for short sequences, which gain little, or where something has to be tracked exactly
over many steps: no gate of a QRNN sees the state, so it cannot even tell odd from even.

Data: documents of several dictionary definitions of one kind of thing, as GloVe vectors, or texts of your own; generated bits
Uses: dlnotes.builders.fast_rnn, dlnotes.layers.RWACell, dlnotes.datasets.counting, dlnotes.masks.step_weights
Notes: 001:205, 307-321; 002:803, 937-951
Paper: Bradbury et al. 2017, https://arxiv.org/abs/1611.01576; Lei et al. 2018, https://arxiv.org/abs/1709.02755; Ostmeyer and Cowell 2017, https://arxiv.org/abs/1703.01253
Covers: fast_rnn
"""

# %%
from pathlib import Path
import time

from dlnotes import builders, cli, datasets, errors, figures, layers, masks
from dlnotes.report import Report
from dlnotes.vectors import embedding_matrix, load_vectors
import keras
import numpy as np

VARIANTS = ("LSTM", "QRNN", "SRU", "RWA")

# %% [markdown]
"""
## Documents

Definitions of one kind are put one behind the other until there are a hundred words or so: long enough
for time to count. The words are frozen GloVe vectors, so that little has to be learned but reading.
"""


# %%
def documents(table, joined, words, samples, seed):
    """Vectors of the words, padded with zeros, and numbers of the labels, of three parts."""
    table = table.sample(frac=1, random_state=seed)
    texts, labels = [], []
    for number, (_, group) in enumerate(table.groupby("label")["text"]):
        parts = [" ".join(group[at : at + joined]) for at in range(0, len(group), joined)]
        texts, labels = texts + parts, labels + [number] * len(parts)
    order = np.random.default_rng(seed).permutation(len(texts))[:samples]
    texts, labels = np.array(texts)[order], np.array(labels)[order]
    ends = [len(order) * 6 // 10, len(order) * 8 // 10]
    vectorise = keras.layers.TextVectorization(10_000, output_sequence_length=words)
    vectorise.adapt(texts[: ends[0]])
    vocabulary = vectorise.get_vocabulary()
    matrix, _ = embedding_matrix(load_vectors(datasets.glove_path(), vocabulary), vocabulary)
    x = matrix[np.asarray(vectorise(texts))]
    parts = zip(np.split(x, ends), np.split(labels, ends), strict=True)
    return datasets.Dataset(*(datasets.Split(*part) for part in parts))


# %% [markdown]
"""
## Four layers of one width

Only the recurrent layer differs; all get the same width, as one that takes the other's place would. The
time of a training step is measured while training, so it stands in the picture and not in the table.
"""


# %%
def build(variant, input_shape, outputs, return_sequences, units):
    """One network, compiled."""
    if variant in ("QRNN", "SRU"):
        options = {"layer": variant.lower(), "units": units, "mask_value": 0.0}
        options["return_sequences"] = return_sequences
        model = builders.fast_rnn(input_shape, outputs, **options)
    else:
        inputs = keras.Input(input_shape, name="inputs")
        layer = keras.layers.LSTM(units, return_sequences=return_sequences)
        if variant == "RWA":
            layer = keras.layers.RNN(layers.RWACell(units), return_sequences=return_sequences)
        x = layer(inputs, mask=masks.step_mask(inputs))
        model = keras.Model(inputs, keras.layers.Dense(outputs)(x))
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %%
def compare(report, task, dataset, variants, units, epochs, seed):
    """Adds a row for each variant; gives the median milliseconds of a training step."""
    parts = [
        (x, y, masks.step_weights(x) if y.ndim == 2 else np.ones(len(y), "float32"))
        for x, y in vars(dataset).values()
    ]
    (x, y, weight), validation, (test_x, test_y, test_weight) = parts
    classes, milliseconds = int(1 + max(part.y.max() for part in vars(dataset).values())), {}
    for variant in variants:
        keras.utils.set_random_seed(seed)
        model = build(variant, (None, x.shape[-1]), classes, y.ndim == 2, units)
        ends, watch = [], report.watch(variant, task=task, seed=seed)
        clock = {
            "on_train_batch_end": lambda batch, logs, ends=ends: ends.append(time.perf_counter())
        }
        options = {"callbacks": [watch, keras.callbacks.LambdaCallback(**clock)]}
        options |= {"sample_weight": weight, "validation_data": validation, "verbose": 0}
        model.fit(x, y, 30, epochs, **options)
        _, accuracy = model.evaluate(test_x, test_y, 100, verbose=0, sample_weight=test_weight)
        milliseconds[variant] = 1000 * float(np.median(np.diff(ends)))
        label = {"task": task, "seed": seed, "baseline": variant == "LSTM"}
        report.add(variant, **label, accuracy=accuracy, weights=model.count_params())
    return milliseconds


# %% [markdown]
"""
## A trap: weights that overflow

The average of the RWA is a quotient of two sums of exponentials. Written down as in the paper, one large
score makes both of them infinite. The cell keeps the largest score apart, and loses nothing.
"""


# %%
def show_trap(report):
    x = np.float32([[[90.0, 0.5], [91.0, -0.5]]])
    weights = keras.ops.exp(x[0, :, 0])
    plain = keras.ops.sum(weights * x[0, :, 1]) / keras.ops.sum(weights)
    rnn = keras.layers.RNN(layers.RWACell(1))
    rnn.build((1, 2, 2))
    # value: the second input; gate: one; score: the first input
    weights = [[0, 0, 1], [1, 0, 0]], [[0, 0]], [0, 100], [0]
    rnn.set_weights([np.array(weight, "float32") for weight in weights])
    plain, ours = f"{float(plain):.4f}", f"{np.arctanh(float(rnn(x)[0, 0])):.4f}"
    report.trap("The average of two steps with scores of 90 and 91", plain=plain, ours=ours)


# %%
def draw(report, tasks, milliseconds, bits):
    figure, (left, right) = figures.axes(columns=2, size=(9.2, 3.4))
    said = []
    for row in (row for row in report.rows if row["task"] == tasks[0]):
        point = milliseconds[row["variant"]], row["metrics"]["accuracy"]
        left.plot(*point, "o")
        left.annotate(row["variant"], point, xytext=(6, 4), textcoords="offset points")
        said.append(f"{row['variant']} {point[1]:.2f} at {point[0]:.0f} ms")
    left.set(title=tasks[0], xlabel="milliseconds of a training step", ylabel="test accuracy")
    left.set_xlim(0, 1.2 * max(milliseconds.values()))
    weight = masks.step_weights(bits.x)
    for (task, variant), model in report.models.items():
        if task == tasks[1]:
            right_answer = np.asarray(model(bits.x)).argmax(axis=-1) == bits.y
            by_step = (right_answer * weight).sum(axis=0) / weight.sum(axis=0).clip(1)
            right.plot(1 + np.arange(len(by_step)), by_step, label=variant)
            said.append(f"{variant} at the last bit {by_step[-1]:.2f}")
    right.set(title=tasks[1], xlabel="bits so far", ylabel="right answers", ylim=(0.4, 1.02))
    right.legend(frameon=False)
    report.figure("speed", figure, f"Accuracy, time and counting. {'; '.join(said)}.")


# %%
def run(
    epochs: int = 6,
    samples: int = 1500,
    seed: int = 0,
    units: int = 64,
    words: int = 64,
    csv: Path | None = None,
    joined: int = 4,
) -> Report:
    """Compares an LSTM with QRNN, SRU and RWA on documents, and with QRNN on parity.

    Args:
        epochs: Passes over the training data.
        samples: Documents, and sequences of bits, in all three parts together.
        seed: Seed of the data, the division and the weights.
        units: Width of each recurrent layer.
        words: Words of a document that are read.
        csv: Texts of your own in place of the definitions, a table with the columns text and label.
        joined: Texts of one label that make a document.
    """
    errors.check_at_least(1, epochs=epochs, units=units, words=words, joined=joined)
    errors.check_at_least(100, samples=samples)
    report = Report("fast_rnn", metric="accuracy", better="higher")
    table = datasets.read_texts(csv) if csv else datasets.glosses()
    read = documents(table, joined, words, samples, seed)
    bits = datasets.counting(samples, steps=16, every_step=True, seed=seed)
    tasks = ("your documents" if csv else "kinds of things", "odd or even so far")
    milliseconds = compare(report, tasks[0], read, VARIANTS, units, epochs, seed)
    compare(report, tasks[1], bits, VARIANTS[:2], units, epochs, seed)
    draw(report, tasks, milliseconds, bits.test)
    show_trap(report)
    return report


# %% [markdown]
"""
## What to look at

The picture on the left: how far to the left a layer stands, and what it pays for that in height. The
distance grows with the length of the texts (`--words`) and shrinks with the width (`--units`), since
wide layers spend their time in matrix products that nobody can spare.

On the right, the price: to know whether the ones so far are odd, the state has to be turned round by each
of them. A gate that does not see the state can let it fade, but not turn it round; the answer is good
for as many bits as the window shows, and then falls to guessing. The LSTM answers for every bit.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
