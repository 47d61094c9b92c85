# %% [markdown]
"""
# What the notes say about the states of an LSTM and the gates of a GRU

Exact claims are shown on layers of four units with random weights, against the equations written out in
NumPy. For the empirical ones networks are trained to tell the first of fifty symbols, and to forecast a
series that is the sum of a slow and a fast process.
"""

# %%
from unittest import mock

from dlnotes import builders, claims, datasets
from dlnotes.reuse import reuse
import keras
import numpy as np

UNITS = 4
X = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
STATE = np.random.default_rng(1).normal(size=(3, UNITS)).astype("float32")


def layer(kind, bias=None, features=2, **options):
    """A recurrent layer with random weights, the same ones at each call, or with a chosen bias."""
    rnn = getattr(keras.layers, kind)(UNITS, **options)
    rnn.build((None, None, features))
    random = np.random.default_rng(2)
    weights = [random.normal(scale=0.5, size=weight.shape) for weight in rnn.get_weights()]
    if bias is not None:
        weights[2] = np.zeros_like(weights[2])
        weights[2].reshape(-1, len(np.ravel(bias)))[0] = np.ravel(bias)
    rnn.set_weights(weights)
    return rnn


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(rnn, gate=sigmoid):
    """Hidden states and cells of an LSTM at all steps, from its equations."""
    kernel, recurrent_kernel, bias = rnn.get_weights()
    h = c = np.zeros((len(X), UNITS))
    steps = []
    for x in np.moveaxis(X, 1, 0):
        i, f, new, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = gate(f) * c + gate(i) * np.tanh(new)
        h = gate(o) * np.tanh(c)
        steps.append((h, c))
    hidden, cells = np.moveaxis(np.array(steps), 0, 2)
    return hidden, cells


# %% [markdown]
"""
## What a layer returns
"""


# %%
@claims.exact(
    "rs-every-step", "`return_sequences` gives every hidden state.", where="001:217; 002:825"
)
def every_step_comes_out():
    outputs = np.asarray(layer("LSTM", return_sequences=True)(X))
    yield claims.equal("all steps, against the equations", outputs, by_hand(layer("LSTM"))[0])
    yield claims.equal("last step, against the layer without", outputs[:, -1], layer("LSTM")(X))


@claims.exact(
    "rs-state-h-c", "`return_state` gives the last h and c too.", where="001:217; 002:826"
)
def states_come_out():
    output, h, c = layer("LSTM", return_state=True)(X)
    hidden, cells = by_hand(layer("LSTM"))
    yield claims.equal("hidden state", h, hidden[:, -1])
    yield claims.equal("cell", c, cells[:, -1])
    yield claims.equal("output and hidden state", output, h)
    yield claims.differs("cell and hidden state", c, h)


@claims.exact("rs-both", "Both options can be combined.", where="001:217; 002:827")
def both_at_once():
    sequence, h, c = layer("LSTM", return_sequences=True, return_state=True)(X)
    hidden, cells = by_hand(layer("LSTM"))
    yield claims.equal("sequence", sequence, hidden)
    yield claims.equal("hidden state", h, hidden[:, -1])
    yield claims.equal("cell", c, cells[:, -1])


ASKED, ANSWERS = "What does `return_sequences` do?", ("rs-every-step", "rs-state-h-c", "rs-both")
unclear = claims.question(
    "oq-return-sequence", ASKED, where="001:261; 002:882", answered_by=ANSWERS
)


@claims.exact(
    "stack-needs-sequences", "Stacks need returned sequences below.", where="001:243; 002:862"
)
def stacks_need_sequences():
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        upper, below = layer(kind, features=UNITS), layer(kind, return_sequences=True)
        refused = lambda upper=upper, kind=kind: upper(layer(kind)(X))  # noqa: E731
        yield claims.raises(f"{kind} on one without sequences", ValueError, refused)
        yield claims.equal(f"{kind} on one with sequences", upper(below(X)).shape, (3, UNITS))


@claims.exact(
    "unroll-equal", "Unrolling a layer does not change what it computes.", where="001:217; 002:822"
)
def unrolling_changes_nothing():
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        rolled, unrolled = (layer(kind, unroll=unroll) for unroll in (False, True))
        yield claims.equal(f"{kind}, unrolled and not", unrolled(X), rolled(X))


