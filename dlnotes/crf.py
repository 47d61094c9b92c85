"""The linear-chain conditional random field: tags that depend on the tag before."""

from dlnotes._keras import keras
from dlnotes.errors import InputError

ops = keras.ops


def conditionals(potentials, transitions, start=None, end=None, mask=None):
    """The chain: how likely each tag is after each tag, given the whole input.

    A linear-chain CRF gives a sequence of tags the probability `exp(score) / Z`, where `Z` sums
    over all sequences. Seen from left to right it is a Markov chain: the tag of a step depends on
    the tag before and on the inputs, and on nothing else. This function computes that chain by one
    recursion from the end. Whatever else is wanted follows from it without the scores: the
    likelihood of tags (`log_likelihood`), the best tags (`decode`), the probability of each tag
    (`marginals`). `dlnotes.layers.CRF` returns it, so that a model is trained by `compile` and
    `fit` with `CRFLoss`.

    Padding may stand before, after or between the real steps: each unbroken run of real steps is a
    sequence of its own. On padded steps the chain is zero, and so are loss and gradient there.

    Computed in float64 if the potentials are, in float32 otherwise.

    Reference:

    - [Lafferty, McCallum, Pereira 2001](https://dl.acm.org/doi/10.5555/645530.655813)
    - Rabiner, "A tutorial on hidden Markov models", 1989, equations (24) and (25), on a log scale
    - [Collobert et al. 2011](https://jmlr.org/papers/v12/collobert11a.html), "Sentence-level
      log-likelihood"

    Args:
        potentials: Tensor of shape `(batch, steps, tags)`, the scores of the tags of each step.
        transitions: Tensor of shape `(tags, tags)`, the scores of going from the first tag to the
            second.
        start: Tensor of shape `(tags,)`, the scores of the first tag. Defaults to `None`: zeros.
        end: Tensor of shape `(tags,)`, the scores of the last tag. Defaults to `None`: zeros.
        mask: Boolean tensor of shape `(batch, steps)`, true for real steps. Defaults to `None`:
            all are real.

    Returns:
        Tensor of shape `(batch, steps, tags, tags)`: the log-probability of the last axis' tag
        where the tag before is that of the axis before; at the first step of a sequence the same
        for any tag before.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> chain = crf.conditionals(np.zeros((1, 3, 2)), np.log([[3.0, 1.0], [1.0, 1.0]]))
    >>> np.exp(chain[0, 1]).round(2).tolist()  # 12 and 2 of 14, 4 and 2 of 6
    [[0.86, 0.14], [0.67, 0.33]]
    """
    scores, real = _scores(potentials, transitions, start, end, mask)

    def back(after, score):
        before = ops.logsumexp(score + after[:, None, :], axis=-1)
        # only differences count, and large numbers would lose digits; where a sequence begins, and
        # on padded steps, there are none
        before = before - ops.max(before, axis=-1, keepdims=True)
        return before, after

    nothing = ops.zeros_like(scores[:, 0, 0])
    _, afterwards = ops.scan(back, nothing, _time_first(scores), reverse=True)
    chain = ops.log_softmax(scores + _time_first(afterwards)[:, :, None, :], axis=-1)
    return ops.where(real[:, :, None, None], chain, ops.zeros_like(chain))


def log_partition(potentials, transitions, start=None, end=None, mask=None):
    """The logarithm of the sum of `exp(score)` over all sequences of tags.

    Reference: Collobert et al. 2011, "Sentence-level log-likelihood"; here from the backward
    recursion: the log-probability of any one sequence is its score minus this number.

    Args:
        potentials: See `conditionals`, as the other arguments.
        transitions: Tensor of shape `(tags, tags)`.
        start: Tensor of shape `(tags,)`.
        end: Tensor of shape `(tags,)`.
        mask: Boolean tensor of shape `(batch, steps)`.

    Returns:
        Tensor of shape `(batch,)`.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> total = crf.log_partition(np.zeros((1, 3, 2)), np.zeros((2, 2)))
    >>> float(np.exp(total[0]).round(3))  # as many as there are sequences of three tags
    8.0
    """
    facts = transitions, start, end, mask
    tags = ops.zeros(ops.shape(potentials)[:2], "int32")
    score_of_one = score(potentials, tags, *facts)
    return score_of_one - log_likelihood(conditionals(potentials, *facts), tags)


