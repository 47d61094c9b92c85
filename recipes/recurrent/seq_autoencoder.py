# %% [markdown]
"""
# A sequence in one vector: LSTM autoencoders, and what their codes are good for

One LSTM reads a sequence into a vector, another one writes it again from nothing but that vector. No
labels are needed, so every recording can be used.

**Question.** Is the vector worth anything, for a classifier that has three labels of each class, or for
noticing what was never heard before? And does a decoder with attention, which writes better, also make
a better vector?

**Use it** when there are many sequences and few labels, to search, to draw a map, or to notice what is odd.

**Do not use it** before principal components have been tried: for short sequences that begin at the same
point they are hard to beat, and take no training. Nor where labels are plenty: train on them.

Data: Japanese Vowels (nine speakers, UCI), one of whom is kept for the test, or sequences of your own
Uses: dlnotes.builders.sequence_autoencoder, dlnotes.datasets.japanese_vowels, dlnotes.masks.step_weights
Notes: 001:295-297; 002:554, 925-928
Paper: Srivastava, Mansimov and Salakhutdinov 2015, https://arxiv.org/abs/1502.04681; for the attention: Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473
Covers: seq_autoencoder
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, masks
from dlnotes.report import Report
import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

VARIANTS = {"LSTM": False, "LSTM with attention": True}

# %% [markdown]
"""
## Two questions for one code

One class is left out of the training altogether. The others give the first question: from three labels
of each class a linear classifier has to tell the test sequences apart, by their codes alone. The error
of what was written gives the second one: is it larger for the class that was never heard?

Errors are those of real steps. The baseline is as wide as the code: principal components of the padded
sequences, laid out as one long vector. There are two more controls, since a code may be good for reasons
that have nothing to do with its training: the mean of the steps, and the LSTM before it has learned.
"""


# %%
def without(part, left_out):
    return datasets.Split(part.x[part.y != left_out], part.y[part.y != left_out])


def judge(codes, written, train, test, left_out, seed):
    """What a code and what was written from it are worth; both are functions of sequences."""
    order = np.random.default_rng(seed).permutation(len(train.y))
    few = np.concatenate([order[train.y[order] == one][:3] for one in np.unique(train.y)])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(codes(train.x[few]), train.y[few])
    heard = without(test, left_out)
    weight = masks.step_weights(test.x)
    errors_of_steps = np.square(written(test.x) - test.x).mean(axis=-1)
    error = (errors_of_steps * weight).sum(axis=1) / weight.sum(axis=1)
    mean = np.sqrt(error[test.y != left_out].mean())
    unheard = {"auroc": roc_auc_score(test.y == left_out, error), "error": mean}
    return {
        "few labels": {"accuracy": probe.score(codes(heard.x), heard.y)},
        "never heard": unheard,
    }


def add(report, variant, seed, found, baseline=False):
    for task, metrics in found.items():
        report.add(variant, task=task, seed=seed, baseline=baseline, **metrics)


# %%
def build(features, code, attention):
    """An autoencoder, compiled, its encoder, and both as functions of arrays."""
    options = {"code": code, "attention": attention, "mask_value": 0.0}
    model = builders.sequence_autoencoder((None, features), **options)
    loss = keras.losses.MeanSquaredError("mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.005), loss)
    encoder = keras.Model(model.input, model.get_layer("code").output)
    return model, lambda x: np.asarray(encoder(x)), lambda x: np.asarray(model(x))


def fit(model, train, validation, epochs, watch):
    """Trains on sequences without their labels."""
    weights = [masks.step_weights(part.x) for part in (train, validation)]
    held_out = validation.x, validation.x, weights[1]
    options = {"sample_weight": weights[0], "validation_data": held_out, "verbose": 0}
    model.fit(train.x, train.x, epochs=epochs, callbacks=[watch], **options)


def mean_of_steps(x):
    weight = masks.step_weights(x)[..., None]
    return (x * weight).sum(axis=1) / weight.sum(axis=1)


# %% [markdown]
"""
## A trap: padding in the code

