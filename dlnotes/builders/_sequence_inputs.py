from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.masks import step_mask


def sequence_inputs(input_shape, vocabulary, units):
    """The input of a network that reads features or tokens, its mask, and vectors of one width."""
    if len(input_shape) != (2 if vocabulary is None else 1):
        expected = (
            "(steps, features), such as (64, 9); for tokens say how many there are: `vocabulary`"
            if vocabulary is None
            else "(steps,), such as (12,), because `vocabulary` says that the inputs are tokens"
        )
        raise InputError(f"`input_shape` is {tuple(input_shape)}, but must be {expected}.")
    if vocabulary is None:
        inputs = keras.Input(input_shape, name="inputs")
        return inputs, step_mask(inputs), keras.layers.Dense(units, name="features")(inputs)
    inputs = keras.Input(input_shape, dtype="int32", name="inputs")
    scale = keras.initializers.RandomNormal(stddev=units**-0.5)
    x = keras.layers.Embedding(vocabulary, units, scale, name="tokens")(inputs)
    x = keras.layers.Rescaling(units**0.5, name="scale")(x)
    return inputs, keras.ops.not_equal(inputs, 0), x
