"""State of recurrent models: forget it, change the batch size, feed windows in order."""

import itertools

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
import numpy as np

CARRIES_ITS_STATE = {
    name: {
        "module": "dlnotes.layers.stateful",
        "class_name": f"Stateful{name}",
        "registered_name": f"dlnotes>Stateful{name}",
    }
    for name in ("RNN", "LSTM", "GRU", "SimpleRNN")
}


def reset_states(model, rows=None):
    """Sets the state of every stateful recurrent layer back to zero, for all rows or for some.

    Keras 3 has no reset on the model, although its documentation speaks of one. This function
    reaches the layers inside `Bidirectional`, `TimeDistributed`, `TimeFold`, other layers and
    nested models. With `rows` the other rows keep their state, for streams that end at different
    times.

    Reference: notes 001:237, 002:856.

    Args:
        model: A `keras.Model`, or a layer.
        rows: Integer or sequence of integers, the rows of the batch to reset, counted from 0.
            Defaults to `None`: all of them.

    Raises:
        InputError: If nothing in the model is stateful, or a row is outside the batch.

    Example:

    >>> import keras, numpy
    >>> from dlnotes.recurrent import reset_states
    >>> inputs = keras.Input(batch_shape=(2, None, 3))
    >>> lstm = keras.layers.LSTM(4, stateful=True)
    >>> model = keras.Model(inputs, lstm(inputs))
    >>> _ = model(numpy.ones((2, 5, 3)))
    >>> reset_states(model, rows=1)
    >>> numpy.any(lstm.states[0], axis=1)
    array([ True, False])
    """
    layers = stateful_layers(model)
    if not layers:
        raise InputError(
            f"`model` ({model.name!r}) has no state to reset: none of its layers is recurrent with "
            "`stateful=True`. Build it so, for example with dlnotes.builders.stateful_lstm."
        )
    states = [state for layer in layers for state in keras.tree.flatten(layer.states or [])]
    forget = None if rows is None else _chosen_rows(rows, {state.shape[0] for state in states})
    for state in states:
        value = keras.ops.zeros_like(state)
        if forget is not None:
            chosen = forget.reshape(-1, *[1] * (len(state.shape) - 1))
            value = keras.ops.where(chosen, value, state)
        state.assign(value)


def stateful_layers(model):
    """The recurrent layers of a model that keep their state from batch to batch.

    Args:
        model: A `keras.Model`, or a layer.

    Returns:
        List of layers, empty for a stateless model.

    Example:

    >>> import keras
    >>> from dlnotes.recurrent import stateful_layers
    >>> inputs = keras.Input(batch_shape=(2, None, 3))
    >>> lstm = keras.layers.LSTM(4, stateful=True)
    >>> stateful_layers(keras.Model(inputs, lstm(inputs))) == [lstm]
    True
    """
    return [
        layer
        for layer in model._flatten_layers()
        if getattr(layer, "stateful", False) and hasattr(layer, "states")
    ]


def _chosen_rows(rows, batch_sizes):
    """A boolean for each row of the batch: whether it is one of `rows`."""
    if len(batch_sizes) != 1:
        raise InputError(
            f"`rows` cannot be told apart: the layers keep states of {_listed(batch_sizes)} rows. "
            "Reset all rows, or one layer at a time."
        )
    (batch_size,) = batch_sizes
    rows = np.atleast_1d(rows)
    wrong = [row for row in rows.tolist() if row not in range(batch_size)]
    if wrong:
        raise InputError(
            f"`rows` names row {wrong[0]}, but the state has {batch_size} rows: give whole numbers "
            f"from 0 to {batch_size - 1}."
        )
    return np.isin(np.arange(batch_size), rows)


