# %% [markdown]
"""
# What the notes say about encoder and decoder

Sequences of five, fifteen and thirty tokens are reversed by two networks that differ in one thing: whether
the decoder sees the encoder's last states alone, or attends to all of them. For each length both are
trained on the same pairs for the same epochs, and write the answers to new sources on their own.
"""

# %%
from dlnotes import claims, datasets, decoding
from dlnotes.reuse import reuse
import numpy as np

STORY = claims.story(__file__)
LENGTHS = (5, 15, 30)
PAIRS, EPOCHS, BATCH_SIZE, UNITS = 600, 10, 25, 32

# %% [markdown]
"""
## How much fits through one vector
"""


# %%
@reuse
def network(attention):
    return STORY.build(attention, UNITS)


def accuracy(attention, length, seed):
    """The share of right tokens in the answers that a network writes on its own."""
    data = datasets.copying(
        PAIRS * 10 // 6, length, length, STORY.SYMBOLS, order="reverse", seed=seed
    )
    so_far, targets, weights = decoding.teacher_forcing(data.train.y)
    x, so_far, targets, weights = (
        np.concatenate([array] * EPOCHS) for array in (data.train.x, so_far, targets, weights)
    )
    model = network(seed, attention)
    inputs = {"source": x, "target_so_far": so_far}
    model.fit(inputs, targets, sample_weight=weights, batch_size=BATCH_SIZE, verbose=0)
    return (decoding.greedy_decode(model, data.test.x, length).tokens == data.test.y).mean()


@claims.experiment
def reversing(seed):
    plain, attention = (
        np.array([accuracy(kind, length, seed) for length in LENGTHS])
        for kind in (None, "multiplicative")
    )
    plain_by_length = {f"one vector, {n} tokens": p for n, p in zip(LENGTHS, plain, strict=True)}
    lead = attention - plain
    slope = np.polyfit(LENGTHS, lead, 1)[0]
    return plain_by_length | {"lead, 30 tokens": lead[-1], "growth of the lead": slope}


@claims.empirical(
    "fixed-vector-bottleneck",
    "Without attention encoder and decoder fail on long sequences, because all has to pass through "
    "one vector of a fixed size.",
    where="002:1470",
    runs=reversing,
)
def one_vector_is_too_narrow(numbers):
    return [
        claims.above("lead of attention, growth with each token", numbers["growth of the lead"], 0),
        claims.superior("lead of attention, 30 tokens", numbers["lead, 30 tokens"], by=0.2),
    ]
