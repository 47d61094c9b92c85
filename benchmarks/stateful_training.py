"""Training a tiny stateful network on a short series: the well-known loop, and without its waits.

36 months of shampoo sales make 23 steps of training, one month each, in batches of one row; the
network has one LSTM cell and forgets its state after each epoch. All contestants begin with equal
weights and give the loss of every epoch.
"""

import functools

from dlnotes import datasets, recurrent
from dlnotes.callbacks import ResetStates
import keras
import numpy as np
from side_by_side import Subject, main
import tensorflow as tf

MONTHS, EPOCHS = 23, 2


def series():
    """Each month's change of sales, scaled, as input; the next month's as target."""
    changes = np.diff(datasets.shampoo().to_numpy())[: MONTHS + 1]
    scaled = (2 * (changes - changes.min()) / np.ptp(changes) - 1).astype("float32")
    return scaled[:-1].reshape(-1, 1, 1), scaled[1:].reshape(-1, 1)


def short(epochs):
    return *series(), epochs


def long(steps):
    """The series again and again: epochs of many steps."""
    x, y = series()
    return np.resize(x, (steps, 1, 1)), np.resize(y, (steps, 1)), EPOCHS


@functools.cache
def compiled(**options):
    """A network, and the values that it begins with."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(1, 1, 1))
    hidden = keras.layers.LSTM(1, stateful=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile("adam", "mse", **options)
    model.optimizer.build(model.trainable_variables)
    return model, [variable.numpy() for variable in trained(model)]


def trained(model):
    return [*model.variables, *model.optimizer.variables]


def fresh(**options):
    model, beginning = compiled(**options)
    for variable, value in zip(trained(model), beginning, strict=True):
        variable.assign(value)
    recurrent.reset_states(model)
    return model


def tutorial_loop(data):
    """As in tutorials, but layer by layer: Keras 3 has no `model.reset_states()`."""
    x, y, epochs = data
    model, losses = fresh(), []
    for _ in range(epochs):
        history = model.fit(x, y, epochs=1, batch_size=1, verbose=0, shuffle=False)
        losses += history.history["loss"]
        for layer in model.layers:
            if hasattr(layer, "reset_states"):
                layer.reset_states()
    return losses


def fit_with_a_callback(data):
    x, y, epochs = data
    options = {"batch_size": 1, "verbose": 0, "shuffle": False, "callbacks": [ResetStates()]}
    return fresh().fit(x, y, epochs=epochs, **options).history["loss"]


def arrays_an_epoch_in_one_piece(data):
    x, y, epochs = data
    options = {"batch_size": 1, "verbose": 0, "shuffle": False, "callbacks": [ResetStates()]}
    model = fresh(steps_per_execution=len(x))
    return model.fit(x, y, epochs=epochs, **options).history["loss"]


def ours(data, **compilation):
    x, y, epochs = data
    batches = recurrent.stream_batches(1, x, y)
    model = fresh(steps_per_execution=len(batches), **compilation)
    options = {"verbose": 0, "shuffle": False, "callbacks": [ResetStates()]}
    return model.fit(batches, epochs=epochs, **options).history["loss"]


def ours_with_xla(data):
    return ours(data, jit_compile=True)


@functools.cache
def loop_in_a_graph():
    """The whole training as one graph: nothing returns to Python, nothing is kept but losses."""
    model, _ = compiled()
    (lstm,) = recurrent.stateful_layers(model)

    @tf.function
    def train(x, y, epochs):
        losses = tf.TensorArray(tf.float32, epochs)
        for epoch in tf.range(epochs):
            for state in lstm.states:
                state.assign(tf.zeros_like(state))
            total = 0.0
            for step in tf.range(tf.shape(x)[0]):
                with tf.GradientTape() as tape:
                    predicted = model(x[step][None], training=True)
                    loss = tf.reduce_mean((predicted - y[step][None]) ** 2)
                gradients = tape.gradient(loss, model.trainable_variables)
                model.optimizer.apply_gradients(
                    zip(gradients, model.trainable_variables, strict=True)
                )
                total += loss
            losses = losses.write(epoch, total / tf.cast(tf.shape(x)[0], tf.float32))
        return losses.stack()

    return train


def in_a_graph(data):
    x, y, epochs = data
    fresh()
    return loop_in_a_graph()(tf.constant(x), tf.constant(y), tf.constant(epochs)).numpy()


def difference(data, losses, others):
    assert len(losses) == data[-1]
    return np.abs(np.subtract(losses, others)).max()


CONTESTANTS = {
    "dlnotes": ours,
    "dlnotes, jit_compile": ours_with_xla,
    "tutorial loop": tutorial_loop,
    "fit with a callback": fit_with_a_callback,
    "arrays, an epoch in one piece": arrays_an_epoch_in_one_piece,
    "a loop in the graph": in_a_graph,
}
COMMON = {
    "contestants": CONTESTANTS,
    "ours": "dlnotes",
    "limit": "a loop in the graph",
    "difference": difference,
    "tolerance": 1e-5,
}
SUBJECTS = [
    Subject(
        name="short_series",
        title="Stateful training on a series of 23 steps",
        unit="epochs",
        sizes=(1, 5, 22, 100),
        tiny=(1, 2),
        prepare=short,
        most={"arrays, an epoch in one piece": 22},
        goals={"tutorial loop": 9},
        **COMMON,
    ),
    Subject(
        name="longer_series",
        title=f"{EPOCHS} epochs of stateful training on longer and longer series",
        unit="steps of an epoch",
        sizes=(5, 23, 108, 500),
        tiny=(2,),
        prepare=long,
        in_this_process=False,
        **COMMON,
    ),
]

if __name__ == "__main__":
    main(__doc__, SUBJECTS)
