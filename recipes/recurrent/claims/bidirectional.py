# %% [markdown]
"""
# What the notes say about bidirectional layers

The empirical ones: tags of generated symbols, one network for each way of reading or merging, all with
as many weights as a forward LSTM, trained on the same sequences for the same epochs, scored on new ones.
"""

# %%
from dlnotes import claims, datasets, masks
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
MODES = ("concat", "sum", "ave", "mul")
UNITS = 4
X = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")


def both_ways(merge_mode="concat", return_sequences=True):
    """A bidirectional layer with random weights, the same ones for every mode."""
    lstm = keras.layers.LSTM(UNITS, return_sequences=return_sequences)
    layer = keras.layers.Bidirectional(lstm, merge_mode)
    layer.build(X.shape)
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


# %% [markdown]
"""
## Two layers, side by side
"""


# %%
@claims.exact(
    "bidi-concat-doubles",
    "Concatenation doubles the outputs that are passed on, the other modes do not.",
    where="001:287; 002:914",
)
def concatenation_doubles_the_outputs():
    for mode, width in {"concat": 2 * UNITS, "sum": UNITS, "ave": UNITS, "mul": UNITS}.items():
        yield claims.equal(f"outputs, {mode}", both_ways(mode)(X).shape[-1], width)


@claims.exact(
    "bidi-concat-default", "Concatenation is the default.", where="001:287-289; 002:914-917"
)
def concatenation_is_the_default():
    layer = keras.layers.Bidirectional(keras.layers.LSTM(UNITS))
    return claims.equal("merge mode", layer.merge_mode, "concat")


@claims.exact(
    "bidi-merge-arithmetic",
    "Sum, product and average are taken element by element.",
    where="001:287; 002:912-915",
)
def merging_is_arithmetic():
    forward, backward = map(np.asarray, both_ways(None)(X))
    yield claims.equal("sum", both_ways("sum")(X), forward + backward)
    yield claims.equal("average", both_ways("ave")(X), (forward + backward) / 2)
    yield claims.equal("product", both_ways("mul")(X), forward * backward)
    side_by_side = np.concatenate([forward, backward], axis=-1)
    yield claims.equal("concatenation", both_ways("concat")(X), side_by_side)


@claims.exact(
    "bidi-two-copies",
    "The layer is duplicated, and the copy reads the reversed sequence.",
    where="001:283; 002:908",
)
def the_copy_reads_the_reverse():
    layer, lstm = both_ways(None), keras.layers.LSTM(UNITS, return_sequences=True)
    lstm.build(X.shape)
    halves, weights = layer(X), layer.get_weights()
    yield claims.equal("weights", layer.count_params(), 2 * lstm.count_params())
    lstm.set_weights(weights[:3])
    yield claims.equal("forward half, against the LSTM", halves[0], lstm(X))
    lstm.set_weights(weights[3:])
    reverse = keras.ops.flip(lstm(X[:, ::-1]), axis=1)
    yield claims.equal("backward half, against the LSTM on the reverse", halves[1], reverse)


@claims.exact("bidi-sees-future", "Outputs know the past and the future.", where="001:279; 002:904")
def outputs_know_past_and_future():
    forward, both = keras.layers.LSTM(UNITS, return_sequences=True), both_ways()
    last, first = X.copy(), X.copy()
    last[:, -1] += 1
    first[:, 0] += 1
    yield claims.equal("first step, LSTM, other end", forward(last)[:, 0], forward(X)[:, 0])
    yield claims.differs("first step, both ways, other end", both(last)[:, 0], both(X)[:, 0])
    yield claims.differs(
        "last step, both ways, other beginning", both(first)[:, -1], both(X)[:, -1]
    )


# %% [markdown]
"""
## What the future brings, and how to merge it

Tags that depend on the next symbol; on the previous one, as the control; and the count: the sum of all
symbols so far, modulo three. Ways of merging give states of different scale, so each gets the learning
rate that is best for it on validation data.
"""


# %%
@reuse
def network(variant):
    return STORY.build(variant, (None, 6), 3, True, STORY.width(variant, 6, 32))


def tags(depends_on, steps, seed):
    """Symbols, tags and a weight for each step, of three parts."""
    parts = vars(datasets.tag_next(1000, steps, depends_on=depends_on, seed=seed)).values()
    return [(x, y, masks.step_weights(x)) for x, y in parts]


def counts(steps, seed):
    """The same symbols, with their running sum as the tag."""
    parts = tags("previous", steps, seed)
    return [(x, x.argmax(axis=-1).cumsum(axis=1) % 3, weights) for x, _, weights in parts]


def accuracy(parts, variant, seed, epochs, rates):
    """The test accuracy of a network at its best learning rate; its epochs are one long one."""
    parts = [[np.concatenate([array] * epochs) for array in parts[0]], *parts[1:]]
    named = [dict(zip(("x", "y", "sample_weight"), part, strict=True)) for part in parts]

    def train(rate):
        model = network(seed, variant)
        model.optimizer.learning_rate = rate
        model.fit(**named[0], batch_size=100, verbose=0)
        validation, test = (model.evaluate(**part, batch_size=200, verbose=0) for part in named[1:])
        return validation[0], test[1]

    return claims.tuned(train, rates)


@claims.experiment
def neighbours(seed):
    gains = {}
    for depends_on in ("next", "previous"):
        parts = tags(depends_on, 15, seed)
        forward = accuracy(parts, STORY.FORWARD, seed, 15, [0.03])
        gains[depends_on] = accuracy(parts, "concat", seed, 15, [0.03]) - forward
    return gains


@claims.empirical(
    "bidi-context-helps",
    "Reading both ways helps where labels depend on what follows, and only there.",
    where="001:281; 002:906",
    runs=neighbours,
)
def context_helps(gains):
    return [
        claims.superior("accuracy gained, tags of the next symbol", gains["next"], by=0.10),
        claims.equivalent(
            "accuracy gained, tags of the previous one", gains["previous"], within=0.02
        ),
    ]


@claims.experiment
def merging(seed):
    leads = {}
    for task, parts in {"next": tags("next", 8, seed), "count": counts(8, seed)}.items():
        concat, *others = (accuracy(parts, mode, seed, 10, [0.03, 0.06]) for mode in MODES)
        names = (f"{mode}, {task}" for mode in MODES[1:])
        leads |= {name: concat - other for name, other in zip(names, others, strict=True)}
    return leads


@claims.empirical(
    "bidi-concat-usual-choice",
    "Concatenation, the usual choice, is no worse than any other way of merging.",
    where="001:289; 002:917",
    runs=merging,
)
def concatenation_is_a_good_choice(leads):
    return [
        claims.above(f"accuracy of concat above {other}", leads[other], -0.01) for other in leads
    ]


# %% [markdown]
"""
## What is wrong or out of date
"""


# %%
@claims.outdated(
    45,
    was="The modes are sum, mul, concat and ave.",
    now="None returns both halves; 'avg' is refused; the backward half of a sequence ends at its first step.",
    where="001:287; 002:912-915",
)
def modes_and_where_the_halves_end():
    lstm, halves = keras.layers.LSTM(UNITS), both_ways(None)(X)
    _, state = both_ways(None, return_sequences=False)(X)
    yield claims.equal("outputs with None", len(halves), 2)
    yield claims.raises("'avg'", ValueError, lambda: keras.layers.Bidirectional(lstm, "avg"))
    yield claims.differs("backward half, last step and state", halves[1][:, -1], state)
    yield claims.equal("backward half, first step and state", halves[1][:, 0], state)
