"""Monte Carlo dropout: sampling a model's predictions with its dropout on, and scoring them.

`mc_predict` samples any Keras model that has dropout. The scores take NumPy arrays and serve any
other model just as well. In all of them the first argument is the truth, as in Keras and
scikit-learn.
"""

import dataclasses
import operator
import random

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
import numpy as np


@dataclasses.dataclass(frozen=True)
class MonteCarloPrediction:
    """What `mc_predict` returns. Every field has the structure of the model's outputs.

    Attributes:
        mean: Array of shape `(rows, ...)`, the mean over the passes.
        std: Array of shape `(rows, ...)`, the standard deviation over the passes.
        samples: Array of shape `(passes, rows, ...)`, or `None` if they were not asked for.
    """

    mean: object
    std: object
    samples: object = None


def mc_predict(
    model,
    x,
    passes=100,
    batch_size=512,
    seed=None,
    return_samples=False,
    *,
    activation=None,
    shared_mask=False,
):
    """Predicts many times with the dropout on, and returns the mean and the spread.

    The spread tells how unsure the model is of its weights (epistemic uncertainty). It does not
    contain the noise of the data: for the interval of a regression add its variance,
    `std ** 2 + 1 / precision`, with the precision from `fit_precision`.

    Only dropout is random: `Dropout`, `SpatialDropout1D` to `3D`, `GaussianDropout`,
    `AlphaDropout`, the `dropout` and `recurrent_dropout` of recurrent layers and the dropout of
    attention, at any depth inside wrappers and nested models. Batch normalisation, augmentation and
    `GaussianNoise` stay at inference. The model is left as it was: no weight, statistic, seed or
    recurrent state changes. A layer of your own counts as dropout if its class derives from one of
    those of Keras.

    Neither `model.predict` nor `model(x, training=True)` does this. `predict` switches dropout off
    even where the layer was called with `training=True` when the model was built, and
    `model(x, training=True)` also trains the statistics of batch normalisation.

    In a functional or sequential model, what no dropout reaches is computed once, not in every
    pass, nested models included. A layer of your own counts as random too if it holds a
    `keras.random.SeedGenerator`. On TensorFlow and JAX the passes run compiled, and the next call
    with the same model compiles nothing: it sees new weights, and a layer whose rate or any other
    plain attribute has changed is noticed. On a processor the masks of plain `Dropout` come from a
    faster generator than those of the backend.

    Reference: Gal and Ghahramani 2016, https://arxiv.org/abs/1506.02142, equations 6 and 7; notes
        001:75-107, 002:640-678.

    Args:
        model: A built `keras.Model` with dropout, compiled or not.
        x: Array, or list or dictionary of arrays, as for `model.predict`.
        passes: Integer, number of samples for each row. Defaults to `100`.
        batch_size: Integer, the most rows in one compiled call: it bounds the memory, whatever the
            number of passes. A stateful model is called with its own batch size. Defaults to `512`.
        seed: Integer of at least 0: the same seed, passes and batch size draw the same samples,
            also if the layers carry seeds of their own. Defaults to `None`: different ones in each
            call.
        return_samples: Boolean, whether to keep all samples. Defaults to `False`.
        activation: Name or function of an activation applied to each sample before it is averaged,
            such as `"softmax"` for a model with logits: the mean of probabilities is what a
            classifier predicts, the mean of logits is not. With several outputs, one for all of
            them or a structure like the outputs'. Defaults to `None`.
        shared_mask: Boolean, whether one mask serves all rows of a pass, so that each pass is one
            smooth function of `x`. By default every row draws its own. The rows are then called one
            by one, which is slower for many rows. Defaults to `False`.

    Returns:
        A `MonteCarloPrediction` with `mean`, `std` and `samples`.

    Raises:
        InputError: If the model has no dropout or is not built, or `x` does not fit.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, uncertainty
    >>> model = builders.mlp((4,), 2, units=8, dropout=0.5)
    >>> prediction = uncertainty.mc_predict(model, np.ones((3, 4)), passes=10, seed=0)
    >>> prediction.mean.shape, bool((prediction.std > 0).all())
    ((3, 2), True)
    """
    from dlnotes._sampling import sampler_of

    check_at_least(1, passes=passes, batch_size=batch_size)
    if seed is None:
        seed = random.randrange(2**31)
    check_at_least(0, seed=seed)
    sampler = sampler_of(model, activation)
    x, rows = _arrays(x)
    if _is_stateful(model):
        _check_stateful(model, rows, shared_mask)
        block, chunk = rows, 1
    else:
        block = 1 if shared_mask else _even_share(rows, batch_size)
        chunk = _even_share(passes, batch_size // block)

    blocks = []
    for start in range(0, rows, block):
        chosen = np.arange(start, start + block) % rows
        begun = sampler.begin(keras.tree.map_structure(operator.itemgetter(chosen), x))
        stream = 0 if shared_mask else start
        blocks.append(_sample(sampler, begun, (seed, stream), passes, chunk, return_samples))
    return MonteCarloPrediction(
        mean=_joined(blocks, rows, "mean"),
        std=_joined(blocks, rows, "std"),
        samples=_joined(blocks, rows, "samples", axis=1) if return_samples else None,
    )


def _arrays(x):
    x = keras.tree.map_structure(np.asarray, x)
    arrays = keras.tree.flatten(x)
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise InputError("`x` must be an array, or a list or dictionary of arrays.")
    lengths = sorted({len(array) for array in arrays})
    if len(lengths) > 1 or lengths[0] == 0:
        raise InputError(f"`x` holds arrays of {lengths} rows, but needs the same number, not 0.")
    return x, lengths[0]


def _is_stateful(model):
    return any(getattr(layer, "stateful", False) for layer in model._flatten_layers())


def _check_stateful(model, rows, shared_mask):
    if shared_mask:
        raise InputError("`shared_mask=True` needs a model that is not stateful.")
    expected = model.inputs[0].shape[0]
    if rows != expected:
        raise InputError(
            f"`x` has {rows} rows, but the stateful model {model.name!r} takes exactly {expected}: "
            "one for each of its states."
        )


def _even_share(total, most):
    """Splits `total` into as few parts as possible of at most `most`, all of one size."""
    parts = -(-total // most)
    return -(-total // parts)


def _sample(sampler, begun, key, passes, chunk, keep):
    """Samples one block of rows, `chunk` passes in a call."""
    if not keep:
        return MonteCarloPrediction(*sampler.moments(begun, key, passes, chunk))
    samples = sampler.samples(begun, key, passes, chunk)
    return MonteCarloPrediction(
        mean=keras.tree.map_structure(_mean, samples),
        std=keras.tree.map_structure(_std, samples),
        samples=samples,
    )


def _mean(samples):
    return samples.mean(axis=0, dtype="float64").astype("float32")


def _std(samples):
    return samples.std(axis=0, dtype="float64").astype("float32")


def _joined(blocks, rows, field, axis=0):
    def join(*parts):
        joined = np.concatenate(parts, axis)
        return joined.take(range(rows), axis) if joined.shape[axis] > rows else joined

    return keras.tree.map_structure(join, *[getattr(block, field) for block in blocks])


def predictive_entropy(probabilities):
    """Entropy of predicted probabilities: how unsure a prediction is, for whatever reason.

    Give it the mean over the passes. Part of it is the noise of the data, the rest
    (`mutual_information`) is what the model does not know.

    Reference: Gal 2016, Uncertainty in Deep Learning, section 3.3.1.

    Args:
        probabilities: Array of shape `(..., classes)`, such as the mean of `mc_predict` with
            `activation="softmax"`.

    Returns:
        Array of shape `(...)`, in nats: from 0 to the logarithm of the number of classes.

    Raises:
        InputError: If the values are no probabilities.

    Example:

    >>> from dlnotes import uncertainty
    >>> uncertainty.predictive_entropy([[0.5, 0.5], [1.0, 0.0]]).round(3)
    array([0.693, 0.   ])
    """
    from scipy.special import entr

    return entr(_probabilities(probabilities)).sum(axis=-1)


def mutual_information(samples):
    """How far the passes disagree: what more data of this kind would teach the model.

    It is the entropy of the mean minus the mean of the entropies. It is high where each pass is
    sure of something else, and 0 where all passes give the same probabilities, however even.

    Reference: Gal 2016, Uncertainty in Deep Learning, section 3.3.1; Houlsby et al. 2011,
        https://arxiv.org/abs/1112.5745, equation 2.

    Args:
        samples: Array of shape `(passes, ..., classes)` of probabilities, such as the samples of
            `mc_predict` with `activation="softmax"`.

    Returns:
        Array of shape `(...)`, in nats.

    Raises:
        InputError: If the values are no probabilities.

    Example:

    >>> from dlnotes import uncertainty
    >>> disagreeing, agreeing = [[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.5, 0.5]], [[0.5, 0.5]]]
    >>> uncertainty.mutual_information(disagreeing).round(3)
    array([0.693])
    >>> uncertainty.mutual_information(agreeing).round(3)
    array([0.])
    """
    samples = np.asarray(samples, "float64")
    expected = predictive_entropy(samples).mean(axis=0)
    return np.maximum(predictive_entropy(samples.mean(axis=0)) - expected, 0)


def negative_log_likelihood(labels, probabilities, epsilon=1e-7):
    """Mean negative logarithm of the probability given to what came true.

    Args:
        labels: Integer array of shape `(rows,)`.
        probabilities: Array of shape `(rows, classes)`.
        epsilon: Float, the least probability counted: one certain mistake would otherwise make the
            score infinite, which `0` allows. Defaults to `1e-7`, as in the losses of Keras.

    Returns:
        Float, in nats. Lower is better.

    Raises:
        InputError: If shapes do not fit, or the values are no probabilities.

    Example:

    >>> from dlnotes import uncertainty
    >>> uncertainty.negative_log_likelihood([0, 1], [[1.0, 0.0], [0.5, 0.5]]).round(3)
    np.float64(0.347)
    """
    labels, probabilities = _labelled(labels, probabilities)
    given = probabilities[np.arange(len(labels)), labels]
    with np.errstate(divide="ignore"):
        return -np.log(np.maximum(given, epsilon)).mean()


def brier(labels, probabilities):
    """Brier score: squared distance between the probabilities and what came true.

    Reference: Brier 1950, https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2,
        equation 2: summed over all classes, so it lies between 0 and 2.

    Args:
        labels: Integer array of shape `(rows,)`.
        probabilities: Array of shape `(rows, classes)`.

    Returns:
        Float, the mean over the rows. Lower is better.

    Raises:
        InputError: If shapes do not fit, or the values are no probabilities.

    Example:

    >>> from dlnotes import uncertainty
    >>> uncertainty.brier([0, 1], [[1.0, 0.0], [0.5, 0.5]])
    np.float64(0.25)
    """
    labels, probabilities = _labelled(labels, probabilities)
    truth = np.eye(probabilities.shape[1])[labels]
    return np.square(probabilities - truth).sum(axis=1).mean()


def expected_calibration_error(labels, probabilities, bins=10):
    """Mean distance between confidence and accuracy: 0 if 80 % sure means 80 % right.

    The rows are binned by their confidence, which is the highest probability of a row. It rewards
    honest probabilities, not good ones: read it beside the accuracy.

    Reference: Guo et al. 2017, https://arxiv.org/abs/1706.04599, equations 2 and 3.

    Args:
        labels: Integer array of shape `(rows,)`.
        probabilities: Array of shape `(rows, classes)`.
        bins: Integer, number of equally wide bins, closed on the right. Defaults to `10`.

    Returns:
        Float between 0 and 1. Lower is better.

    Raises:
        InputError: If shapes do not fit, or the values are no probabilities.

    Example:

    >>> from dlnotes import uncertainty
    >>> uncertainty.expected_calibration_error([0, 1], [[0.75, 0.25], [0.75, 0.25]])
    np.float64(0.25)
    """
    check_at_least(1, bins=bins)
    labels, probabilities = _labelled(labels, probabilities)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    gaps = np.bincount(np.digitize(confidence, inner_edges, right=True), right - confidence)
    return np.abs(gaps).sum() / len(labels)


def classification_scores(labels, probabilities):
    """The scores of predicted probabilities that belong side by side.

    Args:
        labels: Integer array of shape `(rows,)`.
        probabilities: Array of shape `(rows, classes)`.

    Returns:
        Dictionary of floats: `nll` (`negative_log_likelihood`), `accuracy`, `ece`
        (`expected_calibration_error`) and `brier`.

    Raises:
        InputError: If shapes do not fit, or the values are no probabilities.

    Example:

    >>> from dlnotes import uncertainty
    >>> scores = uncertainty.classification_scores([0, 1], [[1.0, 0.0], [0.5, 0.5]])
    >>> {name: round(score, 3) for name, score in scores.items()}
    {'nll': 0.347, 'accuracy': 0.5, 'ece': 0.25, 'brier': 0.25}
    """
    labels, probabilities = _labelled(labels, probabilities)
    scores = {
        "nll": negative_log_likelihood(labels, probabilities),
        "accuracy": np.mean(probabilities.argmax(axis=1) == labels),
        "ece": expected_calibration_error(labels, probabilities),
        "brier": brier(labels, probabilities),
    }
    return {name: float(score) for name, score in scores.items()}


def gaussian_negative_log_likelihood(targets, samples, precision):
    """Mean negative log density of targets under a mixture of Gaussians, one for each pass.

    Each pass says `Normal(sample, 1 / precision)`; the prediction is the mean of these densities.
    With one sample it is the plain Gaussian likelihood of a network without dropout.

    Reference: Gal and Ghahramani 2016, https://arxiv.org/abs/1506.02142, equation 8 (given there
        for one output; here for any number of independent ones).

    Args:
        targets: Array of shape `(rows,)` or `(rows, outputs)`.
        samples: Array of shape `(passes, rows)` or `(passes, rows, outputs)`, such as the samples
            of `mc_predict`.
        precision: Float, one over the variance of the noise, as `fit_precision` finds it.

    Returns:
        Float, in nats. Lower is better.

    Raises:
        InputError: If shapes do not fit, or the precision is not above 0.

    Example:

    >>> from dlnotes import uncertainty
    >>> uncertainty.gaussian_negative_log_likelihood([0.0], [[0.0], [1.0]], precision=1.0).round(3)
    np.float64(1.138)
    """
    if not precision > 0:
        raise InputError(f"`precision` is {precision}, but must be above 0.")
    distances, outputs = _squared_distances(targets, samples)
    return _mixture_score(distances, outputs, precision)


def regression_scores(targets, samples, precision):
    """The scores of sampled predictions that belong side by side.

    Args:
        targets: Array of shape `(rows,)` or `(rows, outputs)`.
        samples: Array of shape `(passes, rows)` or `(passes, rows, outputs)`.
        precision: Float, one over the variance of the noise, as `fit_precision` finds it.

    Returns:
        Dictionary of floats: `nll` (`gaussian_negative_log_likelihood`) and `rmse`, the root mean
        squared error of the mean over the passes.

    Raises:
        InputError: If shapes do not fit, or the precision is not above 0.

    Example:

    >>> from dlnotes import uncertainty
    >>> scores = uncertainty.regression_scores([0.0], [[0.0], [1.0]], precision=1.0)
    >>> {name: round(score, 3) for name, score in scores.items()}
    {'nll': 1.138, 'rmse': 0.5}
    """
    nll = gaussian_negative_log_likelihood(targets, samples, precision)
    distances, outputs = _squared_distances(targets, np.mean(samples, axis=0, keepdims=True))
    return {"nll": float(nll), "rmse": float(np.sqrt(distances.mean() / outputs))}


def fit_precision(targets, samples):
    """Finds the precision of the noise that makes targets most likely.

    Fit it on validation data: on training data it comes out too high.

    Where the derivative of the likelihood vanishes, the noise variance is a weighted mean of the
    squared errors of the passes. So it lies between the mean over the rows of the least and the
    mean of the largest of them, and only this interval is searched.

    Reference: Gal and Ghahramani 2016, https://arxiv.org/abs/1506.02142, section 4.2: a search on
        validation data.

    Args:
        targets: Array of shape `(rows,)` or `(rows, outputs)`.
        samples: Array of shape `(passes, rows)` or `(passes, rows, outputs)`.

    Returns:
        Float, one over the variance of the noise.

    Raises:
        InputError: If shapes do not fit, or no target differs from its samples.

    Example:

    >>> from dlnotes import uncertainty
    >>> uncertainty.fit_precision([0.0, 0.0], [[0.5, -0.5]])
    4.0
    """
    from scipy.optimize import minimize_scalar

    distances, outputs = _squared_distances(targets, samples)
    most = distances.max(axis=0).mean() / outputs
    if most == 0:
        raise InputError(
            "`targets` equal their samples everywhere, so the noise is 0 and its precision "
            "infinite. Give validation targets, not predictions."
        )
    least = max(distances.min(axis=0).mean() / outputs, most * 1e-12)

    def score(log_precision):
        return _mixture_score(distances, outputs, np.exp(log_precision))

    grid = np.linspace(-np.log(most), -np.log(least), 64)
    best = int(np.argmin([score(point) for point in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(score, bounds=bounds, method="bounded").x
    return float(np.exp(min(found, grid[best], key=score)))


def _squared_distances(targets, samples):
    """Squared errors of each pass and row, summed over the outputs, and the number of outputs."""
    targets, samples = np.asarray(targets, "float64"), np.asarray(samples, "float64")
    if samples.ndim < 2 or targets.ndim < 1 or samples.shape[1] != len(targets) or not samples.size:
        raise InputError(
            f"`samples` has shape {samples.shape}, but must have axes (passes, rows, outputs) and "
            f"as many rows as `targets`, of shape {targets.shape}."
        )
    targets = targets.reshape(len(targets), -1)
    samples = samples.reshape(*samples.shape[:2], -1)
    if targets.shape[1] != samples.shape[2]:
        raise InputError(
            f"`targets` has {targets.shape[1]} outputs for each row, `samples` has "
            f"{samples.shape[2]}: they must be equal."
        )
    return np.square(samples - targets).sum(axis=-1), targets.shape[1]


def _mixture_score(distances, outputs, precision):
    from scipy.special import logsumexp

    passes = len(distances)
    log_density = logsumexp(-0.5 * precision * distances, axis=0) - np.log(passes)
    return -(log_density + 0.5 * outputs * np.log(precision / (2 * np.pi))).mean()


def _probabilities(values):
    values = np.asarray(values, "float64")
    fitting = values.ndim and values.size and np.allclose(values.sum(axis=-1), 1, atol=1e-3)
    if not fitting or values.min() < 0:
        raise InputError(
            f"The values, of shape {values.shape}, are no probabilities: they must be at least 0 "
            "and sum to 1 along the last axis. Logits need a softmax first, as in "
            '`mc_predict(..., activation="softmax")`.'
        )
    return values


def _labelled(labels, probabilities):
    labels, probabilities = np.asarray(labels), _probabilities(probabilities)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise InputError(
            f"`labels` of shape {labels.shape} and `probabilities` of shape {probabilities.shape} "
            "do not fit: they must be (rows,) and (rows, classes)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"`labels` has type {labels.dtype}, but must hold integers.")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"`labels` go from {labels.min()} to {labels.max()}, but `probabilities` has columns "
            f"for 0 to {classes - 1}."
        )
    return labels, probabilities
