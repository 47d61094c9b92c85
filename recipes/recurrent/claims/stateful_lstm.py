# %% [markdown]
"""
# What the notes say about stateful layers

Exact claims are shown on one LSTM of four units with random weights, compared with one pass of the same
layer, without state, over all steps. For the empirical ones networks are trained on echoes that reach
further back than a window, and on two series that are forecast in eight regimes of resetting.
"""

# %%
import functools
import itertools

from dlnotes import builders, claims, datasets, intervals, recurrent
from dlnotes.callbacks import ResetStates
from dlnotes.reuse import reuse
import keras
import numpy as np
import tensorflow as tf

STORY = claims.story(__file__)
ROWS = np.random.default_rng(0).normal(size=(8, 6, 3)).astype("float32")


def network(batch_size, stateful=True):
    """An LSTM alone, with the same random weights at each call."""
    keras.utils.set_random_seed(0)
    rnn = keras.layers.LSTM(4, stateful=stateful, return_sequences=True, bias_initializer="uniform")
    return keras.Sequential([keras.Input(batch_shape=(batch_size, None, 3)), rnn])


def in_one_pass(x):
    return np.asarray(network(None, stateful=False)(x))


def predict(model, x, batch_size=None):
    return model.predict(x, batch_size=batch_size, verbose=0)


# %%
@claims.exact(
    "stateful-carries",
    "Stateful layers carry their state over from batch to batch; stateless ones start afresh.",
    where="001:227, 237; 002:844, 856",
)
def state_is_carried():
    windows = recurrent.stream_windows(3, 2, ROWS[:2])
    carried, fresh = (predict(network(2, stateful), windows, 2) for stateful in (True, False))
    expected = recurrent.stream_windows(3, 2, in_one_pass(ROWS[:2]))
    yield claims.equal("stateful: row by row as in one pass", carried, expected)
    yield claims.equal("stateless: each window for itself", fresh, in_one_pass(windows))
    yield claims.differs("second windows, stateful and stateless", carried[2:], fresh[2:])


# %%
@claims.exact(
    "stateful-needs-reset", "A stateful model needs explicit resets.", where="001:237; 002:856"
)
def only_a_reset_forgets():
    model, x = network(2), ROWS[:2]
    first, again = predict(model, x, 2), predict(model, x, 2)
    model.layers[-1].reset_state()
    yield claims.equal("the same rows after a reset", predict(model, x, 2), first)
    yield claims.differs("the same rows once more, without", again, first)


@claims.exact("stateful-evaluate-moves", "Evaluate moves the state.", where="001:237; 002:856")
def evaluation_moves_the_state():
    model = network(8)
    model.compile(loss="mse")
    model.evaluate(ROWS, np.ones((8, 6, 4)), batch_size=8, verbose=0)
    output, _ = model.layers[-1].states
    yield claims.equal("the state after evaluate", output, in_one_pass(ROWS)[:, -1])


# %%
REFUSAL = (ValueError, tf.errors.InvalidArgumentError)


@claims.exact(
    "stateful-batch-fixed",
    "The batch size of a stateful model is fixed: batches of another size are refused.",
    where="002:156; 001:265; 002:886",
)
def other_batches_are_refused():
    model = network(4)

    def answers(rows):
        try:
            return len(predict(model, ROWS[:rows], 4))
        except REFUSAL:
            return 0

    for rows, claimed in ((8, 8), (7, 0), (6, 0), (5, 0)):
        yield claims.equal(f"{rows} rows in batches of 4, predictions", answers(rows), claimed)


@claims.exact(
    "stateful-batch-given", "Model and predict must be given the batch size.", where="002:156, 886"
)
def batch_size_is_demanded():
    yield claims.raises("a model without", REFUSAL, lambda: network(None))
    yield claims.raises("predict without", REFUSAL, lambda: predict(network(4), ROWS))


