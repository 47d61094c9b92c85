# %% [markdown]
"""
# Monte Carlo dropout: does the network know what it does not know?

Keep dropout on while predicting, average many passes and read their spread as doubt.

**Question.** Do 100 passes with dropout predict better than none, and does their spread find what the
network has never seen better than its softmax does?

**Use it** when a network has dropout already and you want a measure of its doubt for the price of more
predictions: to pick the rows that a person should look at, or to widen the interval of a regression.

**Do not use it** when predictions have to be fast, when you can afford an ensemble, or when you need
guaranteed coverage: the spread depends on the dropout rate that somebody chose. It measures the doubt
about the weights alone; the noise of the data has to be added.

Data: a generated curve; diabetes and handwritten digits, from scikit-learn; or a table of your own
Uses: dlnotes.builders.mc_dropout_network, dlnotes.uncertainty.mc_predict
Notes: 001:75-107; 002:640-678
Paper: Gal and Ghahramani 2016, https://arxiv.org/abs/1506.02142
Covers: mc_dropout
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, uncertainty
from dlnotes.report import Report
import keras
import numpy as np
import sklearn.datasets
from sklearn.metrics import roc_auc_score

MEMBERS = 5

# %% [markdown]
"""
## The data

The curve has no points between -1 and 1 and none beyond 3, and one wave lies hidden in the gap. Of the
digits the network sees a few of 0 to 4 in training. 5 to 9 come later: for them no answer is right,
and the network should say that it does not know.
"""


# %%
def curve(x):
    return np.cos(3 * x) + 0.5 * x


def curve_with_a_gap(samples, rng):
    x = (rng.uniform(1, 3, samples) * rng.choice([-1, 1], samples))[:, None]
    return datasets.Split(x, curve(x[:, 0]) + 0.2 * rng.normal(size=samples))


def digits(samples, rng):
    """The digits 0 to 4 in three parts, the first one small, and the digits 5 to 9."""
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    order = rng.permutation(np.flatnonzero(y < 5))[:samples]
    parts = np.split(order, [len(order) // 10, len(order) // 5])
    return datasets.Dataset(*(datasets.Split(x[p] / 16, y[p]) for p in parts)), x[y >= 5] / 16


# %% [markdown]
"""
## Four ways to predict

Dropout stands before every dense layer, the last one included. All members of the ensemble learn in one
`fit`: their losses add up and they share no weight, so each learns as if it were alone. The first
member is also the network that predicts without dropout and with it. Each variant is a set of samples
of shape (passes, rows, outputs), so the same lines score them all.
"""


# %%
def build(shape, outputs, loss, mean=0.0, scale=1.0):
    """The members of an ensemble, and one compiled model that trains them all."""
    inputs, members = keras.Input(shape), []
    for n in range(MEMBERS):
        network = builders.mc_dropout_network(shape, outputs, input_dropout=0.0, name=f"member_{n}")
        rescale = keras.layers.Rescaling(float(scale), float(mean))
        members.append(keras.Model(inputs, rescale(network(inputs))))
    ensemble = keras.Model(inputs, [member.output for member in members])
    ensemble.compile(keras.optimizers.Adam(0.005), [loss] * MEMBERS)
    return members, ensemble


def train(report, task, data, outputs, loss, epochs, seed, *target):
    keras.utils.set_random_seed(seed)
    members, ensemble = build(data.train.x.shape[1:], outputs, loss, *target)
    parts = [(x, [y] * MEMBERS) for x, y in (data.train, data.validation)]
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    options = {"batch_size": 16, "verbose": 0, "callbacks": [stop, report.watch(task, seed=seed)]}
    ensemble.fit(*parts[0], validation_data=parts[1], epochs=epochs, **options)
    return members


def sample(members, x, passes, seed, activation="linear", **options):
    """Samples of shape (passes, rows, outputs) from each variant."""
    activate = keras.activations.get(activation)
    plain = np.stack([activate(member(x, training=False)) for member in members])
    options |= {"seed": seed, "activation": activation, "return_samples": True}
    drawn = uncertainty.mc_predict(members[0], x, passes, **options).samples
    variants = {"no dropout": plain[:1], "one pass": drawn[:1], f"{passes} passes": drawn}
    return variants | {f"ensemble of {MEMBERS}": plain}


# %% [markdown]
"""
## Regression

Every sample gets noise of one precision, fitted on the validation rows. For the bands,
`shared_mask=True` gives all points of a pass one mask, so each pass is one smooth curve.
"""


# %%
def regression(report, task, data, epochs, passes, seed, bands=False):
    (x, y), values = data.test, data.train.y
    members = train(report, task, data, 1, "mse", epochs, seed, values.mean(), values.std())
    fitted, noise = sample(members, data.validation.x, passes, seed), {}
    for variant, samples in sample(members, x, passes, seed).items():
        precision = uncertainty.fit_precision(data.validation.y, fitted[variant])
        scores = uncertainty.regression_scores(y, samples, precision)
        report.add(variant, task=task, seed=seed, baseline=variant == "no dropout", **scores)
        noise[variant] = precision**-0.5
    if bands:
        x = np.linspace(-4, 4, 121)
        curves = sample(members, x[:, None], passes, seed, shared_mask=True)
        means = {name: samples.mean(axis=0) for name, samples in curves.items()}
        stds = {name: np.hypot(s.std(axis=0), noise[name]) for name, s in curves.items()}
        figure = figures.prediction_band(x, means, stds, truth=curve(x), data=data.train)
        report.figure("bands", figure, figures.alternative_text(figure))


# %% [markdown]
"""
## Classification

