"""One training that several processes share."""

import sys

from dlnotes._keras import keras
from dlnotes.callbacks.atomic_checkpoint import AtomicCheckpoint
from dlnotes.datasets.epoch_batches import EpochBatches
from dlnotes.distributed.process import process
from dlnotes.errors import InputError, check_at_least
import numpy as np

READ_LOGS_ALONE = (AtomicCheckpoint, keras.callbacks.TerminateOnNaN)

_said = set()


def fit(
    model,
    x,
    y=None,
    *,
    batch_size=None,
    epochs=1,
    verbose="auto",
    callbacks=None,
    validation_split=0.0,
    validation_data=None,
    shuffle=True,
    class_weight=None,
    sample_weight=None,
    initial_epoch=0,
    validation_batch_size=None,
    validation_freq=1,
    seed=0,
):
    """Trains a model in all processes together, as `Model.fit` would in one.

    Every process calls it with the same arguments, after `start`. Each computes the forward and the
    backward pass of its share of every batch; `batch_size` is that of all processes together. The
    loss and the metrics are those of the whole batch, whatever they are, and so are the losses of
    each epoch: those of one process, up to rounding, also where the number of processes does not
    divide a batch.

    The model stays an ordinary model of its process: before each callback that could look at it, it
    has the weights and the state of the optimizer that all processes share, and `evaluate`,
    `predict` and `save` work as ever, in each process for itself. At the beginning the variables of
    rank 0 go to all others. Callbacks are called in every process, with the same logs; what they
    write has to be left to rank 0. When `stop_training` is set in rank 0, all processes stop after
    the epoch, or after the batch where it was set in a callback of the batch.

    What is not as in one process:

    - Rows are shuffled by `seed` and the number of the epoch (see `EpochBatches`).
    - On TensorFlow each process draws its own dropout masks, so losses with dropout differ from
      those of one process, as by another seed. On JAX they are equal.
    - On TensorFlow `BatchNormalization` takes the statistics of the rows of its process; the moving
      statistics become the mean of those of all processes. Where the number of processes does not
      divide a batch, the shares are filled up with repeated rows, which count for these statistics
      and nothing else. On JAX it sees the whole batch, as in one process.
    - Every process trains the whole model, which is said once, where sharing is impossible: a fixed
      batch size (stateful models) or data that is no array; on TensorFlow also an output that mixes
      the rows of a batch, a `train_step` of its own, or `BatchNormalization(synchronized=True)`.

    A TensorFlow model that was made inside `MirroredStrategy().scope()` is trained on the devices
    of that strategy by Keras itself (not with `jit_compile=True`). On JAX all devices of all
    processes are used.

    Reference: Dean et al. 2012, synchronous data parallelism as in Chen et al. 2016,
    https://arxiv.org/abs/1604.00981.

    Args:
        model: A compiled `keras.Model`.
        x: Inputs: an array, or a list or dictionary of arrays; or an `EpochBatches`, or another
            `keras.utils.PyDataset` that gives the same batches in all processes.
        y: Targets, likewise; not with a dataset. Defaults to `None`.
        batch_size: Integer, rows of a batch of all processes together. Defaults to `None`: 32.
        epochs: Integer, the epoch to stop at. Defaults to `1`.
        verbose: As in `Model.fit`; only rank 0 shows progress. Defaults to `"auto"`.
        callbacks: List of Keras callbacks. Defaults to `None`.
        validation_split: Float, the part of the rows at the end that validates. Defaults to `0.0`.
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)` of arrays. Defaults to `None`.
        shuffle: Boolean. Defaults to `True`.
        class_weight: Dictionary from class to weight, for one output. Defaults to `None`.
        sample_weight: Weights of the rows, as `y`. Defaults to `None`.
        initial_epoch: Integer, the epoch to begin with. Defaults to `0`.
        validation_batch_size: Integer. Defaults to `None`: the `batch_size`.
        validation_freq: Integer, epochs from one validation to the next. Defaults to `1`.
        seed: Integer, seed of the order of the rows. Defaults to `0`.

    Returns:
        A `keras.callbacks.History`.

    Raises:
        InputError: If an argument cannot be what it is together with others.

    Example:

    >>> import keras, numpy
    >>> from dlnotes import distributed
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = numpy.ones((6, 1))
    >>> history = distributed.fit(model, x, x, batch_size=4, epochs=2, verbose=0)
    >>> len(history.history["loss"])
    2
    """
    arguments = dict(locals())
    del arguments["model"], arguments["seed"]
    return fit_by(model.fit, model, arguments, seed)


def through(seed=0):
    """A function for `dlnotes.fitting.through`: every `model.fit` is shared by the processes.

    Args:
        seed: Integer, seed of the order of the rows. Defaults to `0`.

    Returns:
        A function of a model, its plain `fit` and the arguments by name.
    """
    return lambda model, plain, arguments: fit_by(plain, model, arguments, seed)


