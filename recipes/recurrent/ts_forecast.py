# %% [markdown]
"""
# The next two years, not the next month: forecasting many steps ahead

Three ways of forecasting several steps with an LSTM, against the last season and a classical peer.

**Question.** Is it better to forecast all steps at once, to feed each forecast back, or to let a second
network unroll them? And does any of them beat repeating the last season, or a linear autoregression and
exponential smoothing, which are fitted in a second?

**Use it** when there are many steps to learn from, several signals whose interplay is not linear, or many
series for one network.

**Do not use it** on a single short series before the classical peer has been tried on the same months: it
needs no learning rate and no seed, and it says how sure it is.

Data: monthly sunspots from 1749 to 1983 (a cycle of about eleven years), passengers of airlines from 1949 to 1960 (trend, and a season of a year), or a series of your own
Uses: dlnotes.builders.forecaster, dlnotes.series.split, dlnotes.series.seasonal_naive, dlnotes.series.roll_forward, dlnotes.series.mase, dlnotes.datasets.sunspots, dlnotes.datasets.airline_passengers, dlnotes.datasets.read_series
Notes: 001:71, 225, 235; 002:636, 842, 854
Paper: Ben Taieb et al. 2012, https://doi.org/10.1016/j.eswa.2012.01.039
Covers: ts_forecast
"""

# %%
from functools import partial
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, series
from dlnotes.report import Report
import keras
import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsRegressor
from statsmodels.tsa.api import AutoReg, ETSModel

YEAR, CYCLE = 12, 132
NETWORKS, TWO_SIGNALS = ("direct", "recursive", "encoder_decoder"), "direct, two signals"

# %% [markdown]
"""
## Three strategies, and a second signal

*Direct* has one output for each month ahead. *Recursive* is trained on the next month alone and reads its own
forecasts from then on. *Encoder-decoder* has a second LSTM, which goes on from the state of the first one and
is trained on its own forecasts. All of them work on distances from the mean of the last year, so that they can
follow a series to where it has never been.

One more network reads two signals. The second one is the same series with a lag: where a window ends, it
shows the month that lies one cycle before the last month to be forecast. So what came next in the last cycle
is part of the window.

Windows are divided in the order of time; those for training are evenly spaced.
"""


