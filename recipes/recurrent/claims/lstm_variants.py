# %% [markdown]
"""
# What the notes say about variants of the LSTM

The empirical ones: eight cells with equally many weights, each with the learning rate that is best for it
on validation data, on three tasks; an LSTM whose parts are switched off one at a time; and an LSTM with
and without the bias of one.
"""

# %%
from dlnotes import claims, datasets
from dlnotes.layers import MutatedGRUCell
from dlnotes.reuse import reuse
import keras
import numpy as np

STORY = claims.story(__file__)
VARIANTS, MUTATIONS = STORY.CELLS, ("mut1", "mut2", "mut3")


# %% [markdown]
"""
## The bias of the forget gate
"""


# %%
@claims.exact("forget-bias-is-one", "The forget bias starts at one.", where="001:253; 002:872")
def forget_bias_is_one():
    return claims.equal("forget gate, then the others", STORY.biases(4)[:, 0], [1.0, 0, 0, 0])


@claims.exact("forget-bias-forces-zeros", "The flag zeroes the others.", where="001:253; 002:872")
def forget_bias_forces_zeros():
    return claims.equal("others, initializer five", STORY.biases(4, 5)[1:], np.zeros((3, 4)))


@claims.outdated(
    8,
    was="unit_forget_bias adds one to the forget bias and forces the bias initializer to zeros.",
    now="It sets the forget slice to ones, and leaves the other gates to bias_initializer.",
    where="001:253; 002:872",
)
def unit_forget_bias_sets():
    return claims.equal("initializer five", STORY.biases(4, 5)[:, 0], [1.0, 5, 5, 5])


# %% [markdown]
"""
## Searched cells in Keras
"""


# %%
@claims.exact("mutations-in-keras", "A Keras RNN takes MUT1 to MUT3.", where="001:251; 002:870")
def mutations_in_keras():
    for variant in (1, 2, 3):
        states = keras.layers.RNN(MutatedGRUCell(4, variant))(np.ones((2, 5, 4)))
        yield claims.equal(f"MUT{variant}, shape", states.shape, (2, 4))


oq_mutations_framework = claims.question(
    "oq-mutations-framework",
    "Are mutated cells only available in another framework?",
    where="001:251; 002:870",
    answered_by=["mutations-in-keras"],
)


# %% [markdown]
"""
## Eight cells, three tasks

Scores are the share of the variance that is explained, or of tags that are right. Tags depend on the
previous symbol, since the networks read forwards. Every cell gets as many weights as an LSTM of 16 units,
and enough steps for the slowest of them to solve the task in a pilot. A searched cell wins if it gains
two points on two tasks, over the better of LSTM and GRU.
"""

TASKS = {
    "adding": (datasets.adding, {"steps": 8}, 15),
    "tags": (datasets.tag_next, {"steps": 8, "depends_on": "previous"}, 5),
    "seasonal": (datasets.seasonal, {"steps": 12}, 4),
}


# %%
@reuse
def network(cell, **facts):
    model = STORY.build(cell, 16, **facts)
    model.steps_per_execution = 12
    return model


def score(model, parts, epochs, rates):
    """The test score at the best learning rate; every training begins with the weights given."""
    train, validation, test = STORY.weighted(parts)
    x, y, weight = (np.concatenate([array] * epochs) for array in train)
    start = model.get_weights()

    def at(rate):
        model.set_weights(start)
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        model.optimizer.learning_rate = rate
        model.fit(x, y, sample_weight=weight, batch_size=50, shuffle=False, verbose=0)
        (loss, _), (_, found) = (model.test_on_batch(*part) for part in (validation, test))
        return loss, found if y.dtype.kind == "i" else 1 - found / np.var(test[1])

    return claims.tuned(at, rates)


@claims.experiment
def cells(seed):
    scores = {}
    for task, (generate, options, epochs) in TASKS.items():
        parts = list(vars(generate(1000, **options, seed=seed)).values())
        for cell in VARIANTS + MUTATIONS:
            model = network(seed, cell, **STORY.facts(parts))
            scores[f"{cell}, {task}"] = score(model, parts, epochs, (0.02, 0.05))
    return scores


@claims.empirical(
    "variants-alike",
    "The known variants of the LSTM perform about equally, and none is the best everywhere.",
    where="001:217, 251; 002:820-821, 870",
    runs=cells,
)
def variants_alike(scores):
    winners = set()
    for task in TASKS:
        worst, *_, best = sorted(VARIANTS, key=lambda cell: scores[f"{cell}, {task}"].mean())
        gap = scores[f"{best}, {task}"] - scores[f"{worst}, {task}"]
        yield claims.equivalent(f"{task}, {best} minus {worst}, best and worst", gap, within=0.02)
        winners.add(best)
    yield claims.fact("no variant is the best on all three tasks", len(winners) > 1, len(winners))


