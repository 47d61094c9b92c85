# %% [markdown]
"""
# Sequences of sequences: one layer for the rows, one for the picture

A digit has eight rows of eight pixels. One LSTM can read all sixty-four pixels, or eight rows, or one reads
the pixels of each row and another one what it made of the rows.

**Question.** At equal size, what does it bring to read on two levels, and what does a network forget that
reads everything in one line?

**Use it** when the parts are sequences themselves, and there are many of them or long ones: sentences of a
document, days of hours, sessions of clicks. The way from the first step to the answer is then short.

**Do not use it** when a part is as good as a vector: a row of eight pixels can go into one step as it is. And
for real pictures convolutions are better.

Data: 1797 written digits of eight by eight pixels (UCI, with scikit-learn)
Uses: dlnotes.builders.hierarchical_rnn, dlnotes.builders.stacked_rnn, dlnotes.datasets.digit_rows
Notes: 001:379-381; 002:467-468, 1026-1028
Paper: Li, Luong and Jurafsky 2015, https://arxiv.org/abs/1506.01057
Covers: hierarchical_rnn
"""

# %%
from dlnotes import builders, cli, datasets, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

SIDE, CLASSES = 8, 10
FLAT, BY_ROWS, TWO_LEVELS = "all pixels in one line", "row by row", "pixels, then rows"

# %% [markdown]
"""
## Three ways to read the same pixels

The widths are chosen so that the three networks have about as many weights. In one line there are 64 steps
with one pixel each; row by row 8 steps with eight; on two levels 8 steps within a row and 8 rows.

The inner layer sits in `dlnotes.layers.TimeFold`: it is called once, for the rows of all pictures together.
"""


# %%
def build(variant):
    """One network for digits of shape (8, 8, 1), compiled."""
    digits = x = keras.Input((SIDE, SIDE, 1))
    if variant == TWO_LEVELS:
        options = {"inner_units": 28, "outer_units": 28}
        model = builders.hierarchical_rnn(digits.shape[1:], CLASSES, **options)
    else:
        units, shape = (47, (SIDE * SIDE, 1)) if variant == FLAT else (44, (SIDE, SIDE))
        x = keras.layers.Reshape(shape)(digits)
        model = keras.Model(digits, builders.stacked_rnn(shape, CLASSES, units=units)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


# %% [markdown]
"""
## What does a network forget?

One row at a time is wiped out. How many of the test digits are still told? A row that can be missed was not
read, or has been forgotten: where everything is read in one line, the first row is fifty-six steps away.
"""


# %%
def without_rows(model, x, y):
    """The accuracy with each row wiped out."""
    wiped = np.repeat(x[None], SIDE, axis=0)
    wiped[np.arange(SIDE), :, np.arange(SIDE)] = 0
    answers = model.predict(wiped.reshape(-1, *x.shape[1:]), batch_size=len(x), verbose=0)
    return np.mean(answers.reshape(SIDE, len(x), -1).argmax(axis=-1) == y, axis=1)


# %% [markdown]
"""
## A trap

Rows of unequal length are padded. Where Keras is left to pass the mask of the pixels on, it reaches the outer
layer too, which needs one of the rows. Mostly that is an error; where a row has as many pixels as the layer
has units, each pixel masks a unit.
"""


# %%
def show_trap(report, x, seed):
    keras.utils.set_random_seed(seed)
    options = {"inner_units": SIDE, "outer_units": SIDE, "mask_value": -1.0}
    model = builders.hierarchical_rnn((None, None, 1), CLASSES, **options)
    padded = np.where(np.arange(SIDE)[:, None] < SIDE // 2, x, -1)
    inner, outer, head = (model.get_layer(name) for name in ("inner", "outer", "outputs"))
    rows = keras.layers.TimeDistributed(inner.layer)(keras.layers.Masking(-1.0)(padded))
    answers = head(outer(rows)), model(padded)
    moved = [np.abs(answer - model(x[:, :, : SIDE // 2])).max() for answer in answers]
    report.trap(
        "Rows of four pixels, padded to eight, and eight units",
        plain=f"Masking, TimeDistributed(LSTM), LSTM: answers move by up to {moved[0]:.2g}",
        ours=f"hierarchical_rnn: by up to {moved[1]:.2g}",
    )


# %%
def draw(report, wiped, x):
    histories = figures.report_histories(report)
    figure = figures.learning_curves(histories, "accuracy", better="higher", training=False)
    report.figure("learning", figure, figures.alternative_text(figure))

    figure, (left, right) = figures.axes(1, 2, size=(8, 3.2))
    left.imshow(x.mean(axis=0)[..., 0], cmap="gray_r", zorder=3)
    left.set(title="Mean digit", xlabel="pixel", ylabel="row")
    for variant, accuracy in wiped.items():
        right.plot(accuracy, np.arange(SIDE), marker="o", label=variant)
    right.set(xlabel="test accuracy without this row", ylabel="row", ylim=(SIDE - 0.5, -0.5))
    right.legend(fontsize=8)
    said = [f"{name}: {', '.join(f'{a:.2f}' for a in values)}" for name, values in wiped.items()]
    report.figure("rows", figure, f"Accuracy without row 0 to 7. {'; '.join(said)}.")


# %%
def run(epochs: int = 15, samples: int = 1078, seed: int = 0) -> Report:
    """Compares three ways of reading a picture with recurrent layers.

    Args:
        epochs: Passes over the training digits.
        samples: Digits in each part, at most.
        seed: Seed of the division and the weights.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(50, samples=samples)
    parts = [(x[:samples], y[:samples]) for x, y in vars(datasets.digit_rows(seed)).values()]
    (x, y), validation, test = parts
    report, wiped = Report("hierarchical_rnn", metric="accuracy", better="higher"), {}
    for variant in (FLAT, BY_ROWS, TWO_LEVELS):
        keras.utils.set_random_seed(seed)
        model = build(variant)
        options = {"batch_size": max(1, len(x) // 20), "epochs": epochs, "verbose": 0}
        watch = report.watch(variant, seed=seed)
        model.fit(x, y, validation_data=validation, callbacks=[watch], **options)
        scores = model.evaluate(*test, verbose=0, return_dict=True)
        label = {"seed": seed, "baseline": variant == FLAT}
        report.add(variant, **label, **scores, weights=model.count_params())
        wiped[variant] = without_rows(model, *test)
    draw(report, wiped, x)
    show_trap(report, test[0][:4], seed)
    return report


# %% [markdown]
"""
## What to look at

The curves of learning first: a long line is not only slower to compute, it is slower to learn. Then the rows:
a curve that leans to the right at the top belongs to a network for which the beginning hardly counts.

Two levels have to be compared with the row by row network too. Where a row is short and always of the same
length, it is a vector, and the inner layer has little to add.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
