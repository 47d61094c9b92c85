# %% [markdown]
"""
# What the notes say about Monte Carlo dropout

The exact checks draw many passes from small networks with random weights. The empirical ones rest on
two experiments with new data for every seed: 800 of the digits 0 to 4 with 5 to 9 as the unknown, and a
series with gaps. The noise of the data is fitted on validation data, the scores are of test data.
"""

# %%
from dlnotes import builders, claims, datasets, uncertainty
from dlnotes.reuse import reuse
import keras
import numpy as np
from scipy.signal import lfilter
from sklearn.metrics import roc_auc_score

STORY = claims.story(__file__)
ONES = np.ones((1, 1000), "float32")
ROWS = np.random.default_rng(0).normal(size=(3, 5))


def samples(model, x, passes, seed=0, **options):
    options |= {"batch_size": 8192, "seed": seed, "return_samples": True}
    return uncertainty.mc_predict(model, x, passes, **options).samples


def random_network(**options):
    keras.utils.set_random_seed(0)
    return builders.mc_dropout_network((5,), 1, **options)


def zeros(outputs):
    return float(np.mean(np.asarray(outputs) == 0))


# %% [markdown]
"""
## What a pass is
"""


# %%
@claims.exact(
    "mc-passes-sample", "Passes with dropout draw samples of a prediction.", where="001:81; 002:646"
)
def passes_sample():
    network = random_network()
    drawn = [[np.asarray(network(ROWS, training=on)) for _ in range(100)] for on in (True, False)]
    different = [len(np.unique(passes, axis=0)) for passes in drawn]
    return claims.equal("different outputs in 100 passes, dropout on and off", different, [100, 1])


def passes_through_equal_columns():
    """400 passes of a dense layer: inputs, kernel with two equal columns, kept inputs, outputs."""
    rng, inputs = np.random.default_rng(0), keras.Input((8,))
    dropped, dense = keras.layers.Dropout(0.5)(inputs), keras.layers.Dense(2, use_bias=False)
    model = keras.Model(inputs, [dropped, dense(dropped)])
    x, kernel = rng.normal(size=8), rng.normal(size=(8, 1)) * np.ones(2)
    dense.set_weights([kernel])
    kept, outputs = (drawn[:, 0] for drawn in samples(model, x[None], 400))
    return x, kernel, kept != 0, outputs


@claims.exact(
    "mc-bernoulli-weights",
    "Dropout draws each weight, or rather each row of weights, from a Bernoulli distribution.",
    where="001:79-81; 002:644-646",
)
def rows_are_drawn():
    x, kernel, kept, outputs = passes_through_equal_columns()
    naive = [sum(x[row] * kernel[row] * mask[row] / 0.5 for row in range(8)) for mask in kept]
    return [
        claims.equal("outputs with whole rows of the kernel at 0", outputs, naive),
        claims.equal("share of rows at 0", 1 - kept.mean(), 0.5, tolerance=0.05),
    ]


@claims.exact("mc-mean-cleaner", "The mean of 100 passes is far cleaner.", where="001:83; 002:648")
def the_mean_is_cleaner():
    drawn = samples(random_network(), ROWS[:1], 40_000)[:, 0, 0]
    ratio = drawn.reshape(400, 100).mean(axis=1).std() / drawn.std()
    return claims.equal("spread of means of 100 by that of passes", ratio, 0.1, tolerance=0.015)


# %% [markdown]
"""
## What switches dropout on
"""


# %%
def shares_dropped(training=None, trainable=True):
    """The share that a layer of rate 0.5 drops of ones when called, in `predict`, in `mc_predict`.

    Last the squared error in `evaluate`, which is 1 with and 0 without dropout.
    """
    dropout, inputs = keras.layers.Dropout(0.5), keras.Input((1000,))
    model = keras.Model(inputs, dropout(inputs, training=training))
    model.compile(loss="mse")
    dropout.trainable = trainable
    outputs = model(ONES), model.predict(ONES, verbose=0), samples(model, ONES, 10)
    return *map(zeros, outputs), model.evaluate(ONES, ONES, verbose=0)


