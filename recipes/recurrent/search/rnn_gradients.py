# %% [markdown]
"""
# What is searched: a layer that remembers the first symbol

The layer, its width, the learning rate, where the gradient is clipped and the batch size. Searched for is the
loss of the validation sequences, which falls before the accuracy rises.

`DEFAULTS` is what the recipe calls *LSTM*.

All sequences are of the same length and generated, so nothing has to be fitted.
"""

# %%
from dlnotes import claims, datasets, errors, masks, tuning
import keras

STORY = claims.story(__file__)
DEFAULTS = {"cell": "LSTM", "units": 24, "learning_rate": 0.01, "global_clipnorm": 1.0}
DEFAULTS |= {"batch_size": 100}


# %%
def build(hp, train):
    inputs = keras.Input((None, train.x.shape[-1]))
    layer = STORY.CELLS[hp.Choice("cell", list(STORY.CELLS))]
    state = layer(hp.Int("units", 8, 64, step=8))(inputs, mask=masks.step_mask(inputs))
    model = keras.Model(inputs, keras.layers.Dense(STORY.SYMBOLS)(state))
    clipping = hp.Float("global_clipnorm", 0.01, 100.0, sampling="log")
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=clipping)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


# %%
def task(samples: int = 2000, seed: int = 0, epochs: int = 12, steps: int = 20) -> tuning.Task:
    """Says what is searched: a recurrent layer that tells the first symbol at the end.

    Args:
        samples: Generated sequences, in all three parts together.
        seed: Seed of the data.
        epochs: Passes over the training sequences, at most: the best one on the validation sequences counts.
        steps: Steps over which the first symbol has to be remembered.
    """
    errors.check_at_least(1, steps=steps)
    errors.check_at_least(20, samples=samples)
    return tuning.Task(
        build,
        datasets.recall(samples, steps, symbols=STORY.SYMBOLS, seed=seed),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [50, 100, 200])},
        order="classes",
        defaults=DEFAULTS,
    )
