# %% [markdown]
"""
# What the notes say about the ConvLSTM

The exact checks take random weights. The empirical ones train the networks of the recipe on 240 films of
10 frames each, with noise that nobody can know; an error counts as its logarithm, so that 0.36 is a
saving of 30 %.
"""

# %%
from dlnotes import builders, claims
from dlnotes.reuse import reuse
import numpy as np

STORY = claims.story(__file__)
X = np.random.default_rng(0).normal(size=(2, 4, 9, 9, 1)).astype("float32")


def random_model(**options):
    model = builders.conv_lstm((None, 9, 9, 1), filters=2, **options)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


# %% [markdown]
"""
## What the convolutions do
"""


# %%
@claims.exact(
    "convlstm-shift",
    "What happens is the same everywhere: a film that is shifted gives a prediction that is shifted.",
    where="002:468",
)
def shifted_films_give_shifted_predictions():
    film = np.zeros((1, 2, 9, 9, 1), "float32")
    film[:, :, 3:5, 3:5] = X[:1, :2, :2, :2]
    moved, model = np.roll(film, (1, 2), axis=(2, 3)), random_model()
    original, shifted = np.asarray(model(film)), np.asarray(model(moved))
    yield claims.equal("away from the border", shifted[:, :, 3:7, 4:7], original[:, :, 2:6, 2:5])
    yield claims.differs("the same place", shifted[:, :, 3:7, 3:7], original[:, :, 3:7, 3:7])


@claims.exact(
    "convlstm-reach",
    "A step sees as far around a place as its convolutions reach.",
    where="002:468",
)
def a_step_sees_its_neighbourhood():
    changed = X.copy()
    changed[:, :, 4, 4] += 1
    for kernel_size, reach in {1: 0, 3: 1, 5: 2}.items():
        model = random_model(kernel_size=kernel_size)
        moved = np.abs(np.asarray(model(changed)) - np.asarray(model(X)))[:, 0].max(axis=(0, 1, 3))
        seen = np.abs(np.arange(9) - 4) <= reach
        yield claims.equal(f"columns that change, {kernel_size=}", moved > 1e-6, seen)


# %% [markdown]
"""
## What they bring
"""


# %%
network = reuse(STORY.build)


@claims.experiment
def films(seed):
    parts = STORY.next_frames(400, 10, 0.1, seed)
    x, y = (np.concatenate([array] * 6) for array in parts.train)
    errors = {STORY.COPY: np.mean((parts.test.x - parts.test.y) ** 2)}
    for variant in STORY.BUILDERS:
        model = network(seed, variant)
        model.fit(x, y, batch_size=25, verbose=0)
        errors[variant] = model.evaluate(*parts.test, batch_size=80, verbose=0)
    return {variant: np.log(error) for variant, error in errors.items()}


@claims.empirical(
    "convlstm-next-frame",
    "A ConvLSTM predicts the next frame of a film of moving squares.",
    where="002:468",
    runs=films,
)
def predicts_the_next_frame(errors):
    saved = {other: errors[other] - errors["ConvLSTM"] for other in errors}
    by = -np.log(0.7)
    yield claims.superior("share saved, against the last frame", saved[STORY.COPY], by=by)
    yield claims.superior("share saved, against each pixel alone", saved["LSTM for each pixel"])


@claims.empirical(
    "convlstm-memory-needed",
    "It needs its memory: a convolution over the last two frames is a tenth worse.",
    where="002:468",
    runs=films,
)
def it_needs_its_memory(errors):
    saved = errors["convolution of two frames"] - errors["ConvLSTM"]
    return claims.superior("share saved, against two frames", saved, by=0.1)
