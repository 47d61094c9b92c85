"""LSTM layers that keep their state from batch to batch."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers import FixedBatch, StatefulLSTM, StatefulRNN


def stateful_lstm(
    batch_size,
    input_shape,
    outputs,
    *,
    units=32,
    layers=1,
    return_sequences=False,
    dropout=0.0,
    recurrent_dropout=0.0,
    mask_value=None,
    name="stateful_lstm",
):
    """Builds a stack of LSTM layers whose state goes on from one batch to the next.

    For streams that are cut into windows: row `i` of a batch must hold what comes right after row
    `i` of the batch before (`dlnotes.recurrent.stream_windows` orders windows so). Fit with
    `shuffle=False` and `dlnotes.callbacks.ResetStates`, which forgets where a new stream begins.
    The state carries what the model remembers over the edge of a window, but not the gradient:
    what no window shows, the model learns only by way of what windows do show.

    The batch size is fixed. `dlnotes.recurrent.rebatch` puts the weights behind another one, or
    makes a stateless twin. A batch of another size is refused with a plain sentence
    (`dlnotes.layers.FixedBatch`).

    Padded steps change neither output nor state: the mask is computed from the inputs and handed
    to every recurrent layer explicitly. A window may be padding throughout, for streams that end
    early. For targets per step, give the loss the mask too (`sample_weight` of shape
    `(batch, steps)`, zero on padded steps): Keras versions differ in whether they do it for you.

    The state goes on with every backend, JAX too (`dlnotes.layers.StatefulLSTM`).

    Reference: Hochreiter, Schmidhuber, "Long short-term memory", 1997; notes 001:227-239,
    002:844-858.

    Args:
        batch_size: Integer, rows of every batch: the number of streams that run side by side.
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        outputs: Integer, width of the output: number of classes, or of regression targets.
        units: Integer, width of each layer. Defaults to `32`.
        layers: Integer, number of LSTM layers. Defaults to `1`.
        return_sequences: Boolean, whether there is one output per step (`True`) or one per window
            (`False`). Defaults to `False`.
        dropout: Float in [0, 1), share of each layer's inputs dropped. Defaults to `0.0`.
        recurrent_dropout: Float in [0, 1), share of the recurrent connections dropped. Defaults to
            `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"stateful_lstm"`.

    Input shape:
        `(batch_size, steps, features)`.

    Output shape:
        `(batch_size, outputs)`, or `(batch_size, steps, outputs)` if `return_sequences`.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `batch_size` or `layers` is below 1, or `input_shape` has not two entries.

    Example:

    >>> from dlnotes.builders import stateful_lstm
    >>> model = stateful_lstm(8, (None, 3), 2, units=16)
    >>> model.output_shape
    (8, 2)
    """
    _check(batch_size, input_shape, layers)
    inputs = keras.Input(batch_shape=(batch_size, *input_shape), name="inputs")
    x = FixedBatch(name="batch_of_inputs")(inputs)
    mask = None
    if mask_value is not None:
        mask = keras.ops.any(keras.ops.not_equal(x, mask_value), axis=-1)
    for number in range(1, layers + 1):
        x = _lstm(
            units,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            plain=mask is not None or keras.config.backend() == "torch",
            return_sequences=return_sequences or number < layers,
            name=f"lstm_{number}",
        )(x, mask=mask)
    x = keras.layers.Dense(outputs, name="dense")(x)
    return keras.Model(inputs, FixedBatch(static=False, name="outputs")(x), name=name)


def _lstm(units, *, dropout, recurrent_dropout, plain, **options):
    dropouts = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    if plain:
        # The fused kernels that `LSTM` may choose refuse windows that are all padding (cuDNN) and
        # cannot train a stateful layer (PyTorch).
        return StatefulRNN(keras.layers.LSTMCell(units, **dropouts), **options)
    return StatefulLSTM(units, **dropouts, **options)


def _check(batch_size, input_shape, layers):
    check_at_least(1, batch_size=batch_size, layers=layers)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(10, 3), or (None, 3) for windows of any length. The batch size stands before it."
        )


def stateful_lstm_space(hp):
    """The search space of `stateful_lstm`: width, depth and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `stateful_lstm`.
    """
    return {
        "units": hp.Int("units", 8, 128, step=2, sampling="log"),
        "layers": hp.Int("layers", 1, 2),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