def rebatch(model, batch_size, stateful=None):
    """Builds the same model with the same weights for another batch size, stateful or not.

    A stateful model is tied to its batch size. Train it on many rows at once, then forecast a
    single stream with `rebatch(model, 1)`; train without state on shuffled windows, then predict
    window after window with `rebatch(model, 1, stateful=True)`; or serve any batch size with
    `rebatch(model, None, stateful=False)`.

    The weights are **copied**: training one model leaves the other as it is. The new model is not
    compiled and its state is zero. The given model is not changed, nor is its state.

    On the JAX backend the new model keeps its state with `dlnotes.layers.StatefulLSTM` and its
    siblings in the place of Keras's layers.

    Reference: notes 001:265, 002:131-133, 002:886.

    Args:
        model: A functional or sequential `keras.Model`, with nested models and wrappers as it
            likes.
        batch_size: Integer, rows of a batch; or `None` for any number, if nothing is stateful.
        stateful: Boolean. `True` makes every recurrent layer stateful, except those inside a
            wrapper such as `TimeDistributed` (they see single steps of the stream); `False` makes
            none. Defaults to `None`: each as it is.

    Returns:
        A `keras.Model` of the same class.

    Raises:
        InputError: If the model is neither functional nor sequential, the batch size does not fit
            to `stateful`, the model itself mixes the rows of its batch, or `check_states` refuses
            the new model.

    Example:

    >>> from dlnotes.builders import stateful_lstm
    >>> from dlnotes.recurrent import rebatch
    >>> model = stateful_lstm(8, (None, 3), 2)
    >>> rebatch(model, 1).input_shape
    (1, None, 3)
    >>> rebatch(model, None, stateful=False).input_shape
    (None, None, 3)
    """
    old_batch_size = _batch_size(model)
    if batch_size is not None:
        check_at_least(1, batch_size=batch_size)
    keeps_state = bool(stateful_layers(model)) if stateful is None else stateful
    if keeps_state and batch_size is None:
        raise InputError(
            "`batch_size` is None, but a stateful model needs a fixed number of rows. Give that "
            "number, or `stateful=False`."
        )
    config = _adapt(model.get_config(), old_batch_size, batch_size, stateful)
    config.pop("build_input_shape", None)
    classes = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    with keras.saving.custom_object_scope(classes):
        twin = type(model).from_config(config)
    if stateful and not stateful_layers(twin):
        raise InputError(
            f"`stateful` is True, but `model` ({model.name!r}) has no recurrent layer."
        )
    for before, after in zip(model.outputs, twin.outputs, strict=True):
        if before.shape[0] == old_batch_size and after.shape[0] != batch_size:
            raise InputError(
                f"`model` ({model.name!r}) fixes the rows of its batch: with `batch_size` "
                f"{batch_size} an output has {after.shape[0]} rows. Reshape with -1 for the batch."
            )
    _copy_variables(model, twin)
    check_states(twin)
    return twin


def check_states(model):
    """Refuses stateful layers whose state Keras does not carry from batch to batch.

    On the JAX backend `fit`, `evaluate` and `predict` change what a model lists in `variables`, and
    Keras's own stateful layers keep their states out of it. `dlnotes.layers.StatefulLSTM` and its
    siblings list them. On other backends every layer will do.

    Args:
        model: A `keras.Model` that is built.

    Raises:
        InputError: On JAX, if the state of a layer is not among the model's variables.
    """
    if keras.config.backend() != "jax":
        return
    listed = {id(variable) for variable in model.variables}
    for layer in stateful_layers(model):
        if any(id(state) not in listed for state in keras.tree.flatten(layer.states or [])):
            raise InputError(
                f"On the JAX backend Keras does not carry the state of layer {layer.name!r} over "
                "from batch to batch in `fit` and `predict`. Build the model with "
                "dlnotes.layers.StatefulLSTM, StatefulGRU, StatefulSimpleRNN or StatefulRNN; or "
                "let dlnotes.recurrent.rebatch put them in; or choose another backend before Keras "
                "is imported, with the environment variable KERAS_BACKEND=tensorflow."
            )


def _batch_size(model):
    try:
        return model.inputs[0].shape[0]
    except (AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"`model` ({model.name!r}) is a {type(model).__name__} without symbolic inputs, but "
            "must be a functional model, or a sequential model that has an `Input` or was called."
        ) from error


