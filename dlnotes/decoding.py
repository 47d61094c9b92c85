"""Writing sequences token by token: greedily, by beam search, by drawing; and what they score.

All of it works on models made of two models, as `dlnotes.builders.encoder_decoder` is: the layer
`"encoder"` turns the source into a dictionary, once; the layer `"decoder"` takes the `"tokens"` of
one or more steps and what it needs of that dictionary, and gives a dictionary with `"logits"`.
Whatever it gives under the name of one of its inputs is a state, which goes on into the next step.
"""

from typing import NamedTuple

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
import numpy as np


class Decoded(NamedTuple):
    """What was written, and how probable it is; unpacks as `tokens, scores = decoded`.

    Attributes:
        tokens: Integer array of shape `(rows, steps)`, for `beam_search` `(rows, width, steps)`,
            the best first; from the end of each sequence on it holds zeros.
        scores: Float array of shape `(rows,)`, for `beam_search` `(rows, width)`: the logarithm of
            the probability of the tokens and the end, given the source; for `beam_search` divided
            by the length penalty.
    """

    tokens: np.ndarray
    scores: np.ndarray


def teacher_forcing(targets, start=0, end=0):
    """Makes of the right answers what a decoder is trained with.

    At each step the decoder sees the right answer so far, whatever it would have written itself.
    The weights leave out what comes after the end: give them to `fit` as `sample_weight`, with a
    loss whose reduction is `"mean_with_sample_weight"`.

    Reference: Williams, Zipser 1989, https://doi.org/10.1162/neco.1989.1.2.270, section 3.2.

    Args:
        targets: Integer array of shape `(rows, steps)`, filled up with 0 at the end.
        start: Integer, the token that stands before every answer. Defaults to `0`.
        end: Integer, the token that ends an answer. Defaults to `0`.

    Returns:
        A tuple of three arrays of shape `(rows, steps + 1)`: the inputs, which begin with `start`;
        the targets, with `end` behind each; the weights, one up to the end and zero behind it.

    Example:

    >>> import numpy as np
    >>> from dlnotes import decoding
    >>> so_far, targets, weights = decoding.teacher_forcing(np.array([[5, 6, 0]]), start=1, end=2)
    >>> so_far, targets, weights
    (array([[1, 5, 6, 0]]), array([[5, 6, 2, 0]]), array([[1., 1., 1., 0.]], dtype=float32))
    """
    targets = np.pad(_tokens("targets", targets), ((0, 0), (0, 1)))
    lengths = (targets > 0).sum(axis=1)
    so_far = np.roll(targets, 1, axis=1)
    so_far[:, 0] = start
    targets[np.arange(len(targets)), lengths] = end
    weights = np.arange(targets.shape[1]) <= lengths[:, np.newaxis]
    return so_far, targets, weights.astype("float32")


def greedy_decode(model, source, steps, *, start=0, end=0, batch_size=256):
    """Writes the most probable token at each step, until the end.

    Fast, and not the most probable sequence: a token that cannot be continued well is never taken
    back. `beam_search` looks further.

    Args:
        model: A `keras.Model` with an encoder and a decoder, such as
            `dlnotes.builders.encoder_decoder`.
        source: Integer array of shape `(rows, source steps)`, or whatever the encoder takes.
        steps: Integer, the most tokens of an answer. Those without an end by then end there.
        start: Integer, the token that the decoder begins with. Defaults to `0`.
        end: Integer, the token that ends an answer. Defaults to `0`.
        batch_size: Integer, rows that are worked on at once. Defaults to `256`.

    Returns:
        A `Decoded`.

    Raises:
        InputError: If the model has no encoder and decoder, or a number is too small.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, decoding
    >>> model = builders.encoder_decoder(9, 9, units=4)
    >>> tokens, scores = decoding.greedy_decode(model, np.array([[3, 1, 2], [5, 0, 0]]), steps=4)
    >>> tokens.shape, scores.shape
    ((2, 4), (2,))
    """
    return _one_by_one(model, source, steps, start, end, batch_size, _most_probable)


