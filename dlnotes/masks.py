"""Padding: which steps are real, what they weigh in the loss, and where a mask lives and dies."""

import inspect
import warnings

from dlnotes._keras import keras
from dlnotes._snapshot import Snapshot, recurrent_states
from dlnotes.errors import InputError
import numpy as np


def step_mask(x, mask_value=0.0):
    """Marks the real steps of padded sequences, inside a model or on arrays.

    Give the result to every recurrent layer as `mask=`: then nothing depends on which layers pass
    masks on by themselves. (Keras 3.15 passes them on after recurrent layers and wrappers; its
    development version no longer does.)

    Args:
        x: Array, tensor or `keras.KerasTensor` of shape `(batch, time, ...)`.
        mask_value: Number that fills the padded steps. Defaults to `0.0`.

    Returns:
        Boolean tensor of shape `(batch, time)`, false where everything in a step equals
        `mask_value`.

    Raises:
        InputError: If `x` has no axis after the time.

    Example:

    >>> import numpy as np
    >>> from dlnotes.masks import step_mask
    >>> np.asarray(step_mask(np.array([[[1.0], [2.0], [0.0]]])))
    array([[ True,  True, False]])
    """
    if len(x.shape) < 3:
        raise InputError(
            f"`x` has shape {tuple(x.shape)}, but expected (batch, time, ...) with at least one "
            "axis after the time. For a sequence of numbers add one: `x[..., None]`."
        )
    axes = tuple(range(2, len(x.shape)))
    return keras.ops.any(keras.ops.not_equal(x, mask_value), axis=axes)


def step_weights(x, mask_value=0.0):
    """Turns padding into sample weights, for a loss on every step.

    Padded steps then count nothing, whether or not a mask reaches the loss. For a loss that is the
    mean over the real steps, whatever the amount of padding, compile with a loss whose reduction is
    `"mean_with_sample_weight"`; metrics belong into `weighted_metrics`.

    Args:
        x: Array of shape `(batch, time, ...)`, the padded inputs.
        mask_value: Number that fills the padded steps. Defaults to `0.0`.

    Returns:
        Float32 array of shape `(batch, time)`: one for a real step, zero for a padded one.

    Raises:
        InputError: If `x` has no axis after the time.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes.builders import time_distributed_lstm
    >>> from dlnotes.masks import step_weights
    >>> x = np.array([[[1.0], [2.0], [0.0]]])
    >>> step_weights(x)
    array([[1., 1., 0.]], dtype=float32)
    >>> model = time_distributed_lstm((None, 1), 1, units=2, mask_value=0.0)
    >>> model.compile("adam", keras.losses.MeanSquaredError("mean_with_sample_weight"))
    >>> history = model.fit(x, x, sample_weight=step_weights(x), verbose=0)
    """
    return keras.ops.convert_to_numpy(step_mask(np.asarray(x), mask_value)).astype("float32")


