# %% [markdown]
"""
# What the notes say about entity embeddings

The table is generated, so that the truth about its categories is known: 200 stores, seven weekdays and
40 zip codes, each level with two hidden traits. One acts on the target alone, the other together with a
price. Those of the stores are drawn at random; workdays are alike, as are Saturday and Sunday, and
Friday stands between; those of a zip code are its place on a map. Of 1500 rows 900 are for training.

All arms have the same two hidden layers, rows and thirty passes over them, as one long epoch, which costs
less than thirty; each has the learning rate that is best for it on validation rows.
"""

# %%
from dlnotes import builders, claims
from dlnotes.reuse import reuse
import keras
import numpy as np
from scipy import spatial, stats
from sklearn import feature_extraction, linear_model, neighbors, preprocessing

LEVELS = {"store": 200, "weekday": 7, "zip": 40}


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
    random = np.random.default_rng(0)
    codes = {name: random.integers(count, size=(5, 1)) for name, count in levels.items()}
    vectors = vectors_of(model)
    merged = np.zeros((5, 3 + 2))
    for row in range(5):
        merged[row, :3] = vectors["store"][codes["store"][row, 0]]
        merged[row, 3:] = vectors["zip"][codes["zip"][row, 0]]
    kernel, bias = model.get_layer("outputs").get_weights()
    embedded = model.get_layer("embedding_store")(codes["store"])
    embedding_parameters = model.count_params() - kernel.size - bias.size
    return [
        claims.equal("shape of an input", model.input["store"].shape[1:], (1,)),
        claims.equal("shape of an embedding", embedded.shape, (5, 1, 3)),
        claims.equal("parameters, levels times width", embedding_parameters, 7 * 3 + 4 * 2),
        claims.equal(
            "flattened and merged", model.predict(codes, verbose=0), merged @ kernel + bias
        ),
    ]


# %%
TRAIN, OTHERS, TEST = slice(900), slice(900, 1500), slice(1200, 1500)


def make_table(seed):
    """Codes, price, two targets that are made of the same traits, and the traits."""
    random = np.random.default_rng(seed)
    days = np.array([-1.0] * 4 + [0] + [1] * 2)[:, None]
    traits = {
        "store": random.normal(size=(200, 2)),
        "weekday": days + random.normal(0, 0.1, (7, 2)),
        "zip": random.uniform(-1, 1, (40, 2)),
    }
    codes = {name: random.integers(count, size=1500) for name, count in LEVELS.items()}
    alone, with_price = sum(traits[name][codes[name]] for name in LEVELS).T
    price = random.normal(size=1500)
    noise = random.normal(0, 0.5, (2, 1500))
    first, second = alone + with_price * price + noise[0], 0.6 * alone + 0.8 * with_price + noise[1]
    return codes, price[:, None], first[:, None], second, traits


def one_hot(codes):
    return np.hstack([np.eye(count)[codes[name]] for name, count in LEVELS.items()])


def columns(codes, price, y):
    """The categories as columns, in four ways; what is fitted, is fitted on the training rows."""
    rows = np.stack([codes[name] for name in LEVELS], axis=1)
    words = [[f"{name} {code}" for name, code in zip(LEVELS, row, strict=True)] for row in rows]
    hashing = feature_extraction.FeatureHasher(64, input_type="string")
    means = preprocessing.TargetEncoder()  # shuffles with the seed of NumPy
    means_of_train = means.fit_transform(rows[TRAIN], y[TRAIN, 0])
    ways = {"integer": rows, "mean": np.vstack([means_of_train, means.transform(rows[OTHERS])])}
    for name, way in ways.items():
        ways[name] = preprocessing.StandardScaler().fit(way[TRAIN]).transform(way)
    ways |= {"one-hot": one_hot(codes), "hashed": hashing.transform(words).toarray()}
    return {name: {"numeric": np.hstack([way, price])} for name, way in ways.items()}


def inputs(codes, price):
    return {name: code[:, None] for name, code in codes.items()} | {"numeric": price}


@reuse
def network(numeric, sizes=None):
    levels = LEVELS if sizes else {}
    sizes = dict.fromkeys(LEVELS, sizes) if isinstance(sizes, int) else sizes or {}
    choices = {"units": 64, "dropout": 0.0, "unseen_rate": 0.0}
    model = builders.entity_embedding_network(levels, numeric, 1, sizes=sizes, **choices)
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
        predicted = model.predict(others, batch_size=600, verbose=0)
        validation, test = np.split(predicted - y[OTHERS], 2)
        return rmse(validation), (rmse(validation), rmse(test), vectors_of(model))

    return claims.tuned(train_with)


def rmse(differences):
    return float(np.sqrt(np.mean(differences**2)))