# %%
@claims.exact(
    "train-n-predict-1", "Train with big batches, forecast with one row.", where="002:131-133, 886"
)
def weights_move_to_batch_size_one():
    model = network(8)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(ROWS, np.ones((8, 6, 4)), batch_size=8, verbose=0)
    model.layers[-1].reset_state()
    expected, single, answers = predict(model, ROWS, 8), network(1), []
    single.set_weights(model.get_weights())
    for row in ROWS:
        single.layers[-1].reset_state()
        answers.append(predict(single, row[:, None], 1)[:, 0])
    yield claims.equal("row by row, one step at a time", np.stack(answers), expected)


# %% [markdown]
"""
What the notes leave unclear: what goes over the edge of a window, and what does not.
"""


# %%
@claims.exact(
    "stateful-gradient-stops", "Windows cut the gradient, not the state.", where="001:229; 002:848"
)
def gradient_stops_at_the_edge():
    layer, x, seen = network(2).layers[-1], tf.Variable(ROWS[:2]), []
    for windows in (1, 2):
        layer.reset_state()
        with tf.GradientTape() as tape:
            last = [layer(window)[:, -1] for window in tf.split(x, windows, axis=1)][-1]
        seen.append((last, tape.gradient(last, x)[:, :3]))
    outputs, gradients = zip(*seen, strict=True)
    yield claims.equal("last output, in one window and in two", *outputs)
    yield claims.differs("gradient in the first steps, of one window and two", *gradients)
    yield claims.equal("gradient in the first of two windows", gradients[1], np.zeros((2, 3, 3)))


clarity = claims.question(
    "oq-stateful-clarity",
    "What exactly tells a stateful layer from a stateless one, and when does it matter?",
    where="001:229; 002:848",
    answered_by=("stateful-carries", "stateful-gradient-stops", "stateful-crucial"),
)

# %% [markdown]
"""
## Echoes from beyond the window

The recipe's networks, asked at each step for the bits of 1, 2, ... 8 steps ago, in windows of 4. All of
them at once: an echo that no window shows cannot be learned on its own, for no gradient reaches back to
it, and a network that never learns would say nothing about its state. Both networks see the windows in
the same order; the state is reset where the streams begin. Scored on new streams, after their first
eight steps, whose echoes nobody can know.
"""

# %%
STREAMS, STEPS = 128, 80


@reuse
def listener(stateful):
    model = STORY.build(stateful, STREAMS, STORY.DELAYS, units=32)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, steps_per_execution=STEPS // STORY.WINDOW)
    return model


@claims.experiment
def echoes(seed):
    """The accuracy of both networks, for echoes that the window shows and for longer ones."""
    data = datasets.echo(STREAMS, STEPS, STORY.DELAYS, seed)
    x, y, x_test, y_test = recurrent.stream_windows(STORY.WINDOW, STREAMS, *data.train, *data.test)
    shown = np.arange(STORY.WINDOW)[:, None] >= np.arange(1, STORY.DELAYS + 1)
    known = STREAMS * STORY.DELAYS // STORY.WINDOW
    accuracies = {}
    for name, reset in (("stateless", []), ("stateful", [ResetStates()])):
        model = listener(seed, stateful=name == "stateful")
        options = {"batch_size": STREAMS, "verbose": 0, "callbacks": reset}
        model.fit(x, y, epochs=20, shuffle=False, **options)
        hits = ((model.predict(x_test, **options) > 0) == y_test)[known:].mean(axis=0)
        accuracies[f"{name}, shown"] = hits[shown].mean()
        accuracies[f"{name}, beyond"] = hits[:, STORY.WINDOW - 1 :].mean()
    return accuracies


@claims.empirical(
    "stateful-crucial",
    "Statefulness is crucial for using what lies further back than the window.",
    where="001:227; 002:844",
    runs=echoes,
)
def state_is_crucial(scores):
    shown = scores["stateful, shown"] - scores["stateless, shown"]
    yield claims.inside("stateless, beyond: chance", scores["stateless, beyond"], 0.47, 0.53)
    yield claims.above("stateful, beyond", scores["stateful, beyond"], 0.90)
    yield claims.equivalent("difference within the window", shown, within=0.03)