@claims.exact(
    "mc-trainable-flag",
    "Setting `trainable=True` on the dropout layers keeps dropout on in `predict`.",
    where="001:97; 002:668",
)
def trainable_keeps_dropout_on():
    _, predicted, *_ = shares_dropped(trainable=True)
    frozen, *_ = shares_dropped(training=True, trainable=False)
    return [
        claims.equal("share dropped by `predict`", predicted, 0.5, tolerance=0.1),
        claims.equal("share dropped with training, not trainable", frozen, 0.0, tolerance=0.1),
    ]


@claims.exact(
    "mc-baked-training-arg",
    "Building the functional model with `Dropout(0.5)(x, training=True)` keeps dropout on.",
    where="001:99-107; 002:670-678",
)
def baked_argument_keeps_dropout_on():
    called, predicted, _, error = shares_dropped(training=True)
    return [
        claims.equal("share dropped by `model(x)`", called, 0.5, tolerance=0.1),
        claims.equal("share dropped by `predict`", predicted, 0.5, tolerance=0.1),
        claims.equal("error in `evaluate`", error, 1.0),
    ]


@claims.exact(
    "mc-dropout-at-end",
    "One more dropout after the last layer gives 0 with its rate p, else the output / (1 - p).",
    where="001:97-107; 002:668-678",
)
def dropout_at_the_end():
    base = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    drawn = samples(keras.Sequential([base, keras.layers.Dropout(0.25)]), ROWS, 2000)
    rest = np.broadcast_to(base(ROWS) / 0.75, drawn.shape)[drawn != 0]
    return [
        claims.equal("share of predictions at 0", zeros(drawn), 0.25, tolerance=0.02),
        claims.equal("the other predictions", drawn[drawn != 0], rest),
    ]


# %% [markdown]
"""
## Digits: accuracy, passes, confidence
"""


# %%
@reuse
def classifier():
    network = builders.mc_dropout_network((64,), 5, input_dropout=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.005), loss)
    return network


@claims.experiment
def digits(seed):
    data, unknown = STORY.digits(800, np.random.default_rng(seed))
    network, (x, y), unknown = classifier(seed), data.test, unknown[::3]
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    options = {"validation_data": data.validation, "callbacks": [stop], "verbose": 0}
    network.fit(*data.train, batch_size=16, epochs=80, **options)
    x, is_known = np.concatenate([x, unknown]), np.arange(len(x) + len(unknown)) < len(x)
    plain = np.asarray(keras.ops.softmax(network(x, training=False)))
    drawn = samples(network, x, 2100, seed, activation="softmax")
    mean, reference = drawn[:100].mean(axis=0), drawn[100:].mean(axis=0)
    entropy, settled = (uncertainty.predictive_entropy(p) for p in (mean, reference))
    error = (entropy - settled)[is_known]
    information = uncertainty.mutual_information(drawn[:100])
    doubts = {"softmax": -plain.max(axis=1), "entropy": entropy, "information": information}
    off, on = (uncertainty.classification_scores(y, p[is_known]) for p in (plain, mean))
    return {
        **{f"gain in {name}": on[name] - off[name] for name in on},
        **{f"auroc of {name}": roc_auc_score(~is_known, doubt) for name, doubt in doubts.items()},
        "entropy error": np.sqrt(np.square(error).mean()) / settled[is_known].std(),
        "sure of unknown": np.mean(plain[~is_known].max(axis=1) > 0.9),
    }


@claims.empirical(
    "mc-accuracy-up", "Averaging passes raises accuracy.", where="001:93; 002:664", runs=digits
)
def averaging_raises_accuracy(scores):
    return claims.superior("accuracy, 100 passes", scores["gain in accuracy"], by=0.002)


@claims.empirical(
    "mc-probabilities-better",
    "The average of the passes is a better measure of confidence in a class.",
    where="001:93; 002:664",
    runs=digits,
)
def averaging_gives_better_probabilities(scores):
    return [
        claims.superior("fall of the negative log-likelihood", -scores["gain in nll"]),
        claims.superior("fall of the calibration error", -scores["gain in ece"]),
    ]


@claims.empirical(
    "mc-100-enough", "About 100 passes are enough.", where="001:75, 93; 002:640, 664", runs=digits
)
def hundred_passes_are_enough(scores):
    return claims.below("error of the entropy by its spread", scores["entropy error"], 0.05)


