# %% [markdown]
"""
# One vector in between: turning a sequence into another with encoder and decoder

The encoder reads the whole source and hands over its last state; the decoder writes from it, token by token.

**Question.** How long a sequence fits through one vector? What is the decoder worth on its own output,
when training always showed it the right answer so far? And does an encoder serve another task?

**Use it** when the answer is a sequence of a length of its own: normalised names, corrections, commands,
summaries of a few steps.

**Do not use it** without attention where sources are longer than a handful of tokens; nor at all where
each step has its own label, which is tagging.

Data: generated sequences of tokens, to be reversed, and a few to be repeated
Uses: dlnotes.builders.encoder_decoder, dlnotes.decoding.teacher_forcing, dlnotes.decoding.greedy_decode, dlnotes.decoding.token_log_probabilities, dlnotes.datasets.copying
Notes: 002:466, 1467-1473, 1506; 003:130-136; 001:87
Paper: Sutskever, Vinyals and Le 2014, https://arxiv.org/abs/1409.3215; Cho et al. 2014, https://arxiv.org/abs/1406.1078
Covers: seq2seq
"""

# %%
from dlnotes import builders, cli, datasets, decoding, errors, figures
from dlnotes.report import Report
import keras
import numpy as np

SYMBOLS = 8
UNIGRAM, PLAIN, ATTENTION = "most frequent token", "one vector", "attention to all steps"
LONG, FEW = "reversing", "repeating, from few pairs"

# %% [markdown]
"""
## Two networks

Both read from both ends and write with a GRU, which begins at the reader's last states, brought to its
width. The first one gets nothing else. In the second one each step of the writer looks at all states of
the reader as well.
"""


# %%
def build(attention, units):
    """One network, compiled. The loss is the mean over what has a weight."""
    tokens = SYMBOLS + 1
    model = builders.encoder_decoder(tokens, tokens, units=units, attention=attention)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
        weighted_metrics=["accuracy"],
    )
    return model


# %% [markdown]
"""
## Training and writing are two things

While it is trained the decoder always sees the right answer so far (teacher forcing), whatever it would
have written itself: all steps at once, and every step learns from the beginning. Used, it sees what it
wrote. Both are scored here, on new sources: `accuracy` is of tokens that it wrote on its own.

The same network is a language model with a condition: it says how probable a text is, given another one.
`perplexity` is one over the probability of a token of the right answers, averaged; beside it that of
right answers under the source of another one.
"""