# %% [markdown]
"""
## How many weights
"""


# %%
@claims.exact(
    "lstm-param-formula",
    "The weights of an LSTM follow from inputs m and units n: four times n(n + m) + n.",
    where="001:271; 002:894",
)
def weights_follow_from_the_widths():
    for m, n in ((1, 1), (3, 5), (12, 32)):
        size, name = n * (n + m) + n, f"{m} inputs, {n} units"
        for what, rnn, expected in (
            ("LSTM", keras.layers.LSTM(n), 4 * size),
            ("GRU", keras.layers.GRU(n), 3 * (size + n)),
            ("GRU without reset_after", keras.layers.GRU(n, reset_after=False), 3 * size),
        ):
            rnn.build((None, None, m))
            yield claims.equal(f"{what}, {name}", rnn.count_params(), expected)


ASKED, ANSWERS = "By what formula are the weights of an LSTM counted?", ["lstm-param-formula"]
formula = claims.question("oq-lstm-param-figure", ASKED, where="002:894-896", answered_by=ANSWERS)

# %% [markdown]
"""
## Gates forced open and shut

A bias of a hundred opens a gate whatever comes in, one of minus a hundred shuts it.
"""

# %%
OPEN, SHUT, FREE = np.full(UNITS, 100.0), np.full(UNITS, -100.0), np.zeros(UNITS)


@claims.exact(
    "cell-is-selective-memory",
    "The cell is memory kept by choice; the hidden state is what is exposed of it now.",
    where="001:217; 002:818",
)
def the_cell_keeps_and_the_hidden_state_shows():
    steps = np.random.default_rng(3).normal(size=(3, 100, 2)).astype("float32")
    start, some = [STATE, 3 * STATE], np.where(np.arange(UNITS) < 2, 100.0, -100.0)

    def states(*bias):
        options = {"return_sequences": True, "return_state": True}
        return layer("LSTM", bias, **options)(steps, initial_state=start)[::2]

    hidden, cell = states(SHUT, OPEN, FREE, FREE)
    yield claims.equal("cell after 100 steps, forget gate open, input shut", cell, start[1])
    yield claims.fact("hidden state stays within -1 and 1", np.abs(hidden).max() < 1)
    yield claims.differs("hidden state, first and last step", hidden[:, 0], hidden[:, -1])
    _, cell = states(SHUT, some, FREE, FREE)
    kept = start[1] * (np.arange(UNITS) < 2)
    yield claims.equal("cell behind open and shut forget gates", cell, kept)
    hidden, cell = states(SHUT, OPEN, FREE, some)
    shown = np.tanh(cell) * (np.arange(UNITS) < 2)
    yield claims.equal("shown behind open and shut output gates", hidden[:, -1], shown)


@claims.exact(
    "gru-update-keeps-past",
    "The update gate sets how much of the past is passed on.",
    where="001:305; 002:934",
)
def the_update_gate_keeps():
    for reset_after in (True, False):
        options, name = {"reset_after": reset_after}, f"reset_after={reset_after}"
        kept = layer("GRU", [OPEN, FREE, FREE], **options)(X[:, :4], initial_state=[STATE])
        yield claims.equal(f"state after 4 steps, gate open, {name}", kept, STATE)
        new = layer("GRU", [SHUT, FREE, FREE], **options)(X[:, :1], initial_state=[STATE])
        rnn = layer("GRU", [FREE, FREE, FREE], **options)
        kernel, recurrent_kernel, _ = rnn.get_weights()
        share = sigmoid((X[:, 0] @ kernel + STATE @ recurrent_kernel)[:, :UNITS])
        between = share * STATE + (1 - share) * np.asarray(new)
        yield claims.equal(
            f"one step, gate in between, {name}", rnn(X[:, :1], initial_state=[STATE]), between
        )


