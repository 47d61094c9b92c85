"""Sampling the dropout of a model: 100 passes over 1,000 rows.

    python benchmarks/monte_carlo.py

A contestant answers with the mean and the standard deviation over its passes. They are random, so
equal means equal in distribution: `apart` returns a z-score, the larger of two. One is the largest
difference of two means in units of its standard error, over all rows and outputs. The other
compares the spreads: the logarithm of their ratio, averaged over the rows, in units of its standard
error. Up to 10,000 means are compared, so a score of 4 is usual; 6 or more stops the benchmark.

The limit is 100 passes without any dropout through what is behind the first dropout, compiled, all
rows at once, and one pass through what is before it.

A size below ten rows is for the tiny run: 20 passes instead of 100. The loop over `predict` takes
part up to the sizes given in `most`.
"""

from dlnotes import uncertainty
import keras
from keras import layers
import numpy as np
from side_by_side import Subject, main
import tensorflow as tf

OURS, LOOP, PREDICT = "mc_predict", "loop over model(x, training=True)", "loop over predict"
REPEATED, LIMIT = "all passes in one batch", "passes without dropout"
ROWS, TINY = (10, 46, 215, 1000), (8, 9)


class AlwaysDropout(layers.Dropout):
    """The dropout of the tutorials that sample with `predict`."""

    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class AlwaysDropoutLSTM(layers.LSTM):
    """The same for the dropout inside a recurrent layer."""

    def call(self, sequences, initial_state=None, mask=None, training=None):
        return super().call(sequences, initial_state=initial_state, mask=mask, training=True)


class Data:
    """Rows, a model with dropout, its twin for `predict`, and its two parts without dropout."""

    def __init__(self, build, shape, rows, passes):
        keras.utils.set_random_seed(0)
        self.x = np.random.default_rng(0).normal(size=(rows, *shape)).astype("float32")
        self.passes = passes
        self.model = keras.Sequential(
            [keras.Input(shape), *build(layers.Dropout, layers.LSTM)], name="model"
        )
        self.always = keras.Sequential(
            [keras.Input(shape), *build(AlwaysDropout, AlwaysDropoutLSTM)], name="always"
        )
        self.always.set_weights(self.model.get_weights())
        first = [isinstance(layer, layers.Dropout) for layer in self.model.layers].index
        cut = first(True) if any(isinstance(x, layers.Dropout) for x in self.model.layers) else 0
        self.before = compiled(self.model.layers[:cut])
        self.behind = compiled(self.model.layers[cut:])


def compiled(parts):
    """A compiled function that calls layers one after the other, without dropout."""

    def call(x):
        for layer in parts:
            x = layer(x)
        return x

    return tf.function(call, autograph=False)


def dense(dropout, _):
    """Three layers of 256 units, with dropout after each."""
    hidden = []
    for _ in range(3):
        hidden += [layers.Dense(256, activation="relu"), dropout(0.5)]
    return [*hidden, layers.Dense(10)]


def convolutional(dropout, _):
    """Three convolutions, then dropout before the dense head."""
    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        dropout(0.5),
        layers.Dense(128, activation="relu"),
        layers.Dense(10),
    ]


def recurrent(_, lstm):
    """An LSTM with both of its dropouts."""
    return [lstm(32, dropout=0.2, recurrent_dropout=0.2), layers.Dense(1)]


def ours(data):
    """The function of the library, all rows in one batch as in the loop and the limit."""
    options = {"passes": data.passes, "batch_size": 1000, "seed": 1}
    prediction = uncertainty.mc_predict(data.model, data.x, **options)
    return prediction.mean, prediction.std


def loop(data):
    """What tutorials do: the model called in training mode, pass after pass."""
    samples = np.stack([data.model(data.x, training=True) for _ in range(data.passes)])
    return samples.mean(axis=0), samples.std(axis=0)


def predict(data):
    """What other tutorials do: `predict` of a model whose dropout never rests."""
    samples = np.stack([data.always.predict(data.x, verbose=0) for _ in range(data.passes)])
    return samples.mean(axis=0), samples.std(axis=0)


def repeated(data):
    """All passes in one call: every row stands in the batch once for each pass."""
    outputs = data.model(np.repeat(data.x, data.passes, axis=0), training=True)
    samples = np.reshape(outputs, (len(data.x), data.passes, -1))
    return samples.mean(axis=1), samples.std(axis=1)


def limit(data):
    """As many passes as the others, but without random numbers and without any result."""
    x = data.before(data.x)
    for _ in range(data.passes):
        outputs = data.behind(x)
    return outputs.numpy()


def apart(data, our_answer, other_answer):
    """The larger of the z-scores of means and of spreads, as described above."""
    (mean, std), (other_mean, other_std) = our_answer, other_answer
    standard_error = np.sqrt((np.square(std) + np.square(other_std)) / data.passes)
    of_means = np.abs(mean - other_mean) / standard_error
    logarithms = np.log(std / other_std).mean(axis=-1)
    of_spreads = abs(logarithms.mean()) / (logarithms.std(ddof=1) / np.sqrt(len(logarithms)))
    return max(of_means.max(), of_spreads)


def of_rows(build, shape, title, goals, most):
    """A comparison over rows."""
    return Subject(
        name=build.__name__,
        title=title,
        unit="rows, 100 passes",
        sizes=ROWS,
        tiny=TINY,
        prepare=lambda rows: Data(build, shape, rows, 100 if rows >= 10 else 20),
        contestants={OURS: ours, LOOP: loop, PREDICT: predict, LIMIT: limit},
        ours=OURS,
        limit=LIMIT,
        difference=apart,
        tolerance=6,
        most=most,
        goals=goals,
    )


SUBJECTS = [
    of_rows(
        convolutional,
        (32, 32, 3),
        "Convolutional network, dropout before its dense head",
        {LOOP: 20, LIMIT: 1 / 1.5},
        {PREDICT: 10},
    ),
    of_rows(
        dense,
        (100,),
        "Three layers of 256 units, dropout after each",
        {LOOP: 3, LIMIT: 1 / 1.5},
        {PREDICT: 10},
    ),
    of_rows(
        recurrent,
        (12, 8),
        "LSTM with dropout and recurrent dropout, 12 steps",
        {LOOP: 3},
        {PREDICT: 10},
    ),
    Subject(
        name="passes",
        title="Three layers of 256 units: memory and time when the passes grow",
        unit="passes over 100 rows",
        sizes=(20, 92, 430, 2000),
        tiny=(20, 30),
        prepare=lambda passes: Data(dense, (100,), 100, passes),
        contestants={OURS: ours, REPEATED: repeated},
        ours=OURS,
        difference=apart,
        tolerance=6,
    ),
]

if __name__ == "__main__":
    main(__doc__, SUBJECTS)