# %% [markdown]
"""
## Eight regimes of resetting

One network forecasts the changes of two series, month by month: 36 months of shampoo sales (one real
series, so that seeds differ in the first weights alone), and 234 generated months with a season and a
wandering level, new for each seed. It is trained in a hundred steps on windows of 11 months, with and
without a reset at the start of each pass over the series. Before the last year, which is the test, the
state that training left is reset or not, and the months before are run through the network once more or
not. A main effect is the mean error of the four regimes with a measure over that of the four without it,
in percent. It matters from 5 on, up or down; a claim is contradicted where it is shown to stay below.
"""

# %%
MEASURES = ("reset in training", "reset before prediction", "seeding with history")
WINDOW, HORIZON, UPDATES = 11, 12, 100


@reuse
def forecaster(windows):
    model = builders.stateful_lstm(1, (None, 1), 1, units=4, return_sequences=True)
    model.compile(keras.optimizers.Adam(0.01), "mse", steps_per_execution=windows)
    return model


def errors_by_regime(months, seed):
    """The root of the summed squared errors; in each direction first without a measure, then with it."""
    scaled = np.diff(months).reshape(1, -1, 1) / np.diff(months[:-HORIZON]).std()
    x, y = scaled[:, :-1], scaled[:, 1:]
    windows, errors = (x.shape[1] - HORIZON) // WINDOW, np.zeros((2, 2, 2))
    passes = (np.tile(part[:, :-HORIZON], (1, UPDATES // windows, 1)) for part in (x, y))
    x_train, y_train = recurrent.stream_windows(WINDOW, 1, *passes)
    for training in (0, 1):
        model, reset = forecaster(seed, windows), [ResetStates(every=windows)] * training
        recurrent.reset_states(model)
        model.fit(x_train, y_train, batch_size=1, shuffle=False, verbose=0, callbacks=reset)
        states = model.get_layer("lstm_1").states
        left = [keras.ops.convert_to_numpy(state) for state in states]
        for predicting, seeding in itertools.product((0, 1), repeat=2):
            for state, value in zip(states, left, strict=True):
                state.assign(value * (1 - predicting))
            answers = predict(model, x if seeding else x[:, -HORIZON:], 1)[:, -HORIZON:]
            errors[training, predicting, seeding] = np.linalg.norm(answers - y[:, -HORIZON:])
    return errors


@claims.experiment(seeds=20)
def regimes(seed):
    """The main effect of every measure on the error, in percent, for both series."""
    random, effects = np.random.default_rng(seed), {}
    generated = np.resize(3 * random.normal(size=12), 234) + random.normal(size=234).cumsum()
    for series, months in {"shampoo": datasets.shampoo(), "generated": generated}.items():
        errors = errors_by_regime(months, seed)
        for axis, measure in enumerate(MEASURES):
            without, with_it = np.moveaxis(errors, axis, 0).mean(axis=(1, 2))
            effects[f"{measure}, {series}"] = 100 * (with_it / without - 1)
    return effects


def changes(what, percent, confidence=0.95, margin=5):
    """A finding: the error changes, up or down; contradicted if by less than the margin."""
    interval = intervals.mean_interval(percent, confidence)
    small = claims.equivalent(what, percent, within=margin).verdict == claims.HOLDS
    large = interval and np.prod(interval) > 0 and abs(percent.mean()) >= margin
    verdict = claims.CONTRADICTED if small else claims.HOLDS if large else claims.NOT_SHOWN
    rule = f"mean at least {margin} up or down, {100 * confidence:.3g} % interval without 0"
    return claims.Finding(f"{what}: percent", rule, verdict, percent.mean(), interval)


def measure_changes(measure, scores):
    return [changes(name, scores[name]) for name in scores if name.startswith(measure)]


# %%
training_resets = claims.empirical(
    "reset-in-training",
    "Resetting the state before each pass of training changes the results of both series.",
    where="001:237; 002:856",
    runs=regimes,
)(functools.partial(measure_changes, MEASURES[0]))

prediction_resets = claims.empirical(
    "reset-before-prediction",
    "Resetting the state that training left, before prediction, changes the results of both series.",
    where="001:237; 002:856",
    runs=regimes,
)(functools.partial(measure_changes, MEASURES[1]))

history_seeds = claims.empirical(
    "seeding-with-history",
    "Running the history through the network first changes the results of both series.",
    where="001:237; 002:856",
    runs=regimes,
)(functools.partial(measure_changes, MEASURES[2]))

# %% [markdown]
"""
Taken together the claim holds if one of the six effects does. Its interval is as much wider as a choice
among six demands; the claim is contradicted only if all six are.
"""


# %%
@claims.empirical(
    "reset-regime-effects",
    "Resetting in training, resetting before prediction, or seeding with history changes the results.",
    where="001:237; 002:856",
    runs=regimes,
)
def some_measure_matters(scores):
    found = [changes(name, percent, 1 - 0.05 / len(scores)) for name, percent in scores.items()]
    weight = (claims.CONTRADICTED, claims.NOT_SHOWN, claims.HOLDS).index
    return max(found, key=lambda finding: (weight(finding.verdict), abs(finding.effect)))


# %% [markdown]
"""
## Wrong or out of date
"""


# %%
@claims.outdated(
    4,
    was="A stateful model only needs the batch size to match.",
    now="A last batch of one row is stretched over all states without a word; `dlnotes.recurrent.whole_batches(batch_size, x)` refuses it.",
    where="001:265; 002:156, 886",
)
def one_row_is_stretched():
    answers = predict(network(2), ROWS[:5], 2)
    streams = np.concatenate([ROWS[:2], ROWS[2:4], ROWS[[4, 4]]], axis=1)
    expected = recurrent.stream_windows(6, 2, in_one_pass(streams))
    yield claims.equal("5 rows in batches of 2, the last row twice", answers, expected)
    yield claims.raises("whole_batches", ValueError, lambda: recurrent.whole_batches(2, ROWS[:5]))


@claims.outdated(
    5,
    was="`model.reset_states()`, and `batch_input_shape=` on the first layer",
    now="`dlnotes.recurrent.reset_states(model)`, or `layer.reset_state()`; `keras.Input(batch_shape=...)`",
    where="001:237; 002:856",
)
def models_have_no_reset():
    model, lstm = network(2), functools.partial(keras.layers.LSTM, 4, stateful=True)
    yield claims.raises("a model", AttributeError, lambda: model.reset_states())  # migrate: ignore
    yield claims.raises("batch_input_shape=", ValueError, lambda: lstm(batch_input_shape=(2, 6, 3)))
    predict(model, ROWS, 2)
    output, _ = model.layers[-1].states
    yield claims.differs("the state after predict", output, np.zeros((2, 4)))
    recurrent.reset_states(model)
    yield claims.equal("the state after recurrent.reset_states", output, np.zeros((2, 4)))


@claims.outdated(
    43,
    was="Recurrent networks need inputs of a fixed size, so pad them.",
    now="Only within a batch: `keras.Input((None, features))` takes other lengths. `pad_sequences` pads and cuts in front unless told otherwise.",
    where="001:209; 002:807",
)
def lengths_may_differ():
    model = network(None, stateful=False)
    for rows in (ROWS[:4], ROWS[:3, :2]):
        yield claims.equal(f"{rows.shape[1]} steps", predict(model, rows), in_one_pass(rows))
    yield claims.equal("padded", keras.utils.pad_sequences([[1, 2, 3], [4]], 2), [[2, 3], [0, 4]])


@claims.outdated(
    46,
    was="`predict` needs a batch size for some models.",
    now="Only for stateful ones; all others, even behind `Input(batch_shape=...)`, answer the same for any.",
    where="002:156",
)
def only_stateful_models_ask():
    for rows, size in itertools.product((None, 2), (None, 3)):
        answers = predict(network(rows, stateful=False), ROWS, size)
        yield claims.equal(f"batch_shape {rows}, batch size {size}", answers, in_one_pass(ROWS))
    yield claims.raises("stateful", REFUSAL, lambda: predict(network(2), ROWS))
