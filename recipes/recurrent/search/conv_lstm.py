# %% [markdown]
"""
# What is searched: a ConvLSTM

The network that draws the next frame: its filters, its depth, how far its convolutions reach, dropout, the
learning rate and the batch size. Searched for is the squared error of the validation films.

`DEFAULTS` is what the recipe calls *ConvLSTM*.

Films are generated between zero and one, so nothing has to be fitted.
"""

# %%
from dlnotes import builders, claims, errors, tuning
import keras

STORY = claims.story(__file__)
DEFAULTS = {"filters": 4, "layers": 1, "kernel_size": 3, "dropout": 0.0}
DEFAULTS |= {"learning_rate": 0.02, "batch_size": 25}


# %%
def build(hp, train):
    choices = builders.conv_lstm_space(hp)
    model = builders.conv_lstm((None, *train.x.shape[2:]), **choices)
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.002, 0.1, sampling="log")), "mse"
    )
    return model


# %%
def task(
    samples: int = 500, seed: int = 0, epochs: int = 8, frames: int = 10, noise: float = 0.1
) -> tuning.Task:
    """Says what is searched: a ConvLSTM that draws the next frame of a film.

    Args:
        samples: Generated films, in all three parts together.
        seed: Seed of the films.
        epochs: Passes over the training films, at most: the best one on the validation films counts.
        frames: Frames of a film.
        noise: Standard deviation of the noise of a pixel; the square has brightness 1.
    """
    errors.check_at_least(20, samples=samples)
    errors.check_at_least(2, frames=frames)
    return tuning.Task(
        build,
        STORY.next_frames(samples, frames, noise, seed),
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [10, 25, 50])},
        defaults=DEFAULTS,
    )