@claims.empirical(
    "softmax-not-confidence",
    "A softmax score is no confidence: inputs of unknown kinds get high scores too.",
    where="001:79, 93; 002:644, 664",
    runs=digits,
)
def softmax_is_no_confidence(scores):
    return claims.above("share of unknown digits above 0.9", scores["sure of unknown"], 0.2)


@claims.empirical(
    "mc-detects-unknown",
    "The spread over the passes supplies the confidence that the softmax lacks.",
    where="001:79; 002:644",
    runs=digits,
)
def spread_detects_the_unknown(scores):
    best = max(("auroc of entropy", "auroc of information"), key=lambda name: scores[name].mean())
    gain = scores[best] - scores["auroc of softmax"]
    return claims.superior(f"{best} over softmax", gain, by=0.02)


# %% [markdown]
"""
## A series with gaps

24 steps are given and 12 are missing. The gaps are validation and test by turns, and no window that
touches one is trained on. Beyond the training range the same windows lie 5 higher.
"""


# %%
def series(seed):
    rng, steps = np.random.default_rng(seed), np.arange(8000)
    remembered = lfilter([1], [1, -0.7], 0.3 * rng.normal(size=8000))
    values = np.sin(2 * np.pi * steps / 24) + remembered + 0.1 * rng.normal(size=8000)
    missing = steps % 100 >= 88
    windows, holes = (np.lib.stride_tricks.sliding_window_view(v, 36) for v in (values, missing))
    whole, gap = windows[~holes.any(axis=1)][::4], windows[holes[:, 24:].all(axis=1)]
    parts = (whole, gap[::2], gap[1::2])
    return datasets.Dataset(*(datasets.Split(p[:, :24, None], p[:, 24:]) for p in parts))


@reuse
def forecaster(kind):
    lstm, convolution = keras.layers.LSTM(32), keras.layers.Conv1D(32, 5, activation="relu")
    dropout, dense = keras.layers.Dropout(0.2), keras.layers.Dense(12)
    layers = {
        "lstm": [lstm, dropout, dense],
        "convolution": [convolution, keras.layers.Flatten(), dropout, dense],
        "dropout at the end": [lstm, dense, dropout],
    }
    model = keras.Sequential([keras.Input((24, 1)), *layers[kind]])
    model.compile(keras.optimizers.Adam(0.005), "mse")
    return model


def covered(targets, drawn, noise=0.0):
    """Share of the targets inside the 90 % bands of samples, with the noise of the data or not."""
    drawn = drawn + noise * np.random.default_rng(0).normal(size=drawn.shape)
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    return np.mean((low <= targets) & (targets <= high))


@claims.experiment
def gaps(seed):
    data, scores = series(seed), {}
    fitting, targets = data.validation.y.ravel(), data.test.y.ravel()
    for kind in ("lstm", "convolution", "dropout at the end"):
        network = forecaster(seed, kind)
        network.fit(*data.train, batch_size=64, epochs=30, verbose=0)
        x = np.concatenate([data.validation.x, data.test.x, data.test.x + 5])
        drawn = samples(network, x, 100, seed).reshape(100, 3, -1)
        precision = uncertainty.fit_precision(fitting, drawn[:, 0])
        spread = drawn.std(axis=0).mean(axis=1)
        scores |= {
            f"{kind}: nll": uncertainty.regression_scores(targets, drawn[:, 1], precision)["nll"],
            f"{kind}: coverage": covered(targets, drawn[:, 1], precision**-0.5),
            f"{kind}: coverage of the spread": covered(targets, drawn[:, 1]),
            f"{kind}: widening": spread[2] / spread[1] - 1,
        }
    return scores


def useful_bands(scores, kind):
    return [
        claims.inside(f"{kind}: coverage of 90 % bands", scores[f"{kind}: coverage"], 0.85, 0.95),
        claims.superior(f"{kind}: widening out of range", scores[f"{kind}: widening"]),
    ]


@claims.empirical(
    "mc-time-series",
    "It works for gaps and forecasts in series, with an LSTM too.",
    where="001:85-87; 002:652-660",
    runs=gaps,
)
def works_for_series(scores):
    return useful_bands(scores, "lstm")


@claims.empirical(
    "mc-convolution", "It works for other networks too.", where="001:89; 002:660", runs=gaps
)
def works_for_convolutions(scores):
    return useful_bands(scores, "convolution")


