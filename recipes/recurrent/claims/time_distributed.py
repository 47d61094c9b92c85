# %% [markdown]
"""
# What the notes say about TimeDistributed

The empirical ones: two networks of five LSTM units, with one head shared by all steps and with one head
for all steps at once, are trained on the same sequences until the squared error is below 0.001. And a
small CNN in front of an LSTM is wrapped layer by layer and whole, and the costs are counted.
"""

# %%
import functools

from dlnotes import claims
from dlnotes.layers import TimeFold
from dlnotes.reuse import reuse
import keras
import numpy as np

ROWS, STEPS, UNITS = 4, 5, 7
HEADS = ("shared", "one for all")
DENSE = functools.partial(keras.layers.Dense, 1, bias_initializer="normal")


def random(*shape):
    return np.random.default_rng(0).uniform(0.1, 1, shape).astype("float32")


def count(*layers, steps=STEPS, units=UNITS):
    return keras.Sequential([keras.Input((steps, units)), *layers]).count_params()


# %% [markdown]
"""
## The head: one Dense for all steps
"""


# %%
@claims.exact(
    "td-units-plus-one",
    "A shared head has a weight for each unit of the LSTM, and a bias.",
    where="001:219; 002:830",
)
def one_weight_for_each_unit():
    for units in (3, 32):
        weights = count(keras.layers.TimeDistributed(DENSE()), units=units)
        yield claims.equal(f"weights after {units} units", weights, units + 1)


@claims.exact(
    "td-no-multiplication", "The head does not grow with the steps.", where="001:219; 002:830"
)
def the_head_does_not_grow():
    for steps in (5, 9):
        shared = count(keras.layers.TimeDistributed(DENSE()), steps=steps)
        flat = count(keras.layers.Flatten(), keras.layers.Dense(steps), steps=steps)
        yield claims.equal(f"{steps} steps, wrapped", shared, UNITS + 1)
        yield claims.equal(f"{steps} steps, flattened", flat, steps * (steps * UNITS + 1))


@claims.exact("td-same-weights", "Each step gets the same Dense.", where="001:219; 002:830")
def the_same_weights_at_each_step():
    wrapped, states = keras.layers.TimeDistributed(DENSE()), random(ROWS, STEPS, UNITS)
    wrapped.build(states.shape)
    kernel, bias = wrapped.get_weights()
    by_hand = np.stack([states[:, step] @ kernel + bias for step in range(STEPS)], axis=1)
    yield claims.equal("outputs, against each step by hand", wrapped(states), by_hand)
    yield claims.equal("outputs of reversed steps", wrapped(states[:, ::-1]), by_hand[:, ::-1])


@claims.exact(
    "td-direct-dense-flattens",
    "A Dense that is not wrapped flattens time, and defeats the LSTM before it.",
    where="001:219; 002:830",
)
def a_direct_dense_flattens():
    layer, states = DENSE(), random(ROWS, STEPS, UNITS)
    outputs, wrapped = layer(states), keras.layers.TimeDistributed(layer)(states)
    yield claims.equal("weights of a direct Dense", layer.count_params(), STEPS * UNITS + 1)
    yield claims.equal("shape of its outputs", str(tuple(outputs.shape)), str((ROWS, 1)))
    yield claims.differs("its outputs, against the wrapped one", outputs, wrapped)


@claims.exact("td-needs-sequences", "Heads need `return_sequences=True`.", where="001:273; 002:898")
def the_head_needs_sequences():
    head, x = keras.layers.TimeDistributed(DENSE()), random(ROWS, STEPS, 2)
    last, states = (keras.layers.LSTM(3, return_sequences=both)(x) for both in (False, True))
    yield claims.raises("a wrapped head on the last state", ValueError, lambda: head(last))
    yield claims.equal("shape, on all states", list(head(states).shape), [ROWS, STEPS, 1])


def operations(model, shape, *kinds):
    """How many operations the traced graph of a model has, of some kinds or of all."""
    import tensorflow as tf

    graph = tf.function(model).get_concrete_function(tf.TensorSpec(shape)).graph
    return sum(not kinds or operation.type in kinds for operation in graph.get_operations())


