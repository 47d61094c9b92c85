# %% [markdown]
"""
# What the notes say about QRNN, SRU and the recurrent weighted average

Quality and time are measured apart: accuracy on dictionary definitions after as many steps of training
for everyone, and the time of a training step as a ratio, by turns in one process. All layers have the
same width, as in the place of an LSTM; the attention block has as many weights as the QRNN. The weighted
average meets the LSTM on three generated tasks at equal weights.
"""

# %%
import time

from dlnotes import claims, datasets, masks
from dlnotes.layers import PositionEmbedding, RWACell, TransformerBlock
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
READERS = ("LSTM", "QRNN", "SRU", "attention")

# %% [markdown]
"""
## Time and quality
"""


# %%
@reuse
def reader(variant):
    """A network that sorts sequences of word vectors into ten kinds."""
    if variant != "attention":
        return STORY.build(variant, (None, 100), 10, False, 64)
    inputs = keras.Input((None, 100))
    mask = masks.step_mask(inputs)
    x = PositionEmbedding()(keras.layers.Dense(64)(inputs))
    x = keras.layers.LayerNormalization()(TransformerBlock(4, 116)(x, mask=mask))
    x = keras.layers.GlobalAveragePooling1D()(x, mask=mask)
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    return model


def step_times(steps, seed, turns=7):
    """The median seconds of a training step of each reader, taken by turns."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(32, steps, 100)).astype("float32")
    y, seconds = random.integers(10, size=32), {name: [] for name in READERS}
    models = {name: reader(seed, name) for name in READERS}
    for turn in range(1 + turns):
        for name, model in models.items():
            begin = time.perf_counter()
            model.train_on_batch(x, y)
            seconds[name] += [time.perf_counter() - begin] * (turn > 0)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def read(variant, parts, seed):
    def train(rate):
        model = reader(seed, variant)
        model.optimizer.learning_rate = rate
        model.fit(*parts.train, 30, 4, verbose=0)
        loss, _ = model.evaluate(*parts.validation, 200, 0)
        return loss, model.evaluate(*parts.test, 200, 0)[1]

    return claims.tuned(train, (0.003, 0.01))


@claims.experiment
def readers(seed):
    parts = STORY.documents(datasets.glosses(), 1, 24, 2400, seed)
    found = {f"{name} accuracy": read(name, parts, seed) for name in READERS}
    for steps in (64, 256):
        times = step_times(steps, seed)
        found |= {f"{name} {steps}": times["LSTM"] / times[name] for name in READERS}
    return found


def gained(found, name, other="LSTM"):
    return found[f"{name} accuracy"] - found[f"{other} accuracy"]


@claims.empirical(
    "parallel-rnn-speed",
    "Recurrences without matrices in their loop run much faster than an LSTM of the same width.",
    where="001:205; 002:803",
    runs=readers,
)
def loops_without_matrices_are_fast(found):
    for name in ("QRNN", "SRU"):
        yield claims.above(f"steps of {name} in one of LSTM, 256 steps", found[f"{name} 256"], 2)
        yield claims.equivalent(f"accuracy gained by {name}", gained(found, name), within=0.03)


@claims.empirical(
    "sru-better-than-lstm",
    "SRU and QRNN are not only quick: they are more accurate than an LSTM of the same width.",
    where="001:205; 002:803",
    runs=readers,
)
def quick_and_better(found):
    for name in ("QRNN", "SRU"):
        yield claims.superior(f"accuracy gained by {name}", gained(found, name), by=0.01)


sru_quality = claims.question(
    "oq-sru-quality",
    "Are the results of SRU and QRNN state of the art, or only quick?",
    where="001:205; 002:803",
    answered_by=("sru-better-than-lstm", "qrnn-as-good-as-attention"),
)


@claims.empirical(
    "qrnn-as-good-as-attention",
    "QRNN is as accurate as a block of attention with as many weights.",
    where="001:321; 002:951",
    runs=readers,
)
def as_good_as_attention(found):
    return claims.equivalent("accuracy gained", gained(found, "QRNN", "attention"), within=0.03)


@claims.empirical(
    "qrnn-quicker-than-attention",
    "QRNN takes less time for a step of training than a block of attention with as many weights.",
    where="001:321; 002:951",
    runs=readers,
)
def quicker_than_attention(found):
    for steps in (64, 256):
        ratio = found[f"QRNN {steps}"] / found[f"attention {steps}"]
        yield claims.above(f"steps of QRNN in one of attention, {steps} steps", ratio, 1)


qrnn_rival = claims.question(
    "oq-qrnn-rival",
    "Is QRNN a rival of the Transformer?",
    where="001:321; 002:951",
    answered_by=("qrnn-as-good-as-attention", "qrnn-quicker-than-attention"),
)

# %% [markdown]
"""
## An average instead of gates

