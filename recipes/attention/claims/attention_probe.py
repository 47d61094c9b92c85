# %% [markdown]
"""
# What the notes say about what attention heads look at

The network of the recipe learns to fill in masked words. Of its eight heads the best one for a pattern or a
relation is chosen on validation sentences, and scored on test sentences; so is the best fixed distance.
"""

# %%
from dlnotes import claims, datasets
from dlnotes.reuse import reuse
import numpy as np

STORY = claims.story(__file__)
SAMPLES, EPOCHS = 2000, 20


@reuse
def network():
    return STORY.build(32)


@claims.experiment
def heads(seed):
    """What the best head and chance, or the best fixed distance, reach; by pattern and relation."""
    sentences = datasets.grammar(SAMPLES, STORY.STEPS, seed=seed).train.x
    epochs = [STORY.masked(sentences, [seed, epoch]) for epoch in range(EPOCHS)]
    x, y, weight = (np.concatenate(arrays) for arrays in zip(*epochs, strict=True))
    model = network(seed)
    model.fit(x, y, 30, sample_weight=weight, verbose=0)
    best, _ = STORY.probe(model, SAMPLES, seed)
    found = {}
    for name, (head, rule) in best.items():
        found |= {f"{name}, best head": head, f"{name}, without": rule}
    return found


@claims.empirical(
    "heads-patterns",
    "Heads look at the next word, the previous one, the same one again, and the delimiter.",
    where="002:1561-1563",
    runs=heads,
)
def heads_have_patterns(found):
    seen = [
        found[f"{name}, best head"] >= 2 * found[f"{name}, without"]
        for name in STORY.TASKS["patterns"]
    ]
    what = "patterns of four on which a head puts twice the weight that a random order would"
    return claims.above(what, np.sum(seen, axis=0), 2.5)


@claims.empirical(
    "heads-not-conclusive",
    "For most syntactic relations the best head hardly beats a rule that knows no grammar.",
    where="002:1493-1495",
    runs=heads,
)
def heads_hardly_beat_rules(found):
    close = [
        found[f"{name}, best head"] - found[f"{name}, without"] < 0.10
        for name in STORY.TASKS["syntax"]
    ]
    what = (
        "share of the relations in which the best head gains less than 0.10 over a fixed distance"
    )
    return claims.above(what, np.mean(close, axis=0), 0.5)
