# %% [markdown]
"""
# Looking while writing: attention between encoder and decoder, of four kinds

For each token that it writes, the decoder asks the whole source where to look, and reads what stands there.

**Question.** Dates as people write them become dates that machines read: what does attention bring, does
it look where the answer stands, and does it matter how it scores, whether it looks at all steps, at a
window or at one?

**Use it** whenever one sequence is turned into another. Additive attention inside the recurrence needs
the fewest epochs here; multiplicative attention behind it computes all steps at once.

**Do not use it** in its hard or local form to save time: both compute all scores here. And do not use the
local form where the answer is in another order than the source: it has to find its place by small steps.

Data: generated dates in eight ways of writing and their ISO form, or pairs of short texts of your own
Uses: dlnotes.builders.encoder_decoder, dlnotes.datasets.dates, dlnotes.datasets.read_texts, dlnotes.decoding.teacher_forcing, dlnotes.decoding.greedy_decode, dlnotes.decoding.beam_search, dlnotes.decoding.attention_weights
Notes: 002:1443-1445, 1448, 1451, 1461-1466, 1478, 1488, 1558
Paper: Bahdanau, Cho and Bengio 2015, https://arxiv.org/abs/1409.0473; Luong, Pham and Manning 2015, https://arxiv.org/abs/1508.04025
Covers: attention_seq2seq
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, decoding, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

BASELINE = "most frequent character of each place"
PLAIN, KINDS = "one vector", ("additive", "multiplicative", "hard", "local")

# %% [markdown]
"""
## Characters as tokens

The alphabet is that of the training pairs; a character that is not in it has the last number. 0 fills up,
ends an answer, and stands before it.
"""


# %%
def load(data, samples, seed):
    """Pairs of texts in three parts."""
    if data is None:
        return datasets.dates(samples, seed)
    table = datasets.read_texts(data, "source", "target")
    table.columns = ["x", "y"]
    table = table.sample(frac=1, random_state=seed)[:samples]
    ends = [len(table) * 6 // 10, len(table) * 8 // 10]
    columns = (np.split(table[name].to_numpy(str), ends) for name in ("x", "y"))
    return datasets.Dataset(*(datasets.Split(*part) for part in zip(*columns, strict=True)))


def alphabet_of(train):
    return sorted(set("".join([*train.x, *train.y])))


def encode(texts, alphabet):
    numbers = {character: number for number, character in enumerate(alphabet, 1)}
    codes = np.zeros((len(texts), max(map(len, texts))), "int32")
    for row, text in zip(codes, texts, strict=True):
        row[: len(text)] = [numbers.get(character, len(alphabet) + 1) for character in text]
    return codes


# %% [markdown]
"""
## One network, five ways to look back

- `additive` (Bahdanau): the state before the step asks. Its scores are a small network's, and the recurrence
  reads the answer together with the last character: attention that is concatenated to the input.
- `multiplicative` (Luong, global): the state after the step asks, by a product with each step of the source.
- `hard`: as multiplicative, but one step is looked at: in training one that is drawn, otherwise the best.
- `local`: as multiplicative, in a window around a place that the state predicts.

In the soft kinds a softmax makes weights of the scores, and the context is the weighted sum of what the
encoder says of each step. Local attention multiplies the weights by a bell curve, so theirs sum to less.
"""


# %%
def build(attention, tokens, units, window):
    """One network, compiled."""
    choices = {"units": units, "attention": attention, "window": window}
    model = builders.encoder_decoder(tokens, tokens, **choices)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


def train(model, x, y, epochs, callbacks):
    so_far, targets, weights = decoding.teacher_forcing(y)
    x = {"source": x, "target_so_far": so_far}
    options = {"batch_size": max(1, len(y) // 24), "epochs": epochs, "verbose": 0}
    model.fit(x, targets, sample_weight=weights, callbacks=callbacks, **options)


# %% [markdown]
"""
## Whole answers

An answer is right if all of its characters are. Beam search keeps the four best beginnings instead of
one. For the generated dates, all of which end with the year, `on_the_year` is the share of the weights
that lies on its four figures while the network writes them.
"""


# %%
def scores(model, x, y):
    written = decoding.greedy_decode(model, x, y.shape[1]).tokens
    best = decoding.beam_search(model, x, y.shape[1], width=4).tokens[:, 0]
    return {
        "accuracy": (written == y).all(axis=1).mean(),
        "accuracy_beam": (best == y).all(axis=1).mean(),
        "characters": (written == y)[y > 0].mean(),
    }


def on_the_year(weights, x):
    ends = (x > 0).sum(axis=1)
    pairs = zip(weights, ends, strict=True)
    return np.mean([one[:4, end - 4 : end].sum(axis=1).mean() for one, end in pairs])


def constant(train, y):
    """The most frequent character of each place in the training answers, scored on `y`."""
    best = np.array([np.bincount(column).argmax() for column in train.T])
    best = np.pad(best, (0, y.shape[1]))[: y.shape[1]]
    whole = (best == y).all(axis=1).mean()
    return {"accuracy": whole, "accuracy_beam": whole, "characters": (best == y)[y > 0].mean()}


# %% [markdown]
"""
## A trap