series_question = claims.question(
    "oq-mc-dropout-series",
    "Does Monte Carlo dropout apply to time series, and to other networks?",
    where="001:85, 89; 002:652, 660",
    answered_by=("mc-time-series", "mc-convolution"),
)


@claims.empirical(
    "mc-spread-enough",
    "The spread is the confidence: its 90 % bands hold 90 % of the truth.",
    where="001:79, 93; 002:644, 664",
    runs=gaps,
)
def spread_is_enough(scores):
    return claims.inside("lstm: coverage", scores["lstm: coverage of the spread"], 0.85, 0.95)


@claims.empirical(
    "mc-dropout-at-end-worse",
    "Dropout after the last layer predicts worse than before it.",
    where="001:97-107; 002:668-678",
    runs=gaps,
)
def dropout_at_the_end_is_worse(scores):
    nll = scores["dropout at the end: nll"] - scores["lstm: nll"]
    miss, base = (abs(scores[f"{kind}: coverage"] - 0.9) for kind in ("dropout at the end", "lstm"))
    return [
        claims.superior("rise of the negative log-likelihood", nll, by=0.05),
        claims.superior("rise of the distance of the coverage from 0.9", miss - base),
    ]


# %% [markdown]
"""
## Wrong or out of date
"""


# %%
@claims.outdated(
    1,
    was="`Dropout(0.5)(x, training=True)` keeps dropout on.",
    now="`predict` and `evaluate` override it: use `uncertainty.mc_predict(model, x)`.",
    where="001:99-107; 002:670-678",
)
def baked_argument_is_overridden():
    _, predicted, drawn, error = shares_dropped(training=True)
    return [
        claims.equal("share dropped by `predict`", predicted, 0.0),
        claims.equal("error in `evaluate`", error, 0.0),
        claims.equal("share dropped by `mc_predict`", drawn, 0.5, tolerance=0.05),
    ]


@claims.outdated(
    2,
    was="`trainable=True` for every dropout layer.",
    now="The flag does nothing: dropout has no weights. Meant is `training=True`, see 1.",
    where="001:97; 002:668",
)
def trainable_does_nothing():
    on, off = shares_dropped(trainable=True), shares_dropped(trainable=False)
    return [
        claims.equal("share dropped by `predict`", (on[1], off[1]), (0.0, 0.0)),
        claims.equal("share dropped by `mc_predict`", (on[2], off[2]), (0.5, 0.5), tolerance=0.05),
    ]


@claims.outdated(
    40,
    was="Dropout draws each weight from a Bernoulli distribution.",
    now="It draws whole rows of the next kernel: the weights of a row come and go together.",
    where="001:79-81; 002:644-646",
)
def rows_come_and_go_together():
    correlation = np.corrcoef(passes_through_equal_columns()[-1].T)[0, 1]
    return claims.equal("correlation of units with equal weights", correlation, 1.0)


@claims.outdated(
    41,
    was="Another dropout at the end of the model.",
    now="There it sets predictions to 0: put it before the last dense layer.",
    where="001:97; 002:668",
)
def dropout_belongs_before_the_last_layer():
    network = random_network(dropout=0.5, input_dropout=0.0)
    at_end = keras.Sequential([network, keras.layers.Dropout(0.5)])
    share, before = (zeros(samples(model, ROWS, 1000)) for model in (at_end, network))
    return [
        claims.equal("share of predictions at 0, at the end", share, 0.5, tolerance=0.05),
        claims.equal("share of predictions at 0, before", before, 0.0),
    ]


@claims.outdated(
    42,
    was="The spread over the passes gives the confidence.",
    now="It is the doubt about the weights: an interval needs the noise of the data added.",
    where="001:93; 002:664",
)
def noise_has_to_be_added():
    rng, network = np.random.default_rng(0), random_network()
    x = rng.normal(size=(2000, 5))
    y = np.asarray(network(x, training=False))[:, 0] + rng.normal(size=2000)
    (fitting, targets), drawn = np.split(y, 2), samples(network, x, 100).reshape(100, 2, -1)
    noise = uncertainty.fit_precision(fitting, drawn[:, 0]) ** -0.5
    alone = covered(targets, drawn[:, 1])
    return [
        claims.fact("90 % bands of the spread hold fewer than 80 %", alone < 0.8, alone),
        claims.equal("with the noise", covered(targets, drawn[:, 1], noise), 0.9, tolerance=0.05),
    ]