def sample_decode(
    model, source, steps, *, temperature=1.0, seed=None, start=0, end=0, batch_size=256
):
    """Draws each token with the probability that the model gives it.

    Args:
        model: As for `greedy_decode`.
        source: As for `greedy_decode`.
        steps: As for `greedy_decode`.
        temperature: Float above 0, by which the logits are divided before drawing: below one the
            probable tokens become more so. The scores are those of the model itself. Defaults to
            `1.0`.
        seed: Integer; `None` for another result in each call. Defaults to `None`.
        start: As for `greedy_decode`.
        end: As for `greedy_decode`.
        batch_size: As for `greedy_decode`.

    Returns:
        A `Decoded`.

    Raises:
        InputError: If the model has no encoder and decoder, or a number is too small.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, decoding
    >>> model, source = builders.encoder_decoder(9, 9, units=4), np.array([[3, 1, 2]])
    >>> once, again = (decoding.sample_decode(model, source, 4, seed=0).tokens for _ in range(2))
    >>> bool((once == again).all())
    True
    """
    if temperature <= 0:
        raise InputError(
            f"`temperature` is {temperature}, but must be above 0; for the most probable token at "
            "each step use `greedy_decode`."
        )
    random = np.random.default_rng(seed)

    def drawn(log_probabilities):
        noise = random.gumbel(size=log_probabilities.shape)
        return np.argmax(log_probabilities / temperature + noise, axis=-1)

    return _one_by_one(model, source, steps, start, end, batch_size, drawn)


def beam_search(
    model, source, steps, width=4, length_penalty=0.0, *, start=0, end=0, batch_size=256
):
    """Looks for the most probable sequences, of which it keeps the best few at each step.

    A sequence that has ended keeps its place as long as it is among the best. Width 1 is greedy
    decoding; a width of all possible sequences finds the best one. Between the two a greater width
    mostly finds better ones, but need not.

    The probability of a sequence falls with every token, so the most probable one is often too
    short. Sequences are therefore compared by `log P / ((5 + length) / 6) ** length_penalty`, where
    the end counts as a token.

    Reference: Sutskever, Vinyals, Le 2014, https://arxiv.org/abs/1409.3215, section 3.2; the
    penalty: Wu et al. 2016, https://arxiv.org/abs/1609.08144, equation 14, without coverage; notes
    002:1558.

    Args:
        model: As for `greedy_decode`.
        source: As for `greedy_decode`.
        steps: As for `greedy_decode`.
        width: Integer, sequences kept for each row. Defaults to `4`.
        length_penalty: Float, at least 0: what the length is raised to. 0 compares probabilities;
            Wu et al. use 0.6 to 0.7. Defaults to `0.0`.
        start: As for `greedy_decode`.
        end: As for `greedy_decode`.
        batch_size: Integer, rows that are worked on at once, each with its `width` sequences.
            Defaults to `256`.

    Returns:
        A `Decoded`, best sequence first. Where there are fewer possible sequences than `width`, the
        places behind them have the score `-inf`.

    Raises:
        InputError: If the model has no encoder and decoder, or a number is too small.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, decoding
    >>> model, source = builders.encoder_decoder(9, 9, units=4), np.array([[3, 1, 2]])
    >>> tokens, scores = decoding.beam_search(model, source, steps=4, width=3)
    >>> tokens.shape, scores.shape, bool((np.diff(scores) <= 0).all())
    ((1, 3, 4), (1, 3), True)
    """
    check_at_least(1, steps=steps, width=width)
    check_at_least(0, length_penalty=length_penalty)
    return _in_batches(
        lambda rows: _beams(_Run(model, rows, start), steps, width, length_penalty, end),
        source,
        batch_size,
    )