@claims.exact(
    "gru-reset-forgets",
    "The reset gate decides how much of the past is forgotten.",
    where="001:305; 002:935",
)
def the_reset_gate_forgets():
    for reset_after in (True, False):
        options, name = {"reset_after": reset_after}, f"reset_after={reset_after}"
        shut, open_ = (layer("GRU", [SHUT, gate, FREE], **options) for gate in (SHUT, OPEN))
        forgot = [shut(X, initial_state=[state]) for state in (STATE, 0 * STATE)]
        yield claims.equal(f"two beginnings, reset gate shut, {name}", *forgot)
        known = [open_(X[:, :1], initial_state=[state]) for state in (STATE, 0 * STATE)]
        yield claims.differs(f"two beginnings, reset gate open, {name}", *known)


# %% [markdown]
"""
## Fifty steps

Both networks are asked for the first symbol at every step, since the early answers teach what the late ones
need, and scored at the last step. Both get the same sequences, steps and rates to choose from.
"""


# %%
@reuse
def network(cell, units, layers, outputs):
    """A stack that answers at every step, compiled for classes, or for numbers if there is one."""
    options = {"cell": cell, "units": units, "layers": layers, "return_sequences": True}
    model = builders.stacked_rnn((50, 9 if outputs > 1 else 1), outputs, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(True) if outputs > 1 else "mse"
    model.compile("adam", loss)
    return model


@claims.experiment
def fifty_steps(seed):
    parts = vars(datasets.recall(1000, 50, seed=seed)).values()
    parts = [(x, np.repeat(y[:, None], 50, axis=1)) for x, y in parts]
    x, y = (np.concatenate([array] * 8) for array in parts[0])

    def train(cell, rate):
        model = network(seed, cell, 24, 1, 8)
        model.optimizer.learning_rate = rate
        model.fit(x, y, batch_size=50, verbose=0)
        answers = model.predict(parts[2][0], batch_size=200, verbose=0)[:, -1].argmax(axis=-1)
        loss = model.evaluate(*parts[1], batch_size=200, verbose=0)
        return loss, np.mean(answers == parts[2][1][:, -1])

    rates, cells = (0.01, 0.03), ("gru", "simple_rnn")
    return {cell: claims.tuned(lambda rate, cell=cell: train(cell, rate), rates) for cell in cells}


@claims.empirical(
    "gru-long-memory",
    "Trained gates keep what is long past, where the state of a plain network washes it out.",
    where="001:303; 002:932",
    runs=fifty_steps,
)
def gates_keep(scores):
    gain = scores["gru"] - scores["simple_rnn"]
    return claims.superior("accuracy after 50 steps, GRU above SimpleRNN", gain, by=0.20)


# %% [markdown]
"""
## Two layers, one upon the other

The series is the sum of a slow and a fast process, forecast one step ahead at every step. The autocorrelation
time of a layer is twice the sum of its states' autocorrelations over thirty steps, less one. How well a
layer knows the slow process is the share of its variance that a straight line from the states explains.
"""


# %%
def processes(seed, rows=440, steps=50):
    """Slow plus fast process, the next value, and the slow process."""
    random, parts = np.random.default_rng(seed), []
    for kept in (0.97, 0.5):
        process = random.normal(size=(rows, steps + 1))
        process[:, 1:] *= np.sqrt(1 - kept**2)
        for step in range(1, steps + 1):
            process[:, step] += kept * process[:, step - 1]
        parts.append(process)
    series = np.sum(parts, axis=0)[..., None].astype("float32")
    return series[:, :-1], series[:, 1:], parts[0][:, :-1]


def autocorrelation_time(states, lags=30):
    states, steps = states - states.mean(axis=(0, 1)), states.shape[1]
    together = [(states[:, : steps - n] * states[:, n:]).mean(axis=(0, 1)) for n in range(lags)]
    return np.mean(2 * np.sum(together / together[0], axis=0) - 1)


def explained(states, slow, known, new):
    """The share of a process that a straight line from states, fitted on known rows, explains on new ones."""
    columns = np.pad(states, ((0, 0), (0, 0), (0, 1)), constant_values=1)
    line = np.linalg.lstsq(np.concatenate(columns[known]), slow[known].ravel(), rcond=None)[0]
    return 1 - np.mean((slow[new] - columns[new] @ line) ** 2) / slow[new].var()


@claims.experiment
def slow_and_fast(seed):
    x, y, slow = processes(seed)
    train, validation, test = slice(240), slice(240, 340), slice(340, None)
    x_long, y_long = (np.concatenate([array[train]] * 8) for array in (x, y))

    def look(model):
        """For each layer its autocorrelation time, and how well it knows the slow process."""
        layers = [layer.output for layer in model.layers if layer.name.startswith("rnn")]
        states = keras.tree.flatten(keras.Model(model.input, layers)(x))
        states = [np.asarray(each)[:, 10:] for each in states]
        times = [autocorrelation_time(each[test]) for each in states]
        return times, [explained(each, slow[:, 10:], train, test) for each in states]

    def arm(units, layers, rate):
        model = network(seed, "lstm", units, layers, 1)
        before, _ = look(model)
        model.optimizer.learning_rate = rate
        model.fit(x_long, y_long, batch_size=40, verbose=0)
        loss, error = (model.evaluate(x[part], y[part], verbose=0) for part in (validation, test))
        return loss, (error, before, *look(model))

    rates = (0.01, 0.03)
    deep, before, after, known = claims.tuned(lambda rate: arm(16, 2, rate), rates)
    wide, *_ = claims.tuned(lambda rate: arm(28, 1, rate), rates)
    ratios = {"ratio": after[1] / after[0], "ratio before": before[1] / before[0]}
    return ratios | {"known": known[1] - known[0], "gain": 1 - deep / wide}


@claims.empirical(
    "stack-time-abstraction",
    "A higher layer of a stack stands for longer stretches of time.",
    where="001:245; 002:864",
    runs=slow_and_fast,
)
def higher_is_slower(numbers):
    return claims.superior("autocorrelation time, upper over lower", numbers["ratio"] - 1, by=0.10)


@claims.empirical(
    "stack-time-learned",
    "It is training that makes the higher layer slower, not the mere stacking of two layers.",
    where="001:245; 002:864",
    runs=slow_and_fast,
)
def slowness_is_learned(numbers):
    gain = numbers["ratio"] - numbers["ratio before"]
    return claims.superior("ratio of autocorrelation times, gained by training", gain, by=0.10)


@claims.empirical(
    "stack-slow-probe",
    "The higher layer knows more of the slow process than the lower one.",
    where="001:245; 002:864",
    runs=slow_and_fast,
)
def higher_knows_the_slow(numbers):
    return claims.superior("share of the slow process explained", numbers["known"], by=0.02)


@claims.empirical(
    "stack-depth-width",
    "At equal weights two layers forecast better than a wide one.",
    where="001:245; 002:864",
    runs=slow_and_fast,
)
def depth_beats_width(numbers):
    return claims.superior("test error less than that of one wide layer", numbers["gain"], by=0.02)


# %% [markdown]
"""
## What is wrong or out of date
"""


# %%
@claims.outdated(
    33,
    was="There are layers of their own for cuDNN, and the gates are hard sigmoids.",
    now='There is one LSTM, with `use_cudnn="auto"` and sigmoid gates; `recurrent_dropout` takes the slower '
    "path, and a GRU has `reset_after=True`, with a second bias and more weights.",
    where="002:815-872",
)
def one_lstm_with_sigmoid_gates():
    for name in ("CuDNNLSTM", "CuDNNGRU"):
        yield claims.fact(f"there is no {name}", not hasattr(keras.layers, name))
    rnn = layer("LSTM")
    yield claims.equal("use_cudnn", rnn.use_cudnn, "auto")
    yield claims.equal("outputs, sigmoid gates", rnn(X), by_hand(rnn)[0][:, -1])
    old, _ = by_hand(rnn, lambda z: np.clip(0.2 * z + 0.5, 0, 1))
    yield claims.differs("outputs, hard sigmoid gates", rnn(X), old[:, -1], by=1e-2)
    for rate, calls in ((0.0, 1), (0.5, 0)):
        with mock.patch.object(keras.src.backend, "lstm", side_effect=NotImplementedError) as fast:
            layer("LSTM", recurrent_dropout=rate)(X)
        yield claims.equal(f"fast path tried, recurrent_dropout {rate}", fast.call_count, calls)
    gru, without = layer("GRU"), layer("GRU", reset_after=False)
    yield claims.fact("reset_after is the default of a GRU", gru.reset_after)
    size = without.count_params() + 3 * UNITS
    yield claims.equal("weights, a second bias more", gru.count_params(), size)
