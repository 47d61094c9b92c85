# %% [markdown]
"""
# What the notes say about normalisation and initialisers of recurrent networks

Each network is trained at each learning rate of a grid, from the same weights; the validation loss
chooses. The numbers to add are told apart by marks, as in the recipe.
"""

# %%
from dlnotes import claims, datasets, masks
from dlnotes.layers import BatchNormLSTM, LayerNormGRUCell, LayerNormLSTMCell, MinimalGatedCell
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
INITIALIZERS = {
    "Glorot": keras.initializers.GlorotUniform,
    "He": keras.initializers.HeNormal,
    "orthogonal": keras.initializers.Orthogonal,
    "normal": lambda seed: keras.initializers.RandomNormal(0.0, 0.05, seed),
}
NEXT_WORD = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")


@reuse
def network(kind, shape):
    model = STORY.build(kind, shape, 16)
    model.steps_per_execution = 6
    return model


def initialize(model, name, seed):
    """Draws both kernels anew."""
    for weight in model.get_layer("recurrent_1").weights:
        if weight.name in ("kernel", "recurrent_kernel"):
            seed += 1000
            weight.assign(INITIALIZERS[name](seed=seed)(weight.shape))


def trained(model, parts, epochs=1):
    """The history of the loss and the test loss, at the rate of the lowest validation loss."""
    start = model.get_weights()
    (x, y, weight), *others = parts

    def at(rate):
        model.set_weights(start)
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        model.optimizer.learning_rate = rate
        fitted = model.fit(x, y, 100, epochs, 0, sample_weight=weight, shuffle=False)
        validation, test = (float(model.test_on_batch(*part)) for part in others)
        return validation, (fitted.history["loss"], test)

    return claims.tuned(at, (0.01, 0.03))


def prepared(dataset, epochs, each_step=False):
    """Inputs, targets and weights of the three parts; epochs of training are one long one."""
    weight = masks.step_weights if each_step else lambda x: np.ones(len(x), "float32")
    train, *others = ((x, y, weight(x)) for x, y in vars(dataset).values())
    return [[np.concatenate([array] * epochs) for array in train], *others]


# %% [markdown]
"""
## Cell, initialiser and normalisation

The next word of a small language. LSTM, GRU and minimal gated unit, three initialisers for both kernels,
and no normalisation, layer normalisation (not for the minimal unit) or batch normalisation of the inputs.
"""

LSTM, GRU = keras.layers.LSTMCell, keras.layers.GRUCell
CELLS = {
    "lstm": {None: LSTM, "inputs": LSTM, "layer": LayerNormLSTMCell},
    "gru": {None: GRU, "inputs": GRU, "layer": LayerNormGRUCell},
    "minimal": {None: MinimalGatedCell, "inputs": MinimalGatedCell},
}


# %%
@reuse
def writer(cell, normalization, words):
    """A network that says the next word after each."""
    inputs = x = keras.Input((10, words))
    mask = masks.step_mask(inputs)
    if normalization == "inputs":
        x = keras.layers.BatchNormalization(momentum=0.9)(x, mask=mask)
    layer = keras.layers.RNN(CELLS[cell][normalization](16), True, name="recurrent_1")
    model = keras.Model(inputs, keras.layers.Dense(words)(layer(x, mask=mask)))
    model.compile("adam", NEXT_WORD, steps_per_execution=6)
    return model


@claims.experiment
def grid(seed):
    one_hot, losses = np.eye(len(datasets.grammar_words()), dtype="float32"), {}
    one_hot[0] = 0
    sentences = vars(datasets.grammar(1000, 10, seed=seed)).values()
    dataset = datasets.Dataset(*(datasets.Split(one_hot[x], y) for x, y in sentences))
    parts = prepared(dataset, 8, each_step=True)
    for cell, kinds in CELLS.items():
        for normalization in kinds:
            model = writer(seed, cell, normalization, len(one_hot))
            for name in ("Glorot", "He", "orthogonal"):
                initialize(model, name, seed)
                _, losses[f"{cell}, {name}, {normalization}"] = trained(model, parts)
    return losses


@claims.empirical(
    "gru-glorot-bn-best",
    "A GRU with Glorot's initialisation and batch normalisation is the best of the grid.",
    where="001:249; 002:868",
    runs=grid,
)
def gru_glorot_batch_norm_is_best(losses):
    best = min(losses, key=lambda arm: losses[arm].mean())
    ratio = losses["gru, Glorot, inputs"] / losses[best]
    return claims.below(f"its loss, over that of the best ({best})", ratio, 1.01)


