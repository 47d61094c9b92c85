# %% [markdown]
"""
# Dropout in an LSTM: which arrows are cut, and how often the mask is drawn

An LSTM has arrows from its inputs, between its steps and to the head, and dropout for each of them.

**Question.** What is the difference between dropout inside the LSTM and a `Dropout` layer beside it,
which of them helps where labels are few, and is it worth having them all?

**Use it** when the network learns its sequences by heart: high accuracy in training, a loss on new
sequences that rises again.

**Do not use it** when the network does not even fit what it is trained on. And not inside the LSTM, on
its inputs, when there are few features: with one feature, whole sequences vanish.

Data: 600 definitions of nouns from WordNet 3.1 as GloVe vectors (both embedded); a generated seasonal series for the traps
Uses: dlnotes.builders.dropout_lstm, dlnotes.datasets.glosses, dlnotes.vectors.load_vectors, dlnotes.datasets.seasonal, dlnotes.masks.step_weights
Notes: 002:371-375, 409-415
Paper: Gal and Ghahramani 2016, https://arxiv.org/abs/1512.05287
Covers: lstm_dropout
"""

# %%
import re

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.report import Report
from dlnotes.vectors import load_vectors
import keras
import numpy as np

STEPS = 10
TEST, VALIDATION = 2000, 500

# %% [markdown]
"""
## Definitions as sequences of word vectors

Words that the vectors do not know are left out, longer definitions are cut, shorter ones are padded with
zeros. A definition tells one of ten kinds of things: food, plant, person, and so on.
"""


# %%
def read(samples, seed):
    """Word vectors of shape (texts, steps, dimensions) and kinds, in three parts."""
    table = datasets.glosses().sample(frac=1, random_state=seed)[: TEST + VALIDATION + samples]
    vectors = load_vectors(datasets.glove_path())
    x = np.zeros((len(table), STEPS, vectors.dimension), "float32")
    for steps, text in zip(x, table["text"], strict=True):
        words = [word for word in re.findall(r"\w+", text.lower()) if word in vectors][:STEPS]
        for step, word in zip(steps, words, strict=False):
            step[:] = vectors[word]
    y = np.unique(table["label"], return_inverse=True)[1]
    ends = [TEST, TEST + VALIDATION]
    test, validation, train = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return train, validation, test


# %% [markdown]
"""
## One LSTM, five places for dropout

`inputs, one mask` is `LSTM(dropout=...)`: what is dropped stays dropped from the first step to the last.
`inputs, new masks` is a `Dropout` layer in front of the LSTM: the same arrows at the same rate, drawn anew
at each step. `states` is `LSTM(recurrent_dropout=...)`, `outputs` is a `Dropout` layer after the LSTM.
"""


# %%
def choices(rate):
    """The arguments of the builder for each variant."""
    every = ("dropout", "recurrent_dropout", "output_dropout")
    inputs, states, outputs = ({name: rate} for name in every)
    arms = {
        "no dropout": {},
        "inputs, one mask": inputs,
        "inputs, new masks": inputs | {"same_mask_every_step": False},
        "states": states,
        "outputs": outputs,
        "all three": inputs | states | outputs,
    }
    return {variant: dict.fromkeys(every, 0.0) | arm for variant, arm in arms.items()}