def _adapt(config, old, new, stateful, wrapped=False):
    """Copies a model's configuration, with another batch size and statefulness."""
    if isinstance(config, list | tuple):
        return type(config)(_adapt(item, old, new, stateful, wrapped) for item in config)
    if not isinstance(config, dict):
        return config
    values = config.get("config")
    if isinstance(values, dict) and "class_name" in config:
        wrapped = wrapped or ("layer" in values and config["class_name"] != "Bidirectional")
        if config["class_name"] == "InputLayer":
            rows, *rest = values["batch_shape"]
            free = None if wrapped or not (stateful or old is None) else new
            rows = free if rows is None else _scale(rows, old, new)
            values = values | {"batch_shape": (rows, *rest)}
        elif "stateful" in values and (stateful is False or (stateful and not wrapped)):
            values = values | {"stateful": stateful}
        # The shapes that the layers were built with belong to the old batch size.
        config = {key: value for key, value in config.items() if key != "build_config"}
        config["config"] = values
        if values.get("stateful") and keras.config.backend() == "jax":
            config |= CARRIES_ITS_STATE.get(config["class_name"], {})
    return {key: _adapt(value, old, new, stateful, wrapped) for key, value in config.items()}


def _scale(rows, old, new):
    """The rows of a nested input: those of the batch, or a multiple where time is folded in."""
    if old is None or rows % old:
        return rows
    return None if new is None else rows // old * new


def _copy_variables(source, target):
    layers, twins = source._flatten_layers(), target._flatten_layers()
    pairs = itertools.zip_longest(layers, twins)
    if not all(isinstance(twin, type(layer)) for layer, twin in pairs):
        raise InputError(
            f"`model` ({source.name!r}) uses a layer in several nested models, which its "
            "configuration cannot tell. Nest one model that holds the layer and call it twice."
        )
    for layer, twin in zip(layers, twins, strict=True):
        variables = {}
        layer.save_own_variables(variables)
        # On JAX an array that two variables share is gone for one after the other's `fit`.
        twin.load_own_variables({name: np.array(value) for name, value in variables.items()})


def whole_batches(batch_size, *arrays, remainder="error"):
    """Checks that the rows fill whole batches, or leaves out the rest.

    Stateful models take whole batches only. The rows of all arrays must be equally many.

    Reference: notes 001:265, 002:886.

    Args:
        batch_size: Integer, rows of a batch.
        *arrays: Arrays, or dictionaries or tuples of arrays, with the rows first.
        remainder: `"error"` or `"drop"`: what to do with rows at the end that do not fill a batch.
            Defaults to `"error"`.

    Returns:
        The array, or a tuple where several were given.

    Raises:
        InputError: If rows are left over (with `"error"`), no batch can be filled, or the numbers
            of rows differ.

    Example:

    >>> import numpy
    >>> from dlnotes.recurrent import whole_batches
    >>> x, y = whole_batches(8, numpy.zeros((21, 5, 3)), numpy.zeros(21), remainder="drop")
    >>> len(x), len(y)
    (16, 16)
    """
    check_at_least(1, batch_size=batch_size)
    if remainder not in ("error", "drop"):
        raise InputError(f"`remainder` is {remainder!r}, but must be 'error' or 'drop'.")
    lengths = [len(array) for array in keras.tree.flatten(arrays)]
    if len(set(lengths)) != 1:
        raise InputError(f"`arrays` must be equally many rows, but have {_listed(lengths)}.")
    rows = lengths[0]
    batches, left = divmod(rows, batch_size)
    if not batches or (left and remainder == "error"):
        raise InputError(
            f"{rows} rows came, but `batch_size` is {batch_size}: {batches} whole batches and "
            f"{left} rows left over. Leave these out with `remainder='drop'`, add rows, or choose "
            f"a batch size that divides {rows}."
        )
    cut = keras.tree.map_structure(lambda array: array[: batches * batch_size], arrays)
    return cut[0] if len(cut) == 1 else cut


def stream_windows(window, batch_size, *arrays):
    """Cuts streams into windows, ordered so that every row of a batch continues from the last one.

    This is the order that a stateful model needs: row `i` of a batch holds what comes right after
    row `i` of the batch before. The first `batch_size` streams come first with all their windows,
    then the next ones. A new group begins every `steps // window` batches: reset there, with
    `ResetStates(every=steps // window)`, and fit with `shuffle=False`.

    Args:
        window: Integer, steps of a window; divides the steps of the streams.
        batch_size: Integer, rows of a batch; divides the number of streams.
        *arrays: Arrays of shape `(streams, steps, ...)`.

    Returns:
        The array of shape `(streams * steps // window, window, ...)`, or a tuple where several
        were given.

    Raises:
        InputError: If the streams do not fill whole batches, or the steps whole windows.

    Example:

    >>> import numpy
    >>> from dlnotes.recurrent import stream_windows
    >>> streams = numpy.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    >>> stream_windows(2, 2, streams).tolist()
    [[1, 2], [5, 6], [3, 4], [7, 8]]
    """
    check_at_least(1, window=window)
    whole_batches(batch_size, *arrays)
    cut = tuple(_cut(np.asarray(array), window, batch_size) for array in arrays)
    return cut[0] if len(cut) == 1 else cut


