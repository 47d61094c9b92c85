# %% [markdown]
"""
# What the notes say about relative positions

The exact ones: random weights, the same steps in another order. The empirical ones: one block each, with
the same weights but for the positions, trained on the same sequences for the same steps.
"""

# %%
from dlnotes import builders, claims, datasets, masks
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
CLIPS = (1, 2, 4, 8, 16)
X = np.random.default_rng(0).normal(size=(2, 7, 8)).astype("float32")
ORDER = np.random.default_rng(1).permutation(7)
TWICE = X[:, [0, 1, 2, 3, 1, 5, 6]]  # step 4 is step 1 again


def with_random_weights(layer, *shapes):
    layer.build(*shapes)
    random = np.random.default_rng(2)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


# %% [markdown]
"""
## The same word at another place
"""


# %%
@claims.exact(
    "attn-no-order",
    "Self-attention without positions gives a word the same code wherever it stands.",
    where="002:1225",
)
def attention_knows_no_order():
    layer = with_random_weights(keras.layers.MultiHeadAttention(2, 4), X.shape, X.shape)
    outputs, moved, twice = (np.asarray(layer(x, x)) for x in (X, X[:, ORDER], TWICE))
    yield claims.equal("outputs, in the order of the steps", moved, outputs[:, ORDER])
    yield claims.equal("a step that comes twice", twice[:, 4], twice[:, 1])


@claims.exact(
    "rnn-position-differs",
    "In a recurrent network the same word has another code at another place.",
    where="002:1224",
)
def recurrent_networks_know_order():
    layer = with_random_weights(keras.layers.LSTM(4, return_sequences=True), X.shape)
    outputs, moved, twice = (np.asarray(layer(x)) for x in (X, X[:, ORDER], TWICE))
    yield claims.differs("outputs, in the order of the steps", moved, outputs[:, ORDER], 0.1)
    yield claims.differs("a step that comes twice", twice[:, 4], twice[:, 1], 0.1)


# %% [markdown]
"""
## What distances bring

Sentences, half of which have two neighbours swapped: the words are the same, the order is not.
"""


# %%
def accuracy(model, parts, epochs, rate=0.01):
    """Test accuracy after training for some epochs, which are one long one."""
    x, y, weight = (np.concatenate([array] * epochs) for array in parts[0])
    model.optimizer.learning_rate = rate
    model.fit(x, y, 30, verbose=0, sample_weight=weight)
    return model.evaluate(*parts[2][:2], 500, 0, sample_weight=parts[2][2])[1]


@reuse
def network(variant, task):
    return STORY.build(variant, task)


@claims.experiment
def orders(seed):
    parts = STORY.load(STORY.ORDER, 2000, seed)
    variants = ("no positions", "sinusoidal", "relative")
    return {v: accuracy(network(seed, v, STORY.ORDER), parts, 11) for v in variants}


@claims.empirical(
    "relpos-fixes",
    "Relative distances give attention the order that it lacks.",
    where="002:1226",
    runs=orders,
)
def distances_give_the_order(scores):
    chance = scores["no positions"] - 0.5
    yield claims.equivalent("accuracy above guessing, no positions", chance, within=0.03)
    yield claims.above("accuracy, relative positions", scores["relative"], 0.9)


# %% [markdown]
"""
## How far a distance has to be precise

The relation of each word to the word that it depends on, such as subject or object, with distances that
are clipped at one to sixteen words; a noun phrase has up to three. The control is a task that does ask for
a precise distance, the bit of six steps ago: there a clip below six must fail, or the comparison is blind.
"""


# %%
@reuse
def clipped(task, clip):
    """A block whose distances are clipped; without any where the clip is `None`."""
    positions = {"positions": "relative" if clip else None, "max_distance": clip}
    if task == "relations":
        shape, outputs = (12,), len(datasets.grammar_relations())
        options = {"vocabulary": STORY.VOCABULARY, "return_sequences": True}
    else:
        shape, outputs, options = (24, 1), 2, {"causal": True}
    options |= positions | {"units": 16, "dropout": 0.0}
    model = builders.transformer(shape, outputs, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(), loss, weighted_metrics=["accuracy"])
    return model


@claims.experiment
def clips(seed):
    whole = vars(datasets.grammar(1000, target="relations", seed=seed)).values()
    parts = [(x, y, (x != 0).astype("float32")) for x, y in whole]
    found = {f"clip {c}": accuracy(clipped(seed, "relations", c), parts, 5, 0.02) for c in CLIPS}
    found["no positions"] = accuracy(clipped(seed, "relations", None), parts, 5, 0.02)
    heads = datasets.grammar(1000, target="heads", seed=seed).test
    far = np.abs(heads.y - np.arange(12))[heads.x != 0]
    found["longest dependency"] = float(far.max())
    whole = vars(datasets.echo(300, 24, 6, seed)).values()
    parts = [(x, y[..., -1], masks.step_weights(x)) for x, y in whole]
    for clip in (4, 8):
        found[f"echo, clip {clip}"] = accuracy(clipped(seed, "echo", clip), parts, 20, 0.02)
    return found


@claims.empirical(
    "relpos-clip-enough",
    "Beyond some distance it does not matter how far a word is exactly.",
    where="002:1229",
    runs=clips,
)
def a_clip_is_enough(found):
    for clip in (4, 8):
        loss = found[f"clip {clip}"] - found["clip 16"]
        yield claims.equivalent(f"accuracy, clip {clip} against 16", loss, within=0.01)
    gain = found["clip 16"] - found["no positions"]
    yield claims.superior("accuracy gained by distances", gain, by=0.05)
    yield claims.above("words of the longest dependency", found["longest dependency"], 8)
    gain = found["echo, clip 8"] - found["echo, clip 4"]
    yield claims.superior("control: accuracy gained by clip 8 over 4, six back", gain, by=0.2)


QUESTION = claims.question(
    "oq-relpos-range",
    "Is it useless to know far distances precisely?",
    where="002:1229",
    answered_by=["relpos-clip-enough"],
)

# %% [markdown]
"""
## Longer than in training

Tags of the next symbol, learned on sequences of up to sixteen steps, asked for on longer ones.
"""


# %%
@claims.experiment
def lengths(seed):
    parts, found = STORY.load(STORY.TAGS, 2000, seed), {}
    for variant in ("learned", "relative"):
        model = network(seed, variant, STORY.TAGS)
        found[f"{variant}, 16"] = accuracy(model, parts, 9)
        for steps in (32, 64):
            at = STORY.accuracy_at(model, variant, steps, 500, seed)
            found[f"{variant}, {steps}"] = at
    return found


@claims.empirical(
    "relpos-longer",
    "With clipped distances a model does well at lengths that it has not seen.",
    where="002:1230",
    runs=lengths,
)
def longer_sequences(found):
    for steps in (32, 64):
        gain = found[f"relative, {steps}"] - found[f"learned, {steps}"]
        yield claims.superior(f"accuracy gained over learned places, {steps} steps", gain, by=0.10)
