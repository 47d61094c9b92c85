# %% [markdown]
"""
# The next frame of a film: an LSTM whose gates are convolutions

A square moves over a noisy picture, and the network draws what comes next, one frame or several ahead.

**Question.** How much better than the last frame is a ConvLSTM's picture of the next one, does it need its
neighbours or its memory for that, and how far ahead does it hold when it is fed its own pictures?

**Use it** when each place depends on what happened around it, in the same way everywhere: radar, maps of
sensors, simple video.

**Do not use it** before a plain convolution over the last two frames has been tried, which knows a steady
motion as well. And not for what moves further in a frame than the convolutions reach.

Data: generated films of a moving square
Uses: dlnotes.builders.conv_lstm, dlnotes.datasets.films
Notes: 002:468
Paper: Shi et al. 2015, https://arxiv.org/abs/1506.04214
Covers: conv_lstm
"""

# %%
from dlnotes import builders, cli, datasets, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

SIZE = 16
COPY = "copy of the last frame"

# %% [markdown]
"""
## Films and their next frames

The square moves one pixel per frame in one of four directions and comes back on the other side. Each frame
but the first is a target, each frame but the last an input. Whoever has seen one frame cannot know where
the square is going; whoever has seen two can. The noise of a frame cannot be known at all.
"""


# %%
def next_frames(samples, frames, noise, seed):
    """Films without their last frame and without their first one, in three parts."""
    whole = datasets.films(samples, 2 * frames, SIZE, noise, seed)
    films = [part.x[:, :frames] for part in vars(whole).values()]
    return datasets.Dataset(*(datasets.Split(x[:, :-1], x[:, 1:]) for x in films))


def last_two_frames(input_shape, filters=16):
    """A convolution over each frame and the one before, without any memory."""
    inputs = keras.Input(input_shape)
    nothing = keras.ops.zeros_like(inputs[:, :1])
    before = keras.ops.concatenate([nothing, inputs[:, :-1]], axis=1)
    x = keras.ops.concatenate([before, inputs], axis=-1)
    x = keras.layers.Conv3D(filters, (1, 3, 3), padding="same", activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(input_shape[-1])(x))


BUILDERS = {
    "LSTM for each pixel": lambda shape: builders.conv_lstm(shape, filters=4, kernel_size=1),
    "convolution of two frames": last_two_frames,
    "ConvLSTM": lambda shape: builders.conv_lstm(shape, filters=4),
}


def build(variant, input_shape=(None, SIZE, SIZE, 1)):
    model = BUILDERS[variant](input_shape)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


# %% [markdown]
"""
## Several frames ahead

A picture of the next frame is put behind the film, and the network is asked again. Its mistakes become its
inputs, and nobody corrects them.
"""


# %%
def feed_back(model, films, ahead):
    """The frames that a model draws when its own ones are appended; `None` repeats the last one."""
    seen = films.shape[1]
    for _ in range(ahead):
        frame = films[:, -1:] if model is None else np.asarray(model(films))[:, -1:]
        films = np.concatenate([films, frame], axis=1)
    return films[:, seen:]


def compare(report, parts, given, epochs, seed):
    """Adds a row for each variant; returns the true films and what each one draws."""
    x, y = parts.test
    ahead = y.shape[1] + 1 - given
    films = np.concatenate([x[:, :1], y], axis=1)
    models, drawn = {COPY: None}, {"what happens": films[:, given:]}
    for variant in BUILDERS:
        keras.utils.set_random_seed(seed)
        model = models[variant] = build(variant)
        fit = {"batch_size": 25, "epochs": epochs, "verbose": 0}
        watch = report.watch(variant, seed=seed)
        model.fit(*parts.train, validation_data=parts.validation, callbacks=[watch], **fit)
    for variant, model in models.items():
        predicted = x if model is None else model.predict(x, batch_size=50, verbose=0)
        drawn[variant] = feed_back(model, films[:, :given], ahead)
        error = np.mean((drawn[variant] - films[:, given:]) ** 2, axis=(0, 2, 3, 4))
        scores = {"mse": np.mean((predicted - y) ** 2), f"mse {ahead} frames ahead": error[-1]}
        report.add(variant, seed=seed, baseline=variant == COPY, **scores)
    return films, drawn