# %%
def network(report, label, scaled, lags, past, ahead, parts, epochs, samples):
    """A trained network, as a function of the starts of its forecasts and of their length."""
    strategy = label["variant"].split(",")[0]
    reach = 1 if strategy == "recursive" else ahead
    signals = np.stack([pd.Series(scaled).shift(lag) for lag in lags], axis=1)
    x, y = series.split(signals[max(lags) :], past, reach, **parts).train
    rows = np.linspace(0, len(x) - 1, samples).astype(int)
    options = {"strategy": strategy, "level": min(past, YEAR), "targets": 1}
    keras.utils.set_random_seed(label["seed"])
    model = builders.forecaster((past, len(lags)), reach, **options)
    decay = keras.optimizers.schedules.CosineDecay(0.01, epochs * -(-samples // 50))
    model.compile(keras.optimizers.Adam(decay), "mae")
    model.fit(x[rows], y[rows, :, :1], 50, epochs, verbose=0, callbacks=[report.watch(**label)])

    return lambda starts, steps: series.roll_forward(
        model, np.stack([signals[start - past : start] for start in starts]), steps
    )[..., 0]


# %% [markdown]
"""
## The peers

The last season again, and two classical models. They get their parameters from the months before the
validation, as the networks do, and then see all months up to the start of each forecast, as the networks do.
How many months the autoregression reads is chosen on the validation.
"""


# %%
def autoregression(known, lags):
    parameters = AutoReg(known, lags).fit().params
    end = 2 * lags + 2
    return lambda history, steps: AutoReg(history[-end:], lags).predict(
        parameters, end, end + steps - 1
    )


def smoothing(known, season):
    options = {"trend": "add", "seasonal": "add", "seasonal_periods": season}
    parameters = ETSModel(known, **options).fit(disp=False).params
    return lambda history, steps: ETSModel(history, **options).smooth(parameters).forecast(steps)


# %% [markdown]
"""
## Three ways of being asked

A *single point*: the next month, from what is known until then. *Shifted sequences*: the next months, from a
start that moves on by a quarter of them. The *full sequence*: all months of the test from one start; a network reads
its own forecasts for that, one sequence after the other. With two signals it cannot, for nobody forecasts the
second one.

The scale is fitted on the months before the validation. The spread of sunspots grows with their number, so
everybody works on the square root; and on the logarithm of the passengers. Errors are those of the numbers
themselves; an error of 1 is that of repeating the last season in the months before the test (`mase`).
"""


# %%
def compare(report, name, values, season, past, ahead, transform, networks, seed, **fit):
    """Adds all rows of one series, and its picture."""
    errors.check_at_least(5 * season + 2 * max(past, YEAR) + 2, rows=len(values))
    parts = {"validation": 2 * season, "test": 3 * season}
    known, begin, end = (len(values) - steps for steps in (5 * season, 3 * season, 0))
    tasks = {steps: f"{name}, steps ahead: {steps}" for steps in (1, ahead, end - begin)}
    scaling = series.Scaling(transform=transform).fit(values[:known])
    scaled, every = scaling.apply(values), max(1, ahead // 4)

    def walk(peer):
        return partial(series.walk_forward, peer, scaled)

    def judge(method, starts, steps):
        answers = scaling.undo(method(starts, steps))
        truth = np.array([values[start : start + steps] for start in starts])
        return truth, answers, series.mase(truth, answers, values[:begin], season)

    again = {f"the last {steps} steps again": steps for steps in (season, YEAR)}
    methods = {key: walk(partial(series.seasonal_naive, season=again[key])) for key in again}
    choosing = range(known, begin - ahead + 1, every)
    linear = (walk(autoregression(scaled[:known], lags)) for lags in sorted({YEAR, past, season}))
    methods["autoregression"] = min(linear, key=lambda method: judge(method, choosing, ahead)[2])
    if season == YEAR:
        methods["exponential smoothing"] = walk(smoothing(scaled[:known], season))
    for variant in networks:
        label = {"variant": variant, "task": tasks[ahead], "seed": seed}
        lags = [0, season - ahead] if variant == TWO_SIGNALS else [0]
        methods[variant] = network(report, label, scaled, lags, past, ahead, parts, **fit)

    judged = {}
    for steps, task in tasks.items():
        starts = range(begin, end - max(steps, ahead) + 1, every)
        for variant, method in methods.items():
            if steps <= ahead or variant != TWO_SIGNALS:
                judged[steps, variant] = judge(method, starts, steps)
                row = {"task": task, "seed": seed, "baseline": variant in list(again)[:1]}
                report.add(variant, mase=judged[steps, variant][2], **row)
    draw(report, name, ahead, every, judged, networks[0])


# %%
def draw(report, name, ahead, every, judged, shown):
    """The test with forecasts of one network, and the error of all over the steps ahead."""
    figure, (left, right) = figures.axes(1, 2, size=(9.6, 3.6), width_ratios=(3, 2))
    (truth,), (whole,), _ = judged[max(judged)[0], shown]
    left.plot(truth, color=figures.GREY, linewidth=1, label="what came")
    own = {"color": figures.COLOURS[3]}
    left.plot(whole, ":", label=f"{shown}, all from one start", **own)
    for number, sequence in list(enumerate(judged[ahead, shown][1]))[::4]:
        left.plot(number * every + np.arange(ahead), sequence, "-", linewidth=1, **own)
    found = {variant: found for (steps, variant), found in judged.items() if steps == ahead}
    for variant, (truth, answers, _) in found.items():
        right.plot(range(1, ahead + 1), np.abs(answers - truth).mean(axis=0), label=variant)
    left.set(title=name, xlabel="steps since the start of the test")
    right.set(xlabel="steps ahead", ylabel="mean absolute error")
    figure.legend(fontsize=7, loc="outside lower center", ncols=4)
    said = ", ".join(f"{variant} {error:.2f}" for variant, (*_, error) in found.items())
    report.figure(name, figure, f"{name}, scaled error up to {ahead} steps ahead: {said}.")


# %% [markdown]
"""
## Two traps

Windows that overlap share their values. Divided at random, many windows of the validation have a twin in the
training, and what remembers best looks best: here a nearest neighbour, which remembers and does nothing else.
And a scale that is fitted on the whole series tells a network how high it will go.
"""


# %%
def show_traps(report, spots, passengers, seed):
    data = series.split(spots, 48, 24, validation=2 * CYCLE, test=3 * CYCLE)
    x, y = (np.concatenate(part)[..., 0] for part in zip(data.train, data.validation, strict=True))
    in_time, found = np.arange(len(x)), []
    for rows in (np.random.default_rng(seed).permutation(in_time), in_time):
        seen, new = np.split(rows, [len(data.train.x)])
        answers = KNeighborsRegressor(1).fit(x[seen], y[seen]).predict(x[new])
        found.append(f"{np.abs(answers - y[new]).mean():.3g} on the validation")
    report.trap("Error of a nearest neighbour among windows", plain=found[0], ours=found[1])
    share = np.ptp(passengers[: -5 * YEAR]) / np.ptp(passengers)
    report.trap("Passengers for training, scaled", plain=f"0 to {share:.2f}", ours="0 to 1")


# %%
def run(
    epochs: int = 12,
    samples: int = 1000,
    seed: int = 0,
    csv: Path | None = None,
    target: str | None = None,
    season: int = 12,
) -> Report:
    """Forecasts sunspots two years ahead and passengers one, or a series of your own a season.

    Args:
        epochs: Passes over the windows.
        samples: Windows for training, evenly spaced; those of a short series are repeated.
        seed: Seed of the weights.
        csv: A series of your own in place of the two, the oldest row first.
        target: The column of that file; not needed if only one holds numbers.
        season: Steps of a season of your own series; so many are forecast.
    """
    errors.check_at_least(1, epochs=epochs, season=season)
    errors.check_at_least(20, samples=samples)
    report = Report("ts_forecast", metric="mase", better="lower")
    fit = {"seed": seed, "epochs": epochs, "samples": samples}
    if csv:
        values = datasets.read_series(csv, target).to_numpy()
        compare(report, "your series", values, season, 2 * season, season, None, NETWORKS, **fit)
        return report
    spots, passengers = datasets.sunspots().to_numpy(), datasets.airline_passengers().to_numpy()
    compare(report, "sunspots", spots, CYCLE, 48, 24, "sqrt", (*NETWORKS, TWO_SIGNALS), **fit)
    compare(report, "passengers", passengers, YEAR, 24, YEAR, "log", ["recursive"], **fit)
    show_traps(report, spots, passengers, seed)
    return report


# %% [markdown]
"""
## What to look at

Sunspots: every network beats the last season again, whether that is the last cycle or the last year. Two years
ahead the autoregression is nevertheless ahead of those that read one signal: it reads a whole cycle, and what
is linear in this series is most of it. Compare with it the network that is shown what came next in the last
cycle. Feeding back costs the recursive network what it gains from its simple task; see where its line crosses
that of the others.

All months from one start is what nobody should ask of a network that was trained on sequences: where it reads
nothing but its own forecasts, it drifts. The last cycle again is hard to beat then.

Passengers: a few dozen windows teach a network less than exponential smoothing knows from the beginning, namely
that there is a level, a trend and a season.

In your own series look for the row of the autoregression first: a network that errs more was for nothing.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