The first symbol of a sequence; the sum of two marked numbers, right within a tenth; whether a sequence
is longer than half of the longest. Sooner means in fewer epochs.
"""


# %%
def long_or_short(samples, seed):
    """Noise of unequal length, padded with zeros, and whether it is longer than ten steps."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 21, size=samples)
    x = random.normal(size=(samples, 20)) * (np.arange(20) < lengths[:, None])
    ends = [samples * 6 // 10, samples * 8 // 10]
    parts = zip(np.split(x[..., None], ends), np.split((lengths > 10) * 1, ends), strict=True)
    return datasets.Dataset(*(datasets.Split(*part) for part in parts))


def tasks(seed):
    """Training, validation and test part of each task."""
    recall, adding = (make(1250, 12, seed=seed) for make in (datasets.recall, datasets.adding))
    parts = {"first symbol": recall, "sum": adding, "length": long_or_short(1250, seed)}
    return {task: list(vars(dataset).values()) for task, dataset in parts.items()}


def accuracy(y, prediction):
    """Whether a sum is right within a tenth."""
    return keras.ops.cast(keras.ops.abs(y - prediction) < 0.1, "float32")


@reuse
def remembering(cell, features, outputs):
    """A network of about as many weights as an LSTM of 24 units has."""
    budget = 4 * 24 * (features + 25)
    units = min(range(1, 80), key=lambda u: abs(u * (3 * features + 2 * u + 3) - budget))
    inputs = keras.Input((None, features))
    layer = keras.layers.LSTM(24) if cell == "LSTM" else keras.layers.RNN(RWACell(units))
    x = keras.layers.Dense(outputs)(layer(inputs, mask=masks.step_mask(inputs)))
    model = keras.Model(inputs, x)
    loss = "mse" if outputs == 1 else keras.losses.SparseCategoricalCrossentropy(True)
    model.compile("adam", loss, metrics=[accuracy if outputs == 1 else "accuracy"])
    return model


def remembered(cell, parts, seed, epochs=8):
    """Test accuracy, and the epochs until nine of ten validation answers are right."""
    (x, y), validation, test = parts
    outputs = 1 if y.dtype == "float32" else int(y.max()) + 1

    def train(rate):
        model = remembering(seed, cell, x.shape[-1], outputs)
        model.optimizer.learning_rate = rate
        history = model.fit(x, y, 50, epochs, 0, validation_data=tuple(validation)).history
        right = np.array([*history["val_accuracy"], 1.0]) >= 0.9
        return history["val_loss"][-1], (model.evaluate(*test, 250, 0)[1], 1.0 + right.argmax())

    return claims.tuned(train, (0.01, 0.03))


@claims.experiment
def averages(seed):
    found = {}
    for task, parts in tasks(seed).items():
        (ours, our_epochs), (gates, epochs) = (remembered(c, parts, seed) for c in ("RWA", "LSTM"))
        found |= {task: ours - gates, f"{task}, epochs": epochs - our_epochs}
    return found


@claims.empirical(
    "rwa-faster-higher",
    "The weighted average learns sooner than an LSTM, and gets further.",
    where="001:309; 002:939",
    runs=averages,
)
def sooner_and_higher(found):
    names = [name for name in found if not name.endswith("epochs")]
    for name in sorted(names, key=lambda name: -np.mean(found[name]))[:2]:
        yield claims.superior(f"accuracy gained, {name}", found[name], 0.02, confidence=0.983)
        yield claims.superior(f"epochs spared, {name}", found[f"{name}, epochs"], confidence=0.983)
