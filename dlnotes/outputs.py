"""Models with several outputs: checked compiling, a map of the losses, class weights per output."""

from dataclasses import dataclass
import math
from numbers import Real
from typing import NamedTuple

from dlnotes._keras import keras
from dlnotes._names import did_you_mean, listing
from dlnotes.errors import InputError
import numpy as np


def compile_checked(
    model,
    optimizer,
    loss,
    *,
    loss_weights=None,
    metrics=None,
    weighted_metrics=None,
    **options,
):
    """Compiles a model, after checking that every name belongs to an output.

    `Model.compile` takes a mistyped key of `loss_weights` without an error and applies its weight
    by position, reads a list for a model that returns a dictionary in the order of the sorted keys,
    and trains without a word only the outputs that the losses name. Here each of these is an error.

    Reference: notes 002:438-440, 002:1119.

    Args:
        model: A functional or `Sequential` `keras.Model` with one output, or with a list or a
            dictionary of outputs. The outputs of a dictionary are named by its keys, those of a
            list by the layers that they come from.
        optimizer: Optimizer, or its name.
        loss: Loss (name, function or `keras.losses.Loss`) for every output, or a dictionary of
            output name to loss that names every output: `None` for one that is not trained. A model
            that returns a list takes a list too.
        loss_weights: Dictionary of output name to number, for every output that has a loss. The
            total loss is the sum of the losses times their weights. A model that returns a list
            takes a list too, a model with one output a number. Defaults to 1 for each.
        metrics: Dictionary of output name to a metric or a list of metrics. A model that returns a
            list takes a list with one entry per output too, a model with one output a list of
            metrics. Defaults to none.
        weighted_metrics: Like `metrics`, for metrics that count the sample weights.
        **options: Passed on to `Model.compile`, such as `run_eagerly` or `jit_compile`.

    Returns:
        The compiled model.

    Raises:
        InputError: If a name is no output, an output is left out, a list is given to a model that
            returns a dictionary, a weight is no finite number, or two outputs share one metric
            object, which would mix their values.

    Example:

    >>> from dlnotes.builders import multi_io_network
    >>> from dlnotes.outputs import compile_checked
    >>> model = multi_io_network({"weather": (4,)}, {"delay": 1, "late": 1})
    >>> losses = {"delay": "mean_absolute_error", "late": "binary_crossentropy"}
    >>> compile_checked(  # doctest: +ELLIPSIS
    ...     model, "adam", losses, loss_weights={"delay": 1, "lat": 9}
    ... )
    Traceback (most recent call last):
    ...
    dlnotes.errors.InputError: `loss_weights` names 'lat'. Did you mean 'late'? ...
    """
    names, container = _outputs(model)
    _check_not_shared(metrics, weighted_metrics)
    losses = _losses(loss, names, container)
    weights = None
    if loss_weights is not None:
        weights = _pack(_loss_weights(loss_weights, losses, names, container), names, container)
    model.compile(
        optimizer,
        _pack(losses, names, container),
        loss_weights=weights,
        metrics=_metrics("metrics", metrics, names, container),
        weighted_metrics=_metrics("weighted_metrics", weighted_metrics, names, container),
        **options,
    )
    return model


def _outputs(model):
    """The names of a model's outputs, and the type they are returned in (None for one tensor)."""
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name], None
    if not hasattr(model, "output_names"):
        raise InputError(
            f"`model`: {model.name!r} is a subclass of keras.Model, whose outputs have no names. "
            "Give a functional or a Sequential model."
        )
    returned = model.output
    if isinstance(returned, dict):
        names, parts, container = list(returned), list(returned.values()), dict
    elif isinstance(returned, (list, tuple)):
        names, parts, container = list(model.output_names), list(returned), list
    else:
        return list(model.output_names), None
    if any(keras.tree.is_nested(part) for part in parts):
        raise InputError(
            f"`model`: {model.name!r} returns outputs within outputs. Return one flat dictionary."
        )
    return names, container


