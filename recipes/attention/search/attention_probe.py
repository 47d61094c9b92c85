# %% [markdown]
"""
# What is searched: a network that fills in words

Width, depth, heads, positions and dropout of the network whose heads the recipe looks at, learning rate and
batch size. Searched for is the loss of hidden words in the validation sentences. Which words are hidden is
drawn once for each sentence, where the recipe draws anew in each epoch.

`DEFAULTS` is what the recipe uses without a search.
"""

# %%
from dlnotes import builders, datasets, tuning
import keras
import numpy as np

MASK = len(datasets.grammar_words())
DEFAULTS = {
    "units": 32,
    "layers": 2,
    "num_heads": 4,
    "positions": "relative",
    "dropout": 0.0,
    "learning_rate": 0.005,
    "batch_size": 30,
}


# %%
def prepare(hp, *parts):
    for x, hidden in parts:
        yield np.where(hidden, MASK, x), x, hidden.astype("float32")


def build(hp, train):
    model = builders.transformer(
        (None,),
        MASK,
        vocabulary=MASK + 1,
        return_sequences=True,
        max_distance=4,
        **builders.transformer_space(hp),
    )
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.1, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %%
def task(samples: int = 2000, seed: int = 0, epochs: int = 20) -> tuning.Task:
    """Says what is searched: a Transformer that fills in hidden words.

    Args:
        samples: Sentences in all three parts together.
        seed: Seed of the sentences and of the words that are hidden.
        epochs: Passes over the training sentences, at most: the best one on the validation sentences counts.
    """
    random, parts = np.random.default_rng(seed), []
    for x, _ in vars(datasets.grammar(samples, seed=seed)).values():
        parts.append(datasets.Split(x, (random.random(x.shape) < 0.2) & (x > 1)))
    return tuning.Task(
        build,
        datasets.Dataset(*parts),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [15, 30, 60])},
        prepare=prepare,
        order="any",
        defaults=DEFAULTS,
    )
