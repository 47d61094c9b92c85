# %% [markdown]
"""
# What is searched: encoder and decoder with attention

The network that writes dates in ISO form, or texts of your own: kind of attention, width, kind of cell,
directions of the encoder, dropout, learning rate and batch size. Searched for is the loss of the
validation pairs, given the right answer so far; what stands behind the end counts nothing.

`DEFAULTS` is what the recipe uses without a search for additive attention. Its batches are a twenty-fourth
of the training pairs. The alphabet is that of the training pairs of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, decoding, errors, tuning
import keras

STORY = claims.story(__file__)
DEFAULTS = {"units": 32, "cell": "gru", "attention": "additive", "bidirectional": True}


# %%
def prepare(hp, *parts):
    alphabet = STORY.alphabet_of(parts[0])
    for part in parts:
        source, target = (STORY.encode(column, alphabet) for column in part)
        so_far, targets, weights = decoding.teacher_forcing(target)
        yield {"source": source, "target_so_far": so_far}, targets, weights


def build(hp, tokens):
    model = builders.encoder_decoder(tokens, tokens, **builders.encoder_decoder_space(hp))
    model.compile(
        keras.optimizers.Adam(hp.Float("learning_rate", 0.001, 0.05, sampling="log")),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %%
def task(
    samples: int = 1000, seed: int = 0, epochs: int = 14, data: Path | None = None
) -> tuning.Task:
    """Says what is searched: a network that writes with attention.

    Args:
        samples: Pairs in all three parts together, at most.
        seed: Seed of the data and of the division.
        epochs: Passes over the training pairs, at most: the best one on the validation pairs counts.
        data: Pairs of short texts of your own in place of the dates, a CSV file with the columns source and target.
    """
    errors.check_at_least(60, samples=samples)
    texts = STORY.load(data, samples, seed)
    columns = [*texts.train, *texts.validation]
    tokens = len(set("".join("".join(column) for column in columns))) + 2
    size = max(1, len(texts.train.y) // 24)
    return tuning.Task(
        lambda hp, train: build(hp, tokens),
        texts,
        "val_loss",
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [size, 2 * size, 4 * size])},
        prepare=prepare,
        defaults=DEFAULTS | {"dropout": 0.0, "learning_rate": 0.01, "batch_size": size},
    )