def score(potentials, tags, transitions, start=None, end=None, mask=None):
    """The score of one sequence of tags: the logarithm of its probability, but for a constant.

    Args:
        potentials: Tensor of shape `(batch, steps, tags)`.
        tags: Integer tensor of shape `(batch, steps)`, the sequence.
        transitions: Tensor of shape `(tags, tags)`; see `conditionals`, as for the others.
        start: Tensor of shape `(tags,)`.
        end: Tensor of shape `(tags,)`.
        mask: Boolean tensor of shape `(batch, steps)`.

    Returns:
        Tensor of shape `(batch,)`.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> potentials, transitions = [[[1.0, 0.0], [0.0, 2.0]]], [[0.0, 5.0], [0.0, 0.0]]
    >>> np.asarray(crf.score(np.array(potentials), [[0, 1]], np.array(transitions))).tolist()
    [8.0]
    """
    scores, _ = _scores(potentials, transitions, start, end, mask)
    along, _ = _along(scores, tags)
    return ops.sum(along, axis=1)


def log_likelihood(chain, tags):
    """The log-probability of a sequence of tags.

    Args:
        chain: Tensor of shape `(batch, steps, tags, tags)`, what `conditionals`, the layer or
            `predict` returned.
        tags: Integer tensor of shape `(batch, steps)`; on padded steps anything.

    Returns:
        Tensor of shape `(batch,)`; NaN where a tag does not exist.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> chain = crf.conditionals(np.zeros((1, 3, 2)), np.zeros((2, 2)))
    >>> np.exp(crf.log_likelihood(chain, [[0, 1, 1]])).round(3).tolist()
    [0.125]
    """
    return ops.sum(_log_probabilities(chain, tags), axis=1)


def decode(chain):
    """The most likely sequence of tags, by the recursion of Viterbi.

    Not the same as the most likely tag of every step, which is what `marginals` would give: that
    sequence may contain transitions that never occur.

    Reference: Rabiner 1989, equations (32) to (35), on a log scale.

    Args:
        chain: Tensor of shape `(batch, steps, tags, tags)`, what `conditionals`, the layer or
            `predict` returned.

    Returns:
        Integer tensor of shape `(batch, steps)`, zero on padded steps.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> potentials = np.array([[[2.0, 0.0], [0.0, 1.5]]])
    >>> transitions = np.array([[0.0, -9.0], [0.0, 0.0]])
    >>> np.asarray(crf.decode(crf.conditionals(potentials, transitions))).tolist()
    [[0, 0]]
    """
    chain = ops.convert_to_tensor(chain)
    steps = _time_first(chain)

    def forward(best, step):
        best = ops.max(best[:, :, None] + step, axis=1)
        return best, best

    def backward(tag, step):
        into = ops.take_along_axis(step, tag[:, None, None], axis=2)[:, :, 0]
        tag = ops.cast(ops.argmax(into, axis=-1), "int32")
        return tag, tag

    nothing = ops.zeros_like(chain[:, 0, 0])
    _, bests = ops.scan(forward, nothing, steps)
    following = ops.concatenate([steps[1:], ops.zeros_like(steps[:1])])
    last = ops.zeros_like(chain[:, 0, 0, 0], dtype="int32")
    _, tags = ops.scan(backward, last, bests[..., None] + following, reverse=True)
    return ops.transpose(tags)