class MaskReport:
    """What `mask_report` found; `print` it, or take its `rows`.

    Attributes:
        rows: List of dictionaries, one for each layer call, with

            - `layer`: name, with the path of nested models, such as `"encoder/lstm"`
            - `type`: class name
            - `carried`: share of masked entries in the mask that came in with the input, or `None`
            - `passed`: the same of a mask that was passed by argument and did not come in with the
              input, or `None`
            - `outgoing`: the same of the mask that the output carries, or `None`
            - `event`: `"born"`, `"lives"`, `"passed"`, `"used"` (the layer took the mask into
              account and its output has no steps any more), `"destroyed"` or `""`
        masks: Dictionary of boolean arrays, the outgoing masks by layer.
        reaches_output: Boolean, whether a mask reaches the model's output, and with it the loss.
    """

    def __init__(self, rows, masks, reaches_output):
        self.rows = rows
        self.masks = masks
        self.reaches_output = reaches_output

    @property
    def destroyed(self):
        """Names of the layers that destroyed a mask."""
        return [row["layer"] for row in self.rows if row["event"] == "destroyed"]

    def to_frame(self):
        """The rows as a `pandas.DataFrame`."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def __str__(self):
        header = ("layer", "type", "came in", "passed", "goes out", "mask")
        lines = [header] + [
            (
                row["layer"],
                row["type"],
                *(_percent(row[key]) for key in ("carried", "passed", "outgoing")),
                row["event"] or "-",
            )
            for row in self.rows
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        text.insert(1, "  ".join("-" * width for width in widths))
        if self.destroyed:
            text.append(f"Destroyed by: {', '.join(self.destroyed)}.")
        if self.reaches_output:
            text.append("A mask reaches the output: a loss on every step leaves padding out.")
        else:
            text.append("No mask reaches the output: a loss on every step would count padding.")
        return "\n".join(text)


def mask_report(model, x):
    """Shows layer by layer where a mask is born, lives, is passed by argument, and dies.

    The model is run once on `x`, eagerly and in inference mode, and the masks are those that Keras
    really used in this run. Shares are of masked (padded) entries. Operations of `keras.ops` count
    as layers here: they drop masks without a warning.

    Reference: notes 001:219, 002:829-830 (sequences of unequal length).

    Args:
        model: A functional or sequential `keras.Model`, built; models nested in it are opened. A
            wrapper such as `TimeFold` is one layer.
        x: Inputs, a few examples are enough.

    Returns:
        A `MaskReport`.

    Raises:
        InputError: If the model is not built, or neither functional nor sequential.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes.masks import mask_report
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras.layers.Embedding(9, 2, mask_zero=True, name="words"),
    ...     keras.layers.Flatten(name="flatten"), keras.layers.Dense(1, name="head")])
    >>> report = mask_report(model, np.array([[5, 3, 0, 0]]))
    >>> [(row["layer"], row["event"]) for row in report.rows]
    [('words', 'born'), ('flatten', 'destroyed'), ('head', '')]
    >>> report.rows[0]["outgoing"]
    0.5
    """
    observer = _Observer()
    states = Snapshot(recurrent_states(model))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Layer .* does not support masking", UserWarning)
        observed = observer.observe(model)
        try:
            observed(x, training=False)
        finally:
            states.restore()
    return observer.report()


class _Observer:
    """Puts a recorder behind every layer call of a model and its nested models."""

    def __init__(self):
        self._recorders = []
        self._calls = []
        self._outputs = []

    def observe(self, model, prefix=""):
        recorded = {}

        def seen(tensor):
            if not isinstance(tensor, keras.KerasTensor):
                return tensor
            if id(tensor) not in recorded:
                recorded[id(tensor)] = self._record([tensor])[0]
            return recorded[id(tensor)]

        def call(layer, *args, **kwargs):
            args, kwargs = keras.tree.map_structure(seen, (args, kwargs))
            outputs = layer(*args, **kwargs)
            flat = self._record(keras.tree.flatten(outputs))
            recorded.update({id(tensor): tensor for tensor in flat})
            self._calls.append((prefix, layer, args, kwargs, flat))
            return keras.tree.pack_sequence_as(outputs, flat)

        def clone(layer):
            if _is_graph(layer):
                return self.observe(layer, f"{prefix}{layer.name}/")
            return layer

        observed = keras.models.clone_model(
            _as_functional(model), clone_function=clone, call_function=call
        )
        if not prefix:
            self._outputs = observed.outputs
        return observed

    def _record(self, tensors):
        recorder = _Recorder()
        outputs = recorder(tensors)
        self._recorders.append((recorder, outputs))
        return outputs

    def report(self):
        self._found = {
            id(tensor): (value, mask)
            for recorder, tensors in self._recorders
            for tensor, value, mask in zip(tensors, recorder.values, recorder.masks, strict=True)
        }
        rows, masks = [], {}
        for prefix, layer, args, kwargs, outputs in self._calls:
            carried = self._mask(args)
            passed = self._passed(kwargs)
            if passed is not None and carried is not None and np.array_equal(passed, carried):
                passed = None
            outgoing = self._mask(outputs)
            is_layer = isinstance(layer, keras.Layer)
            if not is_layer and (carried is None or outputs[0].dtype == "bool"):
                continue
            name = prefix + layer.name
            if outgoing is not None:
                masks[name] = outgoing
            rows.append(
                {
                    "layer": name,
                    "type": type(layer).__name__,
                    "carried": _share(carried),
                    "passed": _share(passed),
                    "outgoing": _share(outgoing),
                    "event": _event(layer, carried, passed, outgoing, len(outputs[0].shape)),
                }
            )
        return MaskReport(rows, masks, self._mask(self._outputs) is not None)

    def _tensors(self, structure):
        flat = keras.tree.flatten(structure)
        return [self._found[id(tensor)] for tensor in flat if id(tensor) in self._found]

    def _mask(self, structure):
        masks = (mask for _, mask in self._tensors(structure))
        return next((mask for mask in masks if mask is not None), None)

    def _passed(self, kwargs):
        given = [value for name, value in kwargs.items() if name.endswith("mask")]
        return next((value for value, _ in self._tensors(given)), None)


class _Recorder(keras.layers.Layer):
    """Hands its tensors on and remembers them with the masks they carry."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, tensors, mask=None):
        masks = [None] * len(tensors) if mask is None else mask
        self.values = [keras.ops.convert_to_numpy(tensor) for tensor in tensors]
        self.masks = [None if m is None else keras.ops.convert_to_numpy(m) for m in masks]
        return tensors

    def compute_output_spec(self, tensors, mask=None):
        return [keras.KerasTensor(tensor.shape, tensor.dtype) for tensor in tensors]


def _event(layer, carried, passed, outgoing, rank):
    if passed is not None:
        return "passed"
    if carried is None:
        return "" if outgoing is None else "born"
    if outgoing is not None:
        return "lives"
    takes_masks = "mask" in inspect.signature(layer.call).parameters
    return "used" if takes_masks and rank <= carried.ndim else "destroyed"


def _share(mask):
    return None if mask is None else float(np.mean(~mask.astype(bool)))


def _percent(share):
    return "" if share is None else f"{share:.0%}"


def _is_graph(layer):
    return isinstance(layer, keras.Model) and bool(getattr(layer, "inputs", None))


def _as_functional(model):
    if not _is_graph(model):
        raise InputError(
            f"`model` {getattr(model, 'name', model)!r} has no graph of layers: expected a built "
            "functional or sequential model. Give a sequential model a `keras.Input`; split a "
            "subclassed one into functional parts."
        )
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return keras.Model(model.input, model.output, name=model.name)
