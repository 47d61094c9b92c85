"""Fits that trace their graph once."""

import contextlib
import functools

import keras


@contextlib.contextmanager
def traced_once():
    """Lets `fit` make all variables of optimizer and metrics before the first batch.

    TensorFlow traces the graph of training a second time if the first trace made variables, and
    Keras leaves these to it. Numbers stay as they are.
    """
    trainer = next(kind for kind in keras.Model.__mro__ if "fit" in vars(kind))
    plain = trainer.fit

    @functools.wraps(plain)
    def fit(self, x=None, y=None, *arguments, **options):
        make_variables(self, y)
        return plain(self, x, y, *arguments, **options)

    trainer.fit = fit
    try:
        yield
    finally:
        trainer.fit = plain


def make_variables(model, y):
    """Does so for a functional model, and targets in the structure of its outputs."""
    metrics = getattr(model, "_compile_metrics", None)
    if not hasattr(model, "outputs") or model.optimizer is None:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    arrays = all(hasattr(part, "dtype") for part in keras.tree.flatten(y))
    if metrics is None or metrics.built or not arrays:
        return
    output = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    with contextlib.suppress(ValueError, TypeError):
        keras.tree.assert_same_structure(y, output)
        metrics.build(keras.tree.map_structure(symbol, y), output)


def symbol(array):
    return keras.KerasTensor(array.shape, keras.backend.standardize_dtype(array.dtype))