def marginals(chain):
    """The probability of each tag at each step, given the whole input.

    Reference: Rabiner 1989, equation (27); here by following the chain forwards.

    Args:
        chain: Tensor of shape `(batch, steps, tags, tags)`, what `conditionals`, the layer or
            `predict` returned.

    Returns:
        Tensor of shape `(batch, steps, tags)` whose last axis sums to one; on padded steps all tags
        are alike.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> chain = crf.conditionals(np.zeros((1, 2, 2)), np.log([[3.0, 1.0], [1.0, 1.0]]))
    >>> np.asarray(crf.marginals(chain)).round(3).tolist()  # 4 and 2, then 4 and 2 of six
    [[[0.667, 0.333], [0.667, 0.333]]]
    """
    chain = ops.convert_to_tensor(chain)

    def forward(before, step):
        tags = ops.sum(before[:, :, None] * ops.exp(step), axis=1)
        tags = tags / ops.sum(tags, axis=-1, keepdims=True)
        return tags, tags

    even = ops.ones_like(chain[:, 0, 0]) / chain.shape[-1]
    return _time_first(ops.scan(forward, even, _time_first(chain))[1])


@keras.saving.register_keras_serializable(package="dlnotes")
class CRFLoss(keras.losses.Loss):
    """Minus the log-probability of the tags, for a model that ends in `dlnotes.layers.CRF`.

    Each step adds minus the log-probability of its tag after the tag before; summed over a sequence
    that is the loss of a CRF. The default is the mean over all real steps of the batch, comparable
    with the cross-entropy of a softmax on each step. Padded steps count nothing, whatever their
    targets hold, with sample weights and without. A target that does not exist gives NaN.

    Weights may be given for sequences or for steps. The tag of a step that weighs nothing still is
    the tag before the next one.

    Reference: Lafferty, McCallum, Pereira 2001.

    Args:
        reduction: String, as of every Keras loss. Defaults to `"mean_with_sample_weight"`.
        name: String. Defaults to `"crf_loss"`.

    Call arguments:
        y_true: Integers of shape `(batch, steps)`, the tags.
        y_pred: Tensor of shape `(batch, steps, tags, tags)`, the layer's output.
        sample_weight: Array of shape `(batch, steps)` or `(batch,)`. Optional.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes import crf, datasets, layers, masks
    >>> x, y = datasets.tag_next(samples=20, steps=5).train
    >>> inputs = keras.Input((None, 6))
    >>> scores = keras.layers.Dense(3)(inputs)
    >>> model = keras.Model(inputs, layers.CRF()(scores, mask=masks.step_mask(inputs)))
    >>> model.compile("adam", crf.CRFLoss(), metrics=[crf.CRFAccuracy()])
    >>> history = model.fit(x, y, verbose=0)
    >>> np.asarray(crf.decode(model.predict(x, verbose=0))).shape
    (12, 5)
    """

    def __init__(self, reduction="mean_with_sample_weight", name="crf_loss"):
        super().__init__(name, reduction)

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, _weights(y_pred, sample_weight))

    def call(self, y_true, y_pred):
        return -_log_probabilities(y_pred, y_true)


