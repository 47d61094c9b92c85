"""An LSTM with dropout on any of its arrows, drawn once for a sequence or at every step."""

from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.masks import step_mask


def dropout_lstm(
    input_shape,
    outputs,
    *,
    units=32,
    dropout=0.2,
    recurrent_dropout=0.2,
    output_dropout=0.2,
    same_mask_every_step=True,
    return_sequences=False,
    mask_value=None,
    name="dropout_lstm",
):
    """Builds an LSTM layer whose inputs, states and outputs are dropped, and a head.

    For little data, where a recurrent network learns its sequences by heart. Three kinds of arrows
    can be cut, each with its own rate: from the inputs to the gates (`dropout`), from the state of
    one step to the gates of the next one (`recurrent_dropout`), and from the states to the head
    (`output_dropout`). The memory of the LSTM is never cut.

    `same_mask_every_step=True` draws one mask for a sequence and keeps it at all of its steps, for
    inputs, states and outputs alike: the dropout of Gal and Ghahramani. Keras has it inside the
    layer; a `Dropout` layer after it draws anew at each step, so here it gets a `noise_shape`.
    `False` puts `Dropout` layers in front of the LSTM and after it, which draw a new mask at each
    step: the dropout of Zaremba et al. The mask of the states is one for a sequence either way.

    With few features use `False`, or `dropout=0`: with a single feature, one mask for a sequence
    drops the whole sequence or nothing of it.

    The mask of padded steps is computed from the inputs as they come, before anything is dropped,
    and handed to the LSTM explicitly.

    Reference: Gal, Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", 2016, equation 7; Zaremba, Sutskever, Vinyals, "Recurrent neural network
    regularization", 2014, section 3.2; notes 002:371-375, 002:409-415.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, number of classes, or of regression targets.
        units: Integer, width of the LSTM. Defaults to `32`.
        dropout: Float in [0, 1), share of the inputs that is dropped. Defaults to `0.2`.
        recurrent_dropout: Float in [0, 1), share of the state that is dropped on its way to the
            gates of the next step. Defaults to `0.2`.
        output_dropout: Float in [0, 1), share of the states that is dropped on their way to the
            head. Defaults to `0.2`.
        same_mask_every_step: Boolean, whether inputs and outputs keep one mask for all steps of a
            sequence (`True`) or get a new one at each step (`False`). Defaults to `True`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per sequence
            (`False`). Defaults to `False`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"dropout_lstm"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, outputs)`, or `(batch, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If a rate is outside of [0, 1) or `input_shape` has not two entries.

    Example:

    >>> from dlnotes.builders import dropout_lstm
    >>> model = dropout_lstm((None, 12), 9, units=16, recurrent_dropout=0.3, mask_value=0.0)
    >>> model.output_shape
    (None, 9)
    """
    _check(
        input_shape,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        output_dropout=output_dropout,
    )
    x = inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    if dropout and not same_mask_every_step:
        x = keras.layers.Dropout(dropout, name="input_dropout")(x)
    x = keras.layers.LSTM(
        units,
        dropout=dropout if same_mask_every_step else 0.0,
        recurrent_dropout=recurrent_dropout,
        return_sequences=return_sequences,
        name="lstm",
    )(x, mask=mask)
    if output_dropout:
        shared = same_mask_every_step and return_sequences
        noise_shape = (None, 1, None) if shared else None
        x = keras.layers.Dropout(output_dropout, noise_shape, name="output_dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="outputs")(x), name=name)


def _check(input_shape, **rates):
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(12, 100), or (None, 100) for sequences of any length."
        )
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise InputError(
                f"`{name}` is {rate}, but must be a share from 0 (nothing is dropped) to below 1."
            )


def dropout_lstm_space(hp):
    """The search space of `dropout_lstm`: width, the three rates and how often masks are drawn.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `dropout_lstm`.
    """
    return {
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
        "recurrent_dropout": hp.Float("recurrent_dropout", 0.0, 0.6, step=0.1),
        "output_dropout": hp.Float("output_dropout", 0.0, 0.6, step=0.1),
        "same_mask_every_step": hp.Boolean("same_mask_every_step", default=True),
    }
