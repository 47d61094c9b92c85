# %% [markdown]
"""
# What the notes say about several inputs and outputs

Exact claims are shown on networks of a few units. The empirical one has two numbers to predict from
different columns of one generated table, one of them a hundred times as large as the other. Both arms
have the same network, rows and sixty passes over them, as one long epoch, which costs less than sixty;
each has the learning rate that is best for it on validation rows, by the mean R2 of the two heads.
"""

# %%
from dlnotes import builders, claims, outputs
from dlnotes.reuse import reuse
import keras
import numpy as np
from sklearn import metrics

RANDOM = np.random.default_rng(0)
WEATHER = {name: RANDOM.normal(size=(12, 3)).astype("float32") for name in ("now", "before")}
TARGETS = {
    "delay": RANDOM.normal(size=(12, 1)).astype("float32"),
    "late": (np.arange(12) % 3 == 0).astype("float32")[:, None],
}
LOSSES = {"delay": "mse", "late": keras.losses.BinaryCrossentropy(from_logits=True)}


def network(outputs, shared=None):
    keras.utils.set_random_seed(0)
    sizes = {"units": 4, "trunk_units": 5, "activation": "tanh"}
    shapes = dict.fromkeys(WEATHER, (3,))
    return builders.multi_io_network(shapes, dict.fromkeys(outputs, 1), shared=shared, **sizes)


# %%
@claims.exact("loss-weights-sum", "The total loss is a weighted sum of losses.", where="002:1119")
def total_is_the_weighted_sum():
    model = network(TARGETS)
    outputs.compile_checked(model, "sgd", LOSSES, loss_weights={"delay": 1.0, "late": 0.2})
    total = model.evaluate(WEATHER, TARGETS, batch_size=5, verbose=0, return_dict=True)["loss"]
    delay, logits = (np.asarray(model(WEATHER)[name]) for name in TARGETS)
    probability = 1 / (1 + np.exp(-logits))
    of_class = np.where(TARGETS["late"] == 1, probability, 1 - probability)
    claimed = np.mean((delay - TARGETS["delay"]) ** 2) + 0.2 * np.mean(-np.log(of_class))
    return claims.equal("total loss", total, claimed)


# %%
def step(model):
    """What one step of gradient descent, with all rows and rate 1, adds to each weight."""
    model.compile(keras.optimizers.SGD(1.0), "mse")
    before = model.get_weights()
    model.fit(WEATHER, {"delay": TARGETS["delay"]}, batch_size=12, verbose=0)
    return [after - old for after, old in zip(model.get_weights(), before, strict=True)]


@claims.exact(
    "shared-branch-params",
    "An extractor that several inputs share is counted once, and learns from all of them.",
    where="002:502-503",
)
def shared_extractor_counts_once():
    shared, separate = network(["delay"], {"weather": ("now", "before")}), network(["delay"])
    kernel, bias, *rest = shared.get_weights()
    separate.set_weights([kernel, bias, kernel, bias, *rest])
    towers = [separate.get_layer(f"{name}_extractor").count_params() for name in WEATHER]
    together, (first, _, second, *_) = step(shared)[0], step(separate)
    return [
        claims.equal("parameters, shared", shared.get_layer("weather").count_params(), 3 * 4 + 4),
        claims.equal("parameters, separate", sum(towers), 2 * (3 * 4 + 4)),
        claims.equal("whole network", separate.count_params() - shared.count_params(), 3 * 4 + 4),
        claims.equal("gradient of the shared kernel, sum of both", together, first + second),
        claims.differs("gradient of the shared kernel, first input alone", together, first),
    ]


# %%
def small_and_large(seed):
    """Three parts of 600 rows: inputs, and targets with the scales 1 and 100."""
    x = np.random.default_rng(seed).normal(size=(1800, 6)).astype("float32")
    small, large = (np.sin(2 * x[:, [i]]) + x[:, [i + 1]] * x[:, [i + 2]] for i in (0, 3))
    rows = np.split(np.arange(1800), 3)
    targets = {"small": small, "large": 100 * large}
    return [({"numbers": x[r]}, {name: y[r] for name, y in targets.items()}) for r in rows]


@reuse
def two_heads(small_weight):
    model = builders.multi_io_network({"numbers": (6,)}, {"small": 1, "large": 1}, units=64)
    weights = {"small": small_weight, "large": 1.0}
    return outputs.compile_checked(model, "adam", "mse", loss_weights=weights)


def r2_of_heads(model, part):
    predicted = model.predict_on_batch(part[0])
    return {name: metrics.r2_score(part[1][name], predicted[name]) for name in predicted}


