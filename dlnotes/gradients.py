"""Gradients: how far back a model learns, how large they are, and where NaN begins."""

from dlnotes._keras import keras
from dlnotes._snapshot import Snapshot, changed_by_predict
from dlnotes.errors import InputError
from dlnotes.masks import _as_functional
import numpy as np


def gradient_by_step(model, x, y, sample_weight=None):
    """Measures how much each step of a sequence counts for the loss.

    The norm of the gradient of the loss with respect to the inputs of each step, over all sequences
    and features. Where the curve falls by orders of magnitude towards the first steps, gradients
    vanish on their way back: what happened there is not learned from. Where it rises, they explode.
    The first entry divided by the last one says it in one number.

    The model is run once, in inference mode, and is left as it was.

    Reference: Bengio, Simard, Frasconi, "Learning long-term dependencies with gradient descent is
    difficult", 1994; Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural
    networks", 2013, equation 5; notes 001:199, 002:62-63, 002:796-797.

    Args:
        model: A compiled `keras.Model` with one input, whose second axis is the time.
        x: Array of floating-point numbers, `(batch, steps, ...)`.
        y: Targets, as `fit` takes them.
        sample_weight: Weights, as `fit` takes them. Defaults to `None`.

    Returns:
        Array of shape `(steps,)`.

    Raises:
        InputError: If the model is not compiled, `x` has no axis for the time or holds integers,
            or the backend is neither TensorFlow nor JAX.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes.gradients import gradient_by_step
    >>> model = keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(3)])
    >>> model.compile(loss="mse")
    >>> gradient_by_step(model, np.ones((4, 5, 2)), np.zeros((4, 3))).shape
    (5,)
    """
    x = np.asarray(x)
    if x.dtype.kind != "f" or x.ndim < 3:
        raise InputError(
            f"`x` is {x.dtype} of shape {x.shape}, but must be floating-point numbers of shape "
            "(batch, steps, features). For a model that begins with an embedding, take the part "
            "behind it and give its vectors."
        )
    _, (gradient,) = _loss_and_gradients(model, x, y, sample_weight, of_inputs=True)
    others = tuple(axis for axis in range(gradient.ndim) if axis != 1)
    return np.sqrt(np.sum(np.square(gradient), axis=others))


def gradient_norms(model, x, y, sample_weight=None):
    """Measures the norm of the gradient of the loss for each array of weights.

    For choosing a threshold to clip at, or for seeing which layer learns and which one does not.
    The root of the sum of their squares is what `global_clipnorm` compares with its threshold;
    `clipnorm` compares each of them.

    The model is run once, in inference mode, and is left as it was.

    Reference: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks",
    2013, section 3.2; notes 002:1151.

    Args:
        model: A compiled `keras.Model`.
        x: Inputs of some examples, as `fit` takes them.
        y: Targets, as `fit` takes them.
        sample_weight: Weights, as `fit` takes them. Defaults to `None`.

    Returns:
        Dictionary from the path of each trainable array, such as `"lstm/lstm_cell/kernel"`, to a
        float.

    Raises:
        InputError: If the model is not compiled, or the backend is neither TensorFlow nor JAX.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes.gradients import gradient_norms
    >>> inputs = keras.Input((2,))
    >>> model = keras.Model(inputs, keras.layers.Dense(1, name="head")(inputs))
    >>> model.compile(loss="mse")
    >>> list(gradient_norms(model, np.ones((4, 2)), np.ones((4, 1))))
    ['head/kernel', 'head/bias']
    """
    _, gradients = _loss_and_gradients(model, x, y, sample_weight, of_inputs=False)
    paths = [weight.path for weight in model.trainable_variables]
    return {
        path: float(np.linalg.norm(gradient))
        for path, gradient in zip(paths, gradients, strict=True)
    }