# %%
def draw(report, films, drawn, given):
    truth, ahead = drawn["what happens"], len(drawn["what happens"][0])
    by_film = np.mean((drawn["ConvLSTM"] - truth) ** 2, axis=(1, 2, 3, 4))
    number = np.argsort(by_film)[len(by_film) // 2]
    strip, axis = figures.axes(size=(7.6, 4))
    seen = films[number, given - 2 : given, ..., 0]
    rows = [np.hstack([*seen, *frames[number, ..., 0]]) for frames in drawn.values()]
    axis.imshow(np.vstack(rows), cmap="gray_r", vmin=0, vmax=1)
    axis.grid(False)
    axis.set_yticks(SIZE * (np.arange(len(rows)) + 0.5), list(drawn))
    labels = ["seen", "seen", *(f"{step} ahead" for step in range(1, ahead + 1))]
    axis.set_xticks(SIZE * (np.arange(len(labels)) + 0.5), labels)
    for edge in range(0, SIZE * len(labels), SIZE):
        axis.axvline(edge - 0.5, color=figures.GREY, linewidth=1 + 2 * (edge == 2 * SIZE))
    for edge in range(0, SIZE * len(rows), SIZE):
        axis.axhline(edge - 0.5, color=figures.GREY, linewidth=1)
    alt = f"The test film of middling error, its next {ahead} frames, and what each variant draws"
    report.figure("film", strip, f"{alt}, from above: {', '.join(drawn)}.")

    figure, axis = figures.axes(size=(6, 3.2))
    said = []
    for variant, frames in list(drawn.items())[1:]:
        error = np.mean((frames - truth) ** 2, axis=(0, 2, 3, 4))
        axis.plot(np.arange(1, ahead + 1), error, marker="o", label=variant)
        said.append(f"{variant} {', '.join(f'{value:.3f}' for value in error)}")
    axis.set(xlabel="frames ahead", ylabel="squared error", ylim=(0, None))
    axis.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    report.figure("ahead", figure, f"Error 1, 2, ... frames ahead: {'; '.join(said)}.")


# %% [markdown]
"""
## A trap

The head is the same for each frame, and for that everybody takes `TimeDistributed`. With films of unknown
length it remembers the first length that it meets.
"""


# %%
def show_trap(report, x):
    inputs = keras.Input((None, SIZE, SIZE, 1))
    states = keras.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(inputs)
    head = keras.layers.TimeDistributed(keras.layers.Conv2D(1, 1))
    models = {"plain": keras.Model(inputs, head(states)), "ours": build("ConvLSTM")}
    frames = {}
    for name, model in models.items():
        lengths = [model.predict(x[:2, :seen], verbose=0).shape[1] for seen in (3, 5)]
        frames[name] = f"{lengths[1]} frames out"
    report.trap("Two films of 5 frames, after two films of 3 frames", **frames)


# %%
def run(
    epochs: int = 8,
    samples: int = 500,
    seed: int = 0,
    given: int = 6,
    ahead: int = 4,
    noise: float = 0.1,
) -> Report:
    """Draws the next frame of films of a moving square, and several ahead.

    Args:
        epochs: Passes over the training films.
        samples: Generated films in all three parts together.
        seed: Seed of the films and of the weights.
        given: Frames that are seen before several are drawn.
        ahead: Frames that are drawn one after the other, each from those before.
        noise: Standard deviation of the noise of a pixel; the square has brightness 1.
    """
    errors.check_at_least(1, epochs=epochs, ahead=ahead)
    errors.check_at_least(2, given=given)
    errors.check_at_least(20, samples=samples)
    parts = next_frames(samples, given + ahead, noise, seed)
    report = Report("conv_lstm", metric="mse", better="lower")
    films, drawn = compare(report, parts, given, epochs, seed)
    draw(report, films, drawn, given)
    show_trap(report, parts.test.x)
    return report


# %% [markdown]
"""
## What to look at

The film first, one of middling error. A pixel that knows nothing but its own past can tell how long it stays
lit, and nothing of what is about to arrive. The convolution of two frames knows the direction, and has
nothing else to know. The ConvLSTM has a memory besides, which tells the square from the noise.

Then the errors ahead. Nothing was trained to live on its own pictures; each blurs a little of what it was
given, and the next one blurs the blur. What is left of a lead after a few frames is the honest measure of a
model that is meant to forecast.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
