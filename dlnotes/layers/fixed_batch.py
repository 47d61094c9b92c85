"""A layer that refuses batches of another size than the model was built for."""

from dlnotes._keras import keras
from dlnotes.errors import InputError

EXPECTED = (
    "but this stateful model takes batches of size {size} only. Pass `batch_size={size}` to fit, "
    "evaluate and predict, with a number of rows that {size} divides "
    "(dlnotes.recurrent.whole_batches), or give the weights another batch size "
    "(dlnotes.recurrent.rebatch)."
)


@keras.saving.register_keras_serializable(package="dlnotes")
class FixedBatch(keras.layers.Layer):
    """Passes its input on unchanged, and refuses batches of another size than it was built with.

    A stateful recurrent layer keeps one state for each row of its batch. Keras 3.15 on TensorFlow
    stretches a last batch of a single row over all of these states without a word: 5 rows in
    batches of 2 come back as 6 predictions. Put this layer right after the `Input` of a stateful
    model, and `fit`, `evaluate` and `predict` say instead what came and what was expected. In
    `fit` on TensorFlow a loss that is compiled for the fixed number of rows can fail first, with a
    message about shapes: put the layer on the output too, with `static=False`. On JAX an exception
    in `evaluate` or `predict`, this one too, leaves a model without its weights: Keras takes them
    out while a batch runs. Load the model again.

    The batch size is the one of the input that the layer is built on, so it follows
    `dlnotes.recurrent.rebatch`. Built on an input of any batch size (`None`), the layer lets
    everything pass.

    Args:
        static: Boolean, whether the layers that follow may rely on the number of rows when
            TensorFlow compiles them. Defaults to `True`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Input shape:
        `(batch, ...)`.

    Output shape:
        The same.

    Raises:
        InputError: If a batch has another number of rows. Where TensorFlow knows the number only
            while the graph runs, it is a `tensorflow.errors.InvalidArgumentError` with the same
            sentence.

    Example:

    >>> import keras, numpy
    >>> from dlnotes.layers import FixedBatch
    >>> inputs = keras.Input(batch_shape=(2, None, 3))
    >>> x = FixedBatch()(inputs)
    >>> x = keras.layers.LSTM(4, stateful=True)(x)
    >>> model = keras.Model(inputs, FixedBatch(static=False)(x))
    >>> model(numpy.zeros((2, 5, 3))).shape
    TensorShape([2, 4])
    """

    def __init__(self, static=True, **kwargs):
        super().__init__(**kwargs)
        self.static = static
        self.supports_masking = True
        self.supports_jit = False  # XLA drops assertions.

    def build(self, input_shape):
        self.batch_size = input_shape[0]

    def call(self, inputs):
        self._check(inputs.shape[0])
        if self.batch_size is None or not _in_tensorflow_graph():
            return inputs
        return _check_in_graph(inputs, self.batch_size) if self.static else _forget_rows(inputs)

    def compute_output_spec(self, inputs):
        self._check(inputs.shape[0])
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self):
        return super().get_config() | {"static": self.static}

    def _check(self, rows):
        if None not in (rows, self.batch_size) and rows != self.batch_size:
            raise InputError(_sentence(rows, self.batch_size))


def _sentence(rows, batch_size):
    return f"A batch of size {rows} came, {EXPECTED.format(size=batch_size)}"


def _in_tensorflow_graph():
    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.executing_eagerly()


def _check_in_graph(inputs, batch_size):
    """Asserts the number of rows while the graph runs.

    The result has as many rows as expected even where the batch has not, so that nothing else can
    fail before the assertion does.
    """
    import tensorflow as tf

    rows = tf.shape(inputs)[0]
    sentence = tf.strings.format(_sentence("{}", batch_size), rows)
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(rows, batch_size), [sentence])]):
        return tf.gather(inputs, tf.minimum(tf.range(batch_size), rows - 1))


def _forget_rows(inputs):
    """Passes a tensor on without its static batch size."""
    import tensorflow as tf

    shape = [None, *inputs.shape[1:]]
    return tf.raw_ops.PlaceholderWithDefault(input=inputs, shape=shape)
