# %% [markdown]
"""
# What the notes say about masks and padding

Exact claims are shown on recurrent layers with random weights. The empirical one: networks with and without a
mask that count ones, and that tell speakers apart, on sequences padded behind.
"""

# %%
from dlnotes import claims, datasets, masks
import keras
import numpy as np

STORY = claims.story(__file__)
RANDOM = np.random.default_rng(0)
SEQUENCES = [RANDOM.normal(size=(length, 2)).astype("float32") for length in (6, 2, 4)]
LONGEST = 9


def network(cell="LSTM", each_step=False):
    """A recurrent layer and a head with random weights, without a mask of its own."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 2))
    rnn = getattr(keras.layers, cell)(3, return_sequences=each_step, bias_initializer="uniform")
    model = keras.Model(inputs, rnn(inputs))
    model.compile(loss=keras.losses.MeanSquaredError("mean_with_sample_weight"))
    return model


def masked(model):
    """The same layer, with the mask of the padded steps."""
    inputs = keras.Input((None, 2))
    return keras.Model(inputs, model.layers[-1](inputs, mask=masks.step_mask(inputs)))


def padded(side):
    return keras.utils.pad_sequences(SEQUENCES, LONGEST, "float32", padding=side)


# %% [markdown]
"""
## What has to have one length

The rows of one batch do. Two batches do not, if the model leaves its steps open.
"""


# %%
@claims.exact(
    "rnn-needs-fixed-length",
    "Recurrent networks need inputs of one fixed length, so sequences have to be padded.",
    where="001:209; 002:807",
)
def one_length_for_all():
    model = network()

    def two_lengths_after_another():
        for steps in (5, 9):
            model(np.ones((1, steps, 2)))

    def two_lengths_in_one_batch():
        np.array(SEQUENCES, "float32")

    yield claims.raises("two lengths in one batch", ValueError, two_lengths_in_one_batch)
    yield claims.raises("one length after another", ValueError, two_lengths_after_another)


@claims.exact(
    "pad-sequences-rule",
    "Padding to a length fills shorter sequences with zeros and cuts longer ones.",
    where="001:263; 002:884",
)
def padding_fills_and_cuts():
    lists, pad = [[1, 2, 3, 4, 5], [1, 2]], keras.utils.pad_sequences
    yield claims.equal("three steps, by default", pad(lists, maxlen=3), [[3, 4, 5], [0, 1, 2]])
    behind = pad(lists, maxlen=3, padding="post", truncating="post")
    yield claims.equal('three steps, "post"', behind, [[1, 2, 3], [1, 2, 0]])


# %% [markdown]
"""
## What a mask does to the result and to the loss
"""


# %%
@claims.exact(
    "mask-equals-truncation",
    "A mask tells the network how long a sequence really is.",
    where="001:209; 002:807",
)
def a_mask_is_the_real_length():
    for cell in ("LSTM", "GRU", "SimpleRNN"):
        model = network(cell)
        alone = np.concatenate([model(sequence[None]) for sequence in SEQUENCES])
        for side in ("pre", "post"):
            answers = masked(model)(padded(side))
            yield claims.equal(f"{cell}, padded {side}, masked, and alone", answers, alone)
        yield claims.differs(f"{cell}, not masked, and alone", model(padded("post")), alone)


@claims.exact(
    "pads-enter-loss",
    "Padded steps are part of the loss unless they are masked.",
    where="001:209; 002:807",
)
def padded_steps_are_part_of_the_loss():
    model, x = network(each_step=True), padded("post")
    y = np.ones((*x.shape[:2], 3))
    alone = [np.mean((model(one[None]) - 1) ** 2, axis=-1).ravel() for one in SEQUENCES]
    expected = np.concatenate(alone).mean()
    weighed = model.evaluate(x, y, sample_weight=masks.step_weights(x), verbose=0)
    yield claims.equal("loss, padded steps masked, and of real steps alone", weighed, expected)
    yield claims.differs("loss, not masked", model.evaluate(x, y, verbose=0), expected)


# %% [markdown]
"""
## What a mask brings

The number of ones in 5 to 40 bits is asked for after the last bit; an utterance of 7 to 29 steps has one
of nine speakers. All padding stands behind. Masked and unmasked networks see sequences of other lengths,
so each gets the learning rate that is best for it on validation data.
"""


# %%
def accuracy(parts, mask_value, classes, seed, epochs, size):
    """Test accuracy at the best of two learning rates; the epochs are one long one."""
    train, validation, test = parts

    def trained(rate):
        model = STORY.build(seed, mask_value, train.x.shape[-1], classes, 16)
        model.optimizer.learning_rate = rate
        x, y = (np.concatenate([array] * epochs) for array in train)
        model.fit(x, y, batch_size=size, verbose=0)
        found, known = (
            model.evaluate(*part, batch_size=200, verbose=0) for part in (validation, test)
        )
        return found[0], known[1]

    return claims.tuned(trained, (0.01, 0.03))


@claims.experiment
def gains(seed):
    gained = {}
    for task, dataset, *choices in (
        ("count", datasets.counting(1000, steps=40, modulus=41, seed=seed), 41, seed, 15, 60),
        ("speakers", datasets.japanese_vowels(seed), 9, seed, 10, 24),
    ):
        parts = list(vars(dataset).values())
        without, with_mask = (accuracy(parts, value, *choices) for value in (None, 0.0))
        gained[task] = with_mask - without
    return gained


@claims.empirical(
    "mask-helps",
    "Masking padded steps improves what is learned.",
    where="001:209; 002:807",
    runs=gains,
)
def a_mask_helps(gains):
    yield claims.superior("accuracy gained, ones counted", gains["count"], by=0.03)
    yield claims.superior("accuracy gained, speakers", gains["speakers"], by=0.03)