# %%
@claims.experiment
def encodings(seed):
    codes, price, first, second, traits = make_table(seed)
    keras.utils.set_random_seed(seed)
    ways = columns(codes, price, first)
    errors = {name: trained(seed, x, first)[1] for name, x in ways.items()}
    _, errors["embedded"], vectors = trained(seed, inputs(codes, price), first, sizes="fastai")
    return errors | reused(codes, vectors, second) | geometry(vectors, traits)


@claims.empirical(
    "entity-emb-helps",
    "Entity embeddings help neural networks on tables with categories.",
    where="002:1280, 1284-1291",
    runs=encodings,
)
def embeddings_help(errors):
    return [saved("embedded", other, errors) for other in ("one-hot", "integer")]


@claims.empirical(
    "entity-emb-beats-hash-and-mean",
    "They help more than hashed columns and than the mean target of each level.",
    where="002:1280; 004:42",
    runs=encodings,
)
def embeddings_beat_hashes_and_means(errors):
    return [saved("embedded", other, errors) for other in ("hashed", "mean")]


def saved(better, worse, errors):
    share = 1 - errors[better] / errors[worse]
    return claims.superior(f"share of the RMSE saved, {better} against {worse}", share, by=0.03)


# %%
def reused(codes, vectors, y):
    """Errors on another target, of which 200 training rows are known."""
    ways = {"vectors": np.hstack([vectors[name][codes[name]] for name in LEVELS])}
    ways["one-hot"] = one_hot(codes)
    models = {
        "linear": linear_model.RidgeCV(np.logspace(-4, 4, 9)),
        "k-NN": neighbors.KNeighborsRegressor(10),
    }
    return {
        f"{name} on {way}": rmse(model.fit(x[:200], y[:200]).predict(x[TEST]) - y[TEST])
        for name, model in models.items()
        for way, x in ways.items()
    }


@claims.empirical(
    "entity-emb-reuse",
    "Vectors that were learned for one target can be reused for another.",
    where="002:1291",
    runs=encodings,
)
def vectors_can_be_reused(errors):
    return [
        saved(f"{name} on vectors", f"{name} on one-hot", errors) for name in ("linear", "k-NN")
    ]


# %%
def geometry(vectors, traits):
    days = vectors["weekday"]
    cosines = 1 - spatial.distance.pdist(days, "cosine")  # the last pair is Saturday and Sunday
    between = (days[:4].mean(axis=0) + days[5:].mean(axis=0)) / 2
    distances = np.linalg.norm(days - between, axis=1)
    places = [spatial.distance.pdist(of["zip"]) for of in (vectors, traits)]
    return {
        "weekend": float(cosines[-1] - cosines[:-1].mean()),
        "Friday": float(np.delete(distances, 4).min() - distances[4]),
        "map": float(stats.spearmanr(*places).statistic),
    }


@claims.empirical(
    "weekday-geometry",
    "Saturday and Sunday end up close, Friday between weekend and workdays, and so do near zip codes.",
    where="002:1287",
    runs=encodings,
)
def alike_is_close(found):
    return [
        claims.superior(
            "cosine of Saturday and Sunday above that of other pairs", found["weekend"]
        ),
        claims.superior("the next day's distance to the middle above Friday's", found["Friday"]),
        claims.above("rank correlation of distances, vectors and map", found["map"], 0.7),
    ]


# %%
@claims.experiment
def widths(seed):
    codes, price, y, *_ = make_table(seed)

    def error(sizes):
        return trained(seed, inputs(codes, price), y, sizes=sizes)[:2]

    _, chosen = min(error(width) for width in (1, 2, 4, 8, 16))
    return {"chosen": chosen} | {rule: error(rule)[1] for rule in ("half", "fourth_root")}


def costs_little(rule, errors):
    cost = errors[rule] / errors["chosen"] - 1
    return claims.below(
        "share of the RMSE lost against a width chosen on validation rows", cost, 0.03
    )


@claims.empirical(
    "emb-size-half",
    "A rule of thumb gives the width of an embedding: half the number of levels, at most 50.",
    where="002:1291",
    runs=widths,
)
def half_of_the_levels_will_do(errors):
    return costs_little("half", errors)


@claims.empirical(
    "emb-size-fourth-root",
    "A rule of thumb gives the width of an embedding: the fourth root of the number of levels.",
    where="002:1291",
    runs=widths,
)
def fourth_root_of_the_levels_will_do(errors):
    return costs_little("fourth_root", errors)


SIZE_RULE = claims.question(
    "oq-emb-size-rule",
    "Is there a rule of thumb for the width of an embedding?",
    where="002:1291",
    answered_by=["emb-size-half", "emb-size-fourth-root"],
)