# %% [markdown]
"""
## Initialisers
"""


# %%
@claims.experiment
def initializers(seed):
    parts, losses = prepared(datasets.seasonal(1000, 12, seed=seed), 8), {}
    for kind in ("GRU", "GRU, layer"):
        model = network(seed, kind, (12, 1))
        for name in INITIALIZERS:
            initialize(model, name, seed)
            _, losses[f"{name}, {kind}"] = trained(model, parts)
    return losses


@claims.empirical(
    "rnn-init-irrelevant",
    "With layer normalisation the initialisation hardly matters to a GRU, without it does more.",
    where="001:201; 002:799, 1137",
    runs=initializers,
)
def initialisation_is_irrelevant(losses):
    gaps = {}
    for kind in ("GRU", "GRU, layer"):
        arms = [losses[f"{name}, {kind}"] for name in INITIALIZERS]
        best, *_, worst = sorted(arms, key=np.mean)
        gaps[kind] = (worst - best) / np.mean(arms, axis=0)
    what = "loss of the worst initialiser minus the best, over the mean"
    yield claims.equivalent(f"{what}, with layer normalisation", gaps["GRU, layer"], within=0.03)
    yield claims.superior(f"{what}, without minus with", gaps["GRU"] - gaps["GRU, layer"])


# %% [markdown]
"""
## Speed, and statistics for each step

Epochs of an LSTM until a tenth of the variance is left, where never is one more than there were. For the
statistics: the same numbers, from minus to plus a half, on a scale that grows tenfold over the steps. All
is equal in training; in prediction either every step has its own moving statistics, or all share one set.
"""


# %%
@claims.experiment
def speed(seed):
    parts, epochs = prepared(datasets.adding(1000, 10, seed), 1), {}
    for kind in ("LSTM", "LSTM, inputs", "LSTM, steps", "LSTM, layer"):
        history, _ = trained(network(seed, kind, (10, 2)), parts, 30)
        epochs[kind] = 1 + int(np.sum(np.cumsum(np.array(history) < 0.1 / 6) == 0))
    return epochs


@claims.empirical(
    "ln-solves-rnn",
    "Layer normalisation makes an LSTM learn sooner, which batch normalisation cannot.",
    where="002:188, 193-194, 202",
    runs=speed,
)
def layer_norm_is_faster(epochs):
    for other in ("LSTM", "LSTM, inputs", "LSTM, steps"):
        ratio = epochs["LSTM, layer"] / epochs[other]
        yield claims.below(f"epochs to solve it, with layer normalisation over {other}", ratio, 0.8)


@reuse
def by_steps(max_steps):
    lstm = BatchNormLSTM(16, max_steps)
    model = keras.Sequential([keras.Input((10, 2)), lstm, keras.layers.Dense(1)])
    model.compile("adam", "mse", steps_per_execution=6)
    return model


@claims.experiment
def statistics(seed):
    scale = np.geomspace(0.3, 3, 10, dtype="float32")
    drifting = []
    for x, _ in vars(datasets.adding(1000, 10, seed)).values():
        numbers = (x[..., 0] - 0.5) * scale
        y = (numbers * x[..., 1]).sum(axis=1, keepdims=True)
        drifting.append(datasets.Split(np.stack([numbers, x[..., 1]], axis=-1), y))
    parts, found = prepared(datasets.Dataset(*drifting), 20), {}
    for name, max_steps in {"each step": 10, "shared": 1}.items():
        _, found[name] = trained(model := by_steps(seed, max_steps), parts)
        found[f"statistics, {name}"] = sum(w.size for w in model.layers[0].get_weights()[-2:])
    return found


@claims.empirical(
    "recurrent-bn-per-step",
    "Recurrent batch normalisation needs statistics for each step.",
    where="002:193",
    runs=statistics,
)
def statistics_for_each_step(found):
    kept = int(found["statistics, each step"][0])
    yield claims.equal("statistics: 10 steps, 2 for each of 9 x 16 sums", kept, 10 * 2 * 9 * 16)
    saved = 1 - found["each step"] / found["shared"]
    yield claims.superior("share of the loss that is saved", saved, by=0.05)