def _cut(streams, window, batch_size):
    if streams.ndim < 2 or streams.shape[1] % window or not streams.shape[1]:
        raise InputError(
            f"`arrays`: one has shape {streams.shape}, but must be (streams, steps, ...) with a "
            f"number of steps that `window` ({window}) divides."
        )
    _, steps, *rest = streams.shape
    grouped = streams.reshape(-1, batch_size, steps // window, window, *rest)
    return grouped.swapaxes(1, 2).reshape(-1, window, *rest)


def stream_batches(batch_size, *arrays, remainder="error"):
    """Gives `fit` the batches of short series without the wait at the start of every epoch.

    A stateful network on a short series is small and takes thousands of epochs of a few steps. Most
    of the time then goes into what surrounds the steps: with arrays `fit` builds and starts a
    pipeline with threads in every epoch, and returns to Python after every step. These batches lie
    ready, in order, and need no thread. Two more arguments of Keras do the rest:

    - `compile(steps_per_execution=len(batches))` runs an epoch in one piece. With
      `ResetStates(every=k)` it must divide `k`: callbacks run only between the pieces.
    - `compile(jit_compile=True)` makes tiny networks on TensorFlow faster once more, but slows down
      the first epoch. Not those of `builders.stateful_lstm`, which check each batch.

    The losses of all epochs are those of `fit` with the arrays, `shuffle=False` and
    `steps_per_execution=1`. Give validation data in the same way.

    The batches are a `tf.data.Dataset`, on every backend. A fit with `AtomicCheckpoint` goes on
    with them where it was interrupted; `dlnotes run --resume` repeats the fit as a whole, because
    it cannot tell them from a dataset that shuffles.

    Reference: notes 001:265, 002:844-858.

    Args:
        batch_size: Integer, rows of a batch.
        *arrays: Inputs, targets and sample weights as for `fit`; each an array, or dictionaries and
            tuples of arrays. The targets and weights may be left out.
        remainder: `"error"` or `"drop"`: what to do with rows at the end that do not fill a batch.
            Defaults to `"error"`.

    Returns:
        A `tf.data.Dataset` of tuples with a fixed batch size. Its `len` is the number of batches.

    Raises:
        InputError: If rows are left over (with `"error"`), no batch can be filled, or the numbers
            of rows differ.

    Example:

    >>> import numpy
    >>> from dlnotes.builders import stateful_lstm
    >>> from dlnotes.callbacks import ResetStates
    >>> from dlnotes.recurrent import stream_batches
    >>> model = stateful_lstm(1, (None, 1), 1, units=1)
    >>> x, y = numpy.ones((23, 1, 1)), numpy.ones((23, 1))
    >>> batches = stream_batches(1, x, y)
    >>> model.compile("adam", "mse", steps_per_execution=len(batches))
    >>> history = model.fit(
    ...     batches, epochs=3, shuffle=False, verbose=0, callbacks=[ResetStates()]
    ... )
    >>> len(history.history["loss"])
    3
    """
    import tensorflow as tf

    arrays = keras.tree.lists_to_tuples(tuple(array for array in arrays if array is not None))
    arrays = keras.tree.map_structure(_as_fit_takes_it, arrays)
    whole = whole_batches(batch_size, arrays, remainder=remainder)
    batches = keras.tree.map_structure(
        lambda array: array.reshape(-1, batch_size, *array.shape[1:]), whole
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices(batches).with_options(options)


def _as_fit_takes_it(array):
    """An array with its floats in the type that Keras computes in."""
    array = np.asarray(array)
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras.config.floatx()) if is_float else array


def _listed(numbers):
    return ", ".join(map(str, numbers))
