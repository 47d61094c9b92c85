# %% [markdown]
"""
# What is searched: forecasting many steps ahead

The network that forecasts two years of sunspots, or a season of your own series: strategy, width, dropout,
whether it works on distances from the mean of the last year, how far back it reads, learning rate and batch
size. Searched for is the mean absolute error on the windows for validation, in units of the spread of those for
training.

`DEFAULTS` is what the recipe uses without a search for its direct network. Its learning rate falls to zero; the
one that is searched stays as it is.

Rows are windows in the order of time, so a fold is judged on what comes after its training windows; in folds,
those beside the border share some months. Every window is as long as the longest that is searched, and a
shorter one is its end. The scale is fitted on the windows for training alone.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, series, tuning
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"strategy": "direct", "units": 32, "dropout": 0.0, "level": True}
DEFAULTS |= {"learning_rate": 0.005, "batch_size": 50}


# %%
def task(
    samples: int = 1000,
    seed: int = 0,
    epochs: int = 12,
    csv: Path | None = None,
    target: str | None = None,
    season: int = 12,
) -> tuning.Task:
    """Says what is searched: a network that forecasts many steps ahead.

    Args:
        samples: Windows for training, at most.
        seed: Seed of the choice of these windows.
        epochs: Passes over the windows, at most: the best one on the validation windows counts.
        csv: A series of your own in place of the sunspots, the oldest row first.
        target: The column of that file; not needed if only one holds numbers.
        season: Steps of a season of your own series; so many are forecast.
    """
    errors.check_at_least(20, samples=samples)
    errors.check_at_least(1, season=season)
    values, past, ahead, cycle, transform = datasets.sunspots(), 48, 24, STORY.CYCLE, "sqrt"
    if csv:
        values, past, ahead = datasets.read_series(csv, target), 2 * season, season
        cycle, transform = season, None
    data = series.split(values, 2 * past, ahead, validation=2 * cycle, test=3 * cycle)
    x, y = data.train
    rows = np.random.default_rng(seed).permutation(len(x))[:samples]
    train = datasets.Split(*(part[np.sort(rows)] for part in (x, y)))

    def length(hp):
        return hp.Choice("past", [past // 2, past, 2 * past])

    def prepare(hp, *parts):
        scaling = series.Scaling(transform=transform).fit(parts[0].x)
        for x, y in parts:
            yield [scaling.apply(part).astype("float32") for part in (x[:, -length(hp) :], y)]

    def build(hp, train):
        level = min(length(hp), STORY.YEAR) if hp.Boolean("level") else None
        choices = builders.forecaster_space(hp)
        model = builders.forecaster((length(hp), 1), ahead, level=level, **choices)
        rate = hp.Float("learning_rate", 0.0005, 0.05, sampling="log")
        model.compile(keras.optimizers.Adam(rate), "mae")
        return model

    return tuning.Task(
        build,
        datasets.Dataset(train, data.validation, data.test),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [25, 50, 100])},
        prepare=prepare,
        order="time",
        defaults=DEFAULTS | {"past": past},
    )