# %%
def train(model, data, epochs, callbacks):
    so_far, targets, weights = decoding.teacher_forcing(data.train.y)
    x = {"source": data.train.x, "target_so_far": so_far}
    options = {"batch_size": max(1, len(targets) // 24), "epochs": epochs, "verbose": 0}
    model.fit(x, targets, sample_weight=weights, callbacks=callbacks, **options)


def corrected(model, x, y):
    """The most probable tokens given the right ones before, and the perplexity of the right ones."""
    found = decoding.token_log_probabilities(model, x, y)
    _, targets, weights = decoding.teacher_forcing(y)
    of_targets = np.take_along_axis(found, targets[..., np.newaxis], axis=-1)[..., 0]
    return found.argmax(axis=-1), np.exp(-np.average(of_targets, weights=weights))


def scores(model, x, y):
    written = decoding.greedy_decode(model, x, y.shape[1]).tokens
    guessed, perplexity = corrected(model, x, y)
    real = y > 0
    return {
        "accuracy": (written == y)[real].mean(),
        "accuracy_corrected": (guessed[:, :-1] == y)[real].mean(),
        "perplexity": perplexity,
        "perplexity_other_source": corrected(model, np.roll(x, 1, axis=0), y)[1],
    }


def unigram(data):
    """What the frequencies of the training answers alone are worth."""
    shares = []
    for y in (data.train.y, data.test.y):
        _, targets, weights = decoding.teacher_forcing(y)
        counts = np.bincount(targets[weights > 0], minlength=SYMBOLS + 1)
        shares.append((counts + 1e-9) / counts.sum())
    best = 1 + shares[0][1:].argmax()
    hits = (data.test.y == best).sum() / (data.test.y > 0).sum()
    perplexity = np.exp(-(shares[1] * np.log(shares[0])).sum())
    names = ("accuracy", "accuracy_corrected"), ("perplexity", "perplexity_other_source")
    return dict.fromkeys(names[0], hits) | dict.fromkeys(names[1], perplexity)


# %% [markdown]
"""
## An encoder for another task

What reads tokens for one task can read them for another one. The second task has few pairs and half the
epochs: one network learns it from nothing, the other one begins with the embeddings and the GRU that
learned to read for reversing. What the decoder asks by (the keys of the attention, the state to begin
with) belongs to the old task and is learned anew. Between two models of the library, as between two of
any kind, this is a matter of copying the weights of some layers. (The notes mean encoders such as BERT,
files of hundreds of megabytes that this package does not carry; the step is the same.)
"""


# %%
def reuse_the_encoder(report, trained, units, epochs, samples, steps, seed):
    data = datasets.copying(samples // 6, steps // 2, symbols=SYMBOLS, seed=seed + 1)
    for variant, reused in {"from nothing": False, "encoder of the other task": True}.items():
        keras.utils.set_random_seed(seed)
        model = build("multiplicative", units)
        for name in ("source_embedding", "reading") if reused else ():
            weights = trained.get_layer("encoder").get_layer(name).get_weights()
            model.get_layer("encoder").get_layer(name).set_weights(weights)
        train(model, data, (epochs + 1) // 2, [report.watch(variant, task=FEW, seed=seed)])
        found = scores(model, *data.test)
        report.add(variant, task=FEW, seed=seed, baseline=not reused, **found)


# %% [markdown]
"""
## Two traps

`evaluate` sees the right answer so far, so its accuracy is that of a network that is corrected after each
token. And `metrics=["accuracy"]` counts the steps after the end, where a zero is always right.
"""


# %%
def show_traps(report, model, x, y):
    written = decoding.greedy_decode(model, x, y.shape[1]).tokens
    guessed, _ = corrected(model, x, y)
    _, targets, weights = decoding.teacher_forcing(y)
    report.trap(
        "Tokens that are right, one vector",
        plain=f"{(guessed == targets)[weights > 0].mean():.0%}, as `evaluate` counts",
        ours=f"{(written == y)[y > 0].mean():.0%}, written on its own",
    )
    padded = keras.metrics.sparse_categorical_accuracy(targets, np.eye(SYMBOLS + 1)[guessed * 0])
    real = np.asarray(padded)[weights > 0].mean()
    report.trap(
        "A network that writes nothing but zeros",
        plain=f"metrics=['accuracy'] says {np.mean(padded):.0%}",
        ours=f"with weights and weighted_metrics=['accuracy'] it is {real:.0%}",
    )


# %%
def draw(report, models, x, y):
    lengths = (x > 0).sum(axis=1)
    figure, axis = figures.axes(size=(7.2, 3.6))
    said = []
    for variant, model in models.items():
        hits = decoding.greedy_decode(model, x, y.shape[1]).tokens == y
        shares = {n: hits[lengths == n][:, :n].mean() for n in np.unique(lengths)}
        axis.plot(list(shares), list(shares.values()), "o-", label=variant)
        ends = (min(shares), max(shares))
        said += [f"{variant}: {shares[n]:.2f} at {n} tokens" for n in ends]
    axis.axhline(1 / SYMBOLS, color="#999999", linewidth=1, label="chance")
    axis.set(xlabel="tokens of the source", ylabel="tokens that are right", ylim=(0, 1.03))
    axis.legend(frameon=False)
    report.figure("length", figure, f"Accuracy over the length of the source. {'; '.join(said)}.")


# %%
def run(
    epochs: int = 20, samples: int = 1000, seed: int = 0, units: int = 32, steps: int = 20
) -> Report:
    """Reverses sequences through one vector and with attention, then reuses the encoder.

    Args:
        epochs: Passes over the training pairs.
        samples: Pairs to reverse in all three parts together; a sixth as many to repeat.
        seed: Seed of the data and of the weights.
        units: Width of embeddings and states.
        steps: Tokens of the longest source; the shortest one has three.
    """
    errors.check_at_least(1, epochs=epochs, units=units)
    errors.check_at_least(60, samples=samples)
    errors.check_at_least(4, steps=steps)
    data = datasets.copying(samples, steps, shortest=3, symbols=SYMBOLS, order="reverse", seed=seed)
    report = Report("seq2seq", metric="accuracy", better="higher")
    report.add(UNIGRAM, task=LONG, seed=seed, baseline=True, **unigram(data))
    models = {}
    for variant, attention in {PLAIN: None, ATTENTION: "multiplicative"}.items():
        keras.utils.set_random_seed(seed)
        model = models[variant] = build(attention, units)
        train(model, data, epochs, [report.watch(variant, task=LONG, seed=seed)])
        report.add(variant, task=LONG, seed=seed, **scores(model, *data.test))
    reuse_the_encoder(report, models[ATTENTION], units, epochs, samples, steps, seed)
    draw(report, models, *data.test)
    show_traps(report, models[PLAIN], *data.test)
    return report


# %% [markdown]
"""
## What to look at

The curve of one vector falls with the length, that of attention does not: the vector has as many numbers
for twenty tokens as for three. A wider one moves the fall, it does not stop it.

Then the distance between `accuracy` and `accuracy_corrected` in one row: what a network gets wrong
because it has to go on from its own mistakes. It is widest where the network is mediocre.

The perplexities say how much of an answer the source tells. Under a wrong source a good network is worse
than one that knows no source at all: it is sure, and wrong.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