@claims.experiment
def heads(seed):
    train, validation, test = small_and_large(seed)
    sixty_times = keras.tree.map_structure(lambda values: np.tile(values, (60, 1)), train)

    def scored(small_weight):
        def train_with(learning_rate):
            model = two_heads(seed, small_weight=small_weight)
            model.optimizer.learning_rate = learning_rate
            model.fit(*sixty_times, batch_size=100, verbose=0)
            chosen_by = -np.mean(list(r2_of_heads(model, validation).values()))
            return chosen_by, r2_of_heads(model, test)

        return claims.tuned(train_with)

    return {"equal": scored(1.0)["small"], "weighted": scored(100.0**2)["small"]}


@claims.empirical(
    "loss-weights-magnitudes",
    "The losses of several outputs must have the right magnitude relative to each other.",
    where="002:1119; 002:440",
    runs=heads,
)
def magnitudes_matter(scores):
    gain = scores["weighted"] - scores["equal"]
    return claims.superior("R2 of the small head, weighted above equal", gain, by=0.2)


# %%
@claims.outdated(
    27,
    was="`model.fit_generator(batches, class_weight={0: 1, 1: 5})`",
    now="`dlnotes.outputs.class_weighted((x, y), ...)` gives `fit` sample weights, for val_loss too",
    where="002:888",
)
def class_weight_of_several_outputs():
    weights, x, late = {0: 1.0, 1: 5.0}, WEATHER["now"], TARGETS["late"]
    both, one = network(TARGETS), builders.mlp((3,), 1, units=4)
    both.compile(keras.optimizers.SGD(0.0), LOSSES)
    one.compile(keras.optimizers.SGD(0.0), LOSSES["late"])
    *data, rows = outputs.class_weighted((WEATHER, TARGETS), {"late": weights})
    refused = {"class_weight": {"late": weights}}
    weighted = both.fit(*data, sample_weight=rows, verbose=0).history["loss"][0]
    plain = both.evaluate(*data, verbose=0, return_dict=True)["loss"]
    more = 4 * np.mean(late * np.log(1 + np.exp(-np.asarray(both(WEATHER)["late"]))))
    options = {"class_weight": weights, "validation_data": (x, late), "verbose": 0}
    loss, of_validation = (of[0] for of in one.fit(x, late, **options).history.values())
    as_now = one.evaluate(x, late, sample_weight=rows["late"], verbose=0)
    return [
        claims.raises("fit_generator", AttributeError, lambda: one.fit_generator([(x, late)])),
        claims.raises("two outputs", ValueError, lambda: both.fit(*data, **refused)),
        claims.equal("two outputs, class_weighted", weighted, plain + more),
        claims.equal("val_loss, unweighted", of_validation, one.evaluate(x, late, verbose=0)),
        claims.differs("val_loss and loss", of_validation, loss),
        claims.equal("val_loss, class_weighted", as_now, loss),
    ]


@claims.outdated(
    29,
    was='`metrics=["accuracy"]` rounds the predictions of sigmoid outputs',
    now='For several labels in one output `"accuracy"` compares the largest: name `"binary_accuracy"`.',
    where="002:484-488",
)
def accuracy_of_several_labels():
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], "float32")
    given = np.array([[0.9, 0.8, 0.1], [0.6, 0.7, 0.2], [0.5, 0.1, 0.2]], "float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    model.compile(loss="mse", metrics=["accuracy", "binary_accuracy"], run_eagerly=True)
    _, named, binary = model.evaluate(given, labels, verbose=0)
    same_largest = np.mean(given.argmax(axis=1) == labels.argmax(axis=1))
    return [
        claims.differs("accuracy, rounded", named, np.mean((given > 0.5) == labels)),
        claims.equal("accuracy, largest", named, same_largest),
        claims.equal("binary_accuracy, rounded", binary, np.mean((given > 0.5) == labels)),
    ]


@claims.outdated(
    44,
    was="`validation_split=0.25` makes a second set",
    now="It takes the last rows of every array as they lie, before shuffling: divide the rows yourself.",
    where="001:255; 002:876",
)
def validation_split_takes_the_last_rows():
    model = network(["delay"])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    delay = np.sort(TARGETS["delay"], axis=0)
    wrong = (np.asarray(model(WEATHER)["delay"]) - delay) ** 2
    options = {"validation_split": 0.25, "verbose": 0}
    fitted = model.fit(WEATHER, {"delay": delay}, shuffle=True, **options).history["val_loss"]
    batches = iter([(WEATHER, {"delay": delay})])
    return [
        claims.equal("val_loss, last quarter", fitted[0], np.mean(wrong[9:])),
        claims.differs("val_loss, all rows", fitted[0], np.mean(wrong)),
        claims.raises("batches", ValueError, lambda: model.fit(batches, **options)),
    ]
