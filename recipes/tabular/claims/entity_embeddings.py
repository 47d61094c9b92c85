# %% [markdown]
"""
# What the notes say about entity embeddings

The table is generated, so that the truth about its categories is known: 200 stores, seven weekdays and
40 zip codes, each level with two hidden traits. One acts on the target alone, the other together with a
price. Those of the stores are drawn at random; workdays are alike, as are Saturday and Sunday, and
Friday stands between; those of a zip code are its place on a map. Of 1500 rows 900 are for training and 600
for choices; 3000 others are the test.

All arms have the same two hidden layers, rows and thirty passes over them, as one long epoch, which costs
less than thirty; each has the learning rate that is best for it on validation rows. A width is swept by
giving it to all three categories, and chosen on validation rows as well.
"""

# %%
from dlnotes import builders, claims
from dlnotes.reuse import reuse
import keras
import numpy as np
from scipy import spatial, stats
from sklearn import linear_model, metrics, neighbors, preprocessing

LEVELS = {"store": 200, "weekday": 7, "zip": 40}
TRAIN, OTHERS, TEST = slice(900), slice(900, None), slice(1500, None)


def vectors_of(model):
    """The learned vectors of each category, by its name."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
    return {layer.name.removeprefix("embedding_"): layer.get_weights()[0] for layer in layers}


# %%
@claims.exact(
    "entity-emb-size-one-input",
    "Each integer-coded feature has an input of length 1 and an embedding of its own; all are merged.",
    where="002:1291",
)
def an_input_of_length_one_for_each():
    levels, sizes = {"store": 7, "zip": 4}, {"store": 3, "zip": 2}
    model = builders.entity_embedding_network(levels, 0, 1, sizes=sizes, layers=0, unseen_rate=0)
    codes = {name: np.arange(5)[::-1, None] % count for name, count in levels.items()}
    vectors, (kernel, bias) = vectors_of(model), model.get_layer("outputs").get_weights()
    claimed = np.zeros((5, 1))
    for row in range(5):
        merged = [vectors[name][codes[name][row, 0]] for name in levels]
        claimed[row] = np.concatenate(merged) @ kernel + bias
    parameters = model.count_params() - kernel.size - bias.size
    return [
        claims.equal("an input", model.input["store"].shape[1:], (1,)),
        claims.equal("an embedding", model.get_layer("embedding_store").output.shape[1:], (1, 3)),
        claims.equal("parameters, levels times width", parameters, 7 * 3 + 4 * 2),
        claims.equal("flattened and merged", model.predict(codes, verbose=0), claimed),
    ]


# %%
def make_table(seed):
    """Inputs, two targets that are made of the same traits, and the traits."""
    random = np.random.default_rng(seed)
    stores, places = random.normal(size=(200, 2)), random.uniform(-1, 1, (40, 2))
    days = np.array([-1.0] * 4 + [0] + [1] * 2)[:, None] + random.normal(0, 0.1, (7, 2))
    traits = {"store": stores, "weekday": days, "zip": places}
    x = {name: random.integers(count, size=(4500, 1)) for name, count in LEVELS.items()}
    x["numeric"] = random.normal(size=(4500, 1))
    alone, with_price = np.split(sum(traits[name][x[name][:, 0]] for name in LEVELS), 2, axis=1)
    noise = random.normal(0, 0.5, (2, 4500, 1))
    first = alone + with_price * x["numeric"] + noise[0]
    return x, first, 0.6 * alone + 0.8 * with_price + noise[1], traits


def one_hot(x):
    return np.hstack([np.eye(count)[x[name][:, 0]] for name, count in LEVELS.items()])


def columns(x, y):
    """The categories as columns, in four ways; what is fitted, is fitted on the training rows."""
    codes, encoder = np.hstack([x[name] for name in LEVELS]), preprocessing.TargetEncoder()
    means = [encoder.fit_transform(codes[TRAIN], y[TRAIN, 0]), encoder.transform(codes[OTHERS])]
    places = np.random.default_rng(0).integers(64, size=sum(LEVELS.values()))
    ways = {"one-hot": one_hot(x), "hashed": one_hot(x) @ np.eye(64)[places]}
    ways |= {"integer": 2 * codes / list(LEVELS.values()) - 1, "mean": np.vstack(means)}
    return {name: {"numeric": np.hstack([way, x["numeric"]])} for name, way in ways.items()}


@reuse
def network(numeric, sizes=0):
    levels = LEVELS if sizes else {}
    sizes = dict.fromkeys(levels, sizes) if isinstance(sizes, int) else sizes
    choices = {"sizes": sizes, "units": 64, "dropout": 0.0, "unseen_rate": 0.0}
    model = builders.entity_embedding_network(levels, numeric, 1, **choices)
    model.compile("adam", "mse", steps_per_execution=30)
    return model


def trained(seed, x, y, **choices):
    """At the best learning rate: errors on validation and on test rows, and the learned vectors."""
    train, others = ({name: of[rows] for name, of in x.items()} for rows in (TRAIN, OTHERS))
    passes = keras.tree.map_structure(lambda of: np.tile(of, (30, 1)), (train, y[TRAIN]))

    def train_with(learning_rate):
        model = network(seed, numeric=x["numeric"].shape[1], **choices)
        model.optimizer.learning_rate = learning_rate
        model.fit(*passes, batch_size=100, verbose=0)
        predicted = model.predict_on_batch(others)
        validation, test = map(rmse, np.split(y[OTHERS], [600]), np.split(predicted, [600]))
        return validation, (validation, test, vectors_of(model))

    return claims.tuned(train_with)


rmse = metrics.root_mean_squared_error


# %%
@claims.experiment
def encodings(seed):
    x, first, second, traits = make_table(seed)
    keras.utils.set_random_seed(seed)
    errors = {name: trained(seed, way, first)[1] for name, way in columns(x, first).items()}
    _, errors["embedded"], vectors = trained(seed, x, first, sizes="fastai")
    return errors | reused(x, vectors, second) | geometry(vectors, traits)


def saved(better, worse, errors):
    share = 1 - errors[better] / errors[worse]
    return claims.superior(f"share of the RMSE saved, {better} against {worse}", share, by=0.03)


@claims.empirical(
    "entity-emb-helps",
    "Entity embeddings help neural networks on tables with categories.",
    where="002:1280, 1284-1291",
    runs=encodings,
)
def embeddings_help(errors):
    return [saved("embedded", way, errors) for way in ("one-hot", "integer", "hashed", "mean")]


# %%
MODELS = {"linear": linear_model.RidgeCV(), "k-NN": neighbors.KNeighborsRegressor(10)}


def reused(x, vectors, y):
    """Errors on another target, of which 200 training rows are known."""
    vectors = np.hstack([vectors[name][x[name][:, 0]] for name in LEVELS])
    errors = {}
    for way, rows in {"vectors": vectors, "one-hot": one_hot(x)}.items():
        for name, model in MODELS.items():
            model.fit(rows[:200], y[:200, 0])
            errors[f"{name} on {way}"] = rmse(y[TEST, 0], model.predict(rows[TEST]))
    return errors


@claims.empirical(
    "entity-emb-reuse",
    "Vectors that were learned for one target can be reused for another.",
    where="002:1291",
    runs=encodings,
)
def vectors_can_be_reused(errors):
    return [saved(f"{name} on vectors", f"{name} on one-hot", errors) for name in MODELS]


# %%
def geometry(vectors, traits):
    days = vectors["weekday"]
    cosines = 1 - spatial.distance.pdist(days, "cosine")  # the last pair is Saturday and Sunday
    between = (days[:4].mean(axis=0) + days[5:].mean(axis=0)) / 2
    *workdays, friday, saturday, sunday = np.linalg.norm(days - between, axis=1)
    distances = [spatial.distance.pdist(of["zip"]) for of in (vectors, traits)]
    return {
        "weekend": float(cosines[-1] - cosines[:-1].mean()),
        "Friday": float(min(*workdays, saturday, sunday) - friday),
        "map": float(stats.spearmanr(*distances).statistic),
    }


@claims.empirical(
    "weekday-geometry",
    "Saturday and Sunday end up close, Friday between weekend and workdays, near zip codes alike.",
    where="002:1287",
    runs=encodings,
)
def alike_is_close(found):
    return [
        claims.superior("cosine of Saturday and Sunday above other pairs", found["weekend"]),
        claims.superior("distance to the middle, next day above Friday", found["Friday"]),
        claims.above("rank correlation of distances, vectors and map", found["map"], 0.7),
    ]


# %%
RULES = ["half", "fourth_root"]


@claims.experiment
def widths(seed):
    x, y, *_ = make_table(seed)
    rules = {rule: trained(seed, x, y, sizes=rule)[1] for rule in RULES}
    swept = [trained(seed, x, y, sizes=width)[:2] for width in (1, 2, 4, 8, 16)]
    return rules | {"chosen": min(swept)[1]}


@claims.empirical(
    "emb-size-rule",
    "A rule of thumb gives the width of an embedding with n levels: min(50, n / 2), or n ** 0.25.",
    where="002:1291",
    runs=widths,
)
def rules_cost_little(errors):
    lost = {rule: errors[rule] / errors["chosen"] - 1 for rule in RULES}
    return [claims.below(f"share of the RMSE lost, {rule}", lost[rule], 0.03) for rule in RULES]


ASKED = "Is there a rule of thumb for the width of an embedding?"
WIDTH = claims.question("oq-emb-size-rule", ASKED, where="002:1291", answered_by=["emb-size-rule"])