def _pack(parts, names, container):
    """One part per output, in the container that the model returns its outputs in."""
    if container is None:
        return parts[0]
    return dict(zip(names, parts, strict=True)) if container is dict else parts


def _unpack(argument, value, names, container):
    """Checks a dictionary or a list against the outputs, and returns it as a dictionary."""
    if isinstance(value, dict):
        if len(set(names)) < len(names):
            raise InputError(
                f"`{argument}` is a dictionary, but outputs of the model share a name: "
                f"{listing(names)}. Build the model with a dictionary of outputs, or give a list."
            )
        for name in value:
            if name not in names:
                raise InputError(
                    f"`{argument}` names {name!r}.{did_you_mean(name, names)} "
                    f"The model's outputs are {listing(names)}."
                )
        return {names.index(name): part for name, part in value.items()}
    if container is dict:
        raise InputError(
            f"`{argument}` is a {type(value).__name__}, but the model returns a dictionary, for "
            "which Keras would take it in the order of the sorted keys. Give a dictionary with the "
            f"keys {listing(names)}."
        )
    if len(value) != len(names):
        raise InputError(
            f"`{argument}` has {len(value)} entries, but the model has {len(names)} outputs: "
            f"{listing(names)}."
        )
    return dict(enumerate(value))


def _losses(loss, names, container):
    """One loss (or None) for each output."""
    if isinstance(loss, dict) or (isinstance(loss, (list, tuple)) and container is not None):
        given = _unpack("loss", loss, names, container)
    else:
        given = dict.fromkeys(range(len(names)), loss)
    for number, name in enumerate(names):
        if number not in given:
            raise InputError(
                f"`loss` leaves out the output {name!r}. Give it a loss, or None if it is not "
                "to be trained."
            )
    if all(part is None for part in given.values()):
        raise InputError("`loss` is None for every output, so there is nothing to train.")
    return [given[number] for number in range(len(names))]


def _loss_weights(loss_weights, losses, names, container):
    """One number for each output."""
    if isinstance(loss_weights, (dict, list, tuple)):
        given = _unpack("loss_weights", loss_weights, names, container)
    elif container is None:
        given = {0: loss_weights}
    else:
        raise InputError(
            f"`loss_weights` is {loss_weights!r}, but the model has the outputs {listing(names)}. "
            "Give a dictionary of output name to number."
        )
    weights = []
    for number, (name, loss) in enumerate(zip(names, losses, strict=True)):
        weight = given.get(number)
        if loss is None:
            if weight is not None:
                raise InputError(f"`loss_weights` names {name!r}, which has no loss. Leave it out.")
            weight = 1.0
        if weight is None:
            raise InputError(f"`loss_weights` leaves out the output {name!r}. Give it a number.")
        if not isinstance(weight, Real) or not math.isfinite(weight):
            raise InputError(
                f"`loss_weights` is {weight!r} for {name!r}, but must be a finite number."
            )
        weights.append(float(weight))
    return weights


def _metrics(argument, metrics, names, container):
    """What `Model.compile` takes as metrics."""
    if metrics is None:
        return None
    if not isinstance(metrics, (dict, list, tuple)):
        raise InputError(
            f"`{argument}` is {metrics!r}, but must be a dictionary of output name to metrics. "
            f"The model's outputs are {listing(names)}."
        )
    if container is None and not isinstance(metrics, dict):
        return list(metrics)
    given = _unpack(argument, metrics, names, container)
    parts = [given.get(number) for number in range(len(names))]
    if container is None:
        return keras.tree.flatten(parts)
    return _pack(parts, names, container)


def _check_not_shared(*arguments):
    """Refuses a metric object that stands in two places."""
    seen = []
    for metric in keras.tree.flatten(arguments):
        if isinstance(metric, keras.metrics.Metric):
            if any(metric is other for other in seen):
                raise InputError(
                    f"`metrics` uses one object of {type(metric).__name__} twice, which would mix "
                    "the values. Make one object for each output."
                )
            seen.append(metric)