Tutorials repeat the last state for a fixed number of steps and know no mask. The encoder then reads the
padding too, and two recordings of one sequence get two codes.
"""


# %%
def show_trap(report, x, seed):
    moved = []
    for mask_value in (None, 0.0):
        keras.utils.set_random_seed(seed)
        model = builders.sequence_autoencoder((None, x.shape[-1]), mask_value=mask_value)
        encoder = keras.Model(model.input, model.get_layer("code").output)
        longer = np.pad(x[:4], ((0, 0), (0, 10), (0, 0)))
        moved.append(float(np.abs(encoder(longer) - encoder(x[:4])).max()))
    report.trap(
        "The code, when there are ten more steps of padding",
        plain=f"moves by up to {moved[0]:.2g}",
        ours=f"moves by up to {moved[1]:.2g}",
    )


# %%
def draw(report, x, written):
    figure, (left, right) = figures.axes(columns=2, size=(9.2, 3.4))
    real = masks.step_weights(x[:1])[0] > 0
    left.plot(x[0, real, 0], color="#000000", label="as it was")
    for variant, write in written.items():
        left.plot(write(x[:1])[0, real, 0], label=variant)
    left.set(title="a test sequence, written", xlabel="step", ylabel="first feature")
    left.legend(frameon=False, fontsize=8)
    said, values = [], {}
    for row in report.rows:
        values.setdefault(row["variant"], {}).update(row["metrics"])
    for variant, metrics in values.items():
        point = metrics["error"], metrics["accuracy"]
        right.plot(*point, "o")
        right.annotate(variant, point, xytext=(6, 4), textcoords="offset points", fontsize=8)
        said.append(f"{variant}: error {point[0]:.2f}, accuracy {point[1]:.2f}")
    right.set(title="three labels of each class", xlabel="error", ylabel="test accuracy")
    right.margins(x=0.35)
    report.figure("codes", figure, f"Writing well and coding well. {'; '.join(said)}.")


# %%
def run(
    epochs: int = 60,
    samples: int = 1000,
    seed: int = 0,
    code: int = 16,
    data: Path | None = None,
) -> Report:
    """Compares codes of LSTM autoencoders with principal components.

    Args:
        epochs: Passes over the training sequences.
        samples: Sequences in each part, at most.
        seed: Seed of the division, the labels, the class that is left out and the weights.
        code: Width of the code, and number of principal components.
        data: Sequences of your own in place of the vowels, an .npz file with arrays x (sequences, steps, features; shorter ones padded with zeros) and y (classes from 0, one for each sequence).
    """
    errors.check_at_least(1, epochs=epochs, code=code)
    errors.check_at_least(100, samples=samples)
    own = datasets.read_sequences(data, seed) if data else datasets.japanese_vowels(seed)
    parts = [datasets.Split(x[:samples], y[:samples]) for x, y in vars(own).values()]
    left_out = seed % (1 + int(parts[0].y.max()))
    train, validation = (without(part, left_out) for part in parts[:2])
    test = parts[2]
    metrics = {"few labels": "accuracy", "never heard": "auroc"}
    report = Report("seq_autoencoder", metric=metrics, better="higher")

    flat = train.x.reshape(len(train.x), -1)
    components = PCA(min(code, len(flat)), random_state=seed).fit(flat)

    def project(x):
        return components.transform(x.reshape(len(x), -1))

    coders = {
        "PCA": (project, lambda x: components.inverse_transform(project(x)).reshape(x.shape)),
        "mean of the steps": (mean_of_steps, lambda x: 0 * x + mean_of_steps(x)[:, None]),
    }
    for variant, coder in coders.items():
        found = judge(*coder, train, test, left_out, seed)
        add(report, variant, seed, found, baseline=variant == "PCA")
    for variant, attention in VARIANTS.items():
        keras.utils.set_random_seed(seed)
        model, *coders[variant] = build(train.x.shape[-1], code, attention)
        if not attention:
            found = judge(*coders[variant], train, test, left_out, seed)
            add(report, "LSTM, untrained", seed, found)
        watch = report.watch(variant, task="few labels", seed=seed)
        fit(model, train, validation, epochs, watch)
        add(report, variant, seed, judge(*coders[variant], train, test, left_out, seed))
    written = {variant: write for variant, (_, write) in coders.items()}
    draw(report, without(test, left_out).x, written)
    show_trap(report, test.x, seed)
    return report


# %% [markdown]
"""
## What to look at

The picture on the right. To the left is who writes well, above is whose code is worth something; the two
need not go together. With attention the decoder reads the states of the encoder, so it can write without
the code, and nothing forces what it needs through there.

Then the controls. Principal components know where in the sequence a value stands, since all sequences
begin at the same point; an LSTM has to learn it. And compare the trained encoder with the untrained one:
the distance is what learning to write has added to the code. Whatever was there before comes for nothing.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
