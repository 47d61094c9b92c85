"""A wrapper that applies a layer to every step by folding time into the batch."""

import inspect

from dlnotes._keras import keras
from dlnotes.errors import InputError


@keras.saving.register_keras_serializable(package="dlnotes")
class TimeFold(keras.layers.Wrapper):
    """Applies a layer or a whole model to every step of a sequence, for any number of steps.

    `(batch, time, ...)` becomes `(batch * time, ...)`, the inner layer is called once, and its
    output gets its time axis back. The number of steps may be unknown and may differ between
    calls, where `keras.layers.TimeDistributed` of Keras 3.15 on TensorFlow returns as many steps as
    there are rows. Losses of the inner layer, such as its activity regulariser, count; averaged
    over rows and steps.

    A `Dense` layer needs no wrapper: it acts on the last axis whatever the rank.

    Two things differ from a loop over the steps. Batch normalisation inside is updated once for
    each batch, with statistics over all rows and steps. And padded steps pass through the inner
    layer too: nothing is skipped, so the layers after it need the mask.

    Masks: a mask of shape `(batch, time)` is passed on. A deeper one, `(batch, time, words)`, is
    handed to the inner layer; where that uses it up, as a recurrent encoder does, what is passed on
    is `(batch, time)`, true where a step has at least one real word. When the inner layer is a
    whole model, a mask that is born inside it stays inside.

    Reference: notes 001:219-223, 002:829-838.

    Args:
        layer: A `keras.Layer` or `keras.Model`.
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        inputs: Tensor, or structure of tensors for an inner model with several inputs, each of
            shape `(batch, time, ...)`.
        mask: Boolean tensor of shape `(batch, time)` or `(batch, time, ...)`. Optional.

    Input shape:
        `(batch, time, ...)`.

    Output shape:
        `(batch, time, *shape)` where `shape` is what the inner layer makes of one step.

    Raises:
        InputError: If an input has no axis for the time.

    Example:

    >>> import keras
    >>> from dlnotes.layers import TimeFold
    >>> films = keras.Input((None, 8, 8, 1))
    >>> frames = TimeFold(keras.layers.Conv2D(4, 3))(films)
    >>> frames.shape
    (None, None, 6, 6, 4)
    >>> TimeFold(keras.layers.Flatten())(frames).shape
    (None, None, 144)
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        super().build(keras.tree.map_shape_structure(_fold_shape, input_shape))

    def call(self, inputs, mask=None):
        batch, steps = keras.ops.shape(keras.tree.flatten(inputs)[0])[:2]
        folded = keras.tree.map_structure(_fold, inputs)
        mask = _deep(mask)
        if mask is not None and "mask" in inspect.signature(self.layer.call).parameters:
            outputs = self.layer(folded, mask=_fold(mask))
        else:
            outputs = self.layer(folded)
        return keras.tree.map_structure(lambda output: _unfold(output, batch, steps), outputs)

    def compute_mask(self, inputs, mask=None):
        """The mask of the output, for passing it on explicitly.

        The inner layer is asked with the time axis in place, so this holds for layers whose
        `compute_mask` looks at the last axes only, as those of Keras do.
        """
        if isinstance(self.layer, keras.Model):
            return [_step_mask(mask) for _ in getattr(self.layer, "outputs", [None])]
        inner = (
            self.layer.compute_mask(inputs, _deep(mask)) if self.layer.supports_masking else None
        )
        if isinstance(inner, list | tuple):
            return [_step_mask(mask) if one is None else one for one in inner]
        return _step_mask(mask) if inner is None else inner

    def compute_output_shape(self, input_shape):
        batch, steps = _first_shape(input_shape)[:2]
        folded = keras.tree.map_shape_structure(_fold_shape, input_shape)
        return keras.tree.map_shape_structure(
            lambda shape: (batch, steps, *shape[1:]), self.layer.compute_output_shape(folded)
        )

    def compute_output_spec(self, inputs, mask=None):
        batch, steps = keras.tree.flatten(inputs)[0].shape[:2]

        def fold(tensor):
            return keras.KerasTensor(_fold_shape(tensor.shape), tensor.dtype)

        def unfold(tensor):
            return keras.KerasTensor((batch, steps, *tensor.shape[1:]), tensor.dtype)

        outputs = self.layer.compute_output_spec(keras.tree.map_structure(fold, inputs))
        return keras.tree.map_structure(unfold, outputs)


def _fold_shape(shape):
    if len(shape) < 2:
        raise InputError(
            f"`TimeFold` got an input of shape {tuple(shape)}, but expected "
            "(batch, time, ...). Add an axis for the time."
        )
    batch, steps, *rest = shape
    rows = None if batch is None or steps is None else batch * steps
    return (rows, *rest)


def _first_shape(input_shape):
    shapes = []
    keras.tree.map_shape_structure(shapes.append, input_shape)
    return shapes[0]


def _fold(tensor):
    batch, steps, *rest = keras.ops.shape(tensor)
    return keras.ops.reshape(tensor, (batch * steps, *rest))


def _unfold(tensor, batch, steps):
    return keras.ops.reshape(tensor, (batch, steps, *keras.ops.shape(tensor)[1:]))


def _deep(mask):
    """The mask where it reaches deeper than the time axis, else nothing."""
    mask = _single(mask)
    return None if mask is None or len(mask.shape) < 3 else mask


def _step_mask(mask):
    """The mask of the steps: a step is real where anything in it is."""
    mask = _single(mask)
    if mask is None or len(mask.shape) < 3:
        return mask
    return keras.ops.any(mask, axis=tuple(range(2, len(mask.shape))))


def _single(mask):
    """The mask itself, or the first one of a structure of masks."""
    return next((one for one in keras.tree.flatten(mask) if one is not None), None)