@claims.exact("td-loops", "The wrapper loops over the steps.", where="001:219; 002:830")
def the_wrapper_loops():
    wrapped = keras.layers.TimeDistributed(DENSE())
    for name, layer, claimed in (("wrapped", wrapped, [5, 50]), ("alone", DENSE(), [1, 1])):
        shapes = ((ROWS, steps, UNITS) for steps in (5, 50))
        products = [operations(layer, shape, "MatMul", "BatchMatMulV2") for shape in shapes]
        yield claims.equal(f"matrix products for 5 and 50 steps, {name}", products, claimed)


# %% [markdown]
"""
## How long the heads take

The notes' own example is a single sequence of five numbers, to be learnt by heart. The other task is
what it stands for: give back five numbers, new ones each time. A network that has not arrived after the
last epoch counts as if it had.
"""


# %%
@reuse
def echo_network(head):
    layers = [keras.layers.Dense(STEPS), keras.layers.Reshape((STEPS, 1))]
    if head == "shared":
        layers = [keras.layers.TimeDistributed(keras.layers.Dense(1))]
    lstm = keras.layers.LSTM(STEPS, return_sequences=head == "shared")
    model = keras.Sequential([keras.Input((STEPS, 1)), lstm, *layers])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


class StopBelow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["loss"] < 1e-3


@claims.experiment
def epochs(seed):
    """How often the epochs of the shared head double those of the other one."""
    one = np.linspace(0, 0.8, STEPS).reshape(1, STEPS, 1)
    many = np.random.default_rng(seed).uniform(size=(600, STEPS, 1))
    doublings, options = {}, {"batch_size": 60, "callbacks": [StopBelow()], "verbose": 0}
    for task, x, most in (("one sequence", one, 300), ("new ones", many, 120)):
        fits = (echo_network(seed, head).fit(x, x, epochs=most, **options) for head in HEADS)
        shared, other = (len(fit.epoch) for fit in fits)
        doublings[task] = np.log2(shared / other)
    return doublings


@claims.empirical(
    "td-more-epochs",
    "A shared head, with fewer weights, needs about twice the epochs.",
    where="001:221; 002:832",
    runs=epochs,
)
def more_epochs(doublings):
    for task, times in doublings.items():
        yield claims.superior(f"doublings of the epochs, {task}", times, by=np.log2(1.5))


# %% [markdown]
"""
## A CNN for each frame: wrapped whole, or layer by layer

The costs do not depend on the seed. The summary of a network whose CNN is wrapped whole shows nothing
of what is inside, so that of the CNN is counted too: what is compared are the lines to read until each
layer and its shape have been seen. More operations in the graph mean a longer trace and longer steps.
"""


# %%
@functools.cache
def film_network(form):
    """An LSTM behind a wrapped CNN, and the CNN."""
    layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.BatchNormalization()]
    layers += [keras.layers.MaxPooling2D(), keras.layers.Flatten()]
    cnn = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    wrapped = [keras.layers.TimeDistributed(one) for one in ([cnn] if form == "whole" else layers)]
    rest = [keras.layers.LSTM(4), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((STEPS, 8, 8, 1)), *wrapped, *rest])
    model.compile("adam", "mse")
    return model, cnn


@claims.exact(
    "td-whole-equals-each", "Wrapped whole or by layers is the same.", where="001:223; 002:838"
)
def whole_equals_each():
    (whole, cnn), (each, _) = film_network("whole"), film_network("layers")
    whole.set_weights([random(*weight.shape) for weight in whole.get_weights()])
    each.set_weights(whole.get_weights())
    films, both = random(ROWS, STEPS, 8, 8, 1), (each, whole)
    frames = np.stack([cnn(films[:, step]) for step in range(STEPS)], axis=1)
    features = keras.Sequential(each.layers[:-2])(films)
    yield claims.equal("features, against the CNN frame by frame", features, frames)
    yield claims.equal("outputs in inference", *(model(films) for model in both))
    yield claims.equal("outputs in training", *(model(films, training=True) for model in both))
    statistics = [np.concatenate(model.non_trainable_weights) for model in both]
    yield claims.equal("moving statistics after it", *statistics)


