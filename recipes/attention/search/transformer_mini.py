# %% [markdown]
"""
# What is searched: a small Transformer

The language model of the recipe: width, depth, heads, positions, dropout, learning rate and batch size.
Searched for is the loss of the validation sentences, in which padding counts nothing.

`DEFAULTS` is what the recipe uses without a search.
"""

# %%
from dlnotes import builders, datasets, tuning
import keras

VOCABULARY = len(datasets.grammar_words())
DEFAULTS = {
    "units": 16,
    "layers": 1,
    "num_heads": 4,
    "positions": "sinusoidal",
    "dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 30,
}


# %%
def prepare(hp, *parts):
    for x, y in parts:
        yield x, y, (x != 0).astype("float32")


def build(hp, train):
    model = builders.transformer(
        (None,), VOCABULARY, vocabulary=VOCABULARY, causal=True, **builders.transformer_space(hp)
    )
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.1, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %%
def task(samples: int = 2000, seed: int = 0, epochs: int = 10) -> tuning.Task:
    """Says what is searched: a Transformer that predicts the next word.

    Args:
        samples: Sentences in all three parts together.
        seed: Seed of the sentences.
        epochs: Passes over the training sentences, at most: the best one on the validation sentences counts.
    """
    return tuning.Task(
        build,
        datasets.grammar(samples, seed=seed),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [15, 30, 60])},
        prepare=prepare,
        order="any",
        defaults=DEFAULTS,
    )
