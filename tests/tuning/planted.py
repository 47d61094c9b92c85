"""Searches of milliseconds, whose trials end as a test wants: well, with an error, or killed."""

import os
from pathlib import Path
import signal
import time

from dlnotes import datasets, tuning
import keras
import numpy as np


class Planted(keras.Sequential):
    """A network that does something else before it is trained."""

    def fit(self, *args, **kwargs):
        self.before()
        return super().fit(*args, **kwargs)


def task(
    units=5, seconds=0.0, killed=None, raising=None, marks=None, shift=0.0, objective="val_loss"
):
    """A line through eight points.

    Args:
        units: Integer, the largest number of units: with four learning rates the whole space.
        seconds: Float, how long a trial takes at least.
        killed: Integer, number of units with which a trial kills its process.
        raising: Integer, number of units with which a trial raises.
        marks: Path of a folder where each trial leaves a file as soon as it begins. Defaults to
            none.
        shift: Float, added to all inputs, for other data.
        objective: String, the name of what is searched for.
    """

    def build(hp, train):
        chosen = hp.Int("units", 1, units)
        rate = hp.Choice("learning_rate", [0.001, 0.01, 0.05, 0.1])

        def before():
            if marks:
                (Path(marks) / f"{chosen}-{rate}-{os.getpid()}").touch()
            time.sleep(seconds)
            if chosen == killed:
                os.kill(os.getpid(), signal.SIGKILL)
            if chosen == raising:
                raise ValueError(f"{chosen} units are not allowed")

        network = Planted([keras.Input((3,)), keras.layers.Dense(chosen), keras.layers.Dense(1)])
        network.before = before
        network.compile(keras.optimizers.Adam(rate), "mse", run_eagerly=True)
        return network

    x = np.random.default_rng(0).normal(size=(8, 3)) + shift
    part = datasets.Split(x, x.sum(1))
    return tuning.Task(build, datasets.Dataset(part, part, part), objective, epochs=3)


def wrong(**arguments):
    """A task that cannot be made in a worker."""
    raise ImportError("no module named 'lost'")
