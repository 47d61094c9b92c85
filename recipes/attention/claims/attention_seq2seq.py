# %% [markdown]
"""
# What the notes say about attention between encoder and decoder

The two kinds of scores, with random weights and padding, against the formulas written out.
"""

# %%
from dlnotes import claims
from dlnotes.layers import AttentiveRNN
import keras
import numpy as np

RANDOM = np.random.default_rng(0)
QUERY, VALUE, KEY = (
    RANDOM.normal(size=shape).astype("float32") for shape in ((2, 4, 3), (2, 6, 5), (2, 6, 3))
)
REAL = np.arange(6) < [[6], [3]]

# %% [markdown]
"""
## Scores, weights, context
"""


# %%
def softmax(scores):
    """Weights that the scores of real steps get, step by step."""
    powers = np.exp(scores) * REAL[:, np.newaxis]
    return powers / powers.sum(axis=-1, keepdims=True)


def kinds():
    """By name: context and weights of a layer of Keras, and the scores by its formula."""
    options = {"mask": [None, REAL], "return_attention_scores": True}
    found = keras.layers.Attention()([QUERY, VALUE, KEY], **options)
    yield "multiplicative", *found, QUERY @ KEY.swapaxes(1, 2)
    layer = keras.layers.AdditiveAttention()
    found = layer([QUERY, VALUE, KEY], **options)
    sums = np.tanh(QUERY[:, :, np.newaxis] + KEY[:, np.newaxis])
    yield "additive", *found, sums @ layer.get_weights()[0]


@claims.exact(
    "attn-weights-normalised",
    "Scores between what is written and what was read become weights by a softmax, and the context "
    "is the sum of what was read with these weights.",
    where="002:1462",
)
def weights_are_normalised():
    for name, context, weights, scores in kinds():
        weights = np.asarray(weights)
        yield claims.equal(
            f"weights, {name}, against a softmax of the scores", weights, softmax(scores)
        )
        yield claims.equal(f"sums of the weights, {name}", weights.sum(axis=-1), np.ones((2, 4)))
        yield claims.equal(f"context, {name}, against the weighted sum", context, weights @ VALUE)
    layer = AttentiveRNN(keras.layers.GRUCell(3))
    _, contexts, weights, _ = layer(QUERY, VALUE, KEY, [QUERY[:, 0]], memory_mask=REAL)
    weights = np.asarray(weights)
    yield claims.equal("sums, inside a recurrence", weights.sum(axis=-1), np.ones((2, 4)))
    yield claims.equal("context, inside a recurrence", contexts, weights @ VALUE)
