"""The losses of one device and of two: run as `python mirrored_fit.py FOLDER 0`."""

import json
from pathlib import Path
import sys

import tensorflow as tf

TWO = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], TWO)

from dlnotes import distributed  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def compiled():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


one = compiled()
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    two = compiled()
assert strategy.num_replicas_in_sync == 2
arguments = {"batch_size": 8, "epochs": 3, "verbose": 0, "validation_data": (X[:6], Y[:6])}
histories = [distributed.fit(model, X, Y, **arguments).history for model in (one, two)]
(Path(sys.argv[1]) / "0-of-1.json").write_text(json.dumps(histories))
