"""A text classifier on top of word vectors that somebody else trained."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
import numpy as np

ops = keras.ops

_POOLINGS = ("mean", "lstm", "conv")
_WINDOWS = (3, 4, 5)


def pretrained_text_classifier(
    matrix,
    classes,
    *,
    trainable=False,
    pooling="mean",
    units=64,
    dropout=0.3,
    name="pretrained_text_classifier",
):
    """Builds a text classifier whose embedding layer starts from given word vectors.

    For texts with few labels: the vectors bring what they learned from other, larger texts. Train
    it frozen first; `dlnotes.transfer.thaw` then trains the vectors too. A random matrix and
    `trainable=True` give the same network without outside knowledge.

    The vectors are weights, not part of the configuration, so the saved file is no larger than its
    weights (a `Constant` initializer would write them a second time, as text). Padded steps change
    nothing, and a text of padding alone gives finite logits. The embedding layer is called
    `"vectors"`.

    Reference: notes 002:507-510, 513, 516. Averages with a hidden layer: Iyyer et al., "Deep
    Unordered Composition Rivals Syntactic Methods for Text Classification", 2015. Convolutions
    over windows of 3, 4 and 5 words with the maximum over time: Kim, "Convolutional Neural Networks
    for Sentence Classification", 2014.

    Args:
        matrix: Array of shape `(words, dimension)`, the vector of each id, with padding in row 0,
            as `dlnotes.vectors.embedding_matrix` returns it.
        classes: Integer, number of classes.
        trainable: Boolean, whether the vectors are trained too. Defaults to `False`.
        pooling: How word vectors become one vector of the text: `"mean"` (their average and a
            hidden layer; ignores the order of words), `"lstm"` or `"conv"`. Defaults to `"mean"`.
        units: Integer, width of the hidden layer, of the LSTM, or of each of the three
            convolutions. Defaults to `64`.
        dropout: Float in [0, 1), share of values dropped before the last layer. Defaults to `0.3`.
        name: String, name of the model. Defaults to `"pretrained_text_classifier"`.

    Input shape:
        `(batch, words)`, integer ids, any number of words, `0` is padding.

    Output shape:
        `(batch, classes)`, logits.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `matrix` is not a finite table or `pooling` is unknown.

    Example:

    >>> import numpy as np
    >>> from dlnotes.builders import pretrained_text_classifier
    >>> matrix = np.random.default_rng(0).normal(size=(50, 8))
    >>> model = pretrained_text_classifier(matrix, 3, pooling="conv", units=4)
    >>> model.predict(np.array([[7, 9, 0, 0]]), verbose=0).shape
    (1, 3)
    """
    matrix = np.asarray(matrix, "float32")
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise InputError(
            f"`matrix` has shape {matrix.shape}, but must be a table of finite numbers, one row "
            "for each id."
        )
    if pooling not in _POOLINGS:
        raise InputError(f"`pooling` is {pooling!r}, but must be one of {', '.join(_POOLINGS)}.")

    inputs = keras.Input((None,), dtype="int32", name="words")
    mask = ops.not_equal(inputs, 0)
    embedding = keras.layers.Embedding(
        *matrix.shape, weights=[matrix], trainable=trainable, name="vectors"
    )
    x = embedding(inputs)
    if pooling == "lstm":
        x = keras.layers.LSTM(units)(x, mask=mask)
    elif pooling == "conv":
        x = _convolutions(x, mask, units)
    else:
        x = keras.layers.Dense(units, activation="relu")(_mean(x, mask))
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="outputs")(x), name=name)


def pretrained_text_classifier_space(hp):
    """The search space of `pretrained_text_classifier`: pooling, width, dropout, frozen or not.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `pretrained_text_classifier`.
    """
    return {
        "trainable": hp.Boolean("trainable"),
        "pooling": hp.Choice("pooling", list(_POOLINGS)),
        "units": hp.Int("units", 16, 256, step=2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
    }


def _mean(x, mask):
    """The average over the steps of the mask; zero where there are none."""
    weights = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    return ops.sum(x * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)


def _convolutions(x, mask, units):
    """The largest response of each filter over the steps of the mask.

    Responses are never negative, so the zeros of padded steps are never larger than they.
    """
    weights = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    x = x * weights
    maxima = [
        ops.max(
            keras.layers.Conv1D(units, window, padding="same", activation="relu")(x) * weights,
            axis=1,
        )
        for window in _WINDOWS
    ]
    return ops.concatenate(maxima, axis=-1)