An attention that is not told what is padding looks at it. An embedding marks its padding, but one
operation between the two layers loses the mark, without a word. Passed explicitly, as the library does,
the mask arrives.
"""


# %%
def show_trap(report, x, tokens, seed):
    keras.utils.set_random_seed(seed)
    marked = keras.layers.Embedding(tokens, 8, mask_zero=True)(x)
    memory, shares = keras.ops.tanh(marked), []
    for mask in (None, [None, x > 0]):
        inputs, options = [memory[:, :1], memory], {"return_attention_scores": True}
        _, weights = keras.layers.Attention()(inputs, mask=mask, **options)
        shares.append(np.asarray(weights)[(x == 0)[:, np.newaxis]].sum() / len(x))
    report.trap(
        "Attention to an embedding that marks its padding, after an operation",
        plain=f"{shares[0]:.0%} of the weights lie on padding",
        ours=f"with mask= in the call {shares[1]:.0%}",
    )


# %%
def draw(report, looked, source, target):
    """The weights while one answer is written: source across, answer downwards."""
    figure, panels = figures.axes(2, 2, size=(9.6, 6.4))
    said = []
    for axis, (variant, weights) in zip(panels.flat, looked.items(), strict=True):
        shown = weights[: len(target), : len(source)]
        axis.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.grid(False)
        axis.set_xticks(range(len(source)), list(source), va="baseline")
        axis.set_yticks(range(len(target)), list(target))
        axis.tick_params(axis="x", pad=12)
        axis.set(title=variant)
        places = ", ".join(source[place] for place in shown.argmax(axis=1))
        said.append(f"{variant}: {places}")
    text = f"What is looked at most in {source!r} while {target!r} is written."
    report.figure("alignment", figure, f"{text} {'; '.join(said)}.")


# %%
def run(
    epochs: int = 14,
    samples: int = 1000,
    seed: int = 0,
    units: int = 32,
    window: int = 4,
    data: Path | None = None,
) -> Report:
    """Writes dates in ISO form with and without attention, and draws what each kind looks at.

    Args:
        epochs: Passes over the training pairs.
        samples: Pairs in all three parts together, at most.
        seed: Seed of the data, the division and the weights.
        units: Width of embeddings, states and attention.
        window: How far from the predicted place local attention looks.
        data: Pairs of short texts of your own in place of the dates, a CSV file with the columns source and target.
    """
    errors.check_at_least(1, epochs=epochs, units=units, window=window)
    errors.check_at_least(60, samples=samples)
    texts = load(data, samples, seed)
    alphabet = alphabet_of(texts.train)
    encoded = [[encode(column, alphabet) for column in part] for part in vars(texts).values()]
    (x, y), _, test = encoded
    report = Report("attention_seq2seq", metric="accuracy", better="higher")
    report.add(BASELINE, seed=seed, baseline=True, **constant(y, test[1]))
    looked = {}
    for variant in (PLAIN, *KINDS):
        keras.utils.set_random_seed(seed)
        model = build(None if variant == PLAIN else variant, len(alphabet) + 2, units, window)
        train(model, x, y, epochs, [report.watch(variant, seed=seed)])
        found = scores(model, *test)
        if variant != PLAIN:
            looked[variant] = decoding.attention_weights(model, *test)
            if data is None:
                found["on_the_year"] = on_the_year(looked[variant], test[0])
        report.add(variant, seed=seed, **found)
    show_trap(report, test[0], len(alphabet) + 2, seed)
    example = np.argmax(np.char.str_len(texts.test.x))
    looked = {variant: weights[example] for variant, weights in looked.items()}
    draw(report, looked, str(texts.test.x[example]), str(texts.test.y[example]))
    return report


# %% [markdown]
"""
## What to look at

The picture: nobody told the networks that the year stands at the end, the day before or after the month,
or that a name is a number. Soft attention finds it out as a by-product of writing (alignment and
translation learned together), and shows it. Hard attention often looks at a neighbour of the right step:
an encoder that reads from both ends has carried the character there. So a picture of attention says
where the network looks, not which character it needs.

Then `accuracy` against `characters`: an answer of ten characters forgives nothing, so small differences
for each character are large ones for the whole. Beam search mends little where the network is sure.

That a step has to be drawn in training does not make hard attention the slower learner: compare it with
its soft twin, multiplicative, which may spread its weights for a long time. Mind the spread over seeds of
both before you prefer one.

The local kind has to find its place step by step, and learns only from what lies in the window. It was
made for long sources in nearly the same order; here the answer begins at the end of the source.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
