"""An encoder that puts a sequence into one vector, and a decoder that takes it out again."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.masks import step_mask


def sequence_autoencoder(
    input_shape,
    *,
    code=16,
    units=64,
    attention=False,
    reverse=True,
    dropout=0.0,
    mask_value=None,
    name="sequence_autoencoder",
):
    """Builds an LSTM autoencoder: a sequence is read into one vector and written from it.

    For sequences without labels. What it learns is the vector, the code: for a classifier with few
    labels, for search, for a map. And the error of what is written tells sequences apart that are
    unlike those it was trained on.

    The decoder gets the code at every step and nothing else, so that all there is to know has to go
    through it. With `reverse` it writes the last step first, which it has to remember for the
    shortest time; the outputs are in the order of the inputs all the same. With `attention` the
    decoder also looks at the states of the encoder. That writes better, but there is then a way
    around the code, which may remain empty.

    Train it with its inputs as targets, and with padding with
    `sample_weight=dlnotes.masks.step_weights(x)`. Padded steps change neither code nor outputs. The
    encoder is `keras.Model(model.input, model.get_layer("code").output)`.

    Reference: Srivastava, Mansimov, Salakhutdinov, "Unsupervised learning of video representations
    using LSTMs", 2015, section 2.2; the attention: Bahdanau, Cho, Bengio, "Neural machine
    translation by jointly learning to align and translate", 2015; notes 001:295-297, 002:554,
    925-928.

    Args:
        input_shape: Tuple of two integers, steps and features. The steps may be `None`: any length.
        code: Integer, width of the code. Defaults to `16`.
        units: Integer, width of the LSTM layers of encoder and decoder. Defaults to `64`.
        attention: Boolean, whether the decoder looks at the states of the encoder. Defaults to
            `False`.
        reverse: Boolean, whether the last step is written first. Defaults to `True`.
        dropout: Float in [0, 1), share of the code that is dropped in training. Defaults to `0.0`.
        mask_value: Float, a step whose features all have this value is padding; `None` where
            nothing is padded. Defaults to `None`.
        name: String, name of the model. Defaults to `"sequence_autoencoder"`.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        The same.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `input_shape` has not two entries, or a width is below 1.

    Example:

    >>> import keras
    >>> from dlnotes.builders import sequence_autoencoder
    >>> model = sequence_autoencoder((None, 12), code=8, mask_value=0.0)
    >>> model.output_shape
    (None, None, 12)
    >>> encoder = keras.Model(model.input, model.get_layer("code").output)
    >>> encoder.output_shape
    (None, 8)
    """
    check_at_least(1, code=code, units=units)
    if len(input_shape) != 2:
        raise InputError(
            f"`input_shape` is {tuple(input_shape)}, but must be (steps, features), such as "
            "(29, 12), or (None, 12) for sequences of any length."
        )
    inputs = keras.Input(input_shape, name="inputs")
    mask = None if mask_value is None else step_mask(inputs, mask_value)
    encoder = keras.layers.LSTM(
        units, return_sequences=attention, return_state=attention, name="encoder"
    )
    read = encoder(inputs, mask=mask)
    states, last = read[:2] if attention else (None, read)
    written = keras.layers.Dense(code, name="code")(last)
    if dropout:
        written = keras.layers.Dropout(dropout)(written)
    places = keras.ops.zeros_like(inputs[:, :, :1])
    repeated = keras.ops.add(places, keras.ops.expand_dims(written, 1))
    decoder = keras.layers.LSTM(
        units,
        return_sequences=True,
        go_backwards=reverse,
        zero_output_for_mask=True,
        name="decoder",
    )
    x = decoder(repeated, mask=mask)
    if reverse:
        x = keras.ops.flip(x, axis=1)
    if attention:
        look = keras.layers.AdditiveAttention(name="attention")
        masks = None if mask is None else [mask, mask]
        x = keras.layers.Concatenate()([x, look([x, states], mask=masks)])
    return keras.Model(inputs, keras.layers.Dense(input_shape[1], name="outputs")(x), name=name)


def sequence_autoencoder_space(hp):
    """The search space of `sequence_autoencoder`: width, direction and dropout.

    The width of the code is no matter of the error: the wider the better. It is for you to choose.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `sequence_autoencoder`.
    """
    return {
        "units": hp.Int("units", 16, 256, step=2, sampling="log"),
        "reverse": hp.Boolean("reverse", True),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