def first_not_finite(model, x, y=None, sample_weight=None):
    """Finds where NaN or infinity begins: in the data, a weight, a layer, the loss or a gradient.

    For a loss that has become NaN: with the batch at hand it says what to look at. The order is
    that of the computation, so everything before what it names is finite. A nested model and a
    wrapper count as one layer.

    The model is run in inference mode and is left as it was.

    Reference: notes 002:1151.

    Args:
        model: A `keras.Model`, functional or sequential; compiled if `y` is given.
        x: Inputs of some examples, as `fit` takes them.
        y: Targets, as `fit` takes them. Without them neither loss nor gradients are looked at.
            Defaults to `None`.
        sample_weight: Weights, as `fit` takes them. Defaults to `None`.

    Returns:
        String: `"inputs"`, `"targets"`, `"weight PATH"`, `"output of layer NAME"`, `"loss"` or
        `"gradient of PATH"`; `None` if everything is finite.

    Raises:
        InputError: If the model is neither functional nor sequential, or, with `y`, if it is not
            compiled or the backend is neither TensorFlow nor JAX.

    Example:

    >>> import keras, numpy as np
    >>> from dlnotes.gradients import first_not_finite
    >>> inputs = keras.Input((2,))
    >>> x = keras.layers.Dense(3, name="units")(inputs)
    >>> model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
    >>> first_not_finite(model, np.ones((1, 2)))
    >>> model.get_layer("head").set_weights([np.ones((3, 1)), np.full(1, np.inf)])
    >>> first_not_finite(model, np.ones((1, 2)))
    'weight head/bias'
    """
    for name, values in {"inputs": x, "targets": y}.items():
        if not _finite(values):
            return name
    for weight in model.weights:
        if not _finite(weight):
            return f"weight {weight.path}"
    for name, output in _layer_outputs(model, x):
        if not _finite(output):
            return f"output of layer {name}"
    if y is None:
        return None
    loss, gradients = _loss_and_gradients(model, x, y, sample_weight, of_inputs=False)
    if not _finite(loss):
        return "loss"
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        if not _finite(gradient):
            return f"gradient of {weight.path}"
    return None


def _finite(values):
    arrays = (np.asarray(value) for value in keras.tree.flatten(values) if value is not None)
    return all(np.isfinite(array).all() for array in arrays if array.dtype.kind in "fV")


def _layer_outputs(model, x):
    """Pairs of a layer's name and what it gives, in the order of the computation."""
    names, outputs = [], []

    def call(layer, *arguments, **options):
        given = layer(*arguments, **options)
        for output in keras.tree.flatten(given):
            names.append(layer.name)
            outputs.append(output)
        return given

    graph = keras.models.clone_model(
        _as_functional(model), clone_function=lambda layer: layer, call_function=call
    )
    states = Snapshot(changed_by_predict(model))
    try:
        values = keras.Model(graph.inputs, outputs)(_tensors(x), training=False)
    finally:
        states.restore()
    return list(zip(names, keras.tree.flatten(values), strict=True))


def _tensors(values):
    """Arrays as tensors, of Keras's own kind of floating-point numbers."""

    def tensor(value):
        if value is None:
            return None
        value = np.asarray(value)
        floats = value.dtype.kind == "f"
        return keras.ops.convert_to_tensor(value, keras.config.floatx() if floats else None)

    return keras.tree.map_structure(tensor, values)


def _loss_and_gradients(model, x, y, sample_weight, of_inputs):
    """The loss, and its gradient for each input or for each trainable array."""
    if not getattr(model, "compiled", False):
        raise InputError(
            f"`model` ({model.name!r}) has no loss: compile it with the loss that is wanted."
        )
    x, y, sample_weight = (_tensors(values) for values in (x, y, sample_weight))

    def loss(x):
        prediction = model(x, training=False)
        return model.compute_loss(
            x=x, y=y, y_pred=prediction, sample_weight=sample_weight, training=False
        )

    backend = keras.config.backend()
    differentiate = {"tensorflow": _on_tensorflow, "jax": _on_jax}.get(backend)
    if differentiate is None:
        raise InputError(
            f"Gradients are taken on the backends 'tensorflow' and 'jax', but KERAS_BACKEND is "
            f"{backend!r}: set it before Keras is imported."
        )
    kept = Snapshot([*changed_by_predict(model), *model.metrics_variables])
    try:
        value, gradients = differentiate(loss, x, None if of_inputs else model.trainable_variables)
    finally:
        kept.restore()
    return np.asarray(value), [np.asarray(gradient) for gradient in gradients]


def _on_tensorflow(loss, x, variables):
    import tensorflow as tf

    watched = keras.tree.flatten(x) if variables is None else [v.value for v in variables]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        value = loss(x)
    gradients = tape.gradient(value, watched, unconnected_gradients="zero")
    return value, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _on_jax(loss, x, variables):
    import jax

    def loss_of(values):
        mapping = [] if variables is None else list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return loss(values if variables is None else x)

    values = x if variables is None else [variable.value for variable in variables]
    value, gradients = jax.value_and_grad(loss_of)(values)
    return value, keras.tree.flatten(gradients)