def fit_by(plain, model, arguments, seed):
    """Trains together where that can be, or else by the plain `fit`."""
    reason = _why_whole(model, arguments)
    if not reason:
        arguments = {"y": None, "sample_weight": None, "validation_data": None} | arguments
        arguments = _weigh_classes(_split_off_validation(arguments))
        batches = _batches(arguments, seed)
        if _devices_of_strategy(model) > 1:
            return plain(batches, **_for_dataset(batches, arguments))
        _build(model, batches)
        reason = _why_mixed(model, batches)
    if reason:
        if process().processes > 1:
            _say(f"{model.name}: {reason}, so every process trains the whole model.")
            _backend().take_from_first(model.variables)
        return plain(**arguments)
    return _train(model, batches, _validation(arguments), **arguments)


def _say(text):
    if process().rank == 0 and text not in _said:
        print(f"dlnotes: {text}", file=sys.stderr)
        _said.add(text)


def _why_whole(model, arguments):
    """Why a training cannot be shared, or `None`."""
    if any(tensor.shape[0] is not None for tensor in getattr(model, "inputs", None) or []):
        return "its batch size is fixed"
    leaves = keras.tree.flatten(arguments["x"])
    if not all(hasattr(leaf, "__array__") or _is_dataset(leaf) for leaf in leaves):
        return f"its data is no array but a {type(leaves[0]).__name__}"
    if arguments.get("steps_per_epoch") or arguments.get("validation_steps"):
        return "its epochs are counted in steps"
    if keras.config.backend() == "tensorflow":
        if type(model).train_step is not keras.Model.train_step:
            return "it has a `train_step` of its own"
        if any(getattr(layer, "synchronized", False) for layer in model._flatten_layers()):
            return "it has a synchronized BatchNormalization"
    return None


def _why_mixed(model, batches):
    """Why the rows of a batch cannot be computed apart on TensorFlow, or `None`."""
    if keras.config.backend() != "tensorflow" or process().processes == 1:
        return None
    x = _cut(_parts(batches[0])[0], slice(4))
    half = _cut(x, slice(2))
    whole, again, first = (keras.tree.flatten(model(part)) for part in (x, x, half))
    for one, other, part in zip(whole, again, first, strict=True):
        one, other, part = map(np.asarray, (one, other, part))
        rows = one[: len(part)]
        is_random = not np.array_equal(one, other)
        if rows.shape != part.shape or not (is_random or np.allclose(rows, part, atol=1e-3)):
            return "its outputs mix the rows of a batch"
    return None


def _devices_of_strategy(model):
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.num_replicas_in_sync if strategy else 1


def _is_dataset(x):
    return isinstance(x, keras.utils.PyDataset)


def _split_off_validation(arguments):
    part = arguments.pop("validation_split", 0.0)
    if not part or arguments["validation_data"] is not None:
        return arguments
    if not 0 < part < 1:
        raise InputError(f"`validation_split` is {part}, but must be between 0 and 1.")
    values = {name: arguments[name] for name in ("x", "y", "sample_weight")}
    kept = int(len(keras.tree.flatten(values["x"])[0]) * (1 - part))
    held_out = _cut(values, slice(kept, None)).values()
    validation = tuple(value for value in held_out if value is not None)
    return arguments | _cut(values, slice(kept)) | {"validation_data": validation}


def _cut(values, rows):
    """The same rows of all arrays."""
    return keras.tree.map_structure(
        lambda array: None if array is None else np.asarray(array)[rows], values
    )


def _weigh_classes(arguments):
    """The weights of classes as weights of rows."""
    weights = arguments.pop("class_weight", None)
    if not weights:
        return arguments
    if keras.tree.is_nested(arguments["y"]) or arguments["sample_weight"] is not None:
        raise InputError("`class_weight` is for one output and without `sample_weight`.")
    classes = np.asarray(arguments["y"])
    if classes.ndim > 1 and classes.shape[-1] > 1:
        classes = classes.argmax(-1)
    of_rows = [weights.get(number, 1.0) for number in classes.astype(int).ravel().tolist()]
    return arguments | {"sample_weight": np.reshape(of_rows, classes.shape)}


def _batches(arguments, seed):
    if _is_dataset(arguments["x"]):
        return arguments["x"]
    return EpochBatches(
        arguments["x"],
        arguments["y"],
        arguments["sample_weight"],
        batch_size=arguments.get("batch_size") or 32,
        seed=seed,
        shuffle=bool(arguments.get("shuffle", True)),
    )


