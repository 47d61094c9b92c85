"""What one process and two have to agree on: run as `python shared_fits.py FOLDER [RANK PORTS...]`.

Writes `FOLDER/RANK-of-PROCESSES.json`: histories and weights of several small fits.
"""

import json
import os
from pathlib import Path
import sys

from dlnotes import distributed

FOLDER, RANK, *PORTS = sys.argv[1:]
if PORTS:
    here = distributed.start(int(RANK), [f"127.0.0.1:{port}" for port in PORTS])
else:
    here = distributed.start()

import keras  # noqa: E402
import numpy as np  # noqa: E402

ROWS = 23
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 6)).astype("float32")
TARGET = X[:, :1] * 2 - X[:, 1:2]
WEIGHT = RNG.uniform(0.1, 3, ROWS)


def dense(*layers, **compiled):
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile(**{"optimizer": keras.optimizers.Adam(0.05), "loss": "mse"} | compiled)
    return model


def plain():
    layers = keras.layers.Dense(5, "tanh", kernel_regularizer="l2"), keras.layers.Dense(1)
    model = dense(*layers, metrics=["mae", "r2_score"])
    validation = X[:9] + 1, TARGET[:9], WEIGHT[:9]
    return model, {"x": X, "y": TARGET, "sample_weight": WEIGHT, "validation_data": validation}


def weighted_mean():
    """Losses that are no means over rows, and weights that differ much."""
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    model = dense(keras.layers.Dense(1), loss=loss, weighted_metrics=["mae"])
    return model, {"x": X, "y": TARGET, "sample_weight": WEIGHT}


def several():
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((2,), name="b")}
    x = keras.layers.Dense(4, "tanh")(keras.layers.Concatenate()([*inputs.values()]))
    outputs = {"value": keras.layers.Dense(1, name="value")(x)}
    outputs["sign"] = keras.layers.Dense(1, "sigmoid", name="sign")(x)
    model = keras.Model(inputs, outputs)
    losses = {"value": "mse", "sign": "binary_crossentropy"}
    model.compile("sgd", losses, metrics={"sign": ["accuracy", "auc"]})
    y = {"value": TARGET, "sign": (TARGET > 0).astype("float32")}
    return model, {"x": {"a": X[:, :4], "b": X[:, 4:]}, "y": y, "validation_split": 0.3}


def masked():
    """Padded steps, masked in the outputs as well."""
    ids = np.where(np.arange(5) < RNG.integers(1, 6, (ROWS, 1)), RNG.integers(1, 9, (ROWS, 5)), 0)
    inputs = keras.Input((None,))
    embedded = keras.layers.Embedding(9, 3, mask_zero=True)(inputs)
    x = keras.layers.LSTM(4, return_sequences=True)(embedded)
    model = keras.Model(inputs, keras.layers.Dense(9)(x))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, {"x": ids, "y": ids}


def normalized():
    layers = keras.layers.BatchNormalization(), keras.layers.Dense(1)
    return dense(*layers), {"x": X[:22], "y": TARGET[:22], "validation_data": (X, TARGET)}


def dropped():
    return dense(keras.layers.Dropout(0.5), keras.layers.Dense(1)), {"x": X, "y": TARGET}


def stopped():
    """Stops early, by numbers that all processes have to see alike."""
    model = dense(keras.layers.Dense(1), optimizer=keras.optimizers.SGD(0.3, global_clipnorm=1.0))
    stop = keras.callbacks.EarlyStopping("loss", patience=0, restore_best_weights=True)
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)
    callbacks = [stop, slower, keras.callbacks.TerminateOnNaN()]
    return model, {"x": X, "y": TARGET, "epochs": 30, "callbacks": callbacks}


def two_classes():
    model = dense(keras.layers.Dense(1, "sigmoid"), loss="binary_crossentropy")
    return model, {"x": X, "y": TARGET[:, 0] > 0, "class_weight": {0: 1.0, 1: 4.0}}


def of_fixed_batches():
    inputs = keras.Input(batch_shape=(4, 6))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    return model, {"x": X[:20], "y": TARGET[:20], "batch_size": 4, "shuffle": False}


def mixing():
    """Each row meets all rows of its batch."""
    inputs = keras.Input((6,))
    products = keras.ops.matmul(inputs, keras.ops.transpose(keras.layers.Dense(6)(inputs)))
    model = keras.Model(inputs, products)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    y = np.arange(ROWS) % 8
    return model, {"x": X, "y": y, "batch_size": 8, "shuffle": False}


FITS = (plain, weighted_mean, several, masked, normalized, dropped, stopped, two_classes)
FITS += (of_fixed_batches, mixing)

if __name__ == "__main__":
    found = {}
    for make in FITS:
        keras.utils.set_random_seed(here.rank)
        model, arguments = make()
        if here.processes == 1 or here.rank == 0:
            rng = np.random.default_rng(1)
            model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        arguments = {"batch_size": 10, "epochs": 3, "verbose": 0, "seed": 4} | arguments
        history = distributed.fit(model, **arguments)
        found[make.__name__] = {
            "history": history.history,
            "weights": [weight.tolist() for weight in model.get_weights()],
            "iterations": int(model.optimizer.iterations),
        }
    path = Path(FOLDER) / f"{here.rank}-of-{here.processes}.json"
    path.write_text(json.dumps(found))
    os._exit(0)
