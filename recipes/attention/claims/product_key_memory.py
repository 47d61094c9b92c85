# %% [markdown]
"""
# What the notes say about large memories with product keys

That the halves of a key find what a comparison with all keys would find is proved on random memories. Whether a
memory is worth more than depth is judged on the recipe's facts: both arms choose their learning rate on
validation wordings, and the time of a training step is a ratio, by turns in one process.
"""

# %%
import time

from dlnotes import claims
from dlnotes.layers import ProductKeyMemory
from dlnotes.reuse import reuse
import numpy as np

STORY = claims.story(__file__)
FACTS, EPOCHS = 1000, 12
DEEP = "four blocks"

# %% [markdown]
"""
## Found by halves
"""


# %%
def queries(memory, x):
    """The queries of every row and head, of shape (rows, heads, 2, half a key)."""
    query = np.reshape(memory.query_dense(x), (len(x), memory.heads, memory.key_dim))
    return np.reshape(memory.query_norm(query), (len(x), memory.heads, 2, -1))


def with_all_keys(memory, x):
    """The places of the best keys of every query, after a comparison with all of them."""
    first, second = np.asarray(memory.half_keys).astype("float64")
    whole = queries(memory, x).astype("float64")
    scores = np.einsum("rhd,hid->rhi", whole[:, :, 0], first)[..., :, None]
    scores = scores + np.einsum("rhd,hjd->rhj", whole[:, :, 1], second)[..., None, :]
    return np.argsort(-scores.reshape(*scores.shape[:2], -1), axis=-1)[..., : memory.top_k]


@claims.exact(
    "pkm-exact-topk",
    "The halves of a key find exactly the best of all keys, with far fewer comparisons.",
    where="002:1508",
)
def halves_find_the_best():
    random, alike = np.random.default_rng(0), []
    for _ in range(20):
        keys, top_k = int(random.integers(8, 40)), int(random.integers(1, 9))
        memory = ProductKeyMemory(4, keys=keys, key_dim=16, heads=1, top_k=top_k)
        x = random.normal(size=(10, 12)).astype("float32")
        places = np.asarray(memory(x, return_places=True)[1])
        alike += (places == with_all_keys(memory, x)).all(axis=(1, 2)).tolist()
    yield claims.equal("trials of 200 with the same places in the same order", sum(alike), 200)
    memory = ProductKeyMemory(4, keys=64, key_dim=16, heads=1)
    memory.build((None, 12))
    compared = int(np.prod(memory.half_keys.shape[:3]))
    yield claims.equal("vectors that a query is compared with", compared, 2 * 64)
    yield claims.equal("values that can be found so", memory.values.shape[0], 64**2)


# %% [markdown]
"""
## Depth or memory
"""


# %%
@reuse
def network(variant):
    return STORY.build(variant)


def step_times(seed, x, y, turns=15):
    """The median seconds of a training step of both arms, taken by turns."""
    arms = (DEEP, STORY.MEMORY)
    models, seconds = {name: network(seed, name) for name in arms}, {name: [] for name in arms}
    for turn in range(1 + turns):
        for name, model in models.items():
            begin = time.perf_counter()
            model.fit(x, y, batch_size=50, verbose=0)
            seconds[name] += [time.perf_counter() - begin] * (turn > 0)
    return {name: float(np.median(times)) for name, times in seconds.items()}


@claims.experiment
def facts(seed):
    first, last, towns = STORY.facts(FACTS, seed)
    x = [STORY.worded(first, last, [seed, wording]) for wording in range(6)]
    found = {}
    for variant in (DEEP, STORY.MEMORY):

        def train(rate, variant=variant):
            model = network(seed, variant)
            model.optimizer.learning_rate = rate
            model.fit(np.concatenate(x[:4]), np.tile(towns, 4), 50, EPOCHS, verbose=0)
            loss, _ = model.evaluate(x[4], towns, 500, 0)
            return loss, model.evaluate(x[5], towns, 500, 0)[1]

        found[variant] = claims.tuned(train, (0.003, 0.01))
    times = step_times(seed, x[0], towns)
    return found | {"time": times[STORY.MEMORY] / times[DEEP]}


@claims.empirical(
    "pkm-fewer-layers",
    "Half as many blocks and a memory know more than all the blocks, in less time.",
    where="002:1508",
    runs=facts,
)
def a_memory_in_place_of_depth(found):
    gain = found[STORY.MEMORY] - found[DEEP]
    yield claims.superior("share of the facts gained over four blocks", gain)
    yield claims.below(
        "time of a pass over the facts, as a share of four blocks'", found["time"], 1
    )