def token_log_probabilities(model, source, targets, *, start=0, batch_size=256):
    """The logarithms of the probabilities of every token at every step of given answers.

    The decoder sees the right answer so far, as in training.

    Args:
        model: As for `greedy_decode`.
        source: As for `greedy_decode`.
        targets: Integer array of shape `(rows, steps)`, filled up with 0 at the end.
        start: As for `greedy_decode`.
        batch_size: As for `greedy_decode`.

    Returns:
        Float array of shape `(rows, steps + 1, tokens)`, the last step being that behind the
        longest answer.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, decoding
    >>> model, source = builders.encoder_decoder(9, 9, units=4), np.array([[3, 1, 2]])
    >>> found = decoding.token_log_probabilities(model, source, np.array([[5, 6]]))
    >>> found.shape, bool(np.allclose(np.exp(found).sum(axis=-1), 1))
    ((1, 3, 9), True)
    """
    so_far, _, _ = teacher_forcing(targets, start)
    return _log_softmax(_forced(model, source, so_far, batch_size)["logits"])


def log_probability(model, source, targets, *, start=0, end=0, batch_size=256):
    """The logarithm of the probability of given answers, with their end, given the sources.

    What `greedy_decode` and `beam_search` report of what they write; and a language model's
    judgement of any other text.

    Reference: Sutskever, Vinyals, Le 2014, https://arxiv.org/abs/1409.3215, equation 1; notes
    003:130-134.

    Args:
        model: As for `greedy_decode`.
        source: As for `greedy_decode`.
        targets: Integer array of shape `(rows, steps)`, filled up with 0 at the end.
        start: As for `greedy_decode`.
        end: As for `greedy_decode`.
        batch_size: As for `greedy_decode`.

    Returns:
        Float array of shape `(rows,)`.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, decoding
    >>> model, source = builders.encoder_decoder(9, 9, units=4), np.array([[3, 1, 2]])
    >>> tokens, scores = decoding.greedy_decode(model, source, steps=4)
    >>> again = decoding.log_probability(model, source, tokens)
    >>> bool(np.allclose(again, scores, atol=1e-5))
    True
    """
    found = token_log_probabilities(model, source, targets, start=start, batch_size=batch_size)
    _, targets, weights = teacher_forcing(targets, start, end)
    found = np.take_along_axis(found, targets[..., np.newaxis], axis=-1)
    return (found[..., 0] * weights).sum(axis=1)


def attention_weights(model, source, targets, *, start=0, batch_size=256):
    """What the decoder looks at while it writes given answers.

    Args:
        model: As for `greedy_decode`, with attention: its decoder gives `"weights"`.
        source: As for `greedy_decode`.
        targets: Integer array of shape `(rows, steps)`, filled up with 0 at the end.
        start: As for `greedy_decode`.
        batch_size: As for `greedy_decode`.

    Returns:
        Float array of shape `(rows, steps + 1, source steps)`: a row of weights for each token, the
        last one for the end of the longest answer.

    Raises:
        InputError: If the model has no attention.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, decoding
    >>> model, source = builders.encoder_decoder(9, 9, units=4), np.array([[3, 1, 2, 0]])
    >>> weights = decoding.attention_weights(model, source, np.array([[2, 1, 3]]))
    >>> weights.shape, weights[..., 3].max()
    ((1, 4, 4), np.float32(0.0))
    """
    so_far, _, _ = teacher_forcing(targets, start)
    given = _forced(model, source, so_far, batch_size)
    if "weights" not in given:
        raise InputError(f"`model` {model.name!r} has no attention: its decoder gives no weights.")
    return given["weights"]


class _Run:
    """A decoder on its way: what was encoded, the states, the tokens that come next."""

    def __init__(self, model, source, start):
        encoder, self.decoder = _halves(model)
        encoded = encoder.predict_on_batch(source)
        rows = len(keras.tree.flatten(encoded)[0])
        names = [name for name in self.decoder.input if name != "tokens"]
        self.given = {name: keras.ops.convert_to_tensor(encoded[name]) for name in names}
        self.states = [name for name in names if name in self.decoder.output]
        self.tokens = np.full(rows, start, "int32")

    def log_probabilities(self):
        """Goes on by one step."""
        tokens = keras.ops.convert_to_tensor(self.tokens[:, np.newaxis])
        results = self.decoder.predict_on_batch({"tokens": tokens} | self.given)
        self.given |= {name: keras.ops.convert_to_tensor(results[name]) for name in self.states}
        return _log_softmax(results["logits"][:, -1])

    def take(self, rows, names=None):
        """Goes on with these rows, in this order."""
        for name in names or self.given:
            self.given[name] = keras.ops.take(self.given[name], rows, axis=0)


