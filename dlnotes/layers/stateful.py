"""Recurrent layers whose state goes on from batch to batch on every backend."""

from dlnotes._keras import keras


class _StateAmongVariables:
    """Lists the states of a recurrent layer in `variables`, where every trainer looks for them."""

    def __init__(self, *arguments, stateful=True, **keywords):
        super().__init__(*arguments, stateful=stateful, **keywords)

    @property
    def variables(self):
        return [*super().variables, *keras.tree.flatten(self.states or [])]


@keras.saving.register_keras_serializable(package="dlnotes")
class StatefulRNN(_StateAmongVariables, keras.layers.RNN):
    """`keras.layers.RNN` that keeps its state from batch to batch, on the JAX backend too.

    Keras hides the states of `stateful=True` from the model. TensorFlow changes them all the same;
    on JAX, where `fit`, `evaluate` and `predict` hand over what the model lists, they stay zero
    without a word, and every batch begins anew. This layer and its siblings `StatefulLSTM`,
    `StatefulGRU` and `StatefulSimpleRNN` list their states in `variables`, next to the seeds of
    dropout layers. They are no weights: `get_weights`, `count_params` and saved files hold as much
    as with Keras's layers, and a loaded model starts at zero.

    `dlnotes.recurrent.rebatch` puts these layers in the place of Keras's own on JAX, so that
    `rebatch(model, batch_size)` also mends a whole model.

    Args:
        cell: A cell, such as `keras.layers.LSTMCell(8)`, or a list of cells.
        stateful: Boolean. Defaults to `True`.
        **kwargs: Arguments of `keras.layers.RNN`.

    Input shape:
        `(batch, time, features)`, with a fixed batch size.

    Output shape:
        `(batch, units)`, or `(batch, time, units)` with `return_sequences=True`.

    Example:

    >>> import keras, numpy
    >>> from dlnotes.layers import StatefulRNN
    >>> inputs = keras.Input(batch_shape=(2, None, 3))
    >>> model = keras.Model(inputs, StatefulRNN(keras.layers.GRUCell(4))(inputs))
    >>> x = numpy.ones((2, 5, 3))
    >>> first, second = (model.predict(x, batch_size=2, verbose=0) for _ in range(2))
    >>> bool(numpy.any(first != second))
    True
    """


@keras.saving.register_keras_serializable(package="dlnotes")
class StatefulLSTM(_StateAmongVariables, keras.layers.LSTM):
    """`keras.layers.LSTM` that keeps its state from batch to batch; see `StatefulRNN`.

    Args:
        units: Integer, width of output and state.
        stateful: Boolean. Defaults to `True`.
        **kwargs: Arguments of `keras.layers.LSTM`.

    Example:

    >>> import keras
    >>> from dlnotes.layers import StatefulLSTM
    >>> lstm = StatefulLSTM(4)
    >>> _ = lstm(keras.Input(batch_shape=(2, None, 3)))
    >>> len(lstm.weights), len(lstm.variables)
    (3, 6)
    """


@keras.saving.register_keras_serializable(package="dlnotes")
class StatefulGRU(_StateAmongVariables, keras.layers.GRU):
    """`keras.layers.GRU` that keeps its state from batch to batch; see `StatefulRNN`.

    Args:
        units: Integer, width of output and state.
        stateful: Boolean. Defaults to `True`.
        **kwargs: Arguments of `keras.layers.GRU`.
    """


@keras.saving.register_keras_serializable(package="dlnotes")
class StatefulSimpleRNN(_StateAmongVariables, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` that keeps its state from batch to batch; see `StatefulRNN`.

    Args:
        units: Integer, width of output and state.
        stateful: Boolean. Defaults to `True`.
        **kwargs: Arguments of `keras.layers.SimpleRNN`.
    """