class LossRow(NamedTuple):
    """One loss of a model: a line of a `LossMap`."""

    output: str
    loss: str | None
    weight: float | None
    metrics: tuple
    weighted_metrics: tuple


@dataclass(frozen=True, repr=False)
class LossMap:
    """Which loss meets which output. Made by `loss_map`, printed as a table.

    Args:
        rows: Tuple of `LossRow`, in the order of the model's outputs.
    """

    rows: tuple

    def __repr__(self):
        header = ("output", "loss", "weight", "metrics", "weighted metrics")
        lines = [header] + [
            (
                row.output,
                row.loss or "none: not trained",
                "-" if row.weight is None else f"{row.weight:g}",
                ", ".join(row.metrics) or "-",
                ", ".join(row.weighted_metrics) or "-",
            )
            for row in self.rows
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def loss_map(model):
    """Shows which loss meets which output, with which weight and which metrics.

    The map is read from what Keras made of the arguments of `compile`, not from the arguments: a
    weight that went to another output than it was meant for stands at that output. The total loss
    is the sum of the rows, each loss times its weight (plus what layers add, as regularisers do).

    Reference: notes 002:1119.

    Args:
        model: A compiled functional or `Sequential` `keras.Model`, compiled by `compile_checked` or
            by Keras itself.

    Returns:
        A `LossMap`: printed it is a table, its `rows` are named tuples.

    Raises:
        InputError: If the model is not compiled, has no known outputs, or Keras itself refuses its
            losses.

    Example:

    >>> from dlnotes.builders import multi_io_network
    >>> from dlnotes.outputs import loss_map
    >>> model = multi_io_network({"weather": (4,)}, {"delay": 1, "late": 1})
    >>> losses = {"delay": "mean_absolute_error", "late": "binary_crossentropy"}
    >>> model.compile("adam", losses, loss_weights={"delay": 1, "tale": 9})
    >>> loss_map(model)
    output  loss                 weight  metrics  weighted metrics
    delay   mean_absolute_error  1       -        -
    late    binary_crossentropy  9       -        -
    """
    if not model.compiled:
        raise InputError(f"`model`: {model.name!r} is not compiled, so no loss meets its outputs.")
    names, _ = _outputs(model)
    if not model.built:
        raise InputError(
            f"`model`: {model.name!r} has no known outputs yet. Give it a keras.Input or build it."
        )
    outputs = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    try:
        losses = _resolved_losses(model, outputs, names)
        metrics, weighted_metrics = _resolved_metrics(model, outputs, names)
    except (KeyError, ValueError) as error:
        raise InputError(f"`model`: Keras refuses what it was compiled with: {error}") from error
    rows = []
    for name in names:
        shared = (metrics.get(name, ()), weighted_metrics.get(name, ()))
        for loss, weight in losses.get(name, [(None, None)]):
            rows.append(LossRow(name, loss, weight, *shared))
    return LossMap(tuple(rows))


def _resolved_losses(model, outputs, names):
    """For each output the pairs (name of the loss, weight) that Keras applies."""
    compiled = getattr(model, "_compile_loss", None)
    if compiled is None:
        return {}
    if not compiled.built:
        compiled = type(compiled)(
            compiled._user_loss, compiled._user_loss_weights, output_names=compiled.output_names
        )
        compiled.build(outputs, outputs)
    resolved = {}
    for path, loss, weight, _ in compiled._flat_losses:
        key = path[0] if path else 0
        text = loss.name + " (from logits)" * bool(loss.get_config().get("from_logits"))
        pair = (text, 1.0 if weight is None else float(weight))
        resolved.setdefault(names[key] if isinstance(key, int) else key, []).append(pair)
    return resolved


def _resolved_metrics(model, outputs, names):
    """For each output the names of its metrics, and of its weighted metrics."""
    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None:
        return {}, {}
    if not compiled.built:
        compiled = type(compiled)(
            compiled._user_metrics,
            compiled._user_weighted_metrics,
            output_names=compiled.output_names,
        )
        compiled.build(outputs, outputs)
    order = compiled._resolved_output_names or names
    return tuple(
        {
            name: tuple(metric.name for metric in part.metrics)
            for name, part in zip(order, parts, strict=True)
            if part
        }
        for parts in (compiled._flat_metrics, compiled._flat_weighted_metrics)
    )


def balanced_class_weight(y):
    """Weights that give every class of one output the same total: rows / (classes * its rows).

    Count on the training labels alone, and use the same weights for validation.

    Reference: scikit-learn's `compute_class_weight("balanced")`.

    Args:
        y: Labels: integers of shape `(rows,)` or `(..., 1)`, or one-hot with the classes on the
            last axis.

    Returns:
        Dictionary of class to weight.

    Raises:
        InputError: If `y` holds anything else, or nothing.

    Example:

    >>> from dlnotes.outputs import balanced_class_weight
    >>> balanced_class_weight([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    classes, counts = np.unique(_classes(y, "`y`"), return_counts=True)
    if not len(classes):
        raise InputError("`y` is empty, so no class weight can be computed.")
    weights = counts.sum() / (len(classes) * counts)
    return {int(label): float(weight) for label, weight in zip(classes, weights, strict=True)}


def class_weighted(data, class_weight):
    """Turns class weights into sample weights, for each output and for validation data too.

    Keras refuses `class_weight` for several outputs and has none for validation data. What comes
    back here goes into `fit`, `evaluate` and `validation_data`:

    ```python
    weights = {"late": balanced_class_weight(y["late"])}
    x, y, sample_weight = class_weighted((x, y), weights)
    validation_data = class_weighted(validation, weights)
    model.fit(x, y, sample_weight=sample_weight, validation_data=validation_data)
    model.fit(class_weighted(dataset, weights))    # a tf.data.Dataset or a PyDataset
    ```

    Outputs without class weights get the weight 1, existing sample weights are multiplied. The loss
    is the sum of weight times loss over the rows, divided by the rows.

    Reference: notes 002:440.

    Args:
        data: Tuple `(x, y)` or `(x, y, sample_weight)` of arrays (such as a `datasets.Split`), a
            batched `tf.data.Dataset` or a `keras.utils.PyDataset` of such tuples. `y` is a
            dictionary of outputs, a list of them, or the labels of the only output.
        class_weight: For a dictionary `y` a dictionary of output name to its weights, for a list a
            list with `None` for outputs without, for one output its weights. Weights are a
            dictionary of class to number, or `"balanced"` (see `balanced_class_weight`): counted on
            this very data, so only for training data; it takes a pass over a dataset.

    Labels may be integers, of shape `(batch,)` or `(..., 1)`, or one-hot with the classes on the
    last axis. Labels for every step, `(batch, steps, 1)` or one-hot, give weights `(batch, steps)`.

    Returns:
        For arrays the tuple `(x, y, sample_weight)`, for a dataset a dataset of such tuples, with
        `sample_weight` structured as `y`. A `PyDataset` keeps its workers.

    Raises:
        InputError: If a name is no output, or a label is no class or has no weight. In a
            `tf.data.Dataset` labels are seen only in passing: there TensorFlow raises
            `tf.errors.InvalidArgumentError` with the same sentence.

    Example:

    >>> import numpy as np
    >>> from dlnotes.outputs import class_weighted
    >>> y = {"delay": np.array([3.0, 40.0, -2.0]), "late": np.array([0, 1, 0])}
    >>> x, y, sample_weight = class_weighted((np.ones((3, 2)), y), {"late": {0: 1, 1: 5}})
    >>> sample_weight["late"]
    array([1., 5., 1.], dtype=float32)
    """
    if isinstance(data, keras.utils.PyDataset):
        weights = _checked_class_weight(class_weight, data[0][1], lambda: _batches(data))
        return _ClassWeightedPyDataset(data, weights)
    if hasattr(data, "element_spec"):
        return _class_weighted_tf_dataset(data, class_weight)
    if isinstance(data, tuple) and len(data) in (2, 3):
        weights = _checked_class_weight(class_weight, data[1], lambda: [data])
        return _weighted(data, weights)
    raise InputError(
        f"`data` is a {type(data).__name__}, but must be a tuple (x, y) or (x, y, sample_weight), "
        "a tf.data.Dataset or a keras.utils.PyDataset."
    )


class _ClassWeightedPyDataset(keras.utils.PyDataset):
    """A PyDataset that adds sample weights to the batches of another one."""

    def __init__(self, dataset, class_weight):
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self.dataset = dataset
        self.class_weight = class_weight

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return _weighted(self.dataset[index], self.class_weight)

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()


def _class_weighted_tf_dataset(dataset, class_weight):
    """Maps a `tf.data.Dataset`; TensorFlow only, as the dataset is."""
    import tensorflow as tf

    if not isinstance(dataset.element_spec, tuple) or len(dataset.element_spec) not in (2, 3):
        raise InputError("`data` must give tuples (x, y) or (x, y, sample_weight).")
    for output, spec in _parts(dataset.element_spec[1]).items():
        if not spec.shape.rank:
            raise InputError(
                f"`data`: the labels of {_output(output)} have the shape {spec.shape}, but must "
                "have a batch axis: call `batch` on the dataset before."
            )
    weights = _checked_class_weight(
        class_weight, dataset.element_spec[1], lambda: _batches(dataset)
    )

    def weigh(x, y, sample_weight=None):
        products = {}
        given = _given_weights(sample_weight, y)
        for output, labels in _parts(y).items():
            inputs = [labels] if given[output] is None else [labels, given[output]]

            def product(labels, given=None, output=output):
                return _product(labels, given, weights[output], output)

            products[output] = tf.numpy_function(product, inputs, keras.config.floatx())
            rank = max(
                1 if weights[output] is None else max(labels.shape.rank - 1, 1),
                1 if given[output] is None else given[output].shape.rank,
            )
            products[output].set_shape([labels.shape[0]] + [None] * (rank - 1))
        return x, y, _packed_like(y, products)

    return dataset.map(weigh)


def _batches(dataset):
    """One pass over a dataset that ends."""
    if isinstance(dataset, keras.utils.PyDataset):
        endless = dataset.num_batches is None
    else:
        endless = int(dataset.cardinality()) == -1
    if endless:
        raise InputError(
            "`class_weight`: 'balanced' cannot be counted on a dataset without an end. Give the "
            "numbers: `balanced_class_weight(y)`."
        )
    if isinstance(dataset, keras.utils.PyDataset):
        return (dataset[index] for index in range(dataset.num_batches))
    return dataset


def _parts(y):
    """The parts of `y` under the names (or numbers) of their outputs."""
    if isinstance(y, dict):
        return y
    return dict(enumerate(y)) if isinstance(y, (list, tuple)) else {None: y}


def _packed_like(y, parts):
    """The opposite of `_parts`."""
    if isinstance(y, dict):
        return parts
    return type(y)(parts.values()) if isinstance(y, (list, tuple)) else parts[None]


def _output(name):
    return "`y`" if name is None else f"output {name!r}"


def _checked_class_weight(class_weight, y, batches):
    """The table {class: weight} of each output, or None."""
    names = list(_parts(y))
    if isinstance(y, dict):
        if not isinstance(class_weight, dict):
            raise InputError(
                f"`class_weight` is {class_weight!r}, but must be a dictionary of output name to "
                f"weights. The outputs are {listing(names)}."
            )
        given = class_weight
    elif isinstance(y, (list, tuple)):
        if not isinstance(class_weight, (list, tuple)) or len(class_weight) != len(y):
            raise InputError(
                f"`class_weight` is {class_weight!r}, but must be a list of {len(y)} entries, as "
                "`y` is: None for an output without class weights."
            )
        given = dict(enumerate(class_weight))
    else:
        given = {None: class_weight}
    _check_outputs("class_weight", given, names)
    tables = dict.fromkeys(names)
    for name, table in given.items():
        if table == "balanced":
            labels = [_classes(_parts(batch[1])[name], _output(name)) for batch in batches()]
            table = balanced_class_weight(np.concatenate([part.ravel() for part in labels]))
        if table is not None:
            tables[name] = _checked_table(table, name)
    return tables


def _check_outputs(argument, given, names):
    for name in given:
        if name not in names:
            raise InputError(
                f"`{argument}` names the output {name!r}.{did_you_mean(name, names)} "
                f"The outputs in `y` are {listing(names)}."
            )


def _checked_table(table, output):
    def is_number(value):
        return isinstance(value, (Real, np.bool_)) and math.isfinite(value)

    if not isinstance(table, dict) or not table:
        raise InputError(
            f"`class_weight` of {_output(output)} is {table!r}, but must be a dictionary of class "
            "to weight, or 'balanced'."
        )
    for label, weight in table.items():
        if not is_number(label) or label != int(label):
            raise InputError(
                f"`class_weight` of {_output(output)} names the class {label!r}, but classes are "
                "integers."
            )
        if not is_number(weight) or weight < 0:
            raise InputError(
                f"`class_weight` of {_output(output)} is {weight!r} for class {label!r}, but must "
                "be a finite number, at least 0."
            )
    return {int(label): float(weight) for label, weight in table.items()}


def _weighted(batch, tables):
    """`(x, y, sample_weight)` of a tuple of arrays."""
    x, y, given = (*batch, None)[:3]
    given = _given_weights(given, y)
    products = {
        name: _product(labels, given[name], tables[name], name)
        for name, labels in _parts(y).items()
    }
    return x, y, _packed_like(y, products)


def _given_weights(sample_weight, y):
    """The sample weights that came with the data, for each output: an array or None."""
    names = list(_parts(y))
    per_output = isinstance(sample_weight, (list, tuple)) and isinstance(y, (list, tuple))
    if isinstance(sample_weight, dict) or per_output:
        given = _parts(sample_weight)
        _check_outputs("sample_weight", given, names)
        return {name: given.get(name) for name in names}
    return dict.fromkeys(names, sample_weight)


def _product(labels, given, table, output):
    """Class weights times the given sample weights, for one output."""
    dtype = keras.config.floatx()
    if table is None:
        weights = np.ones(len(labels), dtype)
    else:
        weights = _looked_up(_classes(labels, _output(output)), table, output).astype(dtype)
    if given is None:
        return weights
    given = np.asarray(given, dtype)
    rank = max(given.ndim, weights.ndim)
    given, weights = (
        part.reshape(part.shape + (1,) * (rank - part.ndim)) for part in (given, weights)
    )
    return given * weights


def _looked_up(classes, table, output):
    """The weight of every label."""
    present, positions = np.unique(classes, return_inverse=True)
    unknown = [label for label in present.tolist() if label not in table]
    if unknown:
        raise InputError(
            f"`class_weight` of {_output(output)} has no weight for class "
            f"{', '.join(map(str, unknown))}. It knows {', '.join(map(str, table))}."
        )
    weights = np.array([table[label] for label in present.tolist()], float)
    return weights[positions].reshape(classes.shape)


def _classes(labels, output):
    """Integer classes of integer or one-hot labels."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biuf":
        raise InputError(f"{output}: labels must be numbers, not {labels.dtype}.")
    if labels.ndim > 1:
        if labels.shape[-1] == 1:
            labels = labels[..., 0]
        elif np.isin(labels, (0, 1)).all() and (labels.sum(axis=-1) == 1).all():
            labels = labels.argmax(axis=-1)
        else:
            raise InputError(
                f"{output}: labels of shape {labels.shape} are read as one-hot, but their last "
                "axis holds other than one 1 and zeros. Integer labels for every step need the "
                "shape (..., 1)."
            )
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        raise InputError(f"{output}: labels must be whole numbers, as classes are.")
    return labels.astype(int)