def build(input_shape, classes, units=32, **options):
    model = builders.dropout_lstm(input_shape, classes, units=units, mask_value=0.0, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def compare(report, parts, rate, epochs, seed):
    train, validation, test = parts
    classes = int(1 + max(y.max() for _, y in parts))
    for variant, options in choices(rate).items():
        keras.utils.set_random_seed(seed)
        model = build(train[0].shape[1:], classes, **options)
        watch = report.watch(variant, seed=seed)
        fit = {"validation_data": validation, "batch_size": 150, "epochs": epochs, "verbose": 0}
        model.fit(*train, **fit, callbacks=[watch])
        (loss, accuracy), (_, known) = (
            model.evaluate(*part, batch_size=500, verbose=0) for part in (test, train)
        )
        scores = {"accuracy": accuracy, "crossentropy": loss, "gap": known - accuracy}
        report.add(variant, seed=seed, baseline=variant == "no dropout", **scores)
    histories = figures.report_histories(report)
    figure = figures.learning_curves(
        histories, training=False, title="Loss on validation texts", size=(7, 3.6)
    )
    report.figure("loss", figure, figures.alternative_text(figure))


# %% [markdown]
"""
## The masks themselves

A recurrent layer whose weights are ones and zeros shows what it drops. With no weights between the steps
its outputs are its inputs, dropped. With weights of one between the steps it adds up ones, and begins
again at one wherever its state was dropped.
"""


# %%
def show_masks(report, rate, seed, units=16):
    keras.utils.set_random_seed(seed)
    ones, kept = np.ones((1, 12, units), "float32"), {}
    for name, between in {"dropout": "zeros", "recurrent_dropout": "identity"}.items():
        weights = {"kernel_initializer": "identity", "recurrent_initializer": between}
        layer = keras.layers.SimpleRNN(
            units, "linear", return_sequences=True, **weights, **{name: rate}
        )
        states = layer(ones, training=True)
        kept[f"{name}="] = states[:, 1:] > (1 if between == "identity" else 0)
    kept["Dropout layer"] = keras.layers.Dropout(rate)(ones, training=True) > 0  # migrate: ignore
    shared = keras.layers.Dropout(rate, noise_shape=(None, 1, None))
    kept["the same with noise_shape"] = shared(ones, training=True) > 0
    figure, panels = figures.axes(1, len(kept), size=(9.6, 2.8), sharey=True)
    said = []
    for axis, (name, mask) in zip(panels, kept.items(), strict=True):
        mask = np.asarray(mask)[0].T
        axis.imshow(
            mask, cmap="Blues", vmin=-0.1, vmax=1.4, aspect="auto", extent=(0, 12, units, 0)
        )
        axis.grid(False)
        axis.set(title=name, xlabel="step", xticks=[], yticks=[])
        alike = "the same at each step" if (mask == mask[:, :1]).all() else "another at each step"
        said.append(f"{name}: {alike}")
    panels[0].set_ylabel("feature or unit")
    report.figure("masks", figure, f"What is kept (dark) and dropped (pale). {'; '.join(said)}.")


# %% [markdown]
"""
## Two traps

Both stand where a series has a single feature. One mask for all steps drops the whole window or nothing of
it. And a step that a `Dropout` layer in front has set to zero looks like padding to a `Masking` layer.
"""


# %%
def show_traps(report, rate, seed):
    x = datasets.seasonal(1000, seed=seed).train.x
    keras.utils.set_random_seed(seed)
    plain, model = (
        keras.layers.LSTM(8, dropout=rate),
        build((None, 1), 1, same_mask_every_step=False),
    )
    ours = keras.Model(model.inputs[0], model.get_layer("lstm").output)
    gone = [float(np.mean(~np.any(layer(x, training=True), axis=1))) for layer in (plain, ours)]
    report.trap(
        "Dropout on the inputs of a series with one feature",
        plain=f"inside the LSTM: {gone[0]:.0%} of the windows are nothing but zeros",
        ours=f"with same_mask_every_step=False: {gone[1]:.0%}",
    )
    dropped = keras.layers.Dropout(rate)(x, training=True)  # migrate: ignore
    padding = 1 - np.mean(keras.layers.Masking().compute_mask(dropped))
    report.trap(
        "A mask computed after dropout, on windows without padding",
        plain=f"{padding:.0%} of the steps count as padding",
        ours=f"computed before: {1 - masks.step_weights(x).mean():.0%}",
    )


# %%
def run(epochs: int = 20, samples: int = 600, seed: int = 0, rate: float = 0.3) -> Report:
    """Sorts definitions by an LSTM with dropout in one place or in another.

    Args:
        epochs: Passes over the training texts.
        samples: Training texts; 500 more are for validation and 2,000 for the test.
        seed: Seed of the choice of the texts, of the weights and of the masks.
        rate: Share that is dropped, the same for every kind of dropout.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(20, samples=samples)
    report = Report("lstm_dropout", metric="accuracy", better="higher")
    compare(report, read(samples, seed), rate, epochs, seed)
    show_masks(report, rate, seed)
    show_traps(report, rate, seed)
    return report


# %% [markdown]
"""
## What to look at

The masks first: three pictures with stripes, one with noise. Stripes take the same numbers of every word, or
the same units, from a whole sequence, so the network has to do without them; noise takes a little from each
step, and the next step may bring it back.

Then the loss on the validation texts, more than the accuracy: without dropout it turns and rises, since the
network grows sure of its mistakes. The stars say where early stopping would have ended: part of what
dropout brings, stopping in time brings as well.

Which arrow? Inputs are what is learned by heart, so cutting them closes the gap between known and new texts
furthest. Cutting states is milder than its rate says, since the memory of an LSTM itself is never cut: what
was dropped on the way to the gates is still there at the next step. It also costs time, since each gate
draws a mask of its own. Compare *all three* with the best single one before adding the others.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
