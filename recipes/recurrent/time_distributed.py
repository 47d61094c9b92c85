# %% [markdown]
"""
# One layer for every step: TimeDistributed, Dense and TimeFold

One shared head for a sequence of outputs, and one shared CNN for the frames of a film.

**Question.** What does a head shared by all steps cost and bring, and how does a CNN get into a
recurrent network so that it is right for films of any length?

**Use it** when each step has an output of its own (tagging, echo, frame-wise prediction), or when each
step is an image, a sentence or anything else that needs a network of its own.

**Do not use it** when the layer is a `Dense`: that acts on every step anyway. And not when one frame or
the average of the frames tells the class: then no recurrent layer is needed.

Data: generated echoes of five steps; generated films of a moving square, or films of your own
Uses: dlnotes.builders.time_distributed_lstm, dlnotes.builders.cnn_lstm, dlnotes.layers.TimeFold, dlnotes.masks.step_weights, dlnotes.datasets.films
Notes: 001:219-223, 273-275; 002:829-838, 898-900
Paper: Donahue et al. 2015, https://arxiv.org/abs/1411.4389
Covers: time_distributed
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.layers import TimeFold
from dlnotes.report import Report
import keras
import numpy as np

STEPS = 5
UNITS = 10

# %% [markdown]
"""
## Echo: three layouts of one problem

Five random numbers come in; at each step the number before is wanted, at the first step zero. The
layouts differ in the shape of the input, in `return_sequences` and in the head:

- one-to-one: each step is a sequence of its own, so the network cannot remember anything
- many-to-one: the last state alone answers for all five steps
- many-to-many: each state answers for its step, by one shared head of `units + 1` weights
- many-to-many, flattened: a head that sees all states at once, with weights for every pair of steps
"""


# %%
def echo(samples, seed):
    """Inputs and targets of shape (samples, steps, 1), in three parts."""
    x = np.random.default_rng(seed).uniform(-1, 1, size=(samples, STEPS, 1)).astype("float32")
    y = np.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))
    ends = [samples * 6 // 10, samples * 8 // 10]
    return list(zip(np.split(x, ends), np.split(y, ends), strict=True))


def build_echo(layout):
    if layout in ("one-to-one", "many-to-many"):
        return builders.time_distributed_lstm((None, 1), 1, units=UNITS)
    inputs = keras.Input((STEPS, 1))
    x = keras.layers.LSTM(UNITS, return_sequences=layout != "many-to-one")(inputs)
    x = keras.layers.Dense(STEPS, name="outputs")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Reshape((STEPS, 1))(x))


def compare_layouts(report, samples, epochs, seed):
    train, validation, test = echo(samples, seed)
    error = np.sqrt(np.mean((test[1] - train[1].mean(axis=0)) ** 2))
    report.add("mean of each step", task="echo", seed=seed, baseline=True, error=error)
    for layout in ("one-to-one", "many-to-one", "many-to-many", "many-to-many, flattened"):
        parts = (train, validation, test)
        if layout == "one-to-one":
            parts = [[array.reshape(-1, 1, 1) for array in part] for part in parts]
        keras.utils.set_random_seed(seed)
        model = build_echo(layout)
        model.compile(keras.optimizers.Adam(0.01), "mse")
        watch = report.watch(layout, task="echo", seed=seed)
        model.fit(*parts[0], validation_data=parts[1], epochs=epochs, verbose=0, callbacks=[watch])
        error = np.sqrt(model.evaluate(*parts[2], verbose=0))
        weights = {"weights of head": model.get_layer("outputs").count_params()}
        report.add(layout, task="echo", seed=seed, error=error, **weights)
    histories = figures.report_histories(report, task="echo")
    figure = figures.learning_curves(histories, training=False, logarithmic=True, title="Echo")
    report.figure("echo", figure, figures.alternative_text(figure))


# %% [markdown]
"""
## Films: a CNN for each frame, an LSTM over the frames

A square moves left, right, up or down. One frame says nothing, and the average of the frames does not
say which way. One builder makes all variants, since one frame is a film too. Shorter films are padded
with frames of zeros; with `mask_value` the LSTM skips them, without it they are frames like others.
"""


# %%
def average(x):
    """The mean of the real frames, as a film of one frame."""
    lengths = masks.step_weights(x).sum(axis=1)
    return x.sum(axis=1, keepdims=True) / np.maximum(lengths, 1)[:, None, None, None, None]


VARIANTS = {
    "first frame": (lambda x: x[:, :1], {}),
    "average of the frames": (average, {}),
    "folded whole": (np.asarray, {"mask_value": 0.0}),
    "folded layer by layer": (np.asarray, {"mask_value": 0.0, "fold": "layers"}),
    "folded whole, no mask": (np.asarray, {}),
}


def build(frame_shape, classes, **options):
    model = builders.cnn_lstm((None, *frame_shape), classes, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    return model


def compare_wrappings(report, films, epochs, seed):
    classes = int(1 + max(part.y.max() for part in vars(films).values()))
    models = {}
    for variant, (prepare, choices) in VARIANTS.items():
        train, validation, test = ((prepare(part.x), part.y) for part in vars(films).values())
        keras.utils.set_random_seed(seed)
        model = models[variant] = build(films.train.x.shape[2:], classes, **choices)
        watch = report.watch(variant, task="films", seed=seed)
        model.fit(*train, validation_data=validation, epochs=epochs, verbose=0, callbacks=[watch])
        scores = model.evaluate(*test, verbose=0, return_dict=True)
        scores["error"] = 1 - scores["accuracy"]
        report.add(variant, task="films", seed=seed, baseline=variant == "first frame", **scores)
    return models


# %% [markdown]
"""
## A film, and what the network knows after each frame

