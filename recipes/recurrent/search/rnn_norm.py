# %% [markdown]
"""
# What is searched: a recurrent network with normalisation

The network that adds two marked numbers: LSTM or GRU, the normalisation, width, depth, dropout, learning
rate and batch size. Batch normalisation with statistics for each step is left out, since only an LSTM has
it. Searched for is the error of the validation sequences.

`DEFAULTS` is the GRU with layer normalisation of the recipe.
"""

# %%
from dlnotes import builders, datasets, errors, tuning
import keras

DEFAULTS = {
    "normalization": "layer",
    "cell": "gru",
    "units": 16,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "batch_size": 50,
}


# %%
def build(hp, train):
    x, y = train
    choices = builders.normalized_rnn_space(hp)
    model = builders.normalized_rnn((None, x.shape[-1]), y.shape[-1], **choices)
    rate = hp.Float("learning_rate", 0.002, 0.1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


# %%
def task(samples: int = 2000, seed: int = 0, epochs: int = 8, steps: int = 15) -> tuning.Task:
    """Says what is searched: a recurrent network with normalisation, on sequences of numbers.

    Args:
        samples: Generated sequences in all parts together.
        seed: Seed of the data.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        steps: Steps of each sequence: the more, the harder.
    """
    errors.check_at_least(20, samples=samples)
    return tuning.Task(
        build,
        datasets.adding(samples, steps, seed),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [25, 50, 100])},
        order="any",
        defaults=DEFAULTS,
    )
