"""Graphs that are made, and made ready for running, with less work."""

import contextlib
import functools
import random

import keras
from keras.src.trainers.data_adapters import array_slicing
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
import numpy as np
import pytest


@contextlib.contextmanager
def traced_once():
    """Lets `fit` make all variables of optimizer, loss and metrics before the first batch.

    TensorFlow traces the graph of training a second time if the first trace made variables, and
    Keras leaves these to it. Numbers stay as they are.
    """
    plain = keras.Model.fit

    @functools.wraps(plain)
    def fit(self, x=None, y=None, *arguments, **options):
        make_variables(self, y)
        return plain(self, x, y, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner("fit"), "fit", fit)
        yield


@contextlib.contextmanager
def made_anywhere():
    """Lets the operations of a graph share one place of their making.

    For each one TensorFlow reads the whole stack, to name the place should the operation fail, and
    the stack of a test is deep.
    """
    from tensorflow.python.util import tf_stack

    place = tf_stack.extract_stack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf_stack, "extract_stack", lambda stacklevel=1: place)
        yield


@contextlib.contextmanager
def kernels_stay():
    """Lets a new seed and a cleared session leave kernels alone, until `drop_kernels` is called.

    TensorFlow drops them with each seed, and makes every graph ready for running again, so that the
    kernels that count what they have drawn begin anew. Keras draws with seeds that it hands over.
    """
    from tensorflow.python.eager.context import Context

    def set_global_seed(self, seed):
        self._seed, self._rng = seed, random.Random(seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "_set_global_seed", set_global_seed)
        patch.setattr(Context, "clear_kernel_cache", lambda self: None)
        yield


def drop_kernels():
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.eager.context import context

    context().ensure_initialized()
    pywrap_tfe.TFE_ContextClearCaches(context()._handle)


@contextlib.contextmanager
def variables_share_kernels():
    """Lets the kernel that makes variables know none of their names, and so be made once."""
    from tensorflow.python.ops import gen_resource_variable_ops

    plain = gen_resource_variable_ops.var_handle_op

    @functools.wraps(plain)
    def var_handle_op(*arguments, debug_name="", **options):
        return plain(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gen_resource_variable_ops, "var_handle_op", var_handle_op)
        yield


@contextlib.contextmanager
def batches_are_cut():
    """Lets arrays that keep their order be cut into batches, without three graphs for each call.

    The batches of `fit`, `evaluate` and `predict` and their static shapes stay as they are.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    plain = ArrayDataAdapter.get_tf_dataset

    @functools.wraps(plain)
    def get_tf_dataset(self):
        inputs = array_slicing.convert_to_sliceable(self._inputs, target_backend="tensorflow")
        inputs = keras.tree.lists_to_tuples(inputs)
        dense = [isinstance(x, np.ndarray | tf.Tensor) for x in keras.tree.flatten(inputs)]
        if self._shuffle or not all(dense):
            return plain(self)
        rows = tf.data.Dataset.from_tensor_slices(inputs)
        batches = rows.batch(self._batch_size, drop_remainder=not self._partial_batch_size)
        return batches.with_options(options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArrayDataAdapter, "get_tf_dataset", get_tf_dataset)
        yield


@contextlib.contextmanager
def eager_models_are_compiled():
    """Lets models on JAX be compiled as one that a test wants to run eagerly to save time.

    On TensorFlow that saves tracing; JAX compiles each operation by itself, which takes longer.
    """
    from keras.src.backend.jax.trainer import JAXTrainer

    def compiled(plain):
        @functools.wraps(plain)
        def method(self, *arguments, **options):
            told = self._run_eagerly, self._jit_compile
            if self._run_eagerly:
                self._run_eagerly, self._jit_compile = False, True
            plain(self, *arguments, **options)
            self._run_eagerly, self._jit_compile = told

        return method

    with pytest.MonkeyPatch.context() as patch:
        for name in ("make_train_function", "make_test_function", "make_predict_function"):
            patch.setattr(JAXTrainer, name, compiled(getattr(JAXTrainer, name)))
        yield


def owner(name):
    """The class from which a model of Keras has a method."""
    return next(kind for kind in keras.Model.__mro__ if name in vars(kind))


def make_variables(model, y):
    """Does so for a functional model, and targets in the structure of its outputs."""
    if not hasattr(model, "outputs") or model.optimizer is None:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    if not all(hasattr(part, "dtype") for part in keras.tree.flatten(y)):
        return
    output = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    with contextlib.suppress(TypeError, ValueError):
        keras.tree.assert_same_structure(y, output)
        targets = keras.tree.map_structure(symbol, y)
        for part in (model._compile_loss, model._compile_metrics):
            if part is not None and not part.built:
                part.build(targets, output)


def symbol(array):
    return keras.KerasTensor(array.shape, keras.backend.standardize_dtype(array.dtype))