def _one_by_one(model, source, steps, start, end, batch_size, choose):
    check_at_least(1, steps=steps)

    def decode(rows):
        run = _Run(model, rows, start)
        written = np.zeros((len(run.tokens), steps + 1), "int32")
        scores = np.zeros(len(written))
        going = np.ones(len(written), bool)
        for step in range(steps + 1):
            found = run.log_probabilities()
            run.tokens = choose(found).astype("int32") if step < steps else run.tokens * 0 + end
            scores += going * np.take_along_axis(found, run.tokens[:, np.newaxis], axis=1)[:, 0]
            going &= run.tokens != end
            written[:, step] = run.tokens * going
            if not going.any():
                break
        return Decoded(written[:, :steps], scores)

    return _in_batches(decode, source, batch_size)


def _most_probable(log_probabilities):
    return np.argmax(log_probabilities, axis=-1)


def _beams(run, steps, width, length_penalty, end):
    rows = len(run.tokens)
    written = np.zeros((rows, width, steps + 1), "int32")
    total = np.full((rows, width), -np.inf)
    total[:, 0] = 0
    lengths = np.ones((rows, width))
    going = np.ones((rows, width), bool)
    run.take(np.repeat(np.arange(rows), width))
    run.tokens = np.repeat(run.tokens, width)
    first = width * np.arange(rows)[:, np.newaxis]
    for step in range(steps + 1):
        found = run.log_probabilities().reshape(rows, width, -1)
        if step == steps:
            found[..., np.arange(found.shape[-1]) != end] = -np.inf
        found[~going] = -np.inf
        found[~going, end] = 0
        candidates = total[..., np.newaxis] + found
        penalised = candidates / _penalty(lengths, length_penalty)[..., np.newaxis]
        chosen = _best(penalised.reshape(rows, -1), width)
        parents, tokens = np.divmod(chosen, found.shape[-1])
        total = np.take_along_axis(candidates.reshape(rows, -1), chosen, axis=1)
        written, lengths, going = (
            np.take_along_axis(values, parents.reshape(parents.shape + (1,) * (values.ndim - 2)), 1)
            for values in (written, lengths, going)
        )
        going &= tokens != end
        written[:, :, step] = tokens * going
        lengths += going
        if not going.any():
            break
        run.take((first + parents).ravel(), run.states)
        run.tokens = tokens.astype("int32").ravel()
    return Decoded(written[..., :steps], total / _penalty(lengths, length_penalty))


def _penalty(lengths, power):
    return ((5 + lengths) / 6) ** power


def _best(scores, count):
    """Indices of the largest scores of each row, the largest first, the first of equal ones."""
    chosen = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _forced(model, source, so_far, batch_size):
    """What the decoder gives for answers that are known."""
    encoder, decoder = _halves(model)
    encoded = encoder.predict(source, batch_size=batch_size, verbose=0)
    given = {name: encoded[name] for name in decoder.input if name != "tokens"}
    return decoder.predict({"tokens": so_far} | given, batch_size=batch_size, verbose=0)


def _in_batches(decode, source, batch_size):
    check_at_least(1, batch_size=batch_size)
    rows = len(keras.tree.flatten(source)[0])
    parts = [
        decode(keras.tree.map_structure(lambda array, i=i: array[i : i + batch_size], source))
        for i in range(0, rows, batch_size)
    ]
    return Decoded(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _halves(model):
    names = [layer.name for layer in model.layers]
    if not {"encoder", "decoder"} <= set(names):
        raise InputError(
            f"`model` {model.name!r} has no layers 'encoder' and 'decoder', but "
            f"{', '.join(map(repr, names))}: expected a model such as "
            "`dlnotes.builders.encoder_decoder`."
        )
    return model.get_layer("encoder"), model.get_layer("decoder")


def _log_softmax(logits):
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def _tokens(name, values):
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise InputError(
            f"`{name}` has shape {values.shape} and type {values.dtype}, but must be integers of "
            "shape (rows, steps), filled up with 0 at the end."
        )
    return values
