# %% [markdown]
"""
# One character after another: a network that writes, and what its units keep an eye on

An LSTM reads the documentation of Python's own modules and says at each character which one comes next.

**Question.** Does it know more about text than counts of the last few characters do, what does it write at
which temperature, and can single units be caught tracking something: the line, a bracket, a word?

**Use it** for streams of symbols with structure that reaches further than a table of counts can: logs, codes,
moves, notes; and to see a recurrent network from inside.

**Do not use it** for good English: that takes a thousand times the text and the network. And a unit that goes
with a feature is an observation, not an explanation: the network may not use it.

Data: documentation strings of the standard library of the running Python, or a text file of your own
Uses: dlnotes.builders.char_rnn, dlnotes.datasets.docstrings, dlnotes.generation.generate, dlnotes.inspection.states_at_each_step, dlnotes.ngrams.ngram_bits
Notes: 000:56-58; 001:197; 002:55, 841
Paper: Karpathy, Johnson and Fei-Fei 2015, https://arxiv.org/abs/1506.02078
Covers: char_rnn, rnn_interpret
"""

# %%
from pathlib import Path
import re
import textwrap

from dlnotes import builders, cli, datasets, errors, figures, generation, inspection
from dlnotes.ngrams import ngram_bits
from dlnotes.report import Report
import keras
import numpy as np

STEPS, LONG, CODES, WORD = 64, 320, 128, "[A-Za-z]{3,}"
ORDERS, TEMPERATURES = (1, 2, 3, 4, 5), (0.4, 0.7, 1.0)
NEXT, WORDS, ELSEWHERE, REAL = "next character", "words written", "another place", "the test text"
FACTS = "position in the line", "position in the word", "indentation", "inside brackets"

# %% [markdown]
"""
## The text

Strings one after another, with an empty line in between, as numbers: the codes of ASCII. A network gets
windows of the text, and as targets the same windows one character later.
"""


