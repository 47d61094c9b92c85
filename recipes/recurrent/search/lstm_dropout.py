# %% [markdown]
"""
# What is searched: dropout in an LSTM

The network that sorts definitions: its width, the rates of the three kinds of dropout, whether masks stay
the same at every step, the learning rate and the batch size. Searched for is the loss of the validation
texts, which tells a network that is sure of its mistakes from one that is not; accuracy does not.

`DEFAULTS` is what the recipe calls *all three*.

Texts become word vectors without looking at a label, so nothing has to be fitted.
"""

# %%
from dlnotes import builders, claims, datasets, errors, tuning
import keras

STORY = claims.story(__file__)
DEFAULTS = {"units": 32, "dropout": 0.3, "recurrent_dropout": 0.3, "output_dropout": 0.3}
DEFAULTS |= {"same_mask_every_step": True, "learning_rate": 0.01, "batch_size": 150}


# %%
def build(hp, train):
    choices = builders.dropout_lstm_space(hp)
    model = builders.dropout_lstm(train.x.shape[1:], 10, mask_value=0.0, **choices)
    rate = hp.Float("learning_rate", 0.001, 0.05, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


# %%
def task(samples: int = 600, seed: int = 0, epochs: int = 20) -> tuning.Task:
    """Says what is searched: an LSTM with dropout that sorts definitions.

    Args:
        samples: Training texts; 500 more are for validation and 2,000 for the test.
        seed: Seed of the choice of the texts.
        epochs: Passes over the training texts, at most: the best one on the validation texts counts.
    """
    errors.check_at_least(20, samples=samples)
    parts = (datasets.Split(*part) for part in STORY.read(samples, seed))
    return tuning.Task(
        build,
        datasets.Dataset(*parts),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [50, 150, 300])},
        order="classes",
        defaults=DEFAULTS,
    )
