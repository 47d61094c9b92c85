"""A bidirectional LSTM with a conditional random field on top."""

from dlnotes._keras import keras
from dlnotes.builders.bidirectional_lstm import bidirectional_lstm
from dlnotes.errors import InputError
from dlnotes.layers.crf import CRF
from dlnotes.masks import step_mask


def crf_tagger(
    input_shape,
    tags,
    *,
    units=32,
    layers=1,
    dropout=0.0,
    mask_value=None,
    name="crf_tagger",
):
    """Builds a tagger that knows which tag follows which.

    A stack of bidirectional LSTM layers scores the tags of each step, and `dlnotes.layers.CRF`
    turns the scores into probabilities of whole sequences. For tags with a grammar: spans, states
    that last. Compile it with `dlnotes.crf.CRFLoss()` and the metric `dlnotes.crf.CRFAccuracy()`;
    `dlnotes.crf.decode(model.predict(x))` gives the tags.

    Without the last layer this is `bidirectional_lstm(..., return_sequences=True)`, the network to
    compare with.

    Padded steps change nothing, wherever they stand: the mask is computed from the inputs and
    handed to every layer explicitly.

    Reference: [Huang, Xu, Yu 2015](https://arxiv.org/abs/1508.01991).

    Args:
        input_shape: Tuple `(steps, features)`; `steps` may be `None`.
        tags: Integer, number of tags, at least 2.
        units: Integer, width of each half of each LSTM layer. Defaults to `32`.
        layers: Integer, number of bidirectional layers. Defaults to `1`.
        dropout: Float in [0, 1), share of units dropped after each layer. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"crf_tagger"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, steps, tags, tags)`: log-probabilities of each tag (last axis) after each tag.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` has not two entries, `tags` is below 2 or `layers` below 1.

    Example:

    >>> from dlnotes.builders import crf_tagger
    >>> crf_tagger((None, 12), 5, units=8, mask_value=0.0).output_shape
    (None, None, 5, 5)
    """
    if tags < 2:
        raise InputError(f"`tags` is {tags}, but must be at least 2.")
    scores = bidirectional_lstm(
        input_shape,
        tags,
        units=units,
        layers=layers,
        return_sequences=True,
        dropout=dropout,
        mask_value=mask_value,
    )
    (inputs,) = scores.inputs
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    return keras.Model(inputs, CRF(name="crf")(scores.output, mask=mask), name=name)


def crf_tagger_space(hp):
    """The search space of `crf_tagger`: width, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `crf_tagger`.
    """
    return {
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
