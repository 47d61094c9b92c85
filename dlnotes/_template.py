# %% [markdown]
"""
# TITLE

A small network on handwritten digits, against logistic regression: replace it by your subject.

**Question.** Does a hidden layer help on 8 x 8 digits?

**Use it** when the classes are not linearly separable.

**Do not use it** when a linear model is as good: it trains faster and explains itself.

Data: handwritten digits, from scikit-learn
Uses: dlnotes.builders.mlp
Notes: 002:8
Paper: none
Covers: TOPIC
"""

# %%
from dlnotes import builders, cli, errors, figures
from dlnotes.report import Report
import keras
import numpy as np
import sklearn.datasets
import sklearn.model_selection

# %% [markdown]
"""
## The data

Six tenths of the images are for training, two for choices, two for the reported numbers. The pixels
are counts from 0 to 16.
"""


# %%
def load(samples, seed):
    """The images in three parts, as pairs of inputs and targets."""
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))[:samples]
    x, y = (x[order] / 16).astype("float32"), y[order]
    ends = [len(x) * 6 // 10, len(x) * 8 // 10]
    return zip(np.split(x, ends), np.split(y, ends), strict=True)


# %% [markdown]
"""
## The network
"""


# %%
def build(layers, learning_rate):
    """A compiled classifier; without hidden layers it is logistic regression."""
    model = builders.mlp((64,), 10, layers=layers)
    model.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


# %% [markdown]
"""
## The comparison
"""


# %%
def run(
    epochs: int = 20, samples: int = 1500, seed: int = 0, learning_rate: float = 0.003
) -> Report:
    """Trains both and scores them on the test images.

    Args:
        epochs: Passes over the training images.
        samples: Images in all three parts together.
        seed: Seed of the division and of the initial weights.
        learning_rate: Step size of Adam.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(50, samples=samples)
    train, validation, test = load(samples, seed)
    report = Report("TOPIC", metric="accuracy", better="higher")
    for variant, layers in {"logistic regression": 0, "one hidden layer": 1}.items():
        keras.utils.set_random_seed(seed)
        model = build(layers, learning_rate)
        model.fit(
            *train,
            epochs=epochs,
            validation_data=validation,
            verbose=0,
            callbacks=[report.watch(variant, seed=seed)],
        )
        scores = model.evaluate(*test, verbose=0, return_dict=True)
        report.add(variant, seed=seed, baseline=layers == 0, **scores)

    figure = figures.learning_curves(figures.report_histories(report), metric="accuracy")
    report.figure("accuracy", figure, figures.alternative_text(figure))
    return report


# %% [markdown]
"""
## What to look at

The distance between the curves at the end, and how early it is reached.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
