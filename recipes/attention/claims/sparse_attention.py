# %% [markdown]
"""
# What the notes say about attention with exact zeros

The zeros are proved against the closed form of sparsemax and a plain bisection. What heads learn is judged on
the recipe's two answers, after as many steps of training for both arms.
"""

# %%
from dlnotes import claims
from dlnotes.entmax import entmax
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
EPOCHS, SAMPLES = 12, 2000
SCORES = 2 * np.random.default_rng(0).normal(size=(200, 8)).astype("float32")


def plain_entmax(scores, alpha):
    """Row by row: the threshold at which the shares add up to one, halved to the last bit."""
    rows = []
    for row in (alpha - 1) * scores.astype("float64"):
        low, high = row.max() - 1, row.max()
        for _ in range(100):
            middle = (low + high) / 2
            total = (np.maximum(row - middle, 0) ** (1 / (alpha - 1))).sum()
            low, high = (middle, high) if total >= 1 else (low, middle)
        rows.append(np.maximum(row - low, 0) ** (1 / (alpha - 1)))
    return np.array(rows)


# %%
@claims.exact(
    "entmax-zeros",
    "Alpha-entmax gives low scores a weight of exactly zero; softmax never does.",
    where="002:1511",
)
def low_scores_get_nothing():
    textbook = np.array([[3.0, 1.0, 0.5, -1.0]], "float32")
    yield claims.equal("sparsemax of 3, 1, 0.5, -1", entmax(textbook, 2.0), [[1, 0, 0, 0]])
    lowest = float(np.min(keras.ops.softmax(textbook)))
    yield claims.fact("the lowest weight of softmax there is above 0.01", lowest > 0.01, lowest)
    for alpha in (1.5, 2.0):
        found, plain = np.asarray(entmax(SCORES, alpha)), plain_entmax(SCORES, alpha)
        yield claims.equal(f"alpha {alpha}, 200 rows", found, plain)
        yield claims.equal(f"alpha {alpha}, zeros", found == 0, plain == 0)
        share = float((found == 0).mean())
        yield claims.fact(f"alpha {alpha}, some weights are zero", 0 < share < 1, share)
    shares = np.asarray(keras.ops.softmax(SCORES))
    yield claims.fact("no weight of softmax is zero", (shares > 0).all(), float(shares.min()))


# %%
@reuse
def network(variant):
    return STORY.two_answers(variant)


@claims.experiment
def heads(seed):
    """Accuracies, diversity and alphas of both kinds of heads."""
    x, y = STORY.symbols(SAMPLES, STORY.STEPS, [seed, 0])
    test, found = STORY.symbols(1000, STORY.STEPS, [seed, 1]), {}
    for variant in STORY.ALPHAS:
        model = network(seed, variant)
        model.fit(x, y, batch_size=50, epochs=EPOCHS, verbose=0)
        measured = STORY.accuracies(model, *test) | STORY.of_heads(model, test[0], steps=1)
        found |= {f"{variant}, {name}": float(value) for name, value in measured.items()}
    alphas = np.asarray(model.get_layer("attention_1").head_alphas())
    return found | {"spread of alphas": float(np.ptp(alphas))}


@claims.empirical(
    "entmax-learned-alpha",
    "Heads that learn their sparsity become focused or broad, and differ more than those of softmax.",
    where="002:1510-1515",
    runs=heads,
)
def heads_choose_their_sparsity(found):
    yield claims.above("largest less smallest alpha", found["spread of alphas"], 0.3)
    gain = found["learned alpha, diversity"] / found["softmax, diversity"] - 1
    yield claims.superior("share by which diversity grows", gain, by=0.10)
    for name in ("copy", "majority"):
        difference = found[f"learned alpha, {name}"] - found[f"softmax, {name}"]
        yield claims.equivalent(f"accuracy gained, {name}", difference, within=0.01)