Probabilities are averaged, not logits. Three measures of doubt look for the unknown rows, each judged by
the area under its ROC curve.
"""


# %%
def classification(report, task, data, epochs, passes, seed, unknown=()):
    x, y, known = np.concatenate([data.test.x, *unknown]), data.test.y, {}
    classes = int(1 + max(y.max(), data.train.y.max(), data.validation.y.max()))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    members = train(report, task, data, classes, loss, epochs, seed)
    is_unknown = np.arange(len(x)) >= len(y)
    for variant, samples in sample(members, x, passes, seed, "softmax").items():
        mean = samples.mean(axis=0)
        known[variant] = mean[: len(y)]
        scores = uncertainty.classification_scores(y, known[variant])
        if is_unknown.any():
            doubts = {"softmax": -mean.max(axis=1), "entropy": uncertainty.predictive_entropy(mean)}
            if len(samples) > 1:
                doubts["mutual_information"] = uncertainty.mutual_information(samples)
            scores |= {f"auroc_{name}": roc_auc_score(is_unknown, d) for name, d in doubts.items()}
            scores["unknown_above_0.9"] = np.mean(mean[is_unknown].max(axis=1) > 0.9)
        report.add(variant, task=task, seed=seed, baseline=variant == "no dropout", **scores)
    figure = figures.reliability_diagram(known, y, title=f"Reliability: {task}")
    report.figure("reliability", figure, figures.alternative_text(figure))


# %% [markdown]
"""
## Three traps

The notes quote `Dropout(...)(x, training=True)` and advise one more dropout at the end of the model.
Others call `model(x, training=True)`.
"""


# %%
def show_traps(report, seed):
    ones, inputs = np.ones((1, 20)), keras.Input((20,))
    dropout, normalise = keras.layers.Dropout(0.5), keras.layers.BatchNormalization()

    def draw(model):
        return uncertainty.mc_predict(model, ones, 1000, seed=seed, return_samples=True)

    baked = keras.Model(inputs, dropout(inputs, training=True))  # migrate: ignore
    plain = np.std([baked.predict(ones, verbose=0) for _ in range(5)], axis=0)
    words = [f"passes differ by {spread.mean():.2f}" for spread in (plain, draw(baked).std)]
    report.trap("Dropout built in with training=True, then predict", plain=words[0], ours=words[1])

    words, normalised = [], keras.Sequential([inputs, normalise, dropout])
    for predict in (draw, lambda model: model(ones, training=True)):
        predict(normalised)
        words.append(f"moving mean 0 became {float(normalise.moving_mean[0]):.2g}")
    report.trap("model(x, training=True) with batch normalisation", plain=words[1], ours=words[0])

    network = builders.mc_dropout_network((20,), 1, dropout=0.5)
    models = (keras.Sequential([network, dropout]), network)
    words = [f"{np.mean(draw(model).samples == 0):.0%} of predictions are 0" for model in models]
    report.trap("Dropout after the last layer", plain=words[0], ours=words[1])


# %% [markdown]
"""
## The comparison
"""


# %%
def run(
    epochs: int = 80,
    samples: int = 1000,
    seed: int = 0,
    passes: int = 100,
    csv: Path | None = None,
    target: str = "target",
) -> Report:
    """Trains an ensemble, samples its first member with dropout on, and scores what each predicts.

    Args:
        epochs: Passes over the training rows, at most: the best one on the validation rows counts.
        samples: Rows of each data set, in all three parts together.
        seed: Seed of the data, the weights and the dropout.
        passes: Samples with dropout on.
        csv: A table of your own, with a header line, in place of the three data sets.
        target: Its column to predict: classes if it holds texts or at most 20 whole numbers.
    """
    errors.check_at_least(1, epochs=epochs, passes=passes)
    errors.check_at_least(50, samples=samples)
    report, settings = Report("mc_dropout", metric="nll", better="lower"), (epochs, passes, seed)
    table = csv or sklearn.datasets.load_diabetes(as_frame=True).frame
    data = datasets.read_table(table, target, rows=samples, seed=seed)
    score = regression if data.train.y.dtype.kind == "f" else classification
    score(report, csv.stem if csv else "diabetes", data, *settings)
    if not csv:
        rng = np.random.default_rng(seed)
        data = datasets.Dataset(*(curve_with_a_gap(samples // 3, rng) for _ in range(3)))
        regression(report, "curve", data, *settings, bands=True)
        data, unknown = digits(samples, rng)
        classification(report, "digits", data, *settings, unknown=[unknown])
        show_traps(report, seed)
    return report


# %% [markdown]
"""
## What to look at

The bands: without dropout the network is as sure in the gap as among the data. Then the columns: 100
passes against one and against none, and what an ensemble does for five times the training. For the
unknown digits compare the areas under the curve: sampling has told something new only where the
entropy or the mutual information of the passes beats the softmax of the network without dropout.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
