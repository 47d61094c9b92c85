"""A network for documents that looks for sentences, and for words within them."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.layers import AttentionPooling, TimeFold
import numpy as np

ops = keras.ops


def hierarchical_attention(
    matrix,
    classes,
    *,
    input_shape=(None, None),
    trainable=False,
    units=32,
    dropout=0.0,
    name="hierarchical_attention",
):
    """Builds the hierarchical attention network: words to sentences, sentences to a document.

    Every sentence is read by a bidirectional GRU of its own, and attention makes one vector of its
    words; the sentences are then read in the same way. The layers of the lower level are the same
    for all sentences. From any word to the answer the way is short, and both weights can be looked
    at: those of the words in each sentence, `model.get_layer("sentences").output[1]`, and those of
    the sentences, `model.get_layer("sentence_attention").output[1]`.

    Both lengths may be unknown. Padded words and padded sentences change nothing: both masks are
    computed from the ids and passed explicitly. A document of padding alone gives finite logits.

    The embedding layer, which starts from `matrix`, is called `"vectors"` and is inside of the
    model of a sentence, `model.get_layer("sentences").layer`. A random matrix and `trainable=True`
    give the same network without outside knowledge.

    Reference: [Yang et al. 2016](https://aclanthology.org/N16-1174), section 2.2, equations 1 to
    11; notes 002:1460, 1464, 1475, 1479-1481.

    Args:
        matrix: Array of shape `(words, dimension)`, the vector of each id, with padding in row 0,
            as `dlnotes.vectors.embedding_matrix` returns it.
        classes: Integer, number of classes.
        input_shape: Tuple of two integers, sentences and words of a sentence, or `None`: any
            number. Defaults to `(None, None)`.
        trainable: Boolean, whether the vectors are trained too. Defaults to `False`.
        units: Integer, width of each GRU in each direction. Defaults to `32`.
        dropout: Float in [0, 1), share of the document's vector dropped. Defaults to `0.0`.
        name: String, name of the model. Defaults to `"hierarchical_attention"`.

    Input shape:
        `(batch, sentences, words)`, integer ids, `0` is padding.

    Output shape:
        `(batch, classes)`, logits.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `matrix` is not a finite table, or `input_shape` has not two entries.

    Example:

    >>> import numpy as np
    >>> from dlnotes.builders import hierarchical_attention
    >>> matrix = np.random.default_rng(0).normal(size=(50, 8))
    >>> model = hierarchical_attention(matrix, 3, units=4)
    >>> document = [[[7, 9, 4], [8, 0, 0], [0, 0, 0]]]
    >>> model.predict(np.array(document), verbose=0).shape
    (1, 3)
    """
    matrix = np.asarray(matrix, "float32")
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise InputError(
            f"`matrix` has shape {matrix.shape}, but must be a table of finite numbers, one row "
            "for each id."
        )
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (sentences, words), such as "
            "(6, 20), or (None, None) for any number of both."
        )
    documents = keras.Input(input_shape, dtype="int32", name="documents")
    real = ops.any(ops.not_equal(documents, 0), axis=-1)
    sentence = TimeFold(_sentence(matrix, input_shape[1], trainable, units), name="sentences")
    x, _ = sentence(documents)
    x, _ = _read(x, real, units, "sentence")
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(documents, keras.layers.Dense(classes, name="outputs")(x), name=name)


def _sentence(matrix, words, trainable, units):
    """The model of one sentence: its vector, and the weights of its words."""
    inputs = keras.Input((words,), dtype="int32", name="words")
    embedding = keras.layers.Embedding(
        *matrix.shape, weights=[matrix], trainable=trainable, name="vectors"
    )
    outputs = _read(embedding(inputs), ops.not_equal(inputs, 0), units, "word")
    return keras.Model(inputs, outputs, name="sentence")


def _read(x, mask, units, level):
    """One level: a bidirectional GRU and attention to what it made of the real steps."""
    # The fused kernels of a GPU refuse rows that are masked throughout, as padded sentences are:
    # the GRU reads their first step, and the attention passes it over.
    first = ops.cumsum(ops.ones_like(mask, "int32"), axis=1) == 1
    gru = keras.layers.GRU(units, return_sequences=True)
    x = keras.layers.Bidirectional(gru, name=f"{level}_gru")(x, mask=ops.logical_or(mask, first))
    attention = AttentionPooling(name=f"{level}_attention")
    return attention(x, mask=mask, return_attention_scores=True)


def hierarchical_attention_space(hp):
    """The search space of `hierarchical_attention`: width, dropout, vectors frozen or not.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `hierarchical_attention`.
    """
    return {
        "trainable": hp.Boolean("trainable"),
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
