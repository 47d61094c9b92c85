# %% [markdown]
"""
# What the notes say about reading on two levels

They name three examples that came with Keras. The files are gone; what they showed is built from the layers of
today.
"""

# %%
from importlib import metadata
from pathlib import PurePath

from dlnotes import builders, claims
import keras
import numpy as np

EXAMPLES = {"stateful_lstm.py", "conv_lstm.py", "mnist_hierarchical_rnn.py"}
X = np.random.default_rng(0).normal(size=(3, 5, 4, 2)).astype("float32")


def last_state(sequence, kernel, recurrent_kernel, bias):
    """The last hidden state of an LSTM over one sequence, from its equations."""
    h = c = np.zeros(len(recurrent_kernel))
    for x in sequence:
        i, f, new, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
        i, f, o = 1 / (1 + np.exp(-np.array([i, f, o])))
        c = f * c + i * np.tanh(new)
        h = o * np.tanh(c)
    return h


# %% [markdown]
"""
## The examples and what is left of them
"""


# %%
@claims.outdated(
    51,
    was="Keras comes with examples: stateful_lstm.py, conv_lstm.py and mnist_hierarchical_rnn.py.",
    now="None of them is shipped. A network on two levels is two LSTM layers, the inner one in a wrapper; films "
    "have ConvLSTM1D, ConvLSTM2D and ConvLSTM3D; and `stateful=True` is still there.",
    where="002:467-468, 1028",
)
def the_files_are_gone_and_the_techniques_are_here():
    files = [PurePath(file) for file in metadata.files("keras")]
    shipped = EXAMPLES & {file.name for file in files if "examples" in file.parts}
    yield claims.equal("examples in the installed Keras", len(shipped), 0)

    keras.utils.set_random_seed(0)
    model = builders.hierarchical_rnn(X.shape[1:], 3, inner_units=4, outer_units=6)
    inner, outer, head = (model.get_layer(name) for name in ("inner", "outer", "outputs"))
    rows = [[last_state(row, *inner.get_weights()) for row in rows] for rows in X]
    states = np.array([last_state(sequence, *outer.get_weights()) for sequence in rows])
    kernel, bias = head.get_weights()
    yield claims.equal("two levels, against the equations", model(X), states @ kernel + bias)
    wrapped = keras.layers.TimeDistributed(inner.layer)(X)
    yield claims.equal("and as the example wrote it", head(outer(wrapped)), model(X))

    for rank in (1, 2, 3):
        film = np.zeros((2, 3, *[5] * rank, 1), "float32")
        layer = getattr(keras.layers, f"ConvLSTM{rank}D")(4, 3, padding="same")
        yield claims.equal(f"ConvLSTM{rank}D, shape", layer(film).shape, (2, *[5] * rank, 4))

    whole, carried = keras.layers.LSTM(4), keras.layers.LSTM(4, stateful=True)
    for layer in (whole, carried):
        layer.build(X[:, 0].shape)
    carried.set_weights(whole.get_weights())
    for half in np.split(X[:, 0], 2, axis=1):
        last = carried(half)
    yield claims.equal("stateful, in two windows and in one", last, whole(X[:, 0]))
