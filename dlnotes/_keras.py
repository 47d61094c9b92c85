"""Imports Keras without the start-up lines of TensorFlow.

TensorFlow's C++ code writes to file descriptor 2 while it is imported, before any logging level
counts. This module collects those lines, drops the known harmless ones and passes on every other
one, so a warning that matters is still seen. Every module of the library takes Keras from here:
`from dlnotes._keras import keras`.
"""

import contextlib
import functools
import importlib
import logging
import os
from pathlib import Path
import re
import sys
import tempfile

HARMLESS = re.compile(
    r"All log messages before absl::InitializeLog"
    r"|oneDNN custom operations are on"
    r"|Could not find cuda drivers on your machine"
    r"|This TensorFlow binary is optimized to use available CPU instructions"
    r"|oneDNN supports DT_BOOL only on platforms with AVX-512"
    r"|^To enable the following instructions: .* rebuild TensorFlow"
)
HARMLESS_WITHOUT_A_GPU = re.compile(r"failed call to cuInit")


@contextlib.contextmanager
def _only_warnings_that_matter():
    """Filters what arrives on file descriptor 2 inside the block."""
    try:
        standard_error = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as collected:
        sys.stderr and sys.stderr.flush()
        os.dup2(collected.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr and sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
            collected.seek(0)
            for line in collected.read().decode(errors="replace").splitlines(keepends=True):
                if not _is_harmless(line):
                    os.write(2, line.encode())


def _is_harmless(line):
    if HARMLESS.search(line):
        return True
    return bool(HARMLESS_WITHOUT_A_GPU.search(line)) and not any(Path("/dev").glob("nvidia[0-9]*"))


def _import_keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _only_warnings_that_matter():
        import keras

        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()
    if keras.config.backend() == "jax":
        for name in ("where", "zeros_like"):
            setattr(keras.ops, name, _with_variables_as_tensors(keras, getattr(keras.ops, name)))
    return keras


def _with_variables_as_tensors(keras, operation):
    """Mends an operation of Keras 3.15 that hands variables to JAX as they are.

    JAX 0.10 refuses them: "Triggering __jax_array__() during abstractification is no longer
    supported", or "Could not convert <Variable ...> to a NumPy dtype".
    """

    def tensor(value):
        is_variable = isinstance(value, keras.Variable)
        return keras.ops.convert_to_tensor(value) if is_variable else value

    @functools.wraps(operation)
    def mended(*arguments, **keywords):
        keywords = {name: tensor(value) for name, value in keywords.items()}
        return operation(*map(tensor, arguments), **keywords)

    return mended


keras = _import_keras()


def settle():
    """Prepares a process for a whole recipe: no line of TensorFlow between those of the recipe.

    The last start-up line comes with the first boolean operation, and is drawn out here. The
    warnings about retracing go, since a recipe builds many models on purpose. Both suit a process
    of one's own: the devices are initialised here, which importing the library leaves to its user.
    On other backends Keras imports TensorFlow later, if it is there: it is imported here.
    """
    with _only_warnings_that_matter():
        with contextlib.suppress(ImportError):
            importlib.import_module("tensorflow")
        keras.ops.transpose(keras.ops.zeros((2, 3), "bool"))
    logging.getLogger("tensorflow").addFilter(_is_about_something_else_than_retracing)


def _is_about_something_else_than_retracing(record):
    return "triggered tf.function retracing" not in record.getMessage()