def _for_dataset(batches, arguments):
    """The arguments of `fit` for a dataset in place of arrays."""
    given = {k: v for k, v in arguments.items() if k not in ("x", "y", "sample_weight")}
    given |= {"shuffle": False, "batch_size": None}
    if not _is_dataset(arguments["x"]):
        callbacks = keras.tree.flatten(arguments.get("callbacks") or [])
        given["callbacks"] = [batches.callback, *callbacks]
    if arguments["validation_data"] is not None:
        given.setdefault("validation_batch_size", arguments.get("batch_size") or 32)
    return given


def _validation(arguments):
    """The batches that validate, or `None`."""
    data = arguments["validation_data"]
    if data is None or _is_dataset(data):
        return data
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise InputError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight) of arrays, but is "
            f"a {type(data).__name__}."
        )
    size = arguments.get("validation_batch_size") or arguments.get("batch_size") or 32
    return EpochBatches(*data, batch_size=size, shuffle=False)


def _parts(batch):
    """Inputs, targets and weights of a batch, in the precision that Keras computes in."""
    batch = batch if isinstance(batch, tuple) else (batch,)
    return *keras.tree.map_structure(_in_precision, batch), *[None] * (3 - len(batch))


def _in_precision(array):
    if array is None:
        return None
    array = np.asarray(array)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _build(model, batches):
    """Makes all variables of the model, its metrics and its optimizer."""
    x, y, weight = (_cut(part, slice(1)) for part in _parts(batches[0]))
    y_pred = model(x)
    model.compute_loss(x, y, y_pred, weight)
    model.compute_metrics(x, y, y_pred, weight)
    model.reset_metrics()
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _backend():
    """The module with the training step of the backend."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        from dlnotes.distributed import _tensorflow as module
    elif backend == "jax":
        from dlnotes.distributed import _jax as module
    else:
        raise InputError(f"`fit` is for TensorFlow and JAX, but KERAS_BACKEND is {backend!r}.")
    return module


def _train(
    model,
    batches,
    validation,
    *,
    epochs=1,
    verbose="auto",
    callbacks=None,
    initial_epoch=0,
    validation_freq=1,
    **_,
):
    check_at_least(1, validation_freq=validation_freq)
    backend = _backend()
    engine = backend.Engine(model)
    own = keras.tree.flatten(callbacks or [])
    if isinstance(batches, EpochBatches) and batches.callback not in own:
        own.insert(0, batches.callback)
    looking = engine.first_says(any(map(_looks_at_batches, own)))
    verbose = verbose if process().rank == 0 else 0
    called = keras.callbacks.CallbackList(
        own,
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=len(batches),
        model=model,
    )
    model.stop_training = False
    called.on_train_begin()
    backend.take_from_first(model.variables + model.optimizer.variables)
    begin = getattr(model, "_initial_epoch", None) or initial_epoch  # set by BackupAndRestore
    _check_begin(begin, int(engine.logs_of_first({"begin": begin})["begin"]))
    logs = {}
    for epoch in range(begin, epochs):
        model.reset_metrics()
        called.on_epoch_begin(epoch)
        engine.begin(training=True)
        for step in range(len(batches)):
            called.on_train_batch_begin(step)
            if looking:
                engine.begin(training=True)
            logs = engine.train(*_parts(batches[step]))
            if looking:
                engine.end()
            called.on_train_batch_end(step, logs)
            if engine.first_says(model.stop_training) if looking else model.stop_training:
                break
        engine.end()
        logs = _results(model, logs)
        if validation is not None and (epoch + 1) % validation_freq == 0:
            logs |= {f"val_{name}": value for name, value in _evaluate(engine, validation, called)}
        logs = engine.logs_of_first(logs)
        batches.on_epoch_end()
        called.on_epoch_end(epoch, logs)
        if engine.first_says(model.stop_training):
            break
    if epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    called.on_train_end(logs)
    return model.history


def _check_begin(begin, of_first):
    if begin != of_first:
        raise InputError(
            f"Rank {process().rank} would begin with epoch {begin + 1}, but rank 0 with epoch "
            f"{of_first + 1}: the folder of the checkpoints has to be one that all processes share."
        )


def _evaluate(engine, batches, called):
    model = engine.model
    model.reset_metrics()
    called.on_test_begin()
    engine.begin(training=False)
    for step in range(len(batches)):
        called.on_test_batch_begin(step)
        logs = engine.test(*_parts(batches[step]))
        called.on_test_batch_end(step, logs)
    engine.end()
    logs = _results(model, logs)
    called.on_test_end(logs)
    return logs.items()


def _results(model, logs):
    """The metrics of the whole epoch, or the last logs of a model that has steps of its own."""
    results = {name: float(value) for name, value in model.get_metrics_result().items()}
    return results if results.keys() >= logs.keys() else logs


def _looks_at_batches(callback):
    """Whether a callback may read or change the model at each batch."""
    if isinstance(callback, READ_LOGS_ALONE):
        return False
    plain = keras.callbacks.Callback
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return any(getattr(type(callback), name) is not getattr(plain, name) for name in names)
