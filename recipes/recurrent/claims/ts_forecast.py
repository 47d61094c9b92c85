# %% [markdown]
"""
# What the notes say about the scale of a series for an LSTM

Four scales of the same generated series, which has a level, a trend and a season, one network for all of
them. Each scale gets the learning rate that is best for it on the validation months, from one grid that is
wide enough for numbers in the hundreds too. Errors are compared in the units of the series.
"""

# %%
from dlnotes import builders, claims, series
from dlnotes.reuse import reuse
import keras
import numpy as np

PAST, MONTHS, HELD_OUT = 24, 324, {"validation": 60, "test": 60}
RATES = (0.01, 0.03, 0.1, 0.5)
KINDS = {"raw": "none", "0 to 1": "zero-one", "-1 to 1": "symmetric", "z-score": "standard"}
X = np.random.default_rng(0).normal(size=(5, 8, 2)).astype("float32")


@reuse
def network():
    model = builders.forecaster((PAST, 1), 1, units=12)
    model.compile(keras.optimizers.Adam(), "mse")
    return model


def months(seed):
    """A level of 200, a trend of half a unit a month, a season of 60 up and down, and noise."""
    random, time = np.random.default_rng(seed), np.arange(MONTHS)
    season = 60 * np.sin(2 * np.pi * (time / 12 + random.uniform()))
    noise = 10 * random.normal(size=MONTHS)
    for month in range(1, MONTHS):
        noise[month] += 0.7 * noise[month - 1]
    return 200 + time / 2 + season + noise


def test_error(values, kind, seed):
    """The root of the mean squared error of the next month, at the best learning rate."""
    known = values[: -sum(HELD_OUT.values())]
    scaling = series.Scaling(kind).fit(known)
    data = series.split(scaling.apply(values), PAST, **HELD_OUT)
    truth = scaling.undo(data.test.y)
    x, y = (np.tile(part, (30, 1, 1)) for part in data.train)

    def train(rate):
        model = network(seed)
        model.optimizer.learning_rate = rate
        model.fit(x, y, batch_size=60, verbose=0)
        loss = model.evaluate(*data.validation, batch_size=100, verbose=0)
        forecasts = scaling.undo(model.predict(data.test.x, batch_size=100, verbose=0))
        return loss, np.sqrt(np.mean((forecasts - truth) ** 2))

    return claims.tuned(train, RATES)


@claims.experiment
def scales(seed):
    """By how many percent the error of -1 to 1 is below that of each other scale."""
    values = months(seed)
    errors = {name: test_error(values, kind, seed) for name, kind in KINDS.items()}
    ours = errors.pop("-1 to 1")
    return {name: 100 * (1 - ours / error) for name, error in errors.items()}


# %%
@claims.empirical(
    "lstm-scale-minus1-1",
    "A series for an LSTM should be scaled to -1 to 1: better than raw, and than 0 to 1 or z-scores.",
    where="001:235; 002:854",
    runs=scales,
)
def minus_one_to_one_is_best(gains):
    yield claims.superior("percent below the error of raw numbers", gains["raw"], by=10)
    others = [
        claims.superior(f"percent below the error of {name}", gains[name], by=3, confidence=0.975)
        for name in ("0 to 1", "z-score")
    ]
    weight = (claims.CONTRADICTED, claims.NOT_SHOWN, claims.HOLDS).index
    yield max(others, key=lambda finding: (weight(finding.verdict), finding.effect))


# %% [markdown]
"""
## Wrong or out of date

On one LSTM with random weights.
"""


# %%
@claims.outdated(
    55,
    was="Scale to -1 to 1, because the activation inside an LSTM is tanh.",
    now="The tanh acts on weighted sums, so inputs may have any range. They should be of comparable size, and the last layer must reach the target: an LSTM alone cannot leave -1 to 1.",
    where="001:235; 002:854",
)
def weighted_sums_have_no_range():
    lstm = keras.layers.LSTM(4, return_sequences=True, bias_initializer="uniform")
    outputs = np.asarray(lstm(X))
    kernel, recurrent, bias = lstm.get_weights()
    lstm.set_weights([kernel / 1000, recurrent, bias])
    yield claims.equal(
        "a thousand times the input, a thousandth of the kernel", lstm(1000 * X), outputs
    )
    lstm.set_weights([1000 * kernel, recurrent, 1000 * bias])
    largest = np.abs(lstm(1000 * X)).max()
    yield claims.fact("whatever comes in, an LSTM answers with -1 to 1", largest <= 1, largest)

    lstm.set_weights([kernel, recurrent, bias])
    other, moved = X + np.array([1, 0]), []
    for size in ([1, 1], [1, 1000]):
        moved.append(np.abs(lstm(other * size) - lstm(X * size)).mean())
    share = moved[1] / moved[0]
    yield claims.fact(
        "a signal beside one of a thousand times its size is lost", share < 0.1, share
    )
