# %% [markdown]
"""
# What the notes say about the layouts of recurrent networks

All of it can be shown exactly: on an LSTM and a plain recurrent layer with random weights, and sequences of
five numbers.
"""

# %%
from dlnotes import claims
import keras
import numpy as np

UNITS, STEPS = 4, 5
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, STEPS, 1)).astype("float32")


def answers(x, return_sequences, outputs):
    """An LSTM with random weights and a head, applied to sequences; and the weights of the LSTM."""
    keras.utils.set_random_seed(0)
    lstm = keras.layers.LSTM(UNITS, return_sequences=return_sequences, bias_initializer="uniform")
    outputs = np.asarray(keras.layers.Dense(outputs)(lstm(x)))
    return outputs, np.concatenate([weight.ravel() for weight in lstm.get_weights()])


# %% [markdown]
"""
## The same layer in three layouts
"""


# %%
@claims.exact(
    "seq-shapes-121-m21-m2m",
    "One to one, many to one and many to many differ in the layout of the input, in `return_sequences` and in "
    "the head, and in nothing else.",
    where="001:223, 273-275; 002:834-837, 898-900",
)
def layouts_differ_in_three_things():
    one_to_one, weights = answers(X.reshape(-1, 1, 1), False, 1)
    five_numbers, _ = answers(X, False, STEPS)
    many_to_one, same = answers(X, False, 1)
    many_to_many, too = answers(X, True, 1)
    yield claims.equal("one to one, shape", one_to_one.shape, (3 * STEPS, 1))
    yield claims.equal("many to one, all five numbers, shape", five_numbers.shape, (3, STEPS))
    yield claims.equal("many to one, shape", many_to_one.shape, (3, 1))
    yield claims.equal("many to many, shape", many_to_many.shape, (3, STEPS, 1))
    yield claims.equal("weights of the LSTM, many to one", same, weights)
    yield claims.equal("weights of the LSTM, many to many", too, weights)
    yield claims.equal("many to many, last step, and many to one", many_to_many[:, -1], many_to_one)
    first = one_to_one.reshape(X.shape)[:, 0]
    yield claims.equal("many to many, first step, and one to one", many_to_many[:, 0], first)


@claims.exact(
    "delay-sees-all",
    "An answer that is delayed by the length of its question knows all of it; an aligned one knows what came "
    "so far.",
    where="001:197-199; 002:60, 794",
)
def delayed_answers_know_the_whole_question():
    changed = X.copy()
    changed[:, -1] += 1
    aligned, later = (answers(x, True, 1)[0] for x in (X, changed))
    yield claims.equal("aligned, all but the last step", aligned[:, :-1], later[:, :-1])
    wait = ((0, 0), (0, STEPS), (0, 0))
    delayed, later = (answers(np.pad(x, wait), True, 1)[0] for x in (X, changed))
    for step in range(STEPS):
        name = f"delayed, step {step + 1} of the answer"
        yield claims.differs(name, delayed[:, STEPS + step], later[:, STEPS + step], by=1e-4)


# %% [markdown]
"""
## How the loop is merged
"""


# %%
@claims.exact(
    "rnn-step-tanh",
    "A plain recurrent layer adds what comes in, what was there and a bias, and takes the hyperbolic tangent.",
    where="001:195; 002:789",
)
def the_loop_is_a_tangent_of_a_sum():
    x = RANDOM.normal(size=(3, STEPS, 2)).astype("float32")
    options = {"return_sequences": True, "bias_initializer": "uniform"}
    rnn = keras.layers.SimpleRNN(UNITS, **options)
    without = keras.layers.SimpleRNN(UNITS, activation=None, **options)
    for layer in (rnn, without):
        layer.build(x.shape)
    without.set_weights(rnn.get_weights())
    kernel, recurrent_kernel, bias = rnn.get_weights()
    merged, linear = [np.zeros((len(x), UNITS))], [np.zeros((len(x), UNITS))]
    for step in np.moveaxis(x, 1, 0):
        merged.append(np.tanh(step @ kernel + merged[-1] @ recurrent_kernel + bias))
        linear.append(step @ kernel + linear[-1] @ recurrent_kernel + bias)
    yield claims.equal("all steps, tangent of the sum", rnn(x), np.stack(merged[1:], axis=1))
    sums = np.stack(linear[1:], axis=1)
    yield claims.differs("all steps, the sum alone", rnn(x), sums)
    yield claims.equal("the sum alone, with activation=None", without(x), sums)


merge = claims.question(
    "oq-rnn-merge-tanh",
    "Is the previous output merged with the input by a tanh?",
    where="001:195; 002:789",
    answered_by=["rnn-step-tanh"],
)