It takes films of any length, so it can be asked after every frame.
"""


# %%
def draw(report, model, x, y):
    film = x[masks.step_weights(x).sum(axis=1).argmax()].mean(axis=-1)
    seen = np.arange(1, x.shape[1] + 1)
    right = [np.mean(np.argmax(model(x[:, :n]), axis=-1) == y) for n in seen]
    figure, (top, bottom) = figures.axes(2, size=(7, 4.4))
    top.imshow(np.hstack([np.pad(frame, 1, constant_values=1) for frame in film]), cmap="gray_r")
    top.set(title="One of the test films", xticks=[], yticks=[])
    bottom.plot(seen, right, marker="o")
    bottom.set(xlabel="frames seen", ylabel="test films right", ylim=(0, 1.02), xticks=seen)
    shares = ", ".join(f"{share:.0%}" for share in right)
    alt = f"The frames of a film; share of test films that are right after 1, 2, ... frames: {shares}."
    report.figure("films", figure, alt)


# %% [markdown]
"""
## Five traps

The first three stand in `keras.layers.TimeDistributed`, the fourth is a sentence of the notes, and the
fifth is what happens where nobody thinks of the mask.
"""


# %%
def show_traps(report, models, films, seed):
    x = np.random.default_rng(seed).normal(size=(2, 7, 3)).astype("float32")
    words = np.full((2, 3, 4), [1, 2, 0, 0])
    steps, losses, moved = {}, {}, {}
    for name, wrapper in {"plain": keras.layers.TimeDistributed, "ours": TimeFold}.items():
        keras.utils.set_random_seed(seed)
        dense = keras.layers.Dense(2, activity_regularizer="l2")
        model = keras.Sequential([keras.Input((None, 3)), wrapper(dense)])
        lengths = [model.predict(x[:, :length], verbose=0).shape[1] for length in (5, 7)]
        steps[name] = f"{lengths[1]} steps out"
        model(x)
        losses[name] = f"{sum(map(float, model.losses)):.3g} added to the loss"
        layers = (keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.LSTM(4))
        encoder = keras.Sequential([keras.Input((3, None)), *map(wrapper, layers)])
        change = np.abs(encoder(words) - encoder(words[..., :2])).max()
        moved[name] = f"sentences move by {change:.2g} when the padding is cut off"
    report.trap("An unknown number of steps: 5 in the first call, 7 in the second", **steps)
    report.trap("The activity regulariser of the wrapped layer", **losses)
    report.trap("A mask of words, born in a wrapper, for a wrapped LSTM", **moved)

    difference = np.abs(keras.layers.TimeDistributed(dense)(x) - dense(x)).max()
    weights = f"{dense.count_params()} weights"
    ours = f"Dense alone: {weights}, outputs differ by up to {difference:.1g}"
    report.trap("'Dense alone flattens the time'", plain=f"wrapped: {weights}", ours=ours)
    longer = np.pad(films, ((0, 0), (0, 5), *[(0, 0)] * 3))
    moved = {}
    for name, variant in {"plain": "folded whole, no mask", "ours": "folded whole"}.items():
        change = np.abs(models[variant](longer) - models[variant](films)).max()
        moved[name] = f"logits move by up to {change:.2g}"
    report.trap("Five more frames of padding, without a mask and with one", **moved)


# %% [markdown]
"""
## The comparison

`error` is the root mean squared error of the echo, and the share of the test films that are wrong.
"""


# %%
def run(epochs: int = 20, samples: int = 1000, seed: int = 0, data: Path | None = None) -> Report:
    """Trains every layout on the echo and every wrapping on the films, and shows the traps.

    Args:
        epochs: Passes over the training data.
        samples: Sequences, and films, in all three parts together.
        seed: Seed of the data, the division and the weights.
        data: Films of your own, an .npz file with arrays x (films, frames, height, width, channels; shorter films padded with zeros) and y (classes from 0).
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    films = datasets.read_films(data, seed) if data else datasets.films(samples, seed=seed)
    report = Report("time_distributed", metric="error", better="lower")
    compare_layouts(report, samples, epochs, seed)
    models = compare_wrappings(report, films, epochs, seed)
    draw(report, models["folded whole"], films.test.x[:200], films.test.y[:200])
    show_traps(report, models, films.test.x[:200], seed)
    return report


# %% [markdown]
"""
## What to look at

The echo: one-to-one is no better than the mean, since it cannot remember. Then compare the weights of
the heads with the errors: the shared head is the smallest, and its size does not grow with the steps.

The films: the average of the frames should stop at half, left or right, up or down. Folded whole and
layer by layer are the same numbers: it is one function, written in two ways. The curve over the frames
rises where the motion first shows. And the last trap: without the mask the network may score as well
on films padded as it knows them, and still answer differently as soon as there is more padding.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