@claims.empirical(
    "mutated-cells-win", "A searched cell beats LSTM and GRU.", where="001:251; 002:870", runs=cells
)
def mutated_cells_win(scores):
    def best(cells, task):
        return max((scores[f"{cell}, {task}"] for cell in cells), key=np.mean)

    gains = {task: best(MUTATIONS, task) - best(("lstm", "gru"), task) for task in TASKS}
    for task in sorted(TASKS, key=lambda task: gains[task].mean())[1:]:
        yield claims.superior(f"{task}, best mutation over LSTM and GRU", gains[task], 0.02, 0.99)


# %% [markdown]
"""
## Parts switched off, and the bias of one

Switched off, a gate is always open, and the last activation hands the memory on as it is. Whoever cannot
forget has what the first LSTM of 1997 had. The bias has to help on one of two tasks.
"""

PARTS = ("input gate", "forget gate", "output gate", "output activation")
CHANGES = {
    "recall": (datasets.recall, {"steps": 15}, 9, PARTS),
    "counting": (datasets.counting, {"steps": 12, "every_step": True}, 9, PARTS),
    "long recall": (datasets.recall, {"steps": 30, "symbols": 4}, 15, ["bias of one"]),
    "adding": (datasets.adding, {"steps": 12}, 15, ["bias of one"]),
}


# %%
class AblatedLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell with a switch for each of `PARTS`."""

    def build(self, input_shape):
        super().build(input_shape)
        self.switches = self.add_weight((4,), "ones", trainable=False, name="switches")

    def call(self, inputs, states, training=False):
        hidden, memory = states
        gates = keras.ops.matmul(inputs, self.kernel) + self.bias
        gates = gates + keras.ops.matmul(hidden, self.recurrent_kernel)
        i, f, candidate, o = keras.ops.split(gates, 4, axis=-1)
        *on, bounded = keras.ops.unstack(self.switches, 4)
        i, f, o = (s * keras.ops.sigmoid(z) + 1 - s for s, z in zip(on, (i, f, o), strict=True))
        memory = f * memory + i * keras.ops.tanh(candidate)
        hidden = o * (bounded * keras.ops.tanh(memory) + (1 - bounded) * memory)
        return hidden, [hidden, memory]


@reuse
def lstm(steps, features, outputs, classes, each_step):
    rnn = keras.layers.RNN(AblatedLSTMCell(16), return_sequences=each_step, unroll=True)
    model = keras.Sequential([keras.Input((steps, features)), rnn, keras.layers.Dense(outputs)])
    return STORY.compiled(model, classes, steps_per_execution=12)


@claims.experiment
def changes(seed):
    """The score that each change of the LSTM costs on each task."""
    costs = {}
    for task, (generate, options, epochs, changed) in CHANGES.items():
        parts = list(vars(generate(1000, **options, seed=seed)).values())
        scores = {}
        for change in (None, *changed):
            model = lstm(seed, parts[0].x.shape[1], **STORY.facts(parts))
            cell = model.layers[0].cell
            cell.switches.assign([float(part != change) for part in PARTS])
            cell.bias.assign(cell.bias * (change != "bias of one"))
            scores[change] = score(model, parts, epochs, (0.01, 0.03))
            costs[f"{change}, {task}"] = scores[None] - scores[change]
    return costs


@claims.empirical(
    "forget-output-gates-matter",
    "Accuracy drops most without the forget gate and without output gate or activation.",
    where="001:217; 002:821",
    runs=changes,
)
def forget_and_output_matter(costs):
    drops = {part: (costs[f"{part}, recall"] + costs[f"{part}, counting"]) / 2 for part in PARTS}
    output = max(PARTS[2:], key=lambda part: drops[part].mean())
    for part in ("forget gate", output):
        what = f"accuracy lost without the {part}, minus that without the input gate"
        yield claims.superior(what, drops[part] - drops["input gate"])


@claims.empirical(
    "forget-bias-helps",
    "A forget bias of one helps.",
    where="001:251-253; 002:870-872",
    runs=changes,
)
def forget_bias_helps(costs):
    gains = {task: costs[f"bias of one, {task}"] for task in ("long recall", "adding")}
    task = max(gains, key=lambda task: gains[task].mean())
    return claims.superior(f"score gained, {task}", gains[task], by=0.10, confidence=0.975)