@keras.saving.register_keras_serializable(package="dlnotes")
class CRFAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of the real steps whose tag in the most likely sequence is right.

    Padded steps do not count, with sample weights and without.

    Args:
        name: String. Defaults to `"accuracy"`.
        dtype: As of every Keras metric.

    Example:

    >>> import numpy as np
    >>> from dlnotes import crf
    >>> chain = crf.conditionals(np.array([[[2.0, 0.0], [0.0, 2.0]]]), np.zeros((2, 2)))
    >>> metric = crf.CRFAccuracy()
    >>> float(metric(np.array([[0, 0]]), chain))
    0.5
    """

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(_hits, name, dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(y_true, y_pred, _weights(y_pred, sample_weight))

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _weights(chain, sample_weight):
    """The weight of each step: that of its sequence or its own, zero on padded steps."""
    chain = ops.convert_to_tensor(chain)
    weights = ops.cast(~_padded(chain), chain.dtype)
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, chain.dtype)
    if len(sample_weight.shape) == 1:
        sample_weight = sample_weight[:, None]
    return weights * sample_weight


def _hits(y_true, y_pred):
    y_true = ops.reshape(y_true, ops.shape(y_pred)[:2])
    return ops.cast(ops.equal(ops.cast(y_true, "int32"), decode(y_pred)), "float32")


def _scores(potentials, transitions, start, end, mask):
    """What a step adds to the score, by the tag before and its tag; and which steps are real.

    The start is part of the first step of each run of real steps, the end of its last one. Padded
    steps add nothing.
    """
    potentials = ops.convert_to_tensor(potentials)
    kind = keras.backend.standardize_dtype(potentials.dtype)
    kind = "float64" if kind == "float64" else "float32"
    potentials = ops.cast(potentials, kind)
    tags = potentials.shape[-1]
    _check(potentials, transitions, start, end)
    transitions, start, end = (
        ops.cast(ops.zeros(shape) if value is None else value, kind)
        for value, shape in ((transitions, (tags, tags)), (start, (tags,)), (end, (tags,)))
    )
    if mask is None:
        real = ops.ones_like(potentials[:, :, 0], dtype="bool")
    else:
        real = ops.cast(mask, "bool")
    none = ops.zeros_like(real[:, :1])
    first = real & ~ops.concatenate([none, real[:, :-1]], axis=1)
    last = real & ~ops.concatenate([real[:, 1:], none], axis=1)
    potentials = ops.where(real[:, :, None], potentials, ops.zeros_like(potentials))
    potentials = potentials + ops.cast(last, kind)[:, :, None] * end
    entry = ops.where(first[:, :, None, None], start, transitions)
    entry = ops.where(real[:, :, None, None], entry, ops.zeros_like(entry))
    return entry + potentials[:, :, None, :], real


def _check(potentials, transitions, start, end):
    tags = potentials.shape[-1]
    if len(potentials.shape) != 3:
        raise InputError(
            f"`potentials` has shape {tuple(potentials.shape)}, but must be (batch, steps, tags)."
        )
    facts = {"transitions": (transitions, (tags, tags)), "start": (start, (tags,))}
    for name, (value, shape) in (facts | {"end": (end, (tags,))}).items():
        if value is not None and tuple(ops.shape(value)) != shape:
            raise InputError(
                f"`{name}` has shape {tuple(ops.shape(value))}, but must be {shape}: `potentials` "
                f"has {tags} tags."
            )


def _log_probabilities(chain, tags):
    """The log-probability of each step's tag after the tag before, zero on padded steps."""
    chain = ops.convert_to_tensor(chain)
    along, exists = _along(chain, tags)
    return ops.where(exists | _padded(chain), along, ops.full_like(along, float("nan")))


def _padded(chain):
    """Where a step is padded: the logarithms of probabilities that sum to one are not all zero."""
    return ops.all(ops.equal(chain[:, :, 0], 0), axis=-1)


def _along(edges, tags):
    """The entries of an array (batch, steps, tags, tags) along a sequence of tags.

    And whether the tags exist; those that do not are taken for the nearest one that does.
    """
    batch, steps, _, kinds = ops.shape(edges)
    tags = ops.reshape(ops.cast(tags, "int32"), (batch, steps))
    near = ops.clip(tags, 0, kinds - 1)
    before = ops.concatenate([ops.zeros_like(near[:, :1]), near[:, :-1]], axis=1)
    flat = ops.reshape(edges, (batch, steps, kinds * kinds))
    along = ops.take_along_axis(flat, (before * kinds + near)[:, :, None], axis=2)[:, :, 0]
    return along, ops.equal(near, tags)


def _time_first(tensor):
    return ops.swapaxes(tensor, 0, 1)