# %%
def read(path, seed):
    """Three texts: of the documentation strings, or the beginning, middle and end of a file."""
    if path is None:
        return ["\n\n".join(part.x) for part in vars(datasets.docstrings(seed)).values()]
    text = path.read_text(encoding="utf-8").encode("ascii", "replace").decode()
    ends = [len(text) * 8 // 10, len(text) * 9 // 10]
    return [text[first:end] for first, end in zip([0, *ends], [*ends, None], strict=True)]


def windows(text, steps):
    codes, rows = np.frombuffer(text.encode(), "uint8"), (len(text) - 1) // steps
    return [codes[first : first + rows * steps].reshape(rows, steps) for first in (0, 1)]


def build(units):
    model = builders.char_rnn(CODES, units=units)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    return model


# %% [markdown]
"""
## What a character costs

The loss in bits: what the next character costs whoever knows what the model knows. The baseline counts which
characters followed the last one, two, ... five; how many are looked at is chosen on the validation text.

The trap is a network that writes but forgets: called on the last character alone, it begins anew each time.
`dlnotes.generation.generate` makes it stateful.
"""


# %%
def compare(report, model, texts, epochs, seed):
    """Trains the network and adds its bits and those of counts."""
    known, validation, test = texts
    order = min(ORDERS, key=lambda order: ngram_bits(known, validation, order, CODES))
    row = {"task": NEXT, "seed": seed}
    bits = ngram_bits(known, test, order, CODES)
    report.add("counts", **row, baseline=True, bits=bits, characters=order)
    fit = {"batch_size": 32, "epochs": epochs, "callbacks": [report.watch("network", **row)]}
    model.fit(*windows(known, STEPS), **fit, verbose=0)
    cost = [model.evaluate(*windows(test, n), 512, verbose=0) / np.log(2) for n in (STEPS, 1)]
    report.add("network", **row, bits=cost[0], parameters=model.count_params())
    report.trap(
        "Called on one character after another, a network costs per character",
        plain=f"{cost[1]:.3g} bits, without a state",
        ours=f"{cost[0]:.3g} bits with one",
    )


# %% [markdown]
"""
## What units track

Facts about the text so far, at each character, and what each unit of the LSTM keeps in its cell. The unit that goes
with a fact most closely is chosen on the validation text and judged on the test text: in the trained network, in
the same one before its training, and in the trained one against the facts of another place. The last two
say how much of a correlation the best of many units has for nothing.
"""


# %%
def facts(text):
    columns, line, word, depth, indent = [], 0, 0, 0, 0
    for before, character in zip(" " + text, text, strict=False):
        line = 0 if character == "\n" else line + 1
        word = word + 1 if character.isalpha() else 0
        depth = max(0, depth + (character in "([{") - (character in ")]}"))
        depth = 0 if before == character == "\n" else depth
        indent = 0 if line == 0 else indent + (character == " " and indent == line - 1)
        columns.append((line, word, indent, depth > 0))
    return np.array(columns, float)


def cells(model, texts):
    """What the units keep after each character of each text, between -1 and 1."""
    vectors = [model.get_layer("vectors")(windows(text, LONG)[0]) for text in texts]
    lstm = model.get_layer("rnn_1")
    kept = [inspection.states_at_each_step(lstm, part)[1] for part in vectors]
    return [np.tanh(part).reshape(-1, lstm.units) for part in kept]


def correlations(units, columns):
    pair = units, columns[: len(units)]
    units, columns = ((one - one.mean(axis=0)) / (one.std(axis=0) + 1e-9) for one in pair)
    return units.T @ columns / len(units)


def track(report, networks, texts, seed):
    """Adds the correlations of the best units; gives those of the last network."""
    for name, kept in networks.items():
        columns = [np.roll(c, len(c) // 2 * (name == ELSEWHERE), 0) for c in map(facts, texts)]
        chosen, judged = map(correlations, kept, columns)
        units = np.abs(chosen).argmax(axis=0)
        values = judged[units, range(len(FACTS))]
        for task, unit, value in zip(FACTS, units, values, strict=True):
            score = {"correlation": abs(value), "unit": unit}
            report.add(name, task=task, seed=seed, baseline=name == ELSEWHERE, **score)
    return units, values


# %%
def draw_units(report, units, values, kept, text):
    """The stretch of text with the most brackets: the redder, the more of the fact the unit says."""
    shades = (kept - kept.mean(axis=0)) / (kept.std(axis=0) + 1e-9)
    pieces = [slice(start, start + LONG) for start in range(0, len(kept), LONG)]
    piece = max(pieces, key=lambda piece: len(re.findall(r"[][(){}]", text[piece])))
    line, column = -np.cumsum([c == "\n" for c in text[piece]]), facts(text[piece])[:, 0]
    figure, panels = figures.axes(2, 2, size=(9.6, 5.6))
    for axis, fact, unit, value in zip(panels.flat, FACTS, units, values, strict=True):
        shade = shades[piece, unit] * np.sign(value)
        axis.scatter(column, line, 45, shade, marker="s", cmap="coolwarm", vmin=-3, vmax=3)
        for place in zip(column, line, text[piece], strict=True):
            axis.text(*place, size=6, ha="center", va="center", parse_math=False)
        axis.set(title=f"{fact}: unit {unit}, correlation {value:.2f}")
        axis.set_axis_off()
    said = "; ".join(f"{name}: {value:.2f}" for name, value in zip(FACTS, values, strict=True))
    report.figure("units", figure, f"Test text coloured by units. Correlations: {said}.")


def write(report, model, texts, seed):
    """Adds how many written words the training text knows, and a figure of the texts."""
    heat = np.repeat(TEMPERATURES, 4)
    prompt = np.full((len(heat), 2), ord("\n"))
    codes = generation.generate(model, prompt, 240, temperature=heat, seed=seed)
    rows, known = ["".join(map(chr, row)) for row in codes], set(re.findall(WORD, texts[0]))
    parts = {f"temperature {t}": "\n".join(rows[4 * n :][:4]) for n, t in enumerate(TEMPERATURES)}
    for name, part in ({REAL: texts[2]} | parts).items():
        share = np.mean([word in known for word in re.findall(WORD, part)] or 0)
        report.add(name, task=WORDS, seed=seed, baseline=name == REAL, known=share)
    said = [textwrap.fill(f"{n}: {' '.join(part.split())[:450]}", 118) for n, part in parts.items()]
    figure, axis = figures.axes(size=(9.6, 2.6))
    axis.text(0, 1, "\n\n".join(said), size=8, family="monospace", va="top", parse_math=False)
    axis.set_axis_off()
    report.figure("written", figure, " ".join(said))


# %%
def run(
    epochs: int = 4, samples: int = 5000, seed: int = 0, units: int = 128, data: Path | None = None
) -> Report:
    """Compares an LSTM with counts, looks into it, and lets it write.

    Args:
        epochs: Passes over the training text.
        samples: Windows of 64 characters of training text; a tenth as many for validation and for test.
        seed: Seed of the division, the weights and what is written.
        units: Width of the LSTM.
        data: A text file of your own in place of the documentation strings; characters beyond ASCII become question marks.
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(100, samples=samples)
    parts = zip(read(data, seed), (1, 10, 10), strict=True)
    texts = [text[: samples * STEPS // share] for text, share in parts]
    metrics = {NEXT: "bits", WORDS: "known"} | dict.fromkeys(FACTS, "correlation")
    better = dict.fromkeys(metrics, "higher") | {NEXT: "lower"}
    report = Report("char_rnn", metric=metrics, better=better)
    keras.utils.set_random_seed(seed)
    model = build(units)
    before = cells(model, texts[1:])
    compare(report, model, texts, epochs, seed)
    after = cells(model, texts[1:])
    networks = {ELSEWHERE: after, "before training": before, "trained": after}
    draw_units(report, *track(report, networks, texts[1:], seed), after[1], texts[2])
    write(report, model, texts, seed)
    return report


# %% [markdown]
"""
## What to look at

The bits first, in both directions: counts of a few characters cost nothing to train, and with this little text and
training a network need not be ahead of them. That it is on one division of the modules says little about the next.

Then the units, and the row before training in particular: a network that has learned nothing remembers its last
characters anyhow, evenly and for long, so that some unit always goes with a count of characters. What training adds is
the distance between the two rows, and it need not be positive: it teaches units what helps with the next character,
not what a reader would like to see. In the picture look for the brackets.

At a low temperature the network writes the words that it is sure of, again and again; at a high one it makes up
words. The share of the test text's own words that training knew says that a new word is no mistake in itself.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