def lines(model):
    printed = []
    model.summary(print_fn=printed.append, line_length=100)
    return printed[0].count("\n")


@claims.experiment
def costs(seed):
    """What the network costs wrapped by layers, as a share of what it costs wrapped whole."""
    (each, _), (whole, cnn) = film_network("layers"), film_network("whole")
    graphs = [operations(model, model.input_shape) for model in (each, whole)]
    return {
        "parameters": each.count_params() / whole.count_params(),
        "graph operations": graphs[0] / graphs[1],
        "lines of summary that show each layer": lines(each) / (lines(whole) + lines(cnn)),
    }


@claims.empirical(
    "td-each-preferred",
    "Wrapping layer by layer is preferable: something gets cheaper by a tenth.",
    where="001:223; 002:838",
    runs=costs,
)
def layer_by_layer_is_preferable(shares):
    lowest, *others = sorted(shares, key=lambda cost: shares[cost].mean())
    rest = ", ".join(f"{cost}: {shares[cost].mean():.2f}" for cost in others)
    return claims.below(f"by layers / whole, {lowest} ({rest})", shares[lowest], 0.9)


# %% [markdown]
"""
## What is wrong or out of date
"""


# %%
@claims.outdated(
    3,
    was="TimeDistributed works for any number of steps.",
    now="With `Input((None, ...))` it loops over the rows on TensorFlow: use `TimeFold`, or Dense alone.",
    where="001:219-223; 002:829-838",
)
def unknown_number_of_steps():
    layer, x, out = DENSE(), random(ROWS, 9, UNITS), []
    for one in (keras.layers.TimeDistributed(layer), TimeFold(layer), layer):
        model = keras.Sequential([keras.Input((None, UNITS)), one])
        model.predict(x[:, :5], verbose=0)
        out.append(model.predict(x, verbose=0))
    yield claims.equal(f"steps that come out of 9, for {ROWS} rows", out[0].shape[1], ROWS)
    yield claims.equal("TimeFold and a bare Dense, called directly", out[1:], [layer(x)] * 2)


@claims.outdated(
    6,
    was="Connected without TimeDistributed, the sequence is flattened.",
    now="A Dense acts on each step by itself; wrap what needs fewer axes, such as Conv2D.",
    where="001:219; 002:830",
)
def direct_connections():
    layer, convolution = DENSE(), functools.partial(keras.layers.Conv2D, 2, 3)
    states, films = random(ROWS, STEPS, UNITS), random(ROWS, STEPS, 8, 8, 1)
    wrapped = [keras.layers.TimeDistributed(one) for one in (layer, convolution())]
    yield claims.equal("a direct Dense, against a wrapped one", layer(states), wrapped[0](states))
    yield claims.raises("a direct Conv2D on films", ValueError, lambda: convolution()(films))
    yield claims.equal("shape, wrapped", list(wrapped[1](films).shape), [ROWS, STEPS, 6, 6, 2])


@claims.outdated(
    7,
    was="Wrapped whole or layer by layer is equivalent.",
    now="The numbers are, but by layers activity regularisers are lost; `TimeFold` keeps them.",
    where="001:223; 002:838",
)
def activity_regularisers():
    x, inner = random(ROWS, STEPS, UNITS), DENSE(activity_regularizer="l2")
    whole = keras.Sequential([keras.Input((UNITS,)), inner])
    by_hand = 0.01 * np.mean(np.square(inner(x)))
    for wrapper, claimed in ((keras.layers.TimeDistributed, [0, STEPS]), (TimeFold, [1, 1])):
        times = []
        for wrapped in (wrapper(inner), wrapper(whole)):
            wrapped(x)
            times.append(sum(wrapped.losses) / by_hand)
        yield claims.equal(f"how often it counts, {wrapper.__name__}", times, claimed)
